package extract

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tieout/schema"
)

// limiter gives out the permits of one key, however many accounts and lists share it. When a permit is due is the
// pacer's to say; who gets it, and that no request leaves without a record in the store, is decided here.
//
// Permits are given in the order in which they were asked for, which shares them fairly, as a list asks for one at a time.
// Urgent ones go before, but never more than urgentRun in a row while others wait.
type limiter struct {
	store   KeyStore // nil: nothing is remembered
	key     string
	log     *slog.Logger
	writing chan struct{} // holds one: who asks or writes the store

	mu        sync.Mutex // guards all below
	pacer     *pacer
	waiters   []*waiter // in the order in which they came
	idle      []*waiter // to be used again
	urgent    int       // urgent permits in a row that went before others
	loaded    bool      // the store was asked what went before
	lease     lease
	writeTook time.Duration         // the last write of the store: a slow one needs longer leases
	stopped   error                 // no request leaves any more
	refusedAt time.Time             // of the last refusal; zero: none
	sent      int                   // requests of this process
	refused   int                   // of them refused by the partner for their rate
	repeats   int                   // of them repeats
	planned   map[schema.Stream]int // pages still to come
	accounts  []string              // that use the key
}

// waiter is one request that waits for its permit. The first one in line waits for the clock, the others to be woken.
type waiter struct {
	urgent bool
	busy   bool          // writes the record: others go before
	wake   chan struct{} // holds one
	timer  *time.Timer
}

// urgentRun is how many urgent permits go before one that waits.
const urgentRun = 3

// newLimiter returns the limiter of a key; serial lets requests go one after the other only.
func newLimiter(windows []Window, serial bool, store KeyStore, log *slog.Logger) *limiter {
	return &limiter{
		pacer: newPacer(windows, serial, store != nil), store: store, log: log,
		loaded: store == nil, writing: make(chan struct{}, 1), planned: map[schema.Stream]int{},
	}
}

// join notes that an account uses the key.
func (l *limiter) join(account string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.accounts, account) {
		l.accounts = append(l.accounts, account)
	}
}

// acquire waits for a permit and says how long that took. Every permit must be given back by release, when the answer
// is there, or by hold, when there will be none. An error of the store means that nothing may be sent.
func (l *limiter) acquire(ctx context.Context, urgent bool) (time.Duration, error) {
	begun := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, cancelled(ctx)
	}
	if len(l.waiters) == 0 && l.take(begun) {
		return 0, nil
	}
	w := l.queue(urgent)
	defer l.leave(w)
	for {
		now := time.Now()
		if l.stopped != nil {
			return now.Sub(begun), l.stopped
		}
		due := time.Duration(-1)
		if l.front() == w {
			at, open := l.pacer.earliest(now)
			recorded := l.recorded(now)
			// A lease that is still good is renewed while the key has to wait anyway.
			if !recorded || l.store != nil && open && at.After(now) && l.lease.low(now) {
				if tried, err := l.renew(ctx, w); err != nil {
					return time.Since(begun), err
				} else if tried {
					continue
				}
			}
			if l.take(now) {
				l.turn(w)
				return now.Sub(begun), nil
			}
			if open && recorded {
				due = at.Sub(now)
			}
		}
		if err := l.wait(ctx, w, due); err != nil {
			return time.Since(begun), err
		}
	}
}

// take sends a request if one may leave now.
func (l *limiter) take(now time.Time) bool {
	if l.stopped != nil || !l.recorded(now) {
		return false
	}
	if at, open := l.pacer.earliest(now); !open || at.After(now) || !l.held() {
		return false
	}
	l.pacer.send()
	l.sent++
	return true
}

// held reports whether the key is still this process's to use. If it is not, nothing leaves any more.
func (l *limiter) held() bool {
	if l.store == nil {
		return true
	}
	lost := l.store.HoldsKey(l.key)
	if lost != nil {
		l.halt(lost)
	}
	return lost == nil
}

// halt lets nothing leave any more: whoever waits or asks gets the error.
func (l *limiter) halt(cause error) {
	l.stopped = cause
	for _, w := range l.waiters {
		w.signal()
	}
}

// recorded reports whether the store knows that a request may leave.
func (l *limiter) recorded(now time.Time) bool {
	return l.store == nil || l.loaded && l.lease.covers(now)
}

// renew writes a new lease, and before the first one asks the store what went before. The others go on under the old
// one meanwhile, as far as it reaches. It does nothing and returns false if somebody else is at it.
func (l *limiter) renew(ctx context.Context, w *waiter) (bool, error) {
	select {
	case l.writing <- struct{}{}:
	default:
		return false, nil
	}
	w.busy = true
	l.signal()
	defer func() {
		w.busy = false
		<-l.writing
		l.signal()
	}()
	if !l.loaded {
		l.mu.Unlock()
		state, err := l.store.LoadKey(ctx, l.key)
		l.mu.Lock()
		if err != nil {
			return true, l.storeError(ctx, "load what the key has sent", err)
		}
		l.takeUp(state)
		l.loaded = true
	}
	now := time.Now()
	// No record speaks of less than the one before has allowed: others go on under that one until this is answered.
	lasts := max(leaseTime+4*l.writeTook, l.lease.left(now))
	lent, refused := lease{until: now.Add(lasts), lasts: lasts}, l.refused
	if err := l.save(ctx, now, lent); err != nil {
		l.held() // else others would go on under the old lease
		return true, err
	}
	l.writeTook = time.Since(now)
	if l.refused == refused { // else a pause has begun meanwhile that is not written yet
		l.lease = lent
	}
	return true, nil
}

// takeUp goes on where the processes before have left the key.
func (l *limiter) takeUp(state string) {
	if state == "" {
		return
	}
	now := time.Now()
	record, err := l.pacer.restore(state, now)
	if err != nil {
		l.log.Warn("what was recorded of the key's requests cannot be used; it waits for a whole window", "reason", err.Error())
		return
	}
	if l.pacer.slowed > 0 {
		l.refusedAt = record.SavedAt.Add(time.Duration(record.RefusedUS) * time.Microsecond)
		l.log.Warn("the partner refused requests of this key lately; it goes on slowly", "refused_at", l.refusedAt)
	}
}

// save writes the record, without holding up those who need no new one.
func (l *limiter) save(ctx context.Context, now time.Time, lent lease) error {
	record := l.pacer.record(now, lent)
	record.Accounts, record.Sent, record.Refused, record.Planned = slices.Clone(l.accounts), l.sent, l.refused, l.requestsPlanned()
	if !l.refusedAt.IsZero() && now.Sub(l.refusedAt) < slowFor {
		record.RefusedUS = min(-1, microseconds(l.refusedAt.Sub(now)))
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	state, err := json.Marshal(record)
	if err == nil {
		err = l.store.SaveKey(ctx, l.key, string(state))
	}
	if err != nil {
		return l.storeError(ctx, "record what the key may send", err)
	}
	return nil
}

func (l *limiter) storeError(ctx context.Context, verb string, err error) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	return fmt.Errorf("%s: %w", verb, err)
}

// close gives an unused lease back, so that a process that comes after need not wait.
func (l *limiter) close(ctx context.Context) error {
	if l.store == nil {
		return nil
	}
	select {
	case l.writing <- struct{}{}:
	case <-ctx.Done():
		return cancelled(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		<-l.writing
		l.signal() // to whoever could not write meanwhile
	}()
	if !l.loaded {
		return nil
	}
	l.lease = lease{}
	now := time.Now()
	return l.save(ctx, now, lease{until: now})
}

// release gives back the permit of a request that was answered.
func (l *limiter) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.answer(time.Now())
	l.signal()
}

// hold keeps the permit of a request that was not answered as long as it may still arrive.
func (l *limiter) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.hold(time.Now().Add(arrivalGrace))
	l.signal()
}

// refuse lets nothing leave for a while after the partner has refused a request for its rate, and slows the key down
// for the rest of its life. Requests that were under way together with one that was refused before count once. It
// reports how many were refused so far.
func (l *limiter) refuse(sent time.Time, wait time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if !sent.Before(l.refusedAt) {
		l.pacer.slow()
	}
	l.refused++
	l.refusedAt = now
	l.pacer.rest(now.Add(wait))
	l.lease = lease{} // nothing leaves before the pause is on record
	l.signal()
	return l.refused
}

// repeatsSpare is how many repeats a run has whatever its size: as much as four lists need to ask four times again.
const repeatsSpare = 16

// repeat reports whether one more request may be a repeat of a failed one: a tenth of a run's requests at most are. A
// partner in trouble is not helped by being asked five times for everything.
func (l *limiter) repeat() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.repeats >= repeatsSpare+l.sent/10 {
		return false
	}
	l.repeats++
	return true
}

// rest lets nothing leave for a while.
func (l *limiter) rest(wait time.Duration) {
	if wait <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pacer.rest(time.Now().Add(wait))
	l.signal()
}

// refusedLately reports whether the partner has refused the key for its rate, in this life or shortly before it.
func (l *limiter) refusedLately() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.refusedAt.IsZero()
}

// stop ends the key: whoever waits or asks gets the error. A process that comes after rests for a while.
func (l *limiter) stop(ctx context.Context, cause error, rest time.Duration) {
	l.mu.Lock()
	l.halt(cause)
	l.pacer.rest(time.Now().Add(rest))
	l.mu.Unlock()
	if err := l.close(ctx); err != nil {
		l.log.Warn("the pause of a key that was stopped could not be recorded", "reason", err.Error())
	}
}

// front returns the waiter whose turn is next.
func (l *limiter) front() *waiter {
	var urgent, other *waiter
	for _, w := range l.waiters {
		switch {
		case w.busy:
		case w.urgent && urgent == nil:
			urgent = w
		case !w.urgent && other == nil:
			other = w
		}
	}
	if urgent == nil || other != nil && l.urgent >= urgentRun {
		return other
	}
	return urgent
}

// turn counts whose turn it was.
func (l *limiter) turn(w *waiter) {
	if l.urgent++; !w.urgent {
		l.urgent = 0
	}
}

func (l *limiter) queue(urgent bool) *waiter {
	var w *waiter
	if last := len(l.idle) - 1; last >= 0 {
		w, l.idle = l.idle[last], l.idle[:last]
	} else {
		w = &waiter{wake: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
		w.timer.Stop()
	}
	w.urgent = urgent
	l.waiters = append(l.waiters, w)
	return w
}

func (l *limiter) leave(w *waiter) {
	at := slices.Index(l.waiters, w)
	l.waiters = slices.Delete(l.waiters, at, at+1)
	w.timer.Stop()
	select {
	case <-w.wake:
	default:
	}
	l.idle = append(l.idle, w)
	l.signal()
}

// signal wakes the waiter whose turn is next.
func (l *limiter) signal() {
	if w := l.front(); w != nil {
		w.signal()
	}
}

func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// wait sleeps until the waiter is woken, or for a while unless that is negative.
func (l *limiter) wait(ctx context.Context, w *waiter, due time.Duration) error {
	l.mu.Unlock()
	defer l.mu.Lock()
	var rung <-chan time.Time
	if due >= 0 {
		w.timer.Reset(due)
		rung = w.timer.C
	}
	select {
	case <-rung:
	case <-w.wake:
	case <-ctx.Done():
		return cancelled(ctx)
	}
	return nil
}

func cancelled(ctx context.Context) error {
	return &schema.Error{Class: schema.ClassCancelled, Err: context.Cause(ctx)}
}
