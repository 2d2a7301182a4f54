package sandbox

import (
	"crypto/sha256"
	"sync"
	"time"
)

// noncesMax bounds what is remembered for one key in one generation; at 16 bytes each that is tens of megabytes.
const noncesMax = 1_000_000

// nonces remembers which nonces a key has used for as long as a repeated request could still have a valid
// timestamp. It keeps two generations of that length and forgets the older one as a whole.
type nonces struct {
	mu                sync.Mutex // guards all below
	current, previous map[[16]byte]struct{}
	begun             time.Time // when the current generation began
}

// use notes a nonce and reports whether it is new. A key that uses so many nonces that they cannot be
// remembered is told that its nonce is not new, which is the safe side.
func (n *nonces) use(nonce string, now time.Time, life time.Duration) bool {
	digest := sha256.Sum256([]byte(nonce))
	id := [16]byte(digest[:16])
	n.mu.Lock()
	defer n.mu.Unlock()
	if age := now.Sub(n.begun); n.current == nil || age > life {
		n.previous, n.current, n.begun = n.current, make(map[[16]byte]struct{}), now
		if age > 2*life {
			n.previous = nil
		}
	}
	_, young := n.current[id]
	_, old := n.previous[id]
	if young || old || len(n.current) >= noncesMax {
		return false
	}
	n.current[id] = struct{}{}
	return true
}

// risingNonce remembers the highest nonce of a key, for partners who take only higher ones. It never forgets: a
// client that has once been ahead of its time must stay there.
type risingNonce struct {
	mu   sync.Mutex // guards last
	last uint64
}

// use takes a nonce that is higher than every one before it.
func (n *risingNonce) use(nonce uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if nonce <= n.last {
		return false
	}
	n.last = nonce
	return true
}
