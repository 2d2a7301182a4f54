package extract

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// after lets virtual time go by.
func after(d time.Duration) { <-time.After(d) }

// weather is how long a request takes to the server, or its answer back.
type weather func(random *rand.Rand) time.Duration

// calm takes 10 to 200 ms a way, 20 to 400 ms for both.
func calm(random *rand.Rand) time.Duration {
	return 10*time.Millisecond + time.Duration(random.Int64N(int64(190*time.Millisecond)))
}

// stalling is calm, but 2 % of the ways take up to 30 s.
func stalling(random *rand.Rand) time.Duration {
	if random.IntN(50) == 0 {
		return time.Second + time.Duration(random.Int64N(int64(29*time.Second)))
	}
	return calm(random)
}

// freezing is calm, but all that is sent in the last 6 s of every 45 s is delivered at once at their end.
func freezing(random *rand.Rand) time.Duration {
	if into := time.Duration(time.Now().UnixNano()) % (45 * time.Second); into > 39*time.Second {
		return 45*time.Second - into
	}
	return calm(random)
}

// storm is one simulated run: workers that send requests through limiters to one server.
type storm struct {
	windows  []Window
	workers  int
	requests int
	weather  weather
	restarts func(random *rand.Rand) []time.Duration // when the process dies; nil: never
}

// run sends the requests and returns the server and how long that took. It must be called inside of a bubble.
func (s storm) run(seed uint64) (*server, time.Duration) {
	random := rand.New(rand.NewPCG(seed, 0x11))
	partner := newServer(s.windows, random)
	left := &countdown{left: s.requests}
	begun := time.Now()
	var deaths []time.Duration
	if s.restarts != nil {
		deaths = s.restarts(random)
	}
	for life := 0; ; life++ {
		ctx, kill := context.WithCancel(context.Background())
		if life < len(deaths) {
			ctx, kill = context.WithDeadline(context.Background(), begun.Add(deaths[life]))
		}
		limit := newLimiter(s.windows, false) // a new process remembers nothing
		var lives sync.WaitGroup
		for range s.workers {
			way := rand.New(rand.NewPCG(seed, random.Uint64()))
			lives.Go(func() { s.work(ctx, limit, partner, left, way) })
		}
		lives.Wait()
		dead := ctx.Err() != nil
		kill()
		if !dead || left.done() {
			took := time.Since(begun)
			synctest.Wait()
			after(time.Hour) // what is still on its way arrives, too
			return partner, took
		}
	}
}

// work is one of the goroutines that share a key. What it has sent when the process dies still arrives.
func (s storm) work(ctx context.Context, limit *limiter, partner *server, left *countdown, way *rand.Rand) {
	for left.take() {
		if _, err := limit.acquire(ctx); err != nil {
			left.giveBack()
			return
		}
		there, back := s.weather(way), s.weather(way)
		answered := make(chan struct{})
		go func() {
			after(there)
			partner.arrive()
			after(back)
			close(answered)
		}()
		select {
		case <-answered:
			limit.release()
		case <-ctx.Done():
			return
		}
	}
}

type countdown struct {
	mu   sync.Mutex // guards left
	left int
}

func (c *countdown) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left--
	return c.left >= 0
}

func (c *countdown) giveBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left++
}

func (c *countdown) done() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left <= 0
}

// promise is what the limiter promises for one window: burst and requests in per, as the proof has them, worked
// out by hand: requests = N - 2*burst + 1 - 2*burst, two restarts being spared.
type promise struct {
	burst, requests int
	per             time.Duration
}

func windowsOf(t testing.TB, text string) []Window {
	t.Helper()
	windows, err := ParseWindows(text)
	if err != nil {
		t.Fatal(err)
	}
	return windows
}

var promises = map[string][]promise{
	"4/1s":           {{1, 1, time.Second}},
	"10/1s,100/1m":   {{1, 7, time.Second}, {1, 97, time.Minute}},
	"20/10s":         {{2, 13, 10 * time.Second}},
	"60/1m,1000/1h":  {{2, 53, time.Minute}, {2, 993, time.Hour}},
	"100/1m":         {{2, 93, time.Minute}},
	"500/1m,5000/1h": {{2, 493, time.Minute}, {2, 4993, time.Hour}},
	"1000/1m":        {{4, 985, time.Minute}},
}

// TestLimiterIsNeverRefused sends 200,000 requests and more through every kind of weather and number of workers
// to servers of every kind. None may refuse, and the arrivals must keep the law by which none can.
func TestLimiterIsNeverRefused(t *testing.T) {
	kinds := map[string]weather{"calm": calm, "stalling": stalling, "freezing": freezing}
	var sent countdown
	t.Run("storms", func(t *testing.T) {
		for text, promised := range promises {
			for name, kind := range kinds {
				for _, workers := range []int{1, 2, 4, 8} {
					t.Run(fmt.Sprintf("%s %s %d", text, name, workers), func(t *testing.T) {
						t.Parallel()
						s := storm{windows: windowsOf(t, text), workers: workers, requests: 2_500, weather: kind}
						synctest.Test(t, func(t *testing.T) {
							partner, _ := s.run(uint64(workers))
							partner.judge(t, promised)
							sent.mu.Lock()
							sent.left += partner.count()
							sent.mu.Unlock()
						})
					})
				}
			}
		}
	})
	t.Logf("%d requests, 0 refused", sent.left)
	if sent.left < 200_000 && !testing.Short() {
		t.Errorf("%d requests were sent, want 200,000", sent.left)
	}
}

// judge fails the test if a server has refused anything or the arrivals break the law.
func (s *server) judge(t *testing.T, promised []promise) {
	t.Helper()
	for kind, count := range s.refusals() {
		t.Errorf("the %s refused %d of %d requests", kind, count, s.count())
	}
	for _, p := range promised {
		if excess := s.excess(p.burst, p.requests, p.per); excess > 0 {
			t.Errorf("%d requests more than %d + %d per %s arrived in some stretch of time", excess, p.burst, p.requests, p.per)
		}
	}
}

// TestLimiterRestarts kills the process twice within any two windows, at the worst moments: right after the start
// and one burst later. A limiter without memory must still never be refused.
func TestLimiterRestarts(t *testing.T) {
	for _, text := range []string{"4/1s", "20/10s", "100/1m", "1000/1m"} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%s seed %d", text, seed), func(t *testing.T) {
				t.Parallel()
				windows := windowsOf(t, text)
				two := 2 * windows[0].Per
				s := storm{windows: windows, workers: 1 + int(seed), requests: 2_000, weather: calm}
				s.restarts = func(random *rand.Rand) (deaths []time.Duration) {
					at := time.Duration(random.Int64N(int64(two)))
					for range 20 {
						soon := time.Duration(random.Int64N(int64(time.Second)))
						deaths = append(deaths, at, at+soon)
						at += two + soon + time.Duration(random.Int64N(int64(two/4)))
					}
					return deaths
				}
				synctest.Test(t, func(t *testing.T) {
					partner, _ := s.run(seed)
					partner.judge(t, nil)
				})
			})
		}
	}
}

// TestLimiterThroughput measures the price of never being refused. The proof leaves 93 of 100 requests a minute:
// 3 for the burst of two, 4 for two restarts without memory; and 0.2 % for the clocks.
func TestLimiterThroughput(t *testing.T) {
	const requests = 1000
	for _, workers := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			s := storm{windows: windowsOf(t, "100/1m"), workers: workers, requests: requests, weather: calm}
			partner, took := s.run(7)
			partner.judge(t, promises["100/1m"])
			bound := requests * time.Minute / 100
			t.Logf("%d workers: %d requests in %s of at least %s: %.1f %% of the partner's limit", workers, requests, took.Round(time.Second), bound, 100*bound.Seconds()/took.Seconds())
			if took > bound*1000/925 {
				t.Errorf("%d workers: %s, want at least 92.5 %% of the speed of %s", workers, took, bound)
			}
		})
	}
}

// TestSimulatedServersRefuse shows that the servers can refuse, and that the law can be broken: a client that
// paces its sending at exactly N/W is refused by those kinds that a steady pace does not satisfy, and one that
// sends N+1 at once by all.
func TestSimulatedServersRefuse(t *testing.T) {
	windows := windowsOf(t, "100/1m")
	synctest.Test(t, func(t *testing.T) {
		partner := newServer(windows, rand.New(rand.NewPCG(1, 1)))
		for range 101 {
			partner.arrive()
		}
		for kind := range partner.kinds {
			if got := partner.refusals()[kind]; got != 1 {
				t.Errorf("the %s refused %d of 101 requests at once, want 1", kind, got)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(2, 2))
		partner := newServer(windows, random)
		for range 5_000 {
			there := calm(random)
			go func() {
				after(there)
				partner.arrive()
			}()
			after(time.Minute / 100)
		}
		after(time.Minute)
		for _, kind := range []string{"sliding log", "sliding counter"} {
			if partner.refusals()[kind] == 0 {
				t.Errorf("the %s refused nothing of a client that only paces its sending", kind)
			}
		}
		if partner.excess(2, 93, time.Minute) == 0 {
			t.Error("pacing at N/W keeps the law, so the law cannot be tested")
		}
	})
}

// TestLimiterCancelled ends the wait for a permit with the context, at once, without using a permit up.
func TestLimiterCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := newLimiter([]Window{{4, time.Hour}}, false)
		if _, err := limit.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		limit.release()
		cause := errors.New("told to stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			after(5 * time.Minute)
			cancel(cause)
		}()
		waited, err := limit.acquire(ctx)
		if !errors.Is(err, cause) || waited != 5*time.Minute {
			t.Errorf("acquire waited %s and returned %v, want 5m and the cause", waited, err)
		}
		waited, err = limit.acquire(t.Context())
		if hour := time.Hour + time.Hour/1000 + 50*time.Millisecond; err != nil || waited != hour-5*time.Minute {
			t.Errorf("the next one waited %s (%v), want the rest of %s", waited, err, hour)
		}
	})
}

// TestLimiterRefused pauses every waiter of the key, those too that wait already, and the longer of two pauses counts.
// From then on one request goes at a time, at half the rate for each refusal.
func TestLimiterRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, begun := newLimiter([]Window{{1000, time.Minute}}, false), time.Now()
		interval := limit.buckets[0].interval
		limit.refused(90 * time.Second)
		limit.refused(time.Second)
		var order []string
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if _, err := limit.acquire(t.Context()); err != nil {
					t.Error(err)
				}
				limit.mu.Lock()
				order = append(order, time.Since(begun).String())
				limit.mu.Unlock()
				limit.release()
			})
		}
		after(80 * time.Second)
		limit.refused(30 * time.Second) // until second 110
		group.Wait()
		want := fmt.Sprintf("1m50s %s %s", 110*time.Second+8*interval, 110*time.Second+16*interval)
		if got := strings.Join(order, " "); got != want {
			t.Errorf("permits came after %s, want them after %s: three refusals are an eighth of the rate", got, want)
		}
		for range 100 {
			limit.refused(0)
		}
		if got := limit.buckets[0].interval; got != time.Minute {
			t.Errorf("after many refusals a request leaves every %s, want one a minute at last", got)
		}
	})
}

// TestLimiterSerial lets the requests of a key go one after the other however much the window would allow, and a
// window that is slower than a request a minute stays as slow after a refusal.
func TestLimiterSerial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := newLimiter([]Window{{100_000, time.Minute}}, true)
		var inFlight, most int
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if _, err := limit.acquire(t.Context()); err != nil {
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
	slow := newLimiter([]Window{{4, 24 * time.Hour}}, false)
	interval := slow.buckets[0].interval
	if slow.refused(0); slow.buckets[0].interval != interval {
		t.Errorf("a refusal made a slow key faster or slower: every %s instead of %s", slow.buckets[0].interval, interval)
	}
}
