package extract

import "time"

// How one window of a partner is kept, whatever limiter its server runs.
//
// What is known. A request is sent at s, decided by the server at a, answered at p, and s <= a <= p is all: ways may
// be slow, answers may overtake each other. The server allows N requests in W by a fixed window, a sliding log, a
// sliding counter (previous·(1-e/W) + current + 1 <= N, e into the current window) or a token bucket of rate N/W and
// capacity B >= b. Which one, and the phase of its windows, is unknown.
//
// The rule. A debit is dated at the answer, T = p; of a request in flight T is now. A request may be sent at s if
//
//	(a)  in flight + 1 <= b, and
//	(b)  #{j : T(j) >= T(i)} + 1 <= b + r·(s - T(i))  for every request i before it.
//
// Lemma. Of requests sent by this rule at most b + r·(y-x) arrive in any [x, y]. Proof: let A be those that arrive
// there and j the one of them that was sent last: s(j) <= a(j) <= y. If all others in A were in flight at s(j), (a)
// bounds A by b. Otherwise let m be the least T of those that were answered: m >= x, as T = p >= a >= x. All of A but j
// has T >= m, so (b) says |A| <= b + r·(s(j)-m) <= b + r·(y-x).
//
// Theorem. If rW + b <= N and r <= N/W, no such server ever refuses. Window and log: a half-open W holds fewer than
// b + rW. Bucket: the lemma is its condition. Counter: let p arrive in the previous window and c in the current one, this
// request included. By the lemma c <= b + re and p + c <= b + r(W+e). As p weighs less than c, p·(1-e/W) + c is
// largest at c = b + re, p = rW, and there it is rW - re + b + re = rW + b <= N.
//
// The state. With c(i) answers at or after T(i) and f in flight, (b) reads s >= V + (f+1-b)/r, where V is the largest
// T(i) + c(i)/r. An answer at t raises every c(i) by one and adds t + 1/r: V <- max(V, t) + 1/r. One instant is all.
//
// The budget. Of a window that is much longer than another one of the same key, the longer may be used up at the pace
// of the shorter: 900 requests at 60/1m and 1000/1h then take 15 minutes instead of 54. A request may be sent there
// if rule (b) allows it, or if at most N slots are taken, each from its sending to 2W after its answer. V counts
// every request, so what was borrowed is waited for later, and the time that 2500 requests take stays the same.
//
// Proof. Log, window, bucket of capacity N: let j be the one of A sent last. By (b), the lemma holds for A. By the
// budget, whatever arrives in [s(j)-2W, y] is at most N; longer stretches are made of such. Counter: let j be sent last of
// previous and current window together. By the budget: both lie in 2W, so p + c <= N. By (b): p + c <= b + r(W+e),
// and c <= b + re as well: either the one of c that was sent last went by (b), or it went before j arrived in the
// previous window and all of c was in flight then, so c <= b. The theorem's sum holds again.
// Not covered: a server whose long window is a bucket much smaller than N, so that its short window could never be
// used. The first refusal ends all budgets of the key.

// What the clocks and strangers to the proof may take.
const (
	clockDrift    = 1000                  // two clocks, each slewed by NTP at its most of 500 ppm: one part in so many
	clockGrain    = 50 * time.Millisecond // the server's clock may be as coarse as this
	restartsSpare = 2                     // processes without memory that may have used the key within two windows
)

// interval returns 1/r, rounded up. The rule asked for is r·W + 2b - 1 <= N, a request for b = 2 more careful than the
// theorem needs, which is what the clocks may differ by: 1 % at 100/1m. Where that is less than the margins above (b = 1,
// or thousands of requests) the window is stretched by them. Spared requests are left free in every window.
func interval(window Window, burst, spared int) time.Duration {
	stretched := window.Per + window.Per/clockDrift + clockGrain
	careful := divideUp(window.Per, window.Requests-2*burst+1-spared)
	return max(careful, divideUp(stretched, window.Requests-burst-spared))
}

func divideUp(per time.Duration, requests int) time.Duration {
	count := time.Duration(max(1, requests))
	return (per + count - 1) / count
}

// bucket is one window of a key.
type bucket struct {
	window   Window
	interval time.Duration // 1/r
	debt     time.Time     // V
	budget   int           // slots of two windows; 0: the window has no budget
	spent    spending
}

// earliest returns when a request may leave after inFlight others.
func (b *bucket) earliest(now time.Time, inFlight, burst int) time.Time {
	paced := b.debt.Add(time.Duration(inFlight+1-burst) * b.interval)
	if b.budget == 0 || !paced.After(now) {
		return paced
	}
	b.spent.roll(now)
	if room, ok := b.spent.room(b.budget - inFlight); ok && room.Before(paced) {
		return room
	}
	return paced
}

// date enters an answer.
func (b *bucket) date(at time.Time) {
	b.debt = latest(b.debt, at).Add(b.interval)
	b.spent.roll(at)
	b.spent.quarters[0]++
}

// spendingQuarters are the current quarter of a window and eight before it, so that what was spent is remembered for two
// windows at least.
const spendingQuarters = 9

// spending counts answers by the quarters of a window in which they came, the current one first.
type spending struct {
	quarter  time.Duration
	begun    time.Time // of the current quarter
	quarters [spendingQuarters]int
}

func (s *spending) roll(now time.Time) {
	passed := now.Sub(s.begun) / s.quarter
	if passed <= 0 {
		return
	}
	if passed >= spendingQuarters {
		s.begun, s.quarters = now, [spendingQuarters]int{}
		return
	}
	copy(s.quarters[passed:], s.quarters[:spendingQuarters-passed])
	clear(s.quarters[:passed])
	s.begun = s.begun.Add(passed * s.quarter)
}

// room returns the instant from which on one more fits under most; false if none ever does.
func (s *spending) room(most int) (time.Time, bool) {
	taken := 1
	for _, count := range s.quarters {
		taken += count
	}
	at := s.begun
	for oldest := spendingQuarters - 1; taken > most && oldest >= 0; oldest-- {
		taken -= s.quarters[oldest]
		at = s.begun.Add(time.Duration(spendingQuarters-oldest) * s.quarter)
	}
	return at, taken <= most
}

// used is about how many answers came within the last window.
func (s *spending) used(now time.Time) int {
	s.roll(now)
	into := min(max(0, now.Sub(s.begun)), s.quarter)
	used := int(time.Duration(s.quarters[4]) * (s.quarter - into) / s.quarter)
	for _, count := range s.quarters[:4] {
		used += count
	}
	return used
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
