package extract

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// simSetting reads a number that `make sim` sets: TIEOUT_TEST_SIM_SCALE in millions of requests, TIEOUT_TEST_SIM_SEED.
func simSetting(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv("TIEOUT_TEST_SIM_" + name)
	if text == "" {
		return otherwise
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("TIEOUT_TEST_SIM_%s: %v", name, err)
	}
	return number
}

// simLimits are what is simulated: lone windows, pairs, a window with a budget behind a short one, and three.
var simLimits = []string{
	"100/1m", "60/1m", "4/1s", "20/10s", "1000/1m", "10/1s,100/1m", "60/1m,1000/1h", "30/1m,200/20m", "500/1m,5000/1h", "20/10s,60/1m,600/30m",
}

func windowsOf(t testing.TB, text string) []Window {
	t.Helper()
	windows, err := ParseWindows(text)
	if err != nil {
		t.Fatal(err)
	}
	return windows
}

// randomTrial draws a job of any kind.
func randomTrial(t testing.TB, random *rand.Rand) (trial, string) {
	text := simLimits[random.IntN(len(simLimits))]
	s := trial{
		windows: windowsOf(t, text), serial: random.IntN(5) == 0, workers: 1 + random.IntN(8), requests: 200 + random.IntN(2800),
		weather: []weather{calm, stalling, freezing}[random.IntN(3)],
	}
	if random.IntN(3) == 0 {
		s.lost = 2
	}
	if random.IntN(2) == 0 {
		s.life = 2*time.Second + time.Duration(random.ExpFloat64()*float64(2*time.Minute))
	}
	if random.IntN(3) == 0 {
		s.gap = 20 + random.IntN(400)
	}
	return s, text
}

// TestSimNeverRefused sends a million requests (30 in make sim) of random jobs to servers of every kind that the limiter
// promises to pass: those that space requests out, with a burst or without, are left out of windows with a budget. None may
// refuse, and where no process dies the arrivals must keep the lemma itself.
func TestSimNeverRefused(t *testing.T) {
	seed, scale := simSetting(t, "SEED", 1), simSetting(t, "SCALE", 1)
	random := rand.New(rand.NewPCG(seed, 0x52))
	var refused [judgeKinds]int
	var judged [judgeKinds]int
	requests, jobs, kills, leases := 0, 0, 0, 0
	begun := time.Now()
	for requests < int(scale)*1_000_000 && !t.Failed() {
		s, text := randomTrial(t, random)
		number := random.Uint64()
		w := s.run(number)
		jobs, requests, kills, leases = jobs+1, requests+w.court.arrivals, kills+w.kills, leases+w.leases
		for kind, count := range w.court.refused {
			if refused[kind] += count; count > 0 {
				t.Errorf("job %d (%d workers, %s, life %s, gap %d, serial %v): the %s refused %d of %d", number, s.workers, text, s.life, s.gap, s.serial, kindNames[kind], count, w.court.arrivals)
			}
			if len(w.court.kinds[kind]) > 0 {
				judged[kind] += w.court.arrivals
			}
		}
		for _, l := range w.court.laws {
			if l.broken > 0 {
				t.Errorf("job %d (%d workers, %s): %d arrivals came up to %s before the lemma allows", number, s.workers, text, l.broken, l.worst)
			}
		}
		if w.beyond > 0 {
			t.Errorf("job %d (%s): %d requests left that no record told of", number, text, w.beyond)
		}
		if w.court.arrivals != s.requests {
			t.Errorf("job %d: %d of %d requests arrived", number, w.court.arrivals, s.requests)
		}
	}
	var by []string
	for kind, name := range kindNames {
		by = append(by, fmt.Sprintf("%s %d of %d", name, refused[kind], judged[kind]))
	}
	t.Logf("seed %d: %d requests in %d jobs, %d kills, %d records, %s; refused: %s", seed, requests, jobs, kills, leases, time.Since(begun).Round(time.Millisecond), strings.Join(by, ", "))
	if kills == 0 || requests < 1_000_000 {
		t.Errorf("only %d requests and %d kills were simulated", requests, kills)
	}
}

// TestSimMakespan measures what never being refused costs: 1000 requests at 100/1m take 600 s where a sliding counter
// judges, however they are sent, and the pacer must be within 3 % of that. What golang.org/x/time/rate does to the same
// servers is printed beside it: the reason for code of our own.
func TestSimMakespan(t *testing.T) {
	seed := simSetting(t, "SEED", 1)
	const requests, bound, jobs = 1000, 600 * time.Second, 200
	windows := windowsOf(t, "100/1m")
	limit := rate.Every(time.Minute / 100)
	t.Logf("seed %d: %d requests at 100/1m, round trips of 20 to 400 ms, 1 to 8 workers, %d jobs; bound %s", seed, requests, jobs, bound)
	for _, d := range []struct {
		name  string
		other func(Window) *rate.Limiter
	}{
		{"tieout", nil},
		{"x/time/rate, burst 1", func(Window) *rate.Limiter { return rate.NewLimiter(limit, 1) }},
		{"x/time/rate, burst 100", func(w Window) *rate.Limiter { return rate.NewLimiter(limit, w.Requests) }},
	} {
		var refused, most [judgeKinds]int
		var sum, slowest time.Duration
		for job := range jobs {
			s := trial{windows: windows, workers: 1 + job%8, requests: requests, weather: calm, other: d.other}
			w := s.run(seed<<20 + uint64(job))
			for kind, count := range w.court.refused {
				refused[kind] += count
				most[kind] = max(most[kind], count)
			}
			took := w.court.last.Sub(w.court.first)
			sum, slowest = sum+took, max(slowest, took)
		}
		var by []string
		for kind, name := range kindNames[:spacingKind] {
			by = append(by, fmt.Sprintf("%s %.1f (%d)", name, float64(refused[kind])/jobs, most[kind]))
		}
		t.Logf("%-22s makespan %s, at most %s (%+.2f %%); refused a job, mean (most): %s", d.name, (sum / jobs).Round(100*time.Millisecond), slowest.Round(100*time.Millisecond),
			100*(slowest.Seconds()/bound.Seconds()-1), strings.Join(by, ", "))
		for kind := range refused {
			switch {
			case d.other == nil && refused[kind] > 0:
				t.Errorf("the %s refused %d requests", kindNames[kind], refused[kind])
			case d.other == nil && slowest > bound*103/100:
				t.Errorf("%s, want at most 3 %% more than %s", slowest, bound)
			}
		}
		if d.other != nil && refused[slidingCounterKind] == 0 {
			t.Errorf("%s was never refused: the servers are too mild to show anything", d.name)
		}
	}
}

// TestSimNight is what the budget of the hour is for: a night of 900 requests at 60/1m and 1000/1h ends after a quarter
// of an hour, and one of 2500 takes no longer than at the pace of the hour.
func TestSimNight(t *testing.T) {
	for requests, most := range map[int]time.Duration{900: 950 * time.Second, 2500: 9_050 * time.Second} {
		for job := range 100 {
			s := trial{windows: windowsOf(t, "60/1m,1000/1h"), workers: 1 + job%8, requests: requests, weather: calm}
			w := s.run(uint64(job))
			took := w.court.last.Sub(w.court.first)
			if job == 0 {
				t.Logf("%d requests: %s", requests, took.Round(time.Second))
			}
			if took > most {
				t.Errorf("%d requests took %s, want at most %s", requests, took, most)
			}
			for kind, count := range w.court.refused {
				if count > 0 {
					t.Errorf("%d requests: the %s refused %d", requests, kindNames[kind], count)
				}
			}
		}
	}
}

// TestSimFaults gets the limiter wrong in each of the ways that matter. The servers must notice each, or they could not
// have noticed a mistake of ours; without the fault the same jobs are not refused.
func TestSimFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault   fault
		weather weather
		life    time.Duration
	}{
		"r = N/W":                  {fullRate, calm, 0},
		"stamped at sending":       {stampedAtSending, freezing, 0},
		"in flight forgotten":      {inFlightForgotten, freezing, 0},
		"ledger lost at a restart": {ledgerForgotten, calm, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			for _, fault := range []fault{test.fault, faultless} {
				requests, refused := 0, 0
				for job := range 40 {
					s := trial{windows: windowsOf(t, "100/1m"), workers: 8, requests: 2000, weather: test.weather, life: test.life, fault: fault}
					w := s.run(uint64(job))
					requests += w.court.arrivals
					for _, count := range w.court.refused {
						refused += count
					}
				}
				t.Logf("fault %v: %d refusals in %d requests", fault != faultless, refused, requests)
				if (refused > 0) != (fault != faultless) {
					t.Errorf("fault %v: %d refusals", fault != faultless, refused)
				}
			}
		})
	}
}
