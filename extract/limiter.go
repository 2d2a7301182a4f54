package extract

import (
	"context"
	"sync"
	"time"
)

// The margins that keep the promise "never refused" when clocks differ a little and when a process dies and is
// started anew without memory of what it has sent.
const (
	windowStretch  = 1000                  // the partner's clock may run faster than ours by one part in so many
	windowMargin   = 50 * time.Millisecond // and be coarser
	restartsSpared = 2                     // restarts within two windows that need no memory
)

// limiter keeps one key below every window of a partner, whatever kind of window its server runs. It is a token
// bucket whose debits are dated at the answer instead of at the sending: the server decides somewhere between
// the two, so only the answer bounds that instant from above.
//
// For each window one instant is kept, debt: a request may leave when fewer than burst are in flight and
// now >= debt + (inFlight+1-burst)/rate, and every answer moves debt to max(debt, now) + 1/rate. Then at most
// burst + rate·(y-x) requests reach the server in any [x, y], and with rate·W + 2·burst - 1 <= N no fixed
// window, sliding log, sliding counter or bucket of N in W refuses any. Each life of the process adds at most
// burst, so restartsSpared·burst more are kept free.
type limiter struct {
	mu       sync.Mutex // guards all below
	buckets  []bucket
	burst    int
	inFlight int
	pause    time.Time     // nothing leaves before, because the partner said so
	changed  chan struct{} // closed and renewed whenever a waiter should look again
}

type bucket struct {
	interval time.Duration // 1/rate
	debt     time.Time
}

// newLimiter returns the limiter of a key; serial lets requests go one after the other only.
func newLimiter(windows []Window, serial bool) *limiter {
	l := &limiter{burst: burstMost, changed: make(chan struct{})}
	if serial {
		l.burst = 1
	}
	for _, window := range windows {
		l.burst = min(l.burst, burstFor(window.Requests))
	}
	for _, window := range windows {
		l.buckets = append(l.buckets, newBucket(window, l.burst))
	}
	return l
}

const burstMost = 4

// burstFor returns how many requests may be in flight: two reach full speed at any ordinary round trip; small
// windows cannot spare the second, large ones have it to spare.
func burstFor(requests int) int {
	switch {
	case requests < 20:
		return 1
	case requests < 1000:
		return 2
	}
	return burstMost
}

func newBucket(window Window, burst int) bucket {
	requests := time.Duration(max(1, window.Requests-2*burst+1-restartsSpared*burst))
	stretched := window.Per + window.Per/windowStretch + windowMargin
	return bucket{interval: (stretched + requests - 1) / requests} // rounded up
}

// acquire waits for a permit and says how long that took. Every permit must be given back by release, when the
// answer is there or when it cannot come any more.
func (l *limiter) acquire(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	for {
		wait, changed := l.try()
		if wait == 0 {
			return time.Since(begun), nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return time.Since(begun), context.Cause(ctx)
		}
		timer.Stop()
	}
}

// try takes a permit and returns 0, or returns how long to wait at most before asking again.
func (l *limiter) try() (time.Duration, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	earliest := l.pause
	for _, b := range l.buckets {
		if at := b.debt.Add(time.Duration(l.inFlight+1-l.burst) * b.interval); at.After(earliest) {
			earliest = at
		}
	}
	switch {
	case l.inFlight >= l.burst:
		return time.Hour, l.changed
	case earliest.After(now):
		return earliest.Sub(now), l.changed
	}
	l.inFlight++
	return 0, nil
}

// release dates the debit of one permit at now.
func (l *limiter) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for i := range l.buckets {
		b := &l.buckets[i]
		if now.After(b.debt) {
			b.debt = now
		}
		b.debt = b.debt.Add(b.interval)
	}
	l.inFlight--
	l.wake()
}

// refused lets nothing leave for a while after the partner has refused a request for its rate, and halves the rate
// from then on: somebody else uses the key, or the limit is not what we believe.
func (l *limiter) refused(wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(wait); until.After(l.pause) {
		l.pause = until
	}
	l.burst = 1
	for i := range l.buckets {
		b := &l.buckets[i]
		b.interval = max(b.interval, min(2*b.interval, intervalMax))
	}
	l.wake()
}

// rest lets nothing leave for a while.
func (l *limiter) rest(wait time.Duration) {
	if wait <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(wait); until.After(l.pause) {
		l.pause = until
	}
	l.wake()
}

// intervalMax bounds how slow refusals make a key.
const intervalMax = time.Minute

func (l *limiter) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}
