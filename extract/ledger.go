package extract

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// The ledger is what outlives a process of what it has sent with a key. Before requests leave, a record says how many may
// until when: a lease. Who comes after a process that was killed takes for granted that all of them left and were
// answered as late as they could be, because k answers raise V no further than to max(V, then) + k/r. A lease costs a
// write every few seconds while requests go, nothing while none go, and after a kill some seconds of waiting.
//
// A record holds one instant of the wall clock; all others are kept as their distance from it, measured by the
// monotonic clock, so that no step of the clock within a life gets into it.

const (
	// leaseTime is how long a lease lasts: a process that goes on writes every three seconds, as a lease is renewed
	// when half of it is gone and the key has to wait anyway.
	leaseTime = 6 * time.Second

	// arrivalGrace is how much later than the end of its connection a request may still be decided about: as long as a
	// packet needs that is lost four times in a row (0.2 + 0.4 + 0.8 + 1.6 s), and then some. It counts after a kill,
	// and from a request's timeout or broken connection on.
	arrivalGrace = 5 * time.Second

	// clockStepMin is how far in the future a record must lie for the clock to have been set back.
	clockStepMin = time.Second

	// slowFor is how long a key stays slow after a refusal, over restarts.
	slowFor = 24 * time.Hour
)

// lease is how long requests may leave before the next record is written.
type lease struct {
	until time.Time
	lasts time.Duration
}

// left is how long requests may still leave. A machine that was suspended shows in one of two clocks only: both must
// agree.
func (l lease) left(now time.Time) time.Duration {
	return min(l.until.Sub(now), l.until.Round(0).Sub(now.Round(0)))
}

func (l lease) covers(now time.Time) bool { return l.left(now) > 0 }

// low reports whether half of the lease is gone.
func (l lease) low(now time.Time) bool { return l.left(now) <= l.lasts/2 }

// requests returns how many can leave while the lease lasts: by the lemma, which holds for sending as it does for
// arriving, and by the windows that have no budget, no more than b + r·lasts.
func (l lease) requests(p *pacer) int {
	if l.lasts == 0 {
		return 0
	}
	each := time.Duration(0)
	for i := range p.buckets {
		if p.buckets[i].budget == 0 {
			each = max(each, p.buckets[i].interval)
		}
	}
	return p.burst + int(l.lasts/max(1, each))
}

// ledgerVersion is the form of a record. What has another one cannot be read.
const ledgerVersion = 1

// ledgerRecord is the state of a key as it is stored. Microseconds, rounded up; all but SavedAt are counted from it.
type ledgerRecord struct {
	Version   int            `json:"version"`
	SavedAt   time.Time      `json:"saved_at"`
	Accounts  []string       `json:"accounts"`           // that use the key: for people
	Serial    bool           `json:"serial,omitempty"`   // its requests go one after the other
	Requests  int            `json:"requests"`           // under way, or allowed to leave
	LeaseUS   int64          `json:"lease_us"`           // how long they are allowed to
	PauseUS   int64          `json:"pause_us,omitempty"` // how long the key rests
	Slowed    int            `json:"slowed,omitempty"`   // how often its rate was halved
	RefusedUS int64          `json:"refused_us,omitempty"`
	Refused   int            `json:"refused,omitempty"` // requests of this life that the partner refused
	Sent      int            `json:"sent"`              // requests of this life
	Planned   int            `json:"planned,omitempty"` // requests still to come by what is known
	Windows   []ledgerWindow `json:"windows"`
}

// ledgerWindow is one window in a record.
type ledgerWindow struct {
	Limit     string `json:"limit"`      // 100/1m
	DebtUS    int64  `json:"debt_us"`    // V
	QuarterUS int64  `json:"quarter_us"` // the beginning of the current quarter
	Spent     []int  `json:"spent"`      // answers by quarters
}

// record returns the state to be stored before a lease is used.
func (p *pacer) record(now time.Time, lent lease) ledgerRecord {
	p.settle(now)
	r := ledgerRecord{
		Version: ledgerVersion, SavedAt: now.UTC().Round(0), Requests: p.inFlight + lent.requests(p),
		LeaseUS: max(0, microseconds(lent.until.Sub(now))), PauseUS: max(0, microseconds(p.pause.Sub(now))), Slowed: p.slowed, Serial: p.burst == 1,
	}
	for i := range p.buckets {
		b := &p.buckets[i]
		b.spent.roll(now)
		r.Windows = append(r.Windows, ledgerWindow{
			Limit: b.window.String(), DebtUS: max(-int64(slowFor/time.Microsecond), microseconds(b.debt.Sub(now))),
			QuarterUS: microseconds(b.spent.begun.Sub(now)), Spent: slices.Clone(b.spent.quarters[:]),
		})
	}
	return r
}

// microseconds rounds up: later is safer.
func microseconds(d time.Duration) int64 {
	us := d.Microseconds()
	if time.Duration(us)*time.Microsecond < d {
		us++
	}
	return us
}

// plausible reports whether every number is one that record can have written.
func (r *ledgerRecord) plausible() bool {
	const countMax, farUS = 1 << 31, int64(1000 * 24 * time.Hour / time.Microsecond)
	count := func(n int) bool { return n >= 0 && n <= countMax }
	near := func(us int64) bool { return us >= -farUS && us <= farUS }
	good := !r.SavedAt.IsZero() && count(r.Requests) && count(r.Slowed) && r.LeaseUS >= 0 && near(r.LeaseUS) &&
		r.PauseUS >= 0 && near(r.PauseUS) && near(r.RefusedUS)
	for _, w := range r.Windows {
		good = good && near(w.DebtUS) && near(w.QuarterUS) && len(w.Spent) == spendingQuarters
		for _, spent := range w.Spent {
			good = good && count(spent)
		}
	}
	return good
}

// errClockStep says that the clock was set back since a record was written.
var errClockStep = errors.New("it was written in the future: the clock was set back")

// restore takes up a key where the processes before have left it. If the record cannot be trusted, the error says why, and
// the key waits as if all of its windows had just been used up.
func (p *pacer) restore(text string, now time.Time) (ledgerRecord, error) {
	var r ledgerRecord
	err := json.Unmarshal([]byte(text), &r)
	age := now.Round(0).Sub(r.SavedAt)
	switch {
	case err != nil:
		err = errors.New("it is no record of ours")
	case r.Version != ledgerVersion:
		err = fmt.Errorf("it has version %d, not %d", r.Version, ledgerVersion)
	case !r.plausible():
		err = errors.New("it does not fit together")
	case age < -clockStepMin:
		err = errClockStep
	}
	if err != nil {
		p.used(now)
		return ledgerRecord{}, err
	}
	p.resume(r, now)
	return r, nil
}

// resume takes up what a record says.
func (p *pacer) resume(r ledgerRecord, now time.Time) {
	saved := now.Add(-max(0, now.Round(0).Sub(r.SavedAt)))
	since := func(us int64) time.Time { return saved.Add(time.Duration(us) * time.Microsecond) }
	if r.RefusedUS != 0 && now.Sub(since(r.RefusedUS)) < slowFor {
		for range min(r.Slowed, 64) {
			p.slow()
		}
	}
	p.rest(since(r.PauseUS))
	last := saved // when the last request of the process before may have arrived
	if r.Requests > 0 {
		// Sent while the lease lasted, under way for as long as a request may be, and cut off by the kill at the latest.
		if last = since(r.LeaseUS).Add(requestTimeout); last.After(now) {
			last = now
		}
		last = last.Add(arrivalGrace)
	}
	for i := range p.buckets {
		b := &p.buckets[i]
		w, kept := r.window(b.window)
		if b.used(last, p.burst); w == nil {
			continue // a limit that was not kept before
		}
		// The budget's proof asks for counts, whatever limit they were made under. The debt belongs to its limit alone.
		b.spent.begun = since(w.QuarterUS)
		copy(b.spent.quarters[:], w.Spent)
		b.spent.roll(last)
		b.spent.quarters[0] += r.Requests
		if kept {
			b.debt = since(w.DebtUS)
			if r.Requests > 0 {
				b.debt = latest(b.debt, last).Add(time.Duration(r.Requests) * b.interval)
			}
		}
	}
}

// window returns what was recorded of a window of the same length, nil if nothing was, and whether its limit is the same.
func (r *ledgerRecord) window(window Window) (found *ledgerWindow, same bool) {
	for i := range r.Windows {
		if r.Windows[i].Limit == window.String() {
			return &r.Windows[i], true
		}
		if recorded, err := ParseWindow(r.Windows[i].Limit); err == nil && recorded.Per == window.Per {
			found = &r.Windows[i]
		}
	}
	return found, false
}
