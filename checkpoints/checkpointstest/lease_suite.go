package checkpointstest

import (
	"context"
	"errors"
	"testing"
	"time"

	"tieout/checkpoints"
	"tieout/schema"
)

// LeaseStore is a place that keeps both leases and checkpoints: the number of a lease fences off the checkpoints.
type LeaseStore interface {
	checkpoints.Leases
	checkpoints.Store
}

// LeaseSuite holds checkpoints.Leases to their contract, and the store beside them to what it promises about them.
// Open returns a place that is empty.
func LeaseSuite(t *testing.T, open func(t *testing.T) LeaseStore) {
	t.Run("one holder", func(t *testing.T) { testOneHolder(t, open(t)) })
	t.Run("released", func(t *testing.T) { testReleased(t, open(t)) })
	t.Run("expired", func(t *testing.T) { testExpired(t, open(t)) })
	t.Run("extended", func(t *testing.T) { testExtended(t, open(t)) })
	t.Run("fence", func(t *testing.T) { testFence(t, open(t)) })
	t.Run("told to stop", func(t *testing.T) { testLeaseStopped(t, open(t)) })
	t.Run("rivals", func(t *testing.T) { testRivals(t, open(t)) })
}

const (
	account  = checkpoints.Scope("account kuna_main")
	longTerm = time.Hour
	// shortTerm is awaited in tests. It must be long for a few statements of a busy machine.
	shortTerm = 1500 * time.Millisecond
)

func claim(scope checkpoints.Scope, runID string, term time.Duration) checkpoints.Claim {
	return checkpoints.Claim{Scope: scope, Term: term, Holder: checkpoints.Holder{Host: "host 'a'", PID: 4711, Process: "boot 1 4711", RunID: runID}}
}

func take(t *testing.T, leases checkpoints.Leases, c checkpoints.Claim) checkpoints.Lease {
	t.Helper()
	before := time.Now()
	lease, err := leases.Take(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if lease.Claim != c || lease.ID == "" || lease.ExpiresAt.Sub(lease.TakenAt) != c.Term {
		t.Errorf("taken was %+v for %+v", lease, c)
	}
	if !lease.Holds(time.Now(), 0) || lease.Until.Before(before.Add(c.Term)) || lease.Until.After(time.Now().Add(c.Term)) {
		t.Errorf("it lasts until %s, of %s", lease.Until, c.Term)
	}
	return lease
}

func wantHeld(t *testing.T, leases checkpoints.Leases, by checkpoints.Lease) {
	t.Helper()
	_, err := leases.Take(t.Context(), claim(by.Scope, "rival", longTerm))
	held, ok := errors.AsType[*checkpoints.HeldError](err)
	if !ok || schema.ClassOf(err) != schema.ClassUnavailable {
		t.Fatalf("a held lease: %v", err)
	}
	got := held.Lease
	if got.ID != by.ID || got.Fence != by.Fence || got.Holder != by.Holder || got.Scope != by.Scope ||
		!got.TakenAt.Equal(by.TakenAt.Truncate(time.Microsecond)) && !got.TakenAt.Equal(by.TakenAt) || got.ExpiresAt.Sub(by.ExpiresAt).Abs() > time.Microsecond {
		t.Errorf("it is held by %+v, want %+v", got, by)
	}
	if got.Holds(time.Now(), 0) {
		t.Error("the lease of somebody else seems to be ours")
	}
}

func wantLost(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*checkpoints.LostError](err); !ok || schema.ClassOf(err) != schema.ClassUnavailable {
		t.Errorf("a lost lease: %v", err)
	}
}

// wait lets real time pass: the clock of a server cannot be set.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

func testOneHolder(t *testing.T, place LeaseStore) {
	lease := take(t, place, claim(account, "first", longTerm))
	if lease.Fence != 1 {
		t.Errorf("the first lease has number %d", lease.Fence)
	}
	wantHeld(t, place, lease)
	wantHeld(t, place, lease)
	for _, other := range []checkpoints.Scope{"account kuna", "account kuna_main2", "key kuna_main"} {
		if lease := take(t, place, claim(other, "first", longTerm)); lease.Fence != 1 {
			t.Errorf("%s has number %d", other, lease.Fence)
		}
	}
}

func testReleased(t *testing.T, place LeaseStore) {
	for fence := range uint64(3) {
		lease := take(t, place, claim(account, "run", longTerm))
		if lease.Fence != fence+1 {
			t.Errorf("lease %d has number %d", fence+1, lease.Fence)
		}
		for range 2 {
			if err := place.Release(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
		}
		_, err := place.Extend(t.Context(), lease)
		wantLost(t, err)
	}
	// Whoever comes late does not give back what another one has.
	old := take(t, place, claim(account, "old", longTerm))
	if err := place.Release(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	lease := take(t, place, claim(account, "new", longTerm))
	if err := place.Release(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	wantHeld(t, place, lease)
	_, err := place.Extend(t.Context(), old)
	wantLost(t, err)
	wantHeld(t, place, lease)
}

func testExpired(t *testing.T, place LeaseStore) {
	lease := take(t, place, claim(account, "first", shortTerm))
	wantHeld(t, place, lease)
	wait(t, shortTerm+50*time.Millisecond)
	if lease.Holds(time.Now(), 0) {
		t.Error("it still holds")
	}
	next := take(t, place, claim(account, "second", longTerm))
	if next.Fence != lease.Fence+1 {
		t.Errorf("the next lease has number %d", next.Fence)
	}
	_, err := place.Extend(t.Context(), lease)
	wantLost(t, err)
	wantHeld(t, place, next)
	// Nobody has taken it, and still it cannot be extended: it might have been taken and given back.
	short := take(t, place, claim("account other", "first", shortTerm))
	wait(t, shortTerm+50*time.Millisecond)
	_, err = place.Extend(t.Context(), short)
	wantLost(t, err)
}

func testExtended(t *testing.T, place LeaseStore) {
	lease := take(t, place, claim(account, "first", shortTerm))
	for range 3 {
		wait(t, shortTerm/2)
		before := time.Now()
		extended, err := place.Extend(t.Context(), lease)
		if err != nil {
			t.Fatal(err)
		}
		if !extended.ExpiresAt.After(lease.ExpiresAt) || extended.Until.Before(before.Add(shortTerm)) || extended.Until.After(time.Now().Add(shortTerm)) {
			t.Errorf("%+v was extended to %+v", lease, extended)
		}
		if lease = extended; lease.Fence != 1 {
			t.Errorf("an extension has number %d", lease.Fence)
		}
		wantHeld(t, place, lease)
	}
}

// testFence: whoever missed the end of his lease cannot move a checkpoint, and nobody else is hindered.
func testFence(t *testing.T, place LeaseStore) {
	appendTo(t, place, checkpoint(kunaDeposits, 7, 1)) // from before there were leases
	old := take(t, place, claim(account, "old", longTerm))
	if old.Fence != 8 {
		t.Errorf("after epoch 7 the number is %d", old.Fence)
	}
	stale := checkpoints.Fenced(place, []checkpoints.Lease{old})
	appendTo(t, stale, checkpoint(kunaDeposits, 0, 1)) // the epoch is the lease's
	wantLatest(t, stale, checkpoint(kunaDeposits, old.Fence, 1))
	if err := place.Release(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	appendTo(t, stale, checkpoint(kunaDeposits, 0, 2)) // nobody else has begun
	next := take(t, place, claim(account, "new", longTerm))
	for _, stream := range []schema.Stream{kunaDeposits, kunaTrades} {
		late := checkpoint(stream, old.Fence, 3)
		refusesStale(t, stale, late)
	}
	appendTo(t, place, checkpoint(otherDeposits, 1, 1)) // of another account
	wantLatest(t, place, checkpoint(kunaDeposits, old.Fence, 2))
	fresh := checkpoints.Fenced(place, []checkpoints.Lease{next})
	appendTo(t, fresh, checkpoint(kunaDeposits, 0, 1))
	wantLatest(t, place, checkpoint(kunaDeposits, next.Fence, 1))
	wantLost(t, fresh.Append(t.Context(), checkpoint(otherDeposits, 9, 9))) // no lease, no checkpoint
}

func testLeaseStopped(t *testing.T, place LeaseStore) {
	lease := take(t, place, claim(account, "first", longTerm))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, taking := place.Take(ctx, claim("account other", "first", longTerm))
	_, extending := place.Extend(ctx, lease)
	for _, err := range []error{taking, extending, place.Release(ctx, lease)} {
		if schema.ClassOf(err) != schema.ClassCancelled {
			t.Errorf("without a context: %v", err)
		}
	}
	wantHeld(t, place, lease)
}
