package extract

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// stored is a record as the store has it.
func stored(t testing.TB, p *pacer, now time.Time, lent lease) string {
	t.Helper()
	text, err := json.Marshal(p.record(now, lent))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// waits returns how long a process that begins at an instant waits before its first request.
func waits(t testing.TB, limits, state string, now time.Time) (time.Duration, error) {
	t.Helper()
	p := newPacer(windowsOf(t, limits), false, true)
	_, err := p.restore(state, now)
	at, _ := p.earliest(now)
	return max(0, at.Sub(now)), err
}

// TestRestart begins anew after lives that ended in every way.
func TestRestart(t *testing.T) {
	const limits = "100/1m,1000/1h"
	p := newPacer(windowsOf(t, limits), false, true)
	for range 10 {
		p.send()
		p.answer(instant)
	}
	each := p.buckets[0].interval
	begun, _ := p.earliest(instant)
	paced := begun.Sub(instant) // what an undisturbed process would wait
	lent := lease{until: instant.Add(leaseTime), lasts: leaseTime}
	const allowed = 2 + 9 // in 6 s at a request every 0.62 s
	killed, clean := stored(t, p, instant, lent), stored(t, p, instant, lease{until: instant})
	p.send()
	inFlight := stored(t, p, instant, lent)
	p.answer(instant)
	p.rest(instant.Add(10 * time.Minute))
	resting := stored(t, p, instant, lease{until: instant})
	whole := time.Minute + time.Minute/1000 + 50*time.Millisecond + each
	hour := time.Hour + time.Hour/1000 + 50*time.Millisecond + p.buckets[1].interval
	edit := func(old, replacement string) string {
		if !strings.Contains(killed, old) {
			t.Fatalf("%s does not hold %s", killed, old)
		}
		return strings.Replace(killed, old, replacement, 1)
	}
	tests := map[string]struct {
		state string
		after time.Duration // the new process begins so long after the record
		want  time.Duration
		says  string
	}{
		"closed":                       {clean, 0, paced, ""},
		"closed a minute ago":          {clean, time.Minute, 0, ""},
		"killed, at once":              {killed, 0, (10 + allowed - 1) * each, ""}, // what was sent reaches further than the grace
		"killed, five seconds later":   {killed, 5 * time.Second, arrivalGrace + (allowed-1)*each, ""},
		"killed with one under way":    {inFlight, 0, (10 + allowed) * each, ""},
		"killed, a minute later":       {killed, leaseTime + requestTimeout, arrivalGrace + (allowed-1)*each, ""},
		"killed, two minutes later":    {killed, leaseTime + requestTimeout + arrivalGrace + 20*time.Second, 0, ""},
		"killed last night":            {killed, 24 * time.Hour, 0, ""},
		"resting":                      {resting, 4 * time.Minute, 6 * time.Minute, ""},
		"rested":                       {resting, 11 * time.Minute, 0, ""},
		"garbage":                      {"1773336124567", 0, hour, "no record"},
		"cut off":                      {killed[:len(killed)/2], 0, hour, "no record"},
		"nothing in it":                {"{}", 0, hour, "version 0"},
		"null":                         {"null", 0, hour, "version 0"},
		"another version":              {edit(`"version":1`, `"version":2`), 24 * time.Hour, hour, "version 2"},
		"a count below nought":         {edit(`"requests":`, `"requests":-`), 24 * time.Hour, hour, "does not fit"},
		"too few quarters":             {edit(`"spent":[`, `"spent":[1],"spend":[`), 24 * time.Hour, hour, "does not fit"},
		"far from any time":            {edit(`"debt_us":`, `"debt_us":99999999999`), 0, hour, "does not fit"},
		"written in the future":        {killed, -time.Minute, hour, "set back"},
		"a clock that jumped a little": {clean, -900 * time.Millisecond, paced, ""},
		"a limit that is new":          {edit(`"limit":"100/1m"`, `"limit":"50/1m"`), 0, arrivalGrace + whole, ""},
		"a limit that is new tonight":  {edit(`"limit":"100/1m"`, `"limit":"50/1m"`), 24 * time.Hour, 0, ""},
	}
	for name, test := range tests {
		got, err := waits(t, limits, test.state, instant.Add(test.after))
		if (got - test.want).Abs() > 50*time.Microsecond {
			t.Errorf("%s: the first request waits %s, want %s", name, got, test.want)
		}
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", name, err, test.says)
		}
	}
}

// TestRestartUnderAnotherLimit: an hour whose limit was changed goes on at once if what was counted leaves room, and a
// minute waits for itself.
func TestRestartUnderAnotherLimit(t *testing.T) {
	p := newPacer(windowsOf(t, "60/1m,1000/1h"), false, true)
	for range 300 {
		p.send()
		p.answer(instant)
	}
	state := stored(t, p, instant, lease{until: instant})
	for limits, want := range map[string]time.Duration{
		"60/1m,500/1h": 0, "60/1m,301/1h": time.Hour - 10*time.Minute, "60/1m,500/2h": 2*time.Hour - 10*time.Minute, "50/1m,1000/1h": 0, "60/1m,1000/1h": 0,
	} {
		got, err := waits(t, limits, state, instant.Add(10*time.Minute))
		if err != nil || (got-want).Abs() > want/100 {
			t.Errorf("%s: the first request waits %s (%v), want about %s", limits, got, err, want)
		}
	}
}

// TestRestartStaysSlow keeps a key that was refused slow for a day, over restarts, and without its budget.
func TestRestartStaysSlow(t *testing.T) {
	for after, slowed := range map[time.Duration]int{time.Hour: 2, 23 * time.Hour: 2, 25 * time.Hour: 0} {
		p := newPacer(windowsOf(t, "60/1m,1000/1h"), false, true)
		interval := p.buckets[0].interval
		p.slow()
		p.slow()
		r := p.record(instant, lease{until: instant})
		r.RefusedUS = -1
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		p = newPacer(windowsOf(t, "60/1m,1000/1h"), false, true)
		if _, err := p.restore(string(text), instant.Add(after)); err != nil {
			t.Fatal(err)
		}
		slow := slowed > 0
		if p.slowed != slowed || (p.buckets[0].interval == interval<<slowed) == (slowed == 0 && p.burst == 1) || slow != (p.burst == 1) || slow != (p.buckets[1].budget == 0) {
			t.Errorf("%s after two refusals: halved %d times, %d in flight, every %s, budget %d", after, p.slowed, p.burst, p.buckets[0].interval, p.buckets[1].budget)
		}
	}
}

// FuzzRestore reads records that anything may have written: the pacer must stay usable, and what is not a record of
// ours must cost a whole window.
func FuzzRestore(f *testing.F) {
	p := newPacer(windowsOf(f, "60/1m,1000/1h"), false, true)
	p.send()
	good := stored(f, p, instant, lease{until: instant.Add(leaseTime), lasts: leaseTime})
	for _, text := range []string{good, good[:100], "{}", "", "[]", `{"version":1}`, strings.ReplaceAll(good, "0", "9")} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p := newPacer(windowsOf(t, "60/1m,1000/1h"), false, true)
		_, err := p.restore(text, instant)
		at, open := p.earliest(instant)
		if !open || err != nil && at.Sub(instant) < time.Hour {
			t.Errorf("%v: the next request may leave at %s (%v)", err, at, open)
		}
		for range 5 {
			if at, open = p.earliest(latest(at, instant)); open {
				p.send()
				p.answer(at)
			}
		}
		if outlook, err := ReadOutlook(text, instant); err == nil && len(outlook.Used) == 0 {
			t.Errorf("an outlook without limits: %v", outlook)
		}
	})
}

// TestForecast compares what is forecast with what the pacer then does.
func TestForecast(t *testing.T) {
	for _, limits := range []string{"100/1m", "60/1m,1000/1h", "10/1s,100/1m"} {
		for _, requests := range []int{1, 2, 3, 10, 100, 900, 996, 1500} {
			for _, before := range []int{0, 50, 700} {
				p := newPacer(windowsOf(t, limits), false, true)
				now := instant
				send := func(count int) time.Time {
					for range count {
						at, _ := p.earliest(now)
						now = latest(now, at)
						p.send()
						p.answer(now)
					}
					return now
				}
				send(before)
				want, by := p.forecast(now, requests)
				got := send(requests)
				if off := got.Sub(want).Abs(); off > 2*time.Second+want.Sub(instant)/50 || got.Before(want.Add(-time.Millisecond)) && off > time.Second {
					t.Errorf("%s: %d more after %d are forecast for %s, and took until %s", limits, requests, before, want.Sub(instant), got.Sub(instant))
				}
				if requests == 1500 && by.String() != limits[strings.LastIndexByte(limits, ',')+1:] {
					t.Errorf("%s: 1500 requests are limited by %s", limits, by)
				}
			}
		}
	}
}

// TestOutlookWords are what people read.
func TestOutlookWords(t *testing.T) {
	o := Outlook{AsOf: instant, EndsAt: instant.Add(7 * time.Minute), Planned: 700, Limit: "100/1m", Used: []UsedLimit{{"100/1m", 63, 100}, {"1000/1h", 99, 1000}}}
	if got, want := o.String(), "about 7 min, limited by 100/1m; used 63 of 100/1m; used 99 of 1000/1h"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	o = Outlook{AsOf: instant, EndsAt: instant.Add(time.Hour), Paused: instant.Add(time.Hour), Used: []UsedLimit{{"4/1s", 0, 4}}}
	if got, want := o.String(), "paused by the partner until 18:22:04; used 0 of 4/1s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for d, want := range map[time.Duration]string{0: "0 s", 1499 * time.Millisecond: "1 s", 89 * time.Second: "89 s", 91 * time.Second: "2 min", 89 * time.Minute: "89 min", 150 * time.Minute: "2 h 30 min"} {
		if got := roughly(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// TestReadOutlook tells of a key what its process knew, for as long as that seems to run.
func TestReadOutlook(t *testing.T) {
	p := newPacer(windowsOf(t, "60/1m,1000/1h"), false, true)
	for range 30 {
		p.send()
		p.answer(instant)
	}
	r := p.record(instant, lease{until: instant.Add(leaseTime), lasts: leaseTime})
	r.Accounts, r.Planned = []string{"kuna"}, 1200
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]string{
		3 * time.Second: "kuna: about 74 min, limited by 1000/1h; used 30 of 60/1m; used 30 of 1000/1h",
		time.Hour:       "kuna: used 0 of 60/1m; used 30 of 1000/1h",
		3 * time.Hour:   "kuna: used 0 of 60/1m; used 0 of 1000/1h",
	} {
		o, err := ReadOutlook(string(text), instant.Add(after))
		if got := fmt.Sprintf("%s: %s", o.Accounts[0], o); err != nil || got != want {
			t.Errorf("%s later: %q (%v), want %q", after, got, err, want)
		}
	}
	for _, broken := range []string{"", "{}", "123", strings.Replace(string(text), "60/1m", "60", 1)} {
		if _, err := ReadOutlook(broken, instant); err == nil {
			t.Errorf("%q was read", broken)
		}
	}
}

// suspended returns the instant after a machine has slept: its wall clock has gone on, and its monotonic one has not.
func suspended(at time.Time, slept time.Duration) time.Time {
	later := at
	// The first word of a time with a monotonic reading holds the seconds of the wall clock above 30 bits.
	*(*uint64)(unsafe.Pointer(&later)) += uint64(slept/time.Second) << 30 //nolint:gosec // no test can put a machine to sleep
	return later
}

// TestLeaseClocks: a lease is over by both clocks. Of a machine that was suspended the monotonic one knows nothing, and one
// whose time is set back says by the other that the lease has longer to go.
func TestLeaseClocks(t *testing.T) {
	now := time.Now()
	l := lease{until: now.Add(leaseTime), lasts: leaseTime}
	if !l.covers(now) || l.low(now) || l.covers(now.Add(leaseTime)) || !l.low(now.Add(leaseTime/2)) {
		t.Error("a lease of a quiet machine")
	}
	woken := suspended(now, 2*time.Minute)
	if woken.Sub(now) != 0 || woken.Round(0).Sub(now.Round(0)) != 2*time.Minute {
		t.Fatalf("the machine slept from %s to %s", now, woken)
	}
	if l.covers(woken) || !l.low(woken) || l.left(woken) > 0 {
		t.Errorf("the wall clock is past the end, and requests leave for %s", l.left(woken))
	}
	if setBack := suspended(now, -2*time.Minute); l.left(setBack) != leaseTime {
		t.Errorf("a clock that was set back leaves %s", l.left(setBack))
	}
}

// TestUsedByCounter: a key that may have been used in any way its windows allow is not refused by a sliding counter
// either, whose whole previous window came at its very beginning.
func TestUsedByCounter(t *testing.T) {
	for _, limits := range []string{"100/1m", "20/20s", "1000/1h", "4/1m"} {
		for phase := range 20 {
			windows, err := ParseWindows(limits)
			if err != nil {
				t.Fatal(err)
			}
			p, window := newPacer(windows, false, true), windows[0]
			p.used(instant)
			per := float64(window.Per)
			// The N came when their window was so old, up to the instant of the record.
			begun := instant.Add(-window.Per * time.Duration(phase) / 1000)
			now, counts := instant, map[int]float64{0: float64(window.Requests)}
			for range 3 * window.Requests {
				at, open := p.earliest(now)
				if !open {
					t.Fatal("nothing is under way")
				}
				now = latest(now, at)
				into := float64(now.Sub(begun))
				index := int(into / per)
				if weight := counts[index-1]*(1-(into-float64(index)*per)/per) + counts[index] + 1; weight > float64(window.Requests)+1e-6 {
					t.Fatalf("%s, %d ‰ into the window: a request at %s is refused, %.3f", limits, phase, now.Sub(instant), weight)
				}
				counts[index]++
				p.send()
				p.answer(now)
			}
		}
	}
}
