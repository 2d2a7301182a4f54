package checkpoints

import (
	"context"
	"errors"
	"strings"
	"sync"
)

// KeyState is something about a key at a partner that must not be forgotten, such as what was sent with it.
type KeyState struct {
	Name  string // what it is a state of: a word, a space, and the name of the key's scope
	Fence uint64 // the number of the key's lease, under which it is written
	Seq   uint32 // counts the states of the name that are written under one lease
	State string
}

// KeyOf returns the scope of the key that a state is about.
func KeyOf(name string) Scope {
	_, key, _ := strings.Cut(name, " ")
	return KeyScope(key)
}

// KeyStates keeps the states of keys at partners. Of a name the state with the highest number of the lease counts, and
// under one lease the one with the highest count. Its errors are classified.
type KeyStates interface {
	// LoadKey returns the state that counts, empty if there is none.
	LoadKey(ctx context.Context, name string) (string, error)
	// AppendKey stores a state. It returns an error around a *LostError, and stores nothing, if a lease of the key
	// with a higher number was ever claimed. When it returns without an error the state survives a crash.
	AppendKey(ctx context.Context, state KeyState) error
}

// HeldKeys are the states of keys as the holder of their leases sees them: what is written without the lease is refused.
type HeldKeys struct {
	states KeyStates
	hold   *Hold

	mu      sync.Mutex // guards written
	written map[string]uint32
}

// NewHeldKeys returns the states of the keys whose leases are held.
func NewHeldKeys(states KeyStates, hold *Hold) *HeldKeys {
	return &HeldKeys{states: states, hold: hold, written: map[string]uint32{}}
}

// HoldsKey returns why nothing may be done with a key any more, nil if its lease holds. It asks nobody.
func (k *HeldKeys) HoldsKey(name string) error { return k.hold.Check(KeyOf(name)) }

// LoadKey returns what was saved last, under this lease or one before.
func (k *HeldKeys) LoadKey(ctx context.Context, name string) (string, error) {
	if err := k.HoldsKey(name); err != nil {
		return "", err
	}
	return k.states.LoadKey(ctx, name)
}

// SaveKey saves a state under the lease of its key. If somebody else has taken the key, whatever the clocks say, all that
// runs under the leases is stopped.
func (k *HeldKeys) SaveKey(ctx context.Context, name, state string) error {
	lease, err := k.hold.lease(KeyOf(name))
	if err != nil {
		return err
	}
	// Counted here and not by the store: a state that arrives late must not count for more than a later one.
	k.mu.Lock()
	k.written[name]++
	seq := k.written[name]
	k.mu.Unlock()
	err = k.states.AppendKey(ctx, KeyState{Name: name, Fence: lease.Fence, Seq: seq, State: state})
	if errors.As(err, new(*LostError)) {
		k.hold.lose(lease.Scope, err)
	}
	return err
}
