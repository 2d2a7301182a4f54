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

// Hold keeps leases alive in the background, each for itself: one whose extension hangs holds up no other.
type Hold struct {
	leases    Leases
	cancel    context.CancelCauseFunc // ends what runs under the leases
	extending context.Context         // ends when nothing is to be extended any more
	stop      context.CancelFunc      // ends extending
	group     sync.WaitGroup          // what extends

	mu   sync.Mutex // guards the rest
	held map[Scope]Lease
	lost map[Scope]error // why a lease could not be kept
}

// Keep extends the leases until Release. The context that it returns is cancelled, with an error around a *LostError
// as its cause, as soon as one of them is lost or cannot be extended in time; it is early enough to stop what runs
// under it before somebody else begins.
func Keep(ctx context.Context, leases Leases, held []Lease) (context.Context, *Hold) {
	run, cancel := context.WithCancelCause(ctx)
	h := &Hold{leases: leases, cancel: cancel, held: map[Scope]Lease{}, lost: map[Scope]error{}}
	// Not the caller's context: a run that was told to stop still writes what it has read.
	h.extending, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	for _, lease := range held {
		h.Add(lease)
	}
	return run, h
}

// Add keeps one more lease. It must not be called after Release.
func (h *Hold) Add(lease Lease) {
	h.mu.Lock()
	h.held[lease.Scope] = lease
	h.mu.Unlock()
	h.group.Go(func() { h.keep(lease) })
}

// Drop releases one lease, under which nothing runs.
func (h *Hold) Drop(ctx context.Context, scope Scope) error {
	h.mu.Lock()
	lease, ok := h.held[scope]
	delete(h.held, scope)
	delete(h.lost, scope)
	h.mu.Unlock()
	if !ok {
		return nil
	}
	return h.leases.Release(ctx, lease)
}

// keep extends a lease again and again, until that ends for all, or it is dropped or lost.
func (h *Hold) keep(lease Lease) {
	ticker := time.NewTicker(lease.Term / extensionsPerTerm)
	defer ticker.Stop()
	for {
		select {
		case <-h.extending.Done():
			return
		case <-ticker.C:
		}
		var err error
		if lease, err = h.extend(lease); err != nil {
			if h.extending.Err() == nil {
				h.lose(lease.Scope, err)
			}
			return
		}
		if !h.renewed(lease) {
			return
		}
	}
}

// extend extends a lease. What goes wrong is tried again as long as the lease lasts.
func (h *Hold) extend(lease Lease) (Lease, error) {
	margin := lease.margin()
	if !lease.Holds(time.Now(), margin) {
		return lease, Lost(lease.Scope, "it could not be extended in time")
	}
	// By the monotonic clock: the machine's time may be set meanwhile.
	attempt, cancel := context.WithTimeout(h.extending, time.Until(lease.Until)-margin)
	defer cancel()
	extended, err := h.leases.Extend(attempt, lease)
	switch {
	case err == nil:
		return extended, nil
	case errors.As(err, new(*LostError)):
		return lease, err
	case !lease.Holds(time.Now(), margin):
		return lease, Lost(lease.Scope, "it could not be extended in time: %v", err)
	}
	return lease, nil
}

// margin is how long before its end a lease is given up.
func (l Lease) margin() time.Duration { return l.Term / marginPerTerm }

// renewed notes how long a lease lasts now; false if it was dropped meanwhile.
func (h *Hold) renewed(lease Lease) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	known, ok := h.held[lease.Scope]
	if !ok || known.ID != lease.ID {
		return false
	}
	h.held[lease.Scope] = lease
	return true
}

// lose notes that a lease is lost and stops what runs under all of them. Others that have run out, too, are noted with
// it: which of them is found first says nothing. One that was dropped is not missed.
func (h *Hold) lose(scope Scope, err error) {
	h.mu.Lock()
	if _, ok := h.held[scope]; !ok {
		h.mu.Unlock()
		return
	}
	h.lost[scope] = err
	for other, lease := range h.held {
		if h.lost[other] == nil && !lease.Holds(time.Now(), lease.margin()) {
			h.lost[other] = Lost(other, "it could not be extended in time")
		}
	}
	err = h.why()
	h.mu.Unlock()
	h.cancel(err)
}

// why returns why a lease was lost, nil if none was: of an account first, which says more to a person. The caller
// holds h.mu.
func (h *Hold) why() error {
	for _, scope := range slices.Sorted(maps.Keys(h.lost)) {
		return h.lost[scope]
	}
	return nil
}

// Check returns an error around a *LostError unless the lease of the scope still holds, by the clock of this
// process, and will for a while: a quarter of its term, as long as a run has to stop whose lease is lost. It asks
// nobody. What is read before a check that holds, was read before anybody else could write.
func (h *Hold) Check(scope Scope) error {
	_, err := h.lease(scope)
	return err
}

// lease returns the lease of a scope if Check is content with it.
func (h *Hold) lease(scope Scope) (Lease, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lease, ok := h.held[scope]
	switch lost := h.why(); {
	case lost != nil:
		return lease, lost
	case !ok:
		return lease, Lost(scope, "nobody has taken it")
	case !lease.Holds(time.Now(), lease.margin()):
		return lease, Lost(scope, "it ended while this process was held up, or is about to")
	}
	return lease, nil
}

// Err returns why a lease was lost, nil if none was.
func (h *Hold) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.why()
}

// Release stops extending and releases every lease. Nothing may run under them any more.
func (h *Hold) Release(ctx context.Context) error {
	h.stop()
	h.group.Wait()
	h.cancel(context.Canceled)
	h.mu.Lock()
	held := h.held
	h.held = map[Scope]Lease{} // what comes too late is refused
	h.mu.Unlock()
	var errs []error
	for _, scope := range slices.Sorted(maps.Keys(held)) {
		errs = append(errs, h.leases.Release(ctx, held[scope]))
	}
	return errors.Join(errs...)
}
