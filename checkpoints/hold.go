package checkpoints

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// A lease is extended six times in its term, and given up a quarter of the term before it ends: who cannot extend
// it has that long to stop.
const (
	extensionsPerTerm = 6
	marginPerTerm     = 4
)

// Acquire takes a lease. If somebody else has it, it waits as long as nothing shows that he is alive: a run that was
// killed leaves its lease behind until it ends. As soon as the lease is extended or handed on it returns the error
// around a *HeldError. Waiting, if not nil, is told once whom it waits for.
func Acquire(ctx context.Context, leases Leases, claim Claim, waiting func(by Lease)) (Lease, error) {
	var first *HeldError
	for {
		lease, err := leases.Take(ctx, claim)
		held, ok := errors.AsType[*HeldError](err)
		switch {
		case !ok:
			return lease, err
		case first == nil:
			first = held
			if waiting != nil {
				waiting(held.Lease)
			}
		case held.Lease.ID != first.Lease.ID || !held.Lease.ExpiresAt.Equal(first.Lease.ExpiresAt):
			return lease, err
		}
		timer := time.NewTimer(claim.Term / (4 * extensionsPerTerm))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Lease{}, err
		}
	}
}

// Hold keeps leases alive in the background.
type Hold struct {
	leases Leases
	cancel context.CancelCauseFunc // ends what runs under the leases
	stop   context.CancelFunc      // ends the extending
	done   chan struct{}           // closed when nothing is extended any more

	mu   sync.Mutex // guards the rest
	held map[Scope]Lease
	lost error // why a lease could not be kept; nil: all are
}

// Keep extends the leases until Release. The context that it returns is cancelled, with an error around a *LostError
// as its cause, as soon as one of them is lost or cannot be extended in time; it is early enough to stop what runs
// under it before somebody else begins.
func Keep(ctx context.Context, leases Leases, held []Lease) (context.Context, *Hold) {
	run, cancel := context.WithCancelCause(ctx)
	h := &Hold{leases: leases, cancel: cancel, done: make(chan struct{}), held: map[Scope]Lease{}}
	term := time.Duration(0)
	for _, lease := range held {
		h.held[lease.Scope] = lease
		if term == 0 || lease.Term < term {
			term = lease.Term
		}
	}
	// Not the caller's context: a run that was told to stop still writes what it has read.
	extending, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	go func() {
		defer close(h.done)
		h.keep(extending, term)
	}()
	return run, h
}

// keep extends every lease again and again, until the context ends or one is lost.
func (h *Hold) keep(ctx context.Context, term time.Duration) {
	if term == 0 {
		return // nothing is held
	}
	ticker := time.NewTicker(term / extensionsPerTerm)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, lease := range h.all() {
			if err := h.extend(ctx, lease); err != nil {
				if ctx.Err() == nil {
					h.lose(err)
				}
				return
			}
		}
	}
}

// extend extends one lease. What goes wrong is tried again as long as the lease lasts.
func (h *Hold) extend(ctx context.Context, lease Lease) error {
	margin := lease.Term / marginPerTerm
	if !lease.Holds(time.Now(), margin) {
		return Lost(lease.Scope, "it could not be extended in time")
	}
	// By the monotonic clock: the machine's time may be set meanwhile.
	attempt, cancel := context.WithTimeout(ctx, time.Until(lease.Until)-margin)
	defer cancel()
	extended, err := h.leases.Extend(attempt, lease)
	switch {
	case err == nil:
		h.mu.Lock()
		h.held[lease.Scope] = extended
		h.mu.Unlock()
	case errors.As(err, new(*LostError)):
		return err
	case !lease.Holds(time.Now(), margin):
		return Lost(lease.Scope, "it could not be extended in time: %v", err)
	}
	return nil
}

// all returns the leases, those of accounts first: they say more to a person.
func (h *Hold) all() []Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	leases := make([]Lease, 0, len(h.held))
	for _, scope := range slices.Sorted(maps.Keys(h.held)) {
		leases = append(leases, h.held[scope])
	}
	return leases
}

// lose notes that a lease is lost and stops what runs under it.
func (h *Hold) lose(err error) {
	h.mu.Lock()
	h.lost = err
	h.mu.Unlock()
	h.cancel(err)
}

// Check returns an error around a *LostError unless the lease of the scope still holds, by the clock of this
// process, and will for a while. It asks nobody. What is read before a check that holds, was read before anybody
// else could write.
func (h *Hold) Check(scope Scope) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	lease, ok := h.held[scope]
	switch {
	case h.lost != nil:
		return h.lost
	case !ok:
		return Lost(scope, "nobody has taken it")
	case !lease.Holds(time.Now(), 0):
		return Lost(scope, "it ended while this process was held up")
	}
	return nil
}

// Err returns why a lease was lost, nil if none was.
func (h *Hold) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lost
}

// Release stops extending and releases every lease. Nothing may run under them any more.
func (h *Hold) Release(ctx context.Context) error {
	h.stop()
	<-h.done
	h.cancel(context.Canceled)
	var errs []error
	for _, lease := range h.all() {
		errs = append(errs, h.leases.Release(ctx, lease))
	}
	return errors.Join(errs...)
}
