package extract

import (
	"slices"
	"time"
)

// pacer says when the requests of one key may leave: all its windows at once, and what the partner has told us. It
// knows no clock and waits for nothing: every instant is an argument, so that years can be simulated in seconds.
type pacer struct {
	buckets  []bucket
	burst    int         // b: how many may be in flight
	inFlight int         // f: sent and not answered, the held ones included
	held     []time.Time // until when a request that had no answer may still arrive, the soonest first
	pause    time.Time   // nothing leaves before, because the partner said so
	slowed   int         // how often the rate was halved
}

// What a key may do at its best.
const (
	burstMost   = 4
	roundTrip   = 400 * time.Millisecond // an answer that takes longer costs speed, never a refusal
	coarseLeast = 10 * time.Minute       // a window as long as this may have a budget, beside a shorter one
	intervalMax = time.Minute            // refusals make no key slower than this
)

// newPacer returns the pacer of a key. Serial lets requests go one after the other only. Without memory of what
// processes before have sent, one request goes at a time and room is left for restartsSpare such processes: then any
// of them adds one request to what the lemma allows, and nobody is refused.
func newPacer(windows []Window, serial, memory bool) *pacer {
	p := &pacer{burst: 1, held: make([]time.Time, 0, burstMost)}
	spared := restartsSpare
	if memory {
		spared = 0
		if !serial {
			p.burst = burstFor(windows)
		}
	}
	shortest := slices.MinFunc(windows, func(a, b Window) int { return int(a.Per - b.Per) })
	for _, window := range windows {
		b := bucket{window: window, interval: interval(window, p.burst, spared)}
		b.spent.quarter = (window.Per + window.Per/clockDrift + clockGrain) / 4
		if memory && window.Per >= coarseLeast && window.Per > shortest.Per {
			b.budget = max(0, window.Requests-restartsSpare*p.burst) // a process without memory may come between
		}
		p.buckets = append(p.buckets, b)
	}
	return p
}

// burstFor returns how many requests should be in flight: the number with which most requests a second pass all
// windows. Two do at any ordinary window and round trip; a small window cannot spare the second.
func burstFor(windows []Window) int {
	best, least := 1, time.Duration(0)
	for burst := 1; burst <= burstMost; burst++ {
		var slowest time.Duration
		for _, window := range windows {
			slowest = max(slowest, interval(window, burst, 0))
			if window.Requests < 2*burst {
				slowest = 24 * time.Hour
			}
		}
		each := max(slowest, roundTrip/time.Duration(max(1, burst-1)))
		if burst == 1 {
			each = slowest + roundTrip
		}
		if burst == 1 || each < least {
			best, least = burst, each
		}
	}
	return best
}

// earliest returns when the next request may leave; false if not before another one is answered.
func (p *pacer) earliest(now time.Time) (time.Time, bool) {
	p.settle(now)
	if p.inFlight >= p.burst {
		if len(p.held) > 0 {
			return p.held[0], true
		}
		return time.Time{}, false
	}
	at := p.pause
	for i := range p.buckets {
		at = latest(at, p.buckets[i].earliest(now, p.inFlight, p.burst))
	}
	return at, true
}

// send notes that a request leaves. It must be at or after earliest.
func (p *pacer) send() { p.inFlight++ }

// answer notes that a request was answered.
func (p *pacer) answer(now time.Time) {
	p.settle(now)
	p.inFlight--
	p.date(now)
}

// hold notes that a request will not be answered, and may still arrive until then.
func (p *pacer) hold(until time.Time) {
	at, _ := slices.BinarySearchFunc(p.held, until, time.Time.Compare)
	p.held = slices.Insert(p.held, at, until)
}

// settle counts what was held long enough as answered.
func (p *pacer) settle(now time.Time) {
	for len(p.held) > 0 && !p.held[0].After(now) {
		at := p.held[0]
		p.held = slices.Delete(p.held, 0, 1)
		p.inFlight--
		p.date(at)
	}
}

func (p *pacer) date(at time.Time) {
	for i := range p.buckets {
		p.buckets[i].date(at)
	}
}

// rest lets nothing leave before an instant.
func (p *pacer) rest(until time.Time) { p.pause = latest(p.pause, until) }

// slow halves the rate, lets one request go at a time and ends the budgets: the limit is not what we believe, or
// somebody else uses the key. The new rule allows nothing that the old one forbids.
func (p *pacer) slow() {
	p.burst = 1
	p.slowed++
	for i := range p.buckets {
		b := &p.buckets[i]
		b.budget = 0
		b.interval = max(b.interval, min(2*b.interval, intervalMax))
	}
}

// used keeps everything waiting for a whole window and one request's share of it from an instant on, up to which the key
// may have been used in any way that its windows allow. The share is for a sliding counter: all N of a window may have
// come at its very beginning, and they weigh in full until one more window is over. By then they have lost one, and one
// more by each interval.
func (p *pacer) used(until time.Time) {
	for i := range p.buckets {
		p.buckets[i].used(until, p.burst)
	}
}

func (b *bucket) used(until time.Time, burst int) {
	wait := 4*b.spent.quarter + 3 + time.Duration(burst)*b.interval
	b.debt = latest(b.debt, until.Add(wait))
	b.spent.begun, b.spent.quarters = until, [spendingQuarters]int{b.window.Requests}
}

// forecast returns when the last of so many more requests may leave at the earliest if answers come at once, and the
// window that decides it; no window if nothing has to wait for one.
func (p *pacer) forecast(now time.Time, requests int) (time.Time, Window) {
	p.settle(now)
	end, by := latest(now, p.pause), Window{}
	for i := range p.buckets {
		b := &p.buckets[i]
		b.spent.roll(now)
		if requests <= 0 || b.budget > 0 && fits(&b.spent, now, b.budget-p.inFlight-requests+1) {
			continue
		}
		last := latest(b.debt, now).Add(time.Duration(p.inFlight+requests-p.burst) * b.interval)
		if last.After(end) {
			end, by = last, b.window
		}
	}
	return end, by
}

func fits(s *spending, now time.Time, most int) bool {
	at, ok := s.room(most)
	return ok && !at.After(now)
}
