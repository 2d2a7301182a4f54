package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
)

// nonces draws the nonces of one key.
type nonces struct {
	kind  NonceKind
	key   string   // names the key without telling it
	store KeyStore // nil: nothing is remembered

	mu       sync.Mutex // guards the rest
	loaded   bool
	last     int64 // the last nonce that was drawn, milliseconds
	reserved int64 // nonces up to here may be drawn: a process that comes after begins above
}

// nonceReserve is how far ahead nonces are reserved at once: one write of the store serves so long, and a process
// that takes over begins at most so far ahead of the clock.
const nonceReserve = 5 * time.Second

// next draws a nonce for one attempt.
func (n *nonces) next(ctx context.Context, now time.Time) (string, error) {
	switch n.kind {
	case NonceUUID:
		return uuid.NewString(), nil
	case NonceRising:
		return n.rising(ctx, now)
	}
	return "", nil
}

// rising draws the clock in milliseconds, or one more than the last nonce if the clock is not ahead of it.
func (n *nonces) rising(ctx context.Context, now time.Time) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.loaded && n.store != nil {
		state, err := n.store.LoadKey(ctx, n.key)
		if err != nil {
			return "", fmt.Errorf("load the last nonce of the key: %w", err)
		}
		if n.last, err = strconv.ParseInt(state, 10, 64); err != nil && state != "" {
			return "", fmt.Errorf("the stored nonce %q of the key is no number", state)
		}
	}
	if !n.loaded {
		// Nonces up to here may have been used by a process before. Its reservation runs out in a moment: to wait for
		// it keeps the nonces at the clock, however often short runs follow one another.
		if ahead := time.UnixMilli(n.last).Sub(now); ahead > 0 && ahead <= nonceReserve {
			if err := sleep(ctx, ahead); err != nil {
				return "", err
			}
			now = now.Add(ahead)
		}
	}
	n.loaded = true
	drawn := max(now.UnixMilli(), n.last+1)
	if drawn > n.reserved && n.store != nil {
		reserve := drawn + nonceReserve.Milliseconds()
		if err := n.store.SaveKey(ctx, n.key, strconv.FormatInt(reserve, 10)); err != nil {
			return "", fmt.Errorf("reserve nonces of the key: %w", err)
		}
		n.reserved = reserve
	}
	n.last = drawn
	return strconv.FormatInt(drawn, 10), nil
}

// sleep waits, or returns why it was told to stop.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return cancelled(ctx)
	}
}

// keyName names a key at a partner by a digest, the same for every account that uses it.
func keyName(host, key string) string {
	sum := sha256.Sum256([]byte(host + "\x00" + key))
	return hex.EncodeToString(sum[:16])
}
