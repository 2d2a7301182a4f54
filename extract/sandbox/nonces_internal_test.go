package sandbox

import (
	"encoding/binary"
	"testing"
	"time"
)

// TestNoncesAreBounded fills the memory of one key, which over the API would take a million requests: it then
// takes no further nonce as new, until what it remembers is too old to matter.
func TestNoncesAreBounded(t *testing.T) {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	n := &nonces{}
	if !n.use("first", begin, time.Minute) {
		t.Fatal("the first nonce is not new")
	}
	for i := len(n.current); i < noncesMax; i++ {
		var id [16]byte
		binary.LittleEndian.PutUint64(id[:], uint64(i))
		n.current[id] = struct{}{}
	}
	if n.use("one too many", begin, time.Minute) || len(n.current) != noncesMax {
		t.Errorf("%d nonces are remembered, want %d", len(n.current), noncesMax)
	}
	if !n.use("later", begin.Add(61*time.Second), time.Minute) {
		t.Error("a new nonce is refused in the next minute")
	}
	if n.use("first", begin.Add(61*time.Second), time.Minute) {
		t.Error("the first nonce is forgotten too early")
	}
	if !n.use("first", begin.Add(10*time.Minute), time.Minute) || len(n.current)+len(n.previous) != 1 {
		t.Errorf("%d nonces are remembered for ever", len(n.current)+len(n.previous))
	}
}
