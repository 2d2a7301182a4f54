package extract

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// The simulation drives the pacer and its records with explicit instants: no goroutine, no clock, no waiting, so that a
// second of real time is a million requests.

// weather is how long a request takes to the server, and its answer back.
type weather func(random *rand.Rand, now time.Time) (there, back time.Duration)

// calm takes 10 to 200 ms a way, 20 to 400 ms for both.
func calm(random *rand.Rand, _ time.Time) (there, back time.Duration) {
	way := func() time.Duration {
		return 10*time.Millisecond + time.Duration(random.Int64N(int64(190*time.Millisecond)))
	}
	return way(), way()
}

// stalling is calm, but 2 % of the ways take up to 28 s, so that answers and requests overtake each other.
func stalling(random *rand.Rand, now time.Time) (there, back time.Duration) {
	there, back = calm(random, now)
	if random.IntN(50) == 0 {
		there += time.Second + time.Duration(random.Int64N(int64(27*time.Second)))
	}
	if random.IntN(50) == 0 {
		back += time.Second + time.Duration(random.Int64N(int64(27*time.Second)))
	}
	return there, back
}

// freezing is calm, but all that is sent in the last 6 s of every 45 s is delivered at once at their end.
func freezing(random *rand.Rand, now time.Time) (there, back time.Duration) {
	there, back = calm(random, now)
	if into := time.Duration(now.UnixNano()) % (45 * time.Second); into > 39*time.Second {
		there = 45*time.Second - into
	}
	return there, back
}

// discipline decides when requests leave. The pacer is one.
type discipline interface {
	earliest(now time.Time) (time.Time, bool)
	sent(now time.Time)
	answered(now time.Time)
	held(until time.Time)
}

// paced is the pacer as it is meant to be used, or misused in one way.
type paced struct {
	*pacer
	fault fault
}

// fault is a mutant: one way to get the limiter wrong.
type fault int

const (
	faultless        fault = iota
	fullRate               // r = N/W
	stampedAtSending       // the debit is dated when the request leaves
	inFlightForgotten
	ledgerForgotten // a restart begins with nothing
)

func (p paced) sent(now time.Time) {
	if p.fault == inFlightForgotten {
		return
	}
	p.send()
	if p.fault == stampedAtSending {
		p.answer(now)
	}
}

func (p paced) answered(now time.Time) {
	switch p.fault {
	case stampedAtSending:
		return
	case inFlightForgotten:
		p.send()
	}
	p.answer(now)
}

func (p paced) held(until time.Time) {
	switch p.fault {
	case stampedAtSending:
		return
	case inFlightForgotten:
		p.send()
	}
	p.hold(until)
}

// reserved is golang.org/x/time/rate, which dates its debits at sending.
type reserved struct {
	limiter *rate.Limiter
	next    time.Time // of the reservation that was not used yet
}

func (r *reserved) earliest(now time.Time) (time.Time, bool) {
	if r.next.IsZero() {
		r.next = now.Add(r.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	return r.next, true
}

func (r *reserved) sent(time.Time)     { r.next = time.Time{} }
func (r *reserved) answered(time.Time) {}
func (r *reserved) held(time.Time)     {}

// trial is one simulated job: workers that send requests with one key to one server.
type trial struct {
	windows  []Window
	serial   bool
	workers  int
	requests int
	weather  weather
	lost     int           // of 1000 requests so many get no answer in time and still arrive
	life     time.Duration // a process is killed after about so long; 0: never
	gap      int           // after about so many requests the job rests for a while; 0: never
	fault    fault
	other    func(Window) *rate.Limiter // instead of the pacer
}

// happening is something that is due: an arrival at the server, or what the client learns of a request.
type happening struct {
	at   time.Time
	what int
	life int // of the client that is told
}

const (
	arrival = iota
	answered
	timeout
)

// simulatedWorld is the state of a trial.
type simulatedWorld struct {
	trial
	random  *rand.Rand
	now     time.Time
	due     []happening // the soonest first
	court   *court
	client  discipline
	number  int // of the process, from 1
	pacer   *pacer
	lease   lease
	stored  string // the ledger, as the store has it
	dies    time.Time
	resting time.Time
	idle    int // workers without a request
	left    int
	kills   int
	leases  int
	leased  int // requests that left under the last record
	beyond  int // of all records: more than they told of
}

// killsMost bounds the kills of a job: one that is killed sooner than it may send again would never end.
const killsMost = 300

var simulationBegins = time.Date(2026, 3, 12, 17, 22, 4, 0, time.UTC)

// run simulates the trial to the arrival of its last request.
func (t trial) run(seed uint64) *simulatedWorld {
	w := &simulatedWorld{trial: t, random: rand.New(rand.NewPCG(seed, 0x51)), now: simulationBegins, left: t.requests}
	w.begin()
	w.court = newCourt(w.pacer, w.now, w.random)
	if t.fault != faultless || t.life > 0 || t.other != nil {
		w.court.laws = nil
	}
	for w.left > 0 || len(w.due) > 0 {
		w.step()
	}
	return w
}

// begin starts a process.
func (w *simulatedWorld) begin() {
	w.number++
	w.idle, w.lease = w.workers, lease{}
	w.pacer = newPacer(w.windows, w.serial, true)
	if w.fault == fullRate {
		for i := range w.pacer.buckets {
			b := &w.pacer.buckets[i]
			b.interval = b.window.Per / time.Duration(b.window.Requests)
		}
	}
	if w.stored != "" && w.fault != ledgerForgotten {
		if _, err := w.pacer.restore(w.stored, w.now); err != nil {
			panic(err)
		}
	}
	w.client = paced{w.pacer, w.fault}
	if w.other != nil {
		w.client = &reserved{limiter: w.other(w.windows[0])}
	}
	if w.dies = w.now.AddDate(1, 0, 0); w.life > 0 && w.kills < killsMost {
		w.dies = w.now.Add(time.Duration(w.random.ExpFloat64() * float64(w.life)))
	}
}

// step sends a request, or lets time go on to what is due next.
func (w *simulatedWorld) step() {
	next := w.now.Add(24 * time.Hour)
	if w.left > 0 && w.idle > 0 {
		if !w.lease.covers(w.now) && w.life > 0 {
			w.renew()
		}
		at, open := w.client.earliest(w.now)
		at = latest(at, w.resting)
		if open && !at.After(w.now) {
			w.send()
			return
		}
		if open {
			next = at
		}
	}
	if len(w.due) > 0 && w.due[0].at.Before(next) {
		next = w.due[0].at
	}
	if w.life > 0 && w.dies.Before(next) && w.left > 0 {
		w.now = latest(w.now, w.dies)
		w.kill()
		return
	}
	w.now = latest(w.now, next)
	if len(w.due) > 0 && !w.due[0].at.After(w.now) {
		w.happen()
	}
}

func (w *simulatedWorld) renew() {
	w.lease = lease{until: w.now.Add(leaseTime), lasts: leaseTime}
	text, err := json.Marshal(w.pacer.record(w.now, w.lease))
	if err != nil {
		panic(err)
	}
	w.stored = string(text)
	w.leases++
	w.leased = 0
}

func (w *simulatedWorld) send() {
	w.client.sent(w.now)
	if w.leased++; w.life > 0 && w.leased > w.lease.requests(w.pacer) {
		w.beyond++
	}
	w.left--
	w.idle--
	if w.gap > 0 && w.random.IntN(w.gap) == 0 {
		w.resting = w.now.Add(time.Duration(w.random.ExpFloat64() * float64(w.windows[len(w.windows)-1].Per)))
	}
	there, back := w.weather(w.random, w.now)
	if w.random.IntN(1000) < w.lost {
		w.expect(w.now.Add(time.Duration(w.random.Int64N(int64(requestTimeout+arrivalGrace)))), arrival)
		w.expect(w.now.Add(requestTimeout), timeout)
		return
	}
	w.expect(w.now.Add(there), arrival)
	w.expect(w.now.Add(there+back), answered)
}

func (w *simulatedWorld) expect(at time.Time, what int) {
	place, _ := slices.BinarySearchFunc(w.due, at, func(h happening, at time.Time) int {
		if h.at.After(at) {
			return 1
		}
		return -1
	})
	w.due = slices.Insert(w.due, place, happening{at, what, w.number})
}

func (w *simulatedWorld) happen() {
	h := w.due[0]
	w.due = slices.Delete(w.due, 0, 1)
	switch {
	case h.what == arrival:
		w.court.arrive(h.at)
	case h.life != w.number: // its process is gone
	case h.what == answered:
		w.client.answered(w.now)
		w.idle++
	case h.what == timeout:
		w.client.held(w.now.Add(arrivalGrace))
		w.idle++
	}
}

// kill ends the process without a word, and starts another one soon. What is on its way still arrives.
func (w *simulatedWorld) kill() {
	w.kills++
	for i := range w.due {
		if limit := w.now.Add(arrivalGrace); w.due[i].at.After(limit) {
			w.due[i].at = limit
		}
	}
	slices.SortStableFunc(w.due, func(a, b happening) int { return a.at.Compare(b.at) })
	pause := time.Duration(0)
	switch w.random.IntN(4) {
	case 0:
	case 1:
		pause = time.Duration(w.random.Int64N(int64(10 * time.Second)))
	case 2:
		pause = time.Duration(w.random.Int64N(int64(2 * time.Minute)))
	case 3:
		pause = time.Duration(w.random.Int64N(2 * int64(w.windows[0].Per)))
	}
	restart := w.now.Add(pause)
	for len(w.due) > 0 && !w.due[0].at.After(restart) {
		w.now = w.due[0].at
		h := w.due[0]
		w.due = slices.Delete(w.due, 0, 1)
		if h.what == arrival {
			w.court.arrive(h.at)
		}
	}
	w.now = restart
	w.begin()
}
