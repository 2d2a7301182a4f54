package checkpointstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tieout/checkpoints"
)

// Reign is a while in which somebody believed that he had a lease, by the clock of the machine.
type Reign struct {
	Fence      uint64 // number of the lease
	Begin, End int64  // nanoseconds since 1970
}

// Pauses lets a process be held up: before each step of a rival, and wherever else a test calls it. Often it takes no
// time, sometimes a moment, and now and then longer than a lease lasts.
func Pauses(ctx context.Context, term time.Duration) {
	var pause time.Duration
	switch dice := rand.IntN(100); {
	case dice < 60:
		return
	case dice < 96:
		pause = rand.N(term / 8)
	default:
		pause = rand.N(2 * term)
	}
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// Contend takes, extends and gives back a lease again and again, with pauses, until the context ends. It returns when
// it believed to have it.
// Begun, if not nil, is called at the beginning of each time.
func Contend(ctx context.Context, leases checkpoints.Leases, claim checkpoints.Claim, begun func()) ([]Reign, error) {
	var reigns []Reign
	for ctx.Err() == nil {
		Pauses(ctx, claim.Term)
		lease, err := leases.Take(ctx, claim)
		if errors.As(err, new(*checkpoints.HeldError)) || ctx.Err() != nil {
			continue
		}
		if err != nil {
			return reigns, err
		}
		now := time.Now()
		if !lease.Holds(now, 0) {
			continue // held up for so long that it has ended: who looks at it does not believe it
		}
		reign := Reign{Fence: lease.Fence, Begin: now.UnixNano()}
		if begun != nil {
			begun()
		}
		for ; lease.Holds(now, 0) && ctx.Err() == nil; now = time.Now() {
			reign.End = now.UnixNano() // here it would write
			Pauses(ctx, claim.Term)
			if rand.IntN(6) == 0 {
				if err := leases.Release(ctx, lease); err != nil && ctx.Err() == nil {
					return reigns, err
				}
				break
			}
			extended, err := leases.Extend(ctx, lease)
			if errors.As(err, new(*checkpoints.LostError)) {
				break
			}
			if err != nil && ctx.Err() == nil {
				return reigns, err
			}
			if err == nil {
				lease = extended
			}
		}
		if reign.End > 0 {
			reigns = append(reigns, reign)
		}
	}
	return reigns, nil
}

// CheckReigns fails the test if two reigns overlap, or a number came twice or fell. It wants as many reigns as given:
// a test in which nobody rules shows nothing.
func CheckReigns(t *testing.T, reigns []Reign, atLeast int) {
	t.Helper()
	slices.SortFunc(reigns, func(a, b Reign) int { return int(a.Begin - b.Begin) })
	for i := 1; i < len(reigns); i++ {
		if before, after := reigns[i-1], reigns[i]; after.Begin < before.End {
			t.Errorf("lease %d was held from %d to %d, lease %d from %d to %d: for %s by two", before.Fence, before.Begin, before.End,
				after.Fence, after.Begin, after.End, time.Duration(before.End-after.Begin))
		}
		if reigns[i].Fence <= reigns[i-1].Fence {
			t.Errorf("lease %d came after lease %d", reigns[i].Fence, reigns[i-1].Fence)
		}
	}
	if len(reigns) < atLeast {
		t.Errorf("somebody held the lease %d times, want at least %d", len(reigns), atLeast)
	}
}

// rivalTerm is short, so that leases end while somebody is held up, and long for a few statements of a busy machine.
const rivalTerm = 500 * time.Millisecond

// reignsWanted is how many reigns a test waits for, so that it shows as much on a busy machine as on an idle one.
const reignsWanted = 10

// testRivals lets goroutines contend for one lease.
func testRivals(t *testing.T, place LeaseStore) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	var reigns []Reign
	var begun atomic.Int64
	var group sync.WaitGroup
	for rival := range 6 {
		group.Go(func() {
			own, err := Contend(ctx, place, claim(account, fmt.Sprint("rival ", rival), rivalTerm), func() {
				if begun.Add(1) > reignsWanted {
					cancel()
				}
			})
			if err != nil {
				t.Errorf("rival %d: %v", rival, err)
			}
			mu.Lock()
			defer mu.Unlock()
			reigns = append(reigns, own...)
		})
	}
	group.Wait()
	CheckReigns(t, reigns, reignsWanted)
}
