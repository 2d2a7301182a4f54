package extract

import (
	"maps"
	"math/rand/v2"
	"sync"
	"time"
)

// simulated is a partner's rate limiter of some kind. It decides in the order of arrival and shares nothing with
// the limiter under test but the numbers N and W.
type simulated interface {
	// admit reports whether a request that arrives now, counted from the server's start, is let through.
	admit(now time.Duration) bool
}

// fixedWindow lets N through in each window of its own clock.
type fixedWindow struct {
	n      int
	w      time.Duration
	phase  time.Duration
	window time.Duration
	count  int
}

func (f *fixedWindow) admit(now time.Duration) bool {
	if window := (now + f.phase) / f.w; window != f.window {
		f.window, f.count = window, 0
	}
	f.count++
	return f.count <= f.n
}

// slidingLog lets N through in any W, however it begins.
type slidingLog struct {
	n   int
	w   time.Duration
	log []time.Duration
}

func (s *slidingLog) admit(now time.Duration) bool {
	for len(s.log) > 0 && s.log[0] <= now-s.w {
		s.log = s.log[1:]
	}
	if len(s.log) >= s.n {
		return false
	}
	s.log = append(s.log, now)
	return true
}

// slidingCounter weighs the window before by the part of it that the last W still covers.
type slidingCounter struct {
	n                 int
	w, phase          time.Duration
	window            time.Duration
	previous, current int
}

func (s *slidingCounter) admit(now time.Duration) bool {
	window := (now + s.phase) / s.w
	switch {
	case window == s.window+1:
		s.previous, s.current = s.current, 0
	case window != s.window:
		s.previous, s.current = 0, 0
	}
	s.window = window
	elapsed := (now + s.phase) % s.w
	// previous*(1 - elapsed/w) + current + 1 <= n, in whole nanoseconds
	if time.Duration(s.previous)*(s.w-elapsed)+time.Duration(s.current+1)*s.w > time.Duration(s.n)*s.w {
		return false
	}
	s.current++
	return true
}

// tokenBucket holds N tokens, full at the start, and gains N in W.
type tokenBucket struct {
	n, w   time.Duration
	spent  time.Duration // tokens that are gone, times w: whole nanoseconds
	latest time.Duration
}

func (b *tokenBucket) admit(now time.Duration) bool {
	b.spent = max(0, b.spent-(now-b.latest)*b.n)
	b.latest = now
	if b.spent+b.w > b.n*b.w {
		return false
	}
	b.spent += b.w
	return true
}

// server is one simulated partner that runs all kinds of limiters for each of its windows side by side, so that
// one arrival is judged by every kind at once.
type server struct {
	mu       sync.Mutex // guards all below
	begun    time.Time
	kinds    map[string][]simulated
	refused  map[string]int
	arrivals []time.Duration
}

// newServer starts the limiters with phases of their own at a random moment of their windows.
func newServer(windows []Window, random *rand.Rand) *server {
	s := &server{begun: time.Now(), kinds: map[string][]simulated{}, refused: map[string]int{}}
	for _, w := range windows {
		phase := func() time.Duration { return time.Duration(random.Int64N(int64(w.Per))) }
		s.kinds["fixed window"] = append(s.kinds["fixed window"], &fixedWindow{n: w.Requests, w: w.Per, phase: phase()})
		s.kinds["sliding log"] = append(s.kinds["sliding log"], &slidingLog{n: w.Requests, w: w.Per})
		s.kinds["sliding counter"] = append(s.kinds["sliding counter"], &slidingCounter{n: w.Requests, w: w.Per, phase: phase()})
		s.kinds["token bucket"] = append(s.kinds["token bucket"], &tokenBucket{n: time.Duration(w.Requests), w: w.Per})
	}
	return s
}

// arrive is the instant at which the server decides about a request.
func (s *server) arrive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.begun)
	s.arrivals = append(s.arrivals, now)
	for kind, windows := range s.kinds {
		for _, limiter := range windows {
			if !limiter.admit(now) {
				s.refused[kind]++
			}
		}
	}
}

// refusals returns how many requests each kind has refused.
func (s *server) refusals() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.refused)
}

// count returns how many requests have arrived.
func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.arrivals)
}

// excess returns by how many requests the arrivals break the law "at most burst + requests*(y-x)/per in any
// [x, y]"; 0 if they keep it. For the i-th arrival at a(i) the law reads: i - rate*a(i) never exceeds its lowest
// value so far by more than burst - 1. All is multiplied by per, so that nothing is rounded.
func (s *server) excess(burst, requests int, per time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	lowest, worst := int64(0), int64(0)
	for i, at := range s.arrivals {
		level := int64(i)*int64(per) - int64(requests)*int64(at)
		if i == 0 || level < lowest {
			lowest = level
		}
		worst = max(worst, level-lowest-int64(burst-1)*int64(per))
	}
	return int((worst + int64(per) - 1) / int64(per))
}
