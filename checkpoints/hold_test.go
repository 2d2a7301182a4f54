package checkpoints_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tieout/checkpoints"
	"tieout/checkpoints/checkpointstest"
	"tieout/schema"
)

const term = time.Minute

func claimOf(runID string) checkpoints.Claim {
	return checkpoints.Claim{Scope: checkpoints.AccountScope("a"), Holder: checkpoints.Holder{Host: "h", PID: 1, RunID: runID}, Term: term}
}

// outOfReach is a place of leases that answers nothing while it is down, and counts extensions.
type outOfReach struct {
	checkpoints.Leases
	down       atomic.Bool
	hanging    atomic.Bool // does not even say that it is down
	extensions atomic.Int64
}

func (o *outOfReach) Extend(ctx context.Context, lease checkpoints.Lease) (checkpoints.Lease, error) {
	o.extensions.Add(1)
	if o.hanging.Load() {
		<-ctx.Done()
		return lease, ctx.Err()
	}
	if o.down.Load() {
		return lease, &schema.Error{Class: schema.ClassUnavailable, Err: errors.New("ClickHouse is gone")}
	}
	return o.Leases.Extend(ctx, lease)
}

func acquire(t *testing.T, leases checkpoints.Leases, runID string) checkpoints.Lease {
	t.Helper()
	lease, err := checkpoints.Acquire(t.Context(), leases, claimOf(runID), nil)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// TestKeep: a lease lasts as long as its run, far beyond its term, and is free as soon as it is released.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &checkpointstest.Memory{}
		leases := &outOfReach{Leases: memory}
		run, hold := checkpoints.Keep(t.Context(), leases, []checkpoints.Lease{acquire(t, leases, "first")})
		<-time.After(10 * term)
		if run.Err() != nil || hold.Err() != nil || hold.Check(claimOf("").Scope) != nil {
			t.Errorf("after ten terms: %v, %v, %v", run.Err(), hold.Err(), hold.Check(claimOf("").Scope))
		}
		if extensions := leases.extensions.Load(); extensions < 55 || extensions > 60 {
			t.Errorf("%d extensions in ten terms", extensions)
		}
		if _, err := memory.Take(t.Context(), claimOf("second")); !errors.As(err, new(*checkpoints.HeldError)) {
			t.Errorf("beside it: %v", err)
		}
		if err := hold.Check("account b"); !errors.As(err, new(*checkpoints.LostError)) {
			t.Errorf("an account without a lease: %v", err)
		}
		if err := hold.Release(t.Context()); err != nil || run.Err() == nil {
			t.Errorf("released with %v, and what runs under it goes on: %v", err, run.Err())
		}
		if err := hold.Check(claimOf("").Scope); !errors.As(err, new(*checkpoints.LostError)) {
			t.Errorf("after the release a check says %v", err)
		}
		if second := acquire(t, memory, "second"); second.Fence != 2 {
			t.Errorf("the next lease has number %d", second.Fence)
		}
	})
}

// TestKeepOutlivesTheSignal: a run that was told to stop still writes what it holds, under its lease.
func TestKeepOutlivesTheSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &checkpointstest.Memory{}
		ctx, cancel := context.WithCancel(t.Context())
		run, hold := checkpoints.Keep(ctx, memory, []checkpoints.Lease{acquire(t, memory, "first")})
		cancel()
		<-time.After(3 * term)
		if run.Err() == nil || hold.Check(claimOf("").Scope) != nil {
			t.Errorf("after the signal: %v, %v", run.Err(), hold.Check(claimOf("").Scope))
		}
		if err := hold.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestKeepLost: whoever cannot extend his lease stops before it ends, whether he is told so or hears nothing.
func TestKeepLost(t *testing.T) {
	for _, hanging := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			leases := &outOfReach{Leases: &checkpointstest.Memory{}}
			lease := acquire(t, leases, "first")
			run, hold := checkpoints.Keep(t.Context(), leases, []checkpoints.Lease{lease})
			leases.down.Store(!hanging)
			leases.hanging.Store(hanging)
			<-run.Done()
			left := time.Until(lease.Until)
			if left < term/8 || left > term/2 {
				t.Errorf("hanging %v: stopped %s before the end", hanging, left)
			}
			for _, err := range []error{context.Cause(run), hold.Err(), hold.Check(lease.Scope)} {
				if !errors.As(err, new(*checkpoints.LostError)) || schema.ClassOf(err) != schema.ClassUnavailable {
					t.Errorf("hanging %v: %v", hanging, err)
				}
			}
			if err := hold.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestKeepShortOutage: an outage that ends in time is none.
func TestKeepShortOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &outOfReach{Leases: &checkpointstest.Memory{}}
		run, hold := checkpoints.Keep(t.Context(), leases, []checkpoints.Lease{acquire(t, leases, "first")})
		leases.down.Store(true)
		<-time.After(term / 2)
		leases.down.Store(false)
		<-time.After(3 * term)
		if run.Err() != nil {
			t.Error(context.Cause(run))
		}
		if err := hold.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestKeepTakenOver: a holder whose lease was taken, whatever the clocks said, stops at the next extension.
func TestKeepTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &checkpointstest.Memory{}
		lease := acquire(t, memory, "first")
		run, hold := checkpoints.Keep(t.Context(), memory, []checkpoints.Lease{lease})
		if err := memory.Release(t.Context(), lease); err != nil { // as if it had ended
			t.Fatal(err)
		}
		second := acquire(t, memory, "second")
		begin := time.Now()
		<-run.Done()
		if took := time.Since(begin); took > term/4 {
			t.Errorf("it took %s to notice", took)
		}
		if err := hold.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := memory.Extend(t.Context(), second); err != nil {
			t.Errorf("the next holder is disturbed: %v", err)
		}
	})
}

// TestCheckAfterSuspension: a process that was held up for longer than its lease lasts finds that out by itself.
func TestCheckAfterSuspension(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &outOfReach{Leases: &checkpointstest.Memory{}}
		lease := acquire(t, leases, "first")
		lease.Until = time.Now().Add(-time.Nanosecond) // nothing has run since
		_, hold := checkpoints.Keep(t.Context(), leases, []checkpoints.Lease{lease})
		if err := hold.Check(lease.Scope); !errors.As(err, new(*checkpoints.LostError)) {
			t.Errorf("%v", err)
		}
		if err := hold.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
	// A machine that sleeps stops one of its clocks, one whose time is set moves the other.
	now := time.Now()
	lease := checkpoints.Lease{Until: now.Add(time.Minute)}
	for name, test := range map[string]struct {
		now   time.Time
		holds bool
	}{"both agree": {now, true}, "the wall clock is past it": {now.Round(0).Add(2 * time.Minute), false}, "both are past it": {now.Add(2 * time.Minute), false}} {
		if lease.Holds(test.now, 0) != test.holds {
			t.Errorf("%s: %v", name, !test.holds)
		}
	}
	if lease.Holds(now, time.Minute) {
		t.Error("it lasts a minute longer than it does")
	}
}

// TestAcquire: a lease that is extended is somebody's; one that is not was left behind, and is waited for.
func TestAcquire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &checkpointstest.Memory{}
		_, hold := checkpoints.Keep(t.Context(), memory, []checkpoints.Lease{acquire(t, memory, "first")})
		var told []string
		begin := time.Now()
		_, err := checkpoints.Acquire(t.Context(), memory, claimOf("second"), func(by checkpoints.Lease) { told = append(told, by.Holder.RunID) })
		held, ok := errors.AsType[*checkpoints.HeldError](err)
		if !ok || held.Lease.Holder.RunID != "first" || fmt.Sprint(told) != "[first]" {
			t.Errorf("beside a run that is alive: %v, told %v", err, told)
		}
		if took := time.Since(begin); took > term/4 {
			t.Errorf("it took %s to see that it is alive", took)
		}
		if err := hold.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		acquire(t, memory, "killed")
		begin = time.Now()
		lease := acquire(t, memory, "third")
		if took := time.Since(begin); took < term || took > term+term/12 || lease.Fence != 3 {
			t.Errorf("lease %d was taken over after %s", lease.Fence, took)
		}
		stopping, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := checkpoints.Acquire(stopping, memory, claimOf("fourth"), nil); err == nil || time.Since(begin) > term+term/4 {
			t.Errorf("told to stop while it waits: %v", err)
		}
	})
}

func TestScopes(t *testing.T) {
	if account, ok := checkpoints.AccountScope("a b").Account(); account != "a b" || !ok {
		t.Errorf("%q, %v", account, ok)
	}
	if account, ok := checkpoints.KeyScope("a").Account(); account != "" || ok {
		t.Errorf("%q, %v", account, ok)
	}
}

// hangs is a place of leases that never answers about one of them.
type hangs struct {
	checkpoints.Leases
	scope checkpoints.Scope
}

func (h *hangs) Extend(ctx context.Context, lease checkpoints.Lease) (checkpoints.Lease, error) {
	if lease.Scope == h.scope {
		<-ctx.Done()
		return lease, ctx.Err()
	}
	return h.Leases.Extend(ctx, lease)
}

// TestKeepSideBySide: a lease whose extension hangs takes none of the others with it.
func TestKeepSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &checkpointstest.Memory{}
		take := func(scope checkpoints.Scope) checkpoints.Lease {
			claim := claimOf("first")
			claim.Scope = scope
			lease, err := memory.Take(t.Context(), claim)
			if err != nil {
				t.Fatal(err)
			}
			return lease
		}
		run, hold := checkpoints.Keep(t.Context(), &hangs{memory, "account a"}, []checkpoints.Lease{take("account a")})
		<-time.After(term / 5) // the first extension hangs
		hold.Add(take("account b"))
		if err := hold.Drop(t.Context(), "account a"); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * term)
		if run.Err() != nil || hold.Err() != nil || hold.Check("account b") != nil {
			t.Errorf("with a lease that was dropped: %v, %v", context.Cause(run), hold.Check("account b"))
		}
		hold.Add(take("account a"))
		begin := time.Now()
		<-run.Done()
		if took := time.Since(begin); took < term/2 {
			t.Errorf("stopped after %s", took)
		}
		for _, scope := range []checkpoints.Scope{"account a", "account b"} {
			claim := claimOf("second")
			claim.Scope = scope
			_, err := memory.Take(t.Context(), claim)
			if _, held := errors.AsType[*checkpoints.HeldError](err); !held {
				t.Errorf("%s is not held while the run winds down: %v", scope, err)
			}
		}
		if err := hold.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestCheckMargin: a check promises a while more, as long as a run has to stop.
func TestCheckMargin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leases := &outOfReach{Leases: &checkpointstest.Memory{}}
		lease := acquire(t, leases, "first")
		lease.Until = time.Now().Add(term/4 + time.Second)
		_, hold := checkpoints.Keep(t.Context(), leases, []checkpoints.Lease{lease})
		if err := hold.Check(lease.Scope); err != nil {
			t.Error(err)
		}
		<-time.After(time.Second)
		if err := hold.Check(lease.Scope); !errors.As(err, new(*checkpoints.LostError)) {
			t.Errorf("with a quarter of the term left: %v", err)
		}
		if err := hold.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
