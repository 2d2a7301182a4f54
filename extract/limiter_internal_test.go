package extract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tieout/schema"
)

// after lets virtual time go by.
func after(d time.Duration) { <-time.After(d) }

// limiterOf returns the limiter of a process that begins now.
func limiterOf(t testing.TB, limits string, serial bool, store KeyStore) *limiter {
	t.Helper()
	l := newLimiter(windowsOf(t, limits), serial, store, slog.New(slog.DiscardHandler))
	l.key = "limit k"
	return l
}

// permit waits for a permit and wants to have waited for so long.
func (l *limiter) permit(t *testing.T, want time.Duration) {
	t.Helper()
	waited, err := l.acquire(t.Context(), false)
	if err != nil || (waited-want).Abs() > time.Microsecond {
		t.Errorf("waited %s (%v), want %s", waited, err, want)
	}
}

// TestIntervals holds the rate to what the proof allows, worked out by hand: r·W + 2b - 1 = N where that leaves the
// clocks enough, else r·(W + W/1000 + 50 ms) + b = N; without memory two requests are left free and one goes at a time.
func TestIntervals(t *testing.T) {
	tests := map[string]struct {
		burst    int
		interval []time.Duration // rounded to microseconds
		budget   []int
		alone    time.Duration // of the first window, without memory
	}{
		"100/1m":        {2, []time.Duration{618557 * time.Microsecond}, []int{0}, 619691 * time.Microsecond},
		"60/1m,1000/1h": {2, []time.Duration{1052632 * time.Microsecond, 3610872 * time.Microsecond}, []int{0, 996}, 1054561 * time.Microsecond},
		"4/1s":          {1, []time.Duration{350333 * time.Microsecond}, []int{0}, 1051 * time.Millisecond},
		"20/10s":        {2, []time.Duration{588235 * time.Microsecond}, []int{0}, 591765 * time.Microsecond},
		"10/1s,100/1m":  {2, []time.Duration{142857 * time.Microsecond, 618557 * time.Microsecond}, []int{0, 0}, 150143 * time.Microsecond},
		"1000/1m":       {4, []time.Duration{60423 * time.Microsecond}, []int{0}, 60291 * time.Microsecond},
		"1000/1h":       {2, []time.Duration{3610872 * time.Microsecond}, []int{0}, 3614494 * time.Microsecond},
	}
	for limits, want := range tests {
		p := newPacer(windowsOf(t, limits), false, true)
		if p.burst != want.burst {
			t.Errorf("%s: %d in flight, want %d", limits, p.burst, want.burst)
		}
		for i, b := range p.buckets {
			if (b.interval-want.interval[i]).Abs() > 2*time.Microsecond || b.budget != want.budget[i] {
				t.Errorf("%s: a request every %s, budget %d, want %s and %d", b.window, b.interval, b.budget, want.interval[i], want.budget[i])
			}
			n, w := float64(b.window.Requests), b.window.Per.Seconds()
			clocks := 1 + 1.0/1000 + 0.05/w
			if rate := 1 / b.interval.Seconds(); rate*w+2*float64(p.burst)-1 > n+1e-6 || rate*w*clocks+float64(p.burst) > n+1e-6 {
				t.Errorf("%s: %f a second break the rule", b.window, rate)
			}
		}
		alone := newPacer(windowsOf(t, limits), false, false)
		if got := alone.buckets[0].interval; alone.burst != 1 || (got-want.alone).Abs() > 2*time.Microsecond || alone.buckets[len(alone.buckets)-1].budget != 0 {
			t.Errorf("%s without memory: %d in flight, a request every %s, want 1 and %s", limits, alone.burst, got, want.alone)
		}
	}
}

// TestLimiterCancelled ends the wait for a permit with the context, at once, without using a permit up.
func TestLimiterCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := limiterOf(t, "4/1h", false, nil)
		limit.permit(t, 0)
		limit.release()
		cause := errors.New("told to stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			after(5 * time.Minute)
			cancel(cause)
		}()
		waited, err := limit.acquire(ctx, false)
		if !errors.Is(err, cause) || waited != 5*time.Minute || schema.ClassOf(err) != schema.ClassCancelled {
			t.Errorf("acquire waited %s and returned %v, want 5m and the cause", waited, err)
		}
		if _, err := limit.acquire(ctx, false); !errors.Is(err, cause) {
			t.Errorf("afterwards: %v", err)
		}
		limit.permit(t, time.Hour+time.Hour/1000+50*time.Millisecond-5*time.Minute)
	})
}

// TestLimiterRefused pauses every waiter of the key, those too that wait already, and the longer of two pauses counts.
// From then on one request goes at a time, at half the rate; two that were under way together halve it once.
func TestLimiterRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, begun := limiterOf(t, "1000/1m", false, &keyStore{}), time.Now()
		interval := limit.pacer.buckets[0].interval
		limit.permit(t, 0)
		limit.permit(t, 0)
		after(time.Second)
		limit.refuse(begun, 90*time.Second)
		if count := limit.refuse(begun, time.Second); count != 2 || limit.pacer.slowed != 1 {
			t.Errorf("%d refused, halved %d times, want 2 and once", count, limit.pacer.slowed)
		}
		limit.release()
		limit.release()
		var order []string
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if _, err := limit.acquire(t.Context(), false); err != nil {
					t.Error(err)
				}
				limit.mu.Lock()
				order = append(order, time.Since(begun).String())
				limit.mu.Unlock()
				limit.release()
			})
		}
		after(80 * time.Second)
		limit.refuse(time.Now(), 30*time.Second) // until second 111
		group.Wait()
		want := fmt.Sprintf("1m51s %s %s", 111*time.Second+4*interval, 111*time.Second+8*interval)
		if got := strings.Join(order, " "); got != want {
			t.Errorf("permits came after %s, want them after %s: two refusals are a quarter of the rate", got, want)
		}
		for range 100 {
			limit.refuse(time.Now(), 0)
		}
		if got := limit.pacer.buckets[0].interval; got != time.Minute {
			t.Errorf("after many refusals a request leaves every %s, want one a minute at last", got)
		}
	})
	slow := limiterOf(t, "4/24h", false, nil)
	interval := slow.pacer.buckets[0].interval
	if slow.refuse(time.Now(), 0); slow.pacer.buckets[0].interval != interval {
		t.Errorf("a refusal made a slow key faster or slower: every %s instead of %s", slow.pacer.buckets[0].interval, interval)
	}
}

// TestLimiterSerial lets the requests of a key go one after the other however much the window would allow.
func TestLimiterSerial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := limiterOf(t, "100000/1m", true, &keyStore{})
		var inFlight, most int
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := limit.acquire(t.Context(), false); err != nil {
					t.Error(err)
				}
				limit.mu.Lock()
				inFlight++
				most = max(most, inFlight)
				limit.mu.Unlock()
				after(time.Second)
				limit.mu.Lock()
				inFlight--
				limit.mu.Unlock()
				limit.release()
			})
		}
		group.Wait()
		if most != 1 {
			t.Errorf("%d requests were under way at once, want 1", most)
		}
	})
}

// TestLimiterShares lets five lists ask as fast as they can: each gets as many permits as the others, give or take one.
func TestLimiterShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := limiterOf(t, "100/1m", false, &keyStore{})
		var got [5]int
		var group sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		for list := range got {
			group.Go(func() {
				for {
					if _, err := limit.acquire(ctx, false); err != nil {
						return
					}
					after(time.Duration(1+list) * 100 * time.Millisecond) // the slow ones get no less
					got[list]++
					limit.release()
				}
			})
		}
		group.Wait()
		for _, count := range got {
			if (count-got[0] > 1 || got[0]-count > 1) || count < 95 {
				t.Errorf("the lists got %v permits of about 486, want as many for each", got)
				break
			}
		}
	})
}

// TestLimiterUrgent puts urgent requests before others that wait longer, and lets one of the others through for every
// three of them: nobody starves.
func TestLimiterUrgent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := limiterOf(t, "60/1m", true, &keyStore{})
		limit.permit(t, 0)
		var order strings.Builder
		var group sync.WaitGroup
		ask := func(urgent bool, name string) {
			group.Go(func() {
				if _, err := limit.acquire(t.Context(), urgent); err != nil {
					t.Error(err)
				}
				order.WriteString(name)
				limit.release()
			})
			synctest.Wait()
		}
		for range 4 {
			ask(false, "o")
		}
		for range 8 {
			ask(true, "U")
		}
		limit.release()
		group.Wait()
		if got, want := order.String(), "UUUoUUUoUUoo"; got != want {
			t.Errorf("the permits went %s, want %s", got, want)
		}
	})
}

// TestLimiterHolds keeps the slot of a request without an answer for as long as it may arrive, and dates it then.
func TestLimiterHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := limiterOf(t, "60/1m", true, &keyStore{})
		interval := limit.pacer.buckets[0].interval
		limit.permit(t, 0)
		after(time.Minute)
		limit.hold()
		limit.permit(t, arrivalGrace+interval)
	})
}

// storeWatch is a store that takes its time, and knows what the record of a limiter allows.
type storeWatch struct {
	keyStore
	takes   time.Duration
	allowed int       // requests that may have left by the last record
	until   time.Time // when the lease ends
}

func (s *storeWatch) SaveKey(ctx context.Context, key, state string) error {
	after(s.takes)
	var r ledgerRecord
	if err := json.Unmarshal([]byte(state), &r); err != nil {
		return err
	}
	if err := s.keyStore.SaveKey(ctx, key, state); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed, s.until = r.Sent+r.Requests, r.SavedAt.Add(time.Duration(r.LeaseUS)*time.Microsecond)
	return nil
}

// TestLimiterRecordsFirst gives out no permit that the store does not know of, writes every three seconds and not for every
// request, and lets no one wait for a slow store who need not.
func TestLimiterRecordsFirst(t *testing.T) {
	for _, takes := range []time.Duration{0, 2 * time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			store := &storeWatch{takes: takes}
			limit, begun := limiterOf(t, "100/1m", false, store), time.Now()
			var mu sync.Mutex
			var group sync.WaitGroup
			sent := 0
			for range 4 {
				group.Go(func() {
					for range 50 {
						if _, err := limit.acquire(t.Context(), false); err != nil {
							t.Error(err)
						}
						mu.Lock()
						sent++
						store.mu.Lock()
						if sent > store.allowed || time.Now().After(store.until) {
							t.Errorf("request %d left, and the store knows of %d until %s", sent, store.allowed, store.until)
						}
						store.mu.Unlock()
						mu.Unlock()
						after(100 * time.Millisecond)
						limit.release()
					}
				})
			}
			group.Wait()
			took, alone := time.Since(begun), 198*limit.pacer.buckets[0].interval
			t.Logf("a store that takes %s: %d writes for 200 requests in %s, %s without one", takes, store.saved, took.Round(time.Second), alone.Round(time.Second))
			if least := alone / (3 * time.Second); store.saved > int(least)+4 {
				t.Errorf("the store was written %d times in %s", store.saved, took)
			}
			if slack := 2*takes + time.Second; took > alone+slack && takes < 20*time.Second {
				t.Errorf("a store that takes %s made it %s instead of %s", takes, took, alone)
			}
		})
	}
}

// TestLimiterStoreFails sends nothing that the store does not know of, goes on as far as the last record reaches, and goes
// on again when the store does.
func TestLimiterStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &keyStore{failLoad: true}
		limit := limiterOf(t, "100/1m", false, store)
		fails := func(want string) {
			t.Helper()
			if _, err := limit.acquire(t.Context(), false); !errors.Is(err, errStore) || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
		fails("load what the key has sent: ")
		store.failLoad, store.failSave = false, true
		fails("record what the key may send: ")
		store.failSave = false
		limit.permit(t, 0)
		limit.release()
		store.failSave = true
		began := time.Now()
		sent := 0
		for ; sent < 1000; sent++ {
			if _, err := limit.acquire(t.Context(), false); err != nil {
				break
			}
			limit.release()
		}
		if sent == 0 || sent > 10 || time.Since(began) > leaseTime {
			t.Errorf("%d more requests left with a store that is gone in %s, 10 in %s were on record", sent, time.Since(began), leaseTime)
		}
		store.failSave = false
		after(time.Minute)
		limit.permit(t, 0)
	})
}

// takenStore is a store whose key somebody else may take.
type takenStore struct {
	keyStore
	taken error
}

func (s *takenStore) HoldsKey(string) error { return s.taken }

// TestLimiterKeyTaken: nothing leaves with a key that is not this process's any more, however long the last record
// allows it to, and who waits is told.
func TestLimiterKeyTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &takenStore{}
		limit := limiterOf(t, "60/1m", false, store)
		for range limit.pacer.burst {
			limit.permit(t, 0)
		}
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if _, err := limit.acquire(t.Context(), false); !errors.Is(err, errStore) {
					t.Errorf("who waits gets %v", err)
				}
			})
		}
		synctest.Wait()
		store.taken = errStore
		limit.release()
		group.Wait()
		if _, err := limit.acquire(t.Context(), true); !errors.Is(err, errStore) {
			t.Errorf("who comes later gets %v", err)
		}
		if limit.sent != limit.pacer.burst {
			t.Errorf("%d requests have left", limit.sent)
		}
	})
}

// slowStore stores at once and takes its time to say so.
type slowStore struct {
	storeWatch
	answers []time.Duration // how long the answers take, one after the other; then none does
}

func (s *slowStore) SaveKey(ctx context.Context, key, state string) error {
	if err := s.storeWatch.SaveKey(ctx, key, state); err != nil || len(s.answers) == 0 {
		return err
	}
	took := s.answers[0]
	s.answers = s.answers[1:]
	after(took)
	return nil
}

// TestLimiterLeaseNeverShrinks: after a write that took long the lease is long, and the next record may speak of a shorter
// one only as far as the long one is over: until its write is answered, requests leave under the old one.
func TestLimiterLeaseNeverShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{answers: []time.Duration{30 * time.Second, 10 * time.Millisecond, time.Hour}}
		limit := limiterOf(t, "60/1m", false, store)
		var group sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		sent := 0
		for range 3 {
			group.Go(func() {
				for {
					if _, err := limit.acquire(ctx, false); err != nil {
						return
					}
					store.mu.Lock()
					if sent++; sent > store.allowed || time.Now().After(store.until) {
						t.Errorf("request %d left, and the store knows of %d until %s", sent, store.allowed, store.until)
					}
					store.mu.Unlock()
					after(100 * time.Millisecond)
					limit.release()
				}
			})
		}
		group.Wait()
		if sent < 60 || len(store.answers) > 0 {
			t.Errorf("%d requests left, %d answers are still to come: the test shows less than it seems", sent, len(store.answers))
		}
	})
}

// TestLimiterCloseWakes: who found the store busy with the closing record is woken when it is written.
func TestLimiterCloseWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &storeWatch{}
		limit := limiterOf(t, "60/1m", false, store)
		limit.permit(t, 0)
		limit.release()
		store.takes = time.Minute
		var group sync.WaitGroup
		group.Go(func() {
			if err := limit.close(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if _, err := limit.acquire(ctx, false); err != nil {
				t.Error("nobody has told that the store is free: ", err)
			}
		})
		group.Wait()
	})
}
