package sandbox

import (
	"sort"
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

// headroom is what is left of the limit that is nearest to its end.
type headroom struct {
	limit, remaining int
	reset            time.Time // when a further request has room
}

// headroom returns false if there is no limit.
func (l *limiter) headroom(now time.Time) (least headroom, limited bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.windows {
		w := &l.windows[i]
		here := headroom{len(w.let), len(w.let) - w.used(now), now}
		if w.entries > 0 {
			here.reset = later(now, w.at(w.entries-w.used(now)).Add(w.per))
		}
		fewer := here.remaining - least.remaining
		if i == 0 || fewer < 0 || (fewer == 0 && here.reset.After(least.reset)) {
			least = here
		}
	}
	return least, len(l.windows) > 0
}

// at is the instant of the i-th request that is remembered, the oldest first; behind the last one it is the
// oldest again.
func (w *window) at(i int) time.Time {
	begin := (w.oldest - w.entries + len(w.let)) % len(w.let)
	return w.let[(begin+i%w.entries)%len(w.let)]
}

// used is how many requests still fill the window.
func (w *window) used(now time.Time) int {
	gone := sort.Search(w.entries, func(i int) bool { return w.at(i).Add(w.per).After(now) })
	return w.entries - gone
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// wholeSeconds rounds a wait up, as Retry-After is in seconds: who obeys it is let through.
func wholeSeconds(wait time.Duration) int {
	return int((wait + time.Second - 1) / time.Second)
}
