package main

import (
	"context"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
)

// keyring is what the clients of a command share about their keys. Its store is opened after the clients are made:
// what is wrong with an account is told before anything is opened.
type keyring struct {
	*extract.Keyring
	store *keyStore
}

// keyStore is the store of keys' states, which refuses what is not written under a key's lease.
type keyStore struct{ extract.KeyStore }

func newKeyring() *keyring {
	store := &keyStore{}
	return &keyring{extract.NewKeyring(store), store}
}

// closingKeysTime is little: Kubernetes kills a pod a while after it asked, and streams need most of that.
const closingKeysTime = 2 * time.Second

// using lets the keys be used under their leases. What it returns must be called before those are given back: it
// records that nothing more will be sent, so that the next run need not wait. Without that record the next one takes for
// sent what might have been; whoever has lost a lease has nothing to say about its key. Nil keys are of one process.
func (a *app) using(ctx context.Context, keys *keyring, w *warehouse, hold *checkpoints.Hold) (done func()) {
	if keys == nil {
		return func() {}
	}
	keys.store.KeyStore = checkpoints.NewHeldKeys(w.ledger(), hold)
	return func() {
		if hold.Err() != nil {
			return
		}
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingKeysTime)
		defer cancel()
		if err := keys.Close(closing); err != nil {
			a.log.Warn("recording that the keys are not in use any more", "error", err)
		}
	}
}
