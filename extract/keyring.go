package extract

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// KeyStore keeps what must not be forgotten about a key when its process dies.
type KeyStore interface {
	// LoadKey returns what was saved last for the key, empty if nothing was.
	LoadKey(ctx context.Context, key string) (string, error)
	// SaveKey stores a state. When it returns without an error the state survives a crash.
	SaveKey(ctx context.Context, key, state string) error
	// HoldsKey returns why this process must not use the key any more, nil if it may. It asks nobody: it is called
	// before every request.
	HoldsKey(key string) error
}

// Keyring holds what the clients of one process share for each key at a partner: its rate limit and its nonces. The
// partner counts by key, however many accounts and lists use it.
type Keyring struct {
	store KeyStore // nil: nothing outlives the process

	mu   sync.Mutex // guards the rest
	keys map[string]*heldKey
}

// heldKey is one key that clients use.
type heldKey struct {
	account string // the first that used it
	windows []Window
	limiter *limiter
	nonces  *nonces
}

// NewKeyring returns a keyring without keys. The store keeps what must survive a restart. Nil: nothing does; the keys
// then go slower, one request at a time, to leave room for what others may have sent before.
func NewKeyring(store KeyStore) *Keyring {
	return &Keyring{store: store, keys: map[string]*heldKey{}}
}

// hold returns the key of an account at a host, the same for every account that has it. Accounts that share a key must
// agree about its limits.
func (k *Keyring) hold(host string, account Account, log *slog.Logger) (*heldKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := keyName(keyHost(host), account.Credentials["api_key"].Reveal())
	if held := k.keys[name]; held != nil {
		if !slices.Equal(held.windows, account.Windows) || held.nonces.kind != account.Definition.Signing.Nonce {
			return nil, fmt.Errorf("it has the key of account %s, and other rate limits or nonces", held.account)
		}
		held.limiter.join(account.Name)
		return held, nil
	}
	limiter := newLimiter(account.Windows, account.Definition.Serial, k.store, log)
	limiter.key = LimitKeys + name
	limiter.join(account.Name)
	k.keys[name] = &heldKey{
		account: account.Name, windows: account.Windows, limiter: limiter,
		nonces: &nonces{kind: account.Definition.Signing.Nonce, store: k.store, key: "nonce " + name},
	}
	return k.keys[name], nil
}

// Close records that nothing more will be sent, once all clients are done: a process that comes after then goes on
// without waiting. What is not closed, because the process was killed, is taken for sent.
func (k *Keyring) Close(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var failed []error
	for _, held := range k.keys {
		failed = append(failed, held.limiter.close(ctx))
	}
	return errors.Join(failed...)
}
