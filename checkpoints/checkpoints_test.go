package checkpoints_test

import (
	"testing"

	"tieout/checkpoints"
)

// TestProven: only a certificate that names its proof is one.
func TestProven(t *testing.T) {
	for level, want := range map[string]bool{
		checkpoints.LevelC3n: true, checkpoints.LevelSnapshot: true, checkpoints.LevelUnproven: false, "": false, "something new": false,
	} {
		if got := (checkpoints.Certificate{Level: level}).Proven(); got != want {
			t.Errorf("level %q is proven: %t", level, got)
		}
	}
}
