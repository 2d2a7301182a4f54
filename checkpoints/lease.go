package checkpoints

import (
	"context"
	"fmt"
	"time"

	"tieout/schema"
)

// Scope names what a lease makes somebody the only writer of.
type Scope string

// accountScope begins the scope of an account.
const accountScope = "account "

// AccountScope is the scope of an account's streams: their versions, checkpoints and certificates.
func AccountScope(account string) Scope { return Scope(accountScope + account) }

// KeyScope is the scope of a key at a partner: its rate limit and its nonces are counted in one process. Name tells
// the key without revealing it.
func KeyScope(name string) Scope { return Scope("key " + name) }

// Account returns the account whose scope it is, and whether it is one.
func (s Scope) Account() (string, bool) {
	if len(s) < len(accountScope) || s[:len(accountScope)] != accountScope {
		return "", false
	}
	return string(s[len(accountScope):]), true
}

// Holder is a process that takes leases, as another one sees it.
type Holder struct {
	Host    string // name of its machine
	PID     int64  // of the process on that machine
	Process string // tells the process from all others, also from a later one with its PID; empty: nobody can
	RunID   string // what it is doing
}

// String names the holder to people.
func (h Holder) String() string {
	return fmt.Sprintf("run %s, process %d on %s", h.RunID, h.PID, h.Host)
}

// Claim says who wants to be the only writer of what.
type Claim struct {
	Scope  Scope
	Holder Holder
	Term   time.Duration // how long the lease lasts unless it is extended
}

// Lease is the right to be the only writer of a scope until an instant. No two processes have it at once.
type Lease struct {
	Claim
	// Fence is the number of the lease: each one of a scope has a higher number than those before. It is the epoch
	// of the checkpoints that are written under it, so that a holder who missed the end of his lease is known by
	// what he writes.
	Fence     uint64
	ID        string    // random: tells the claims of rivals apart
	TakenAt   time.Time // by the clock of the place where leases are kept, UTC
	ExpiresAt time.Time // by the same clock: from then on somebody else may take it
	Until     time.Time // ExpiresAt by the clock of the holder's own process, or a little earlier; zero for everybody else
}

// Holds reports whether the lease is still the holder's by his own clock, and for a while longer. A machine that
// was suspended shows in one of two clocks only: both must agree.
func (l Lease) Holds(now time.Time, longer time.Duration) bool {
	end := l.Until.Add(-longer)
	return now.Before(end) && now.Round(0).Before(end.Round(0))
}

// Leases hands out the right to be the only writer of a scope. Its errors are classified.
type Leases interface {
	// Take returns the lease with the next number, or an error around a *HeldError if somebody else has the lease.
	// After another error nobody knows whether it was taken; if it was, it ends by itself after its term.
	Take(ctx context.Context, claim Claim) (Lease, error)
	// Extend returns the lease for another term from now on, or an error around a *LostError if it ended meanwhile:
	// then its holder must stop writing. After any other error it lasts as long as before.
	Extend(ctx context.Context, lease Lease) (Lease, error)
	// Release ends the lease. Doing it again, or of a lease that ended, changes nothing.
	Release(ctx context.Context, lease Lease) error
}

// HeldError says who has the lease that somebody wanted.
type HeldError struct {
	Lease Lease // of the other
}

// Error implements error.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is held by another run: %s, since %s, until %s unless it goes on", e.Lease.Scope, e.Lease.Holder,
		e.Lease.TakenAt.UTC().Format(time.DateTime), e.Lease.ExpiresAt.UTC().Format(time.DateTime+" MST"))
}

// Held returns the classified error of a lease that somebody else has: later may help.
func Held(by Lease) error {
	return &schema.Error{Class: schema.ClassUnavailable, Err: &HeldError{by}}
}

// LostError says that a lease ended before its holder was done.
type LostError struct {
	Scope Scope
	Why   string // in words
}

// Error implements error.
func (e *LostError) Error() string { return fmt.Sprintf("the lease of %s is lost: %s", e.Scope, e.Why) }

// Lost returns the classified error of a lease that ended.
func Lost(scope Scope, format string, args ...any) error {
	return &schema.Error{Class: schema.ClassUnavailable, Err: &LostError{scope, fmt.Sprintf(format, args...)}}
}

// StaleError says that a checkpoint was refused, because a later run of the stream has begun. What the stale one
// wrote before is what the partner said, and stays; it is the later run that goes on.
type StaleError struct {
	Stream schema.Stream
	Epoch  uint64 // of the refused checkpoint
}

// Error implements error.
func (e *StaleError) Error() string {
	return fmt.Sprintf("the checkpoint of %s in epoch %d comes too late: a later run has taken over", e.Stream, e.Epoch)
}

// Stale returns the classified error of a checkpoint that was refused.
func Stale(c Checkpoint) error {
	return &schema.Error{Class: schema.ClassUnavailable, Err: &StaleError{c.Stream, c.Epoch}}
}

// Fenced returns the store as the holder of leases sees it: the checkpoints that it appends have the number of their
// account's lease as their epoch.
func Fenced(store Store, leases []Lease) Store {
	f := fenced{store, map[string]uint64{}}
	for _, lease := range leases {
		if account, ok := lease.Scope.Account(); ok {
			f.fences[account] = lease.Fence
		}
	}
	return f
}

type fenced struct {
	Store
	fences map[string]uint64 // of accounts
}

// Append implements Store.
func (f fenced) Append(ctx context.Context, checkpoint Checkpoint) error {
	fence, ok := f.fences[checkpoint.Stream.Account]
	if !ok {
		return Lost(AccountScope(checkpoint.Stream.Account), "nobody has taken it")
	}
	checkpoint.Epoch = fence
	return f.Store.Append(ctx, checkpoint)
}
