package sandbox

import (
	"sync"
	"time"
)

// Limit is one rate limit: at most Requests in any stretch of time of length Per. Every request that was let
// through counts, answered well or not; one that was refused does not.
type Limit struct {
	Requests int
	Per      time.Duration
}

// limiter is a sliding log, the strictest of the usual limiters on a burst: a client that it never refuses
// has kept the limit in every window, wherever the window begins.
type limiter struct {
	mu      sync.Mutex // guards windows
	windows []window
}

// window remembers the last Requests instants at which a request was let through, in a ring. The next one may
// pass if the oldest of them has left the window.
type window struct {
	per     time.Duration
	let     []time.Time
	oldest  int
	entries int
}

func newLimiter(limits []Limit) *limiter {
	l := &limiter{}
	for _, limit := range limits {
		l.windows = append(l.windows, window{per: limit.Per, let: make([]time.Time, limit.Requests)})
	}
	return l
}

// admit lets a request through, or says how long until every window has room again.
func (l *limiter) admit(now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.windows {
		wait = max(wait, l.windows[i].wait(now))
	}
	if wait > 0 {
		return wait, false
	}
	for i := range l.windows {
		l.windows[i].note(now)
	}
	return 0, true
}

func (w *window) wait(now time.Time) time.Duration {
	if w.entries < len(w.let) {
		return 0
	}
	return w.let[w.oldest].Add(w.per).Sub(now)
}

func (w *window) note(now time.Time) {
	w.let[w.oldest] = now
	w.oldest = (w.oldest + 1) % len(w.let)
	w.entries = min(w.entries+1, len(w.let))
}

// wholeSeconds rounds a wait up, as Retry-After is in seconds: who obeys it is let through.
func wholeSeconds(wait time.Duration) int {
	return int((wait + time.Second - 1) / time.Second)
}
