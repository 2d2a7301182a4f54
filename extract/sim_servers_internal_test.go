package extract

import (
	"math/rand/v2"
	"time"
)

// judge is a partner's rate limiter of some kind. It decides in the order of arrival and shares nothing with the code
// under test but the numbers N and W.
type judge interface {
	// admit reports whether a request that arrives now, counted from the server's start, is let through.
	admit(now time.Duration) bool
}

// The kinds of servers. Spacing is a bucket that holds one request: it asks for one request at a time.
const (
	fixedWindowKind = iota
	slidingLogKind
	slidingCounterKind
	tokenBucketKind
	burstyKind
	spacingKind
	judgeKinds
)

var kindNames = [judgeKinds]string{"fixed window", "sliding log", "sliding counter", "token bucket N", "GCRA burst 10", "spacing"}

// fixedWindow lets N through in each window of its own clock.
type fixedWindow struct {
	n, count         int
	w, phase, window time.Duration
}

func (f *fixedWindow) admit(now time.Duration) bool {
	if window := (now + f.phase) / f.w; window != f.window {
		f.window, f.count = window, 0
	}
	f.count++
	return f.count <= f.n
}

// slidingLog lets N through in any W, however it begins. It keeps the last N in a ring.
type slidingLog struct {
	w    time.Duration
	log  []time.Duration
	next int
	full bool
}

func (s *slidingLog) admit(now time.Duration) bool {
	if s.full && s.log[s.next] > now-s.w {
		return false
	}
	s.log[s.next] = now
	if s.next++; s.next == len(s.log) {
		s.next, s.full = 0, true
	}
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

// spaced is the generic cell rate algorithm: a request every N-th of W, and so many ahead of that.
type spaced struct {
	each, ahead, due time.Duration
}

func (g *spaced) admit(now time.Duration) bool {
	if now < g.due-g.ahead {
		return false
	}
	g.due = max(now, g.due) + g.each
	return true
}

// court is one simulated partner that runs all kinds of limiters for each of its windows side by side, so that one
// arrival is judged by every kind at once.
type court struct {
	begun    time.Time
	kinds    [judgeKinds][]judge
	refused  [judgeKinds]int
	arrivals int
	first    time.Time
	last     time.Time
	laws     []law
}

// newCourt starts the limiters with phases of their own. A window with a budget is used up at the pace of a shorter one:
// servers that would not bear that are none of those for which it is promised.
func newCourt(p *pacer, begun time.Time, random *rand.Rand) *court {
	c := &court{begun: begun}
	for i := range p.buckets {
		n, w := p.buckets[i].window.Requests, p.buckets[i].window.Per
		phase := func() time.Duration { return time.Duration(random.Int64N(int64(w))) }
		add := func(kind int, j judge) { c.kinds[kind] = append(c.kinds[kind], j) }
		add(fixedWindowKind, &fixedWindow{n: n, w: w, phase: phase()})
		add(slidingLogKind, &slidingLog{w: w, log: make([]time.Duration, n)})
		add(slidingCounterKind, &slidingCounter{n: n, w: w, phase: phase()})
		add(tokenBucketKind, &tokenBucket{n: time.Duration(n), w: w})
		if p.buckets[i].budget > 0 {
			continue
		}
		each := (w + time.Duration(n) - 1) / time.Duration(n)
		add(burstyKind, &spaced{each: each, ahead: time.Duration(min(n, 10)-1) * each})
		if p.burst == 1 {
			add(spacingKind, &spaced{each: each})
		}
		c.laws = append(c.laws, law{each: p.buckets[i].interval, burst: time.Duration(p.burst)})
	}
	return c
}

// arrive is the instant at which the server decides about a request.
func (c *court) arrive(at time.Time) {
	now := at.Sub(c.begun)
	if c.arrivals++; c.arrivals == 1 {
		c.first = at
	}
	c.last = at
	for kind, judges := range c.kinds {
		for _, j := range judges {
			if !j.admit(now) {
				c.refused[kind]++
			}
		}
	}
	for i := range c.laws {
		c.laws[i].arrive(now)
	}
}

// law is the lemma as arrivals can break it: at most burst + (y-x)/each in any [x, y]. For the i-th arrival at a(i) it
// reads: i·each - a(i) never exceeds its lowest value so far by more than (burst-1)·each.
type law struct {
	each, burst   time.Duration
	count, lowest time.Duration
	broken, worst time.Duration // how often, and by how much time at most
	begun         bool
}

func (l *law) arrive(at time.Duration) {
	level := l.count*l.each - at
	l.count++
	if !l.begun || level < l.lowest {
		l.lowest, l.begun = level, true
	}
	if over := level - l.lowest - (l.burst-1)*l.each; over > 0 {
		l.broken++
		l.worst = max(l.worst, over)
	}
}
