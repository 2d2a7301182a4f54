package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// killsSetting is how often the tests kill that are named TestKilled; `make crash` sets it.
const killsSetting = "TIEOUT_TEST_KILLS"

// Limits of the tests. The one of few kills is so tight that five processes that each believe to be the first break it
// with their first requests; the other is an hour's, scaled down, and lets a process of many do some work.
var (
	tightLimit = sandbox.Limit{Requests: 4, Per: 40 * time.Second}
	wideLimit  = sandbox.Limit{Requests: 20, Per: 20 * time.Second}
)

// refusalKillsMax bounds the kills of TestKilledManyRunsAreNotRefused.
const refusalKillsMax = 100

// killAtOnce is how long a process gets that asks nothing. One that may ask does so within half of it.
const killAtOnce = 4 * time.Second

// TestKilledRunsAreNotRefused kills the program with SIGKILL again and again, right after its first request and in its
// waits, and starts it anew at once, as a CronJob does: no request is refused, because the ledger is in ClickHouse.
func TestKilledRunsAreNotRefused(t *testing.T) {
	t.Parallel()
	if os.Getenv(killsSetting) != "" {
		t.Skip("there is " + killsSetting)
	}
	w, requests := newLimitedWorkplace(t, tightLimit)
	for range 6 {
		w.killAfter(requests, 1, killAtOnce)
	}
	// Later processes wait for what the first may have sent: were none of their records there, they would ask, too.
	if made := w.sandbox.Requests(); w.sandbox.Refused() > 0 || made == 0 || made > tightLimit.Requests {
		t.Errorf("%d of %d requests were refused", w.sandbox.Refused(), made)
	}
	// Every process that came after the first has seen its record, and says how many requests may have left since.
	if rows := w.rows("SELECT max(JSONExtractUInt(state, 'requests')) > 0 FROM key_states WHERE startsWith(key, 'limit ')"); len(rows) != 1 || rows[0] != "true" && rows[0] != "1" {
		t.Errorf("the ledger knows of no request: %v", rows)
	}
}

// TestKilledManyRunsAreNotRefused is the same for as many kills as are asked for, with processes that get some work done.
func TestKilledManyRunsAreNotRefused(t *testing.T) {
	text := os.Getenv(killsSetting)
	if text == "" {
		t.Skip("long: for make crash, which sets " + killsSetting)
	}
	t.Parallel() // it waits most of the time
	kills, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", killsSetting, err)
	}
	kills = min(kills, refusalKillsMax) // each of them waits for the limit
	w, requests := newLimitedWorkplace(t, wideLimit)
	for kill := range kills {
		if kill%4 == 3 {
			w.killAfter(requests, 0, time.Second+time.Duration(kill*379%2000)*time.Millisecond) // while it waits
			continue
		}
		if !w.killAfter(requests, 1+kill%3, time.Minute) {
			t.Error("no request within a minute")
		}
	}
	t.Logf("%d kills, %d requests, %d refused", kills, w.sandbox.Requests(), w.sandbox.Refused())
	if least := kills * 3 / 4; w.sandbox.Refused() > 0 || w.sandbox.Requests() < least {
		t.Errorf("%d of %d requests were refused, and at least %d were due", w.sandbox.Refused(), w.sandbox.Requests(), least)
	}
}

// TestKilledRunsWithoutLedgerAreRefused is the control: the same processes, whose ledger is lost each time.
func TestKilledRunsWithoutLedgerAreRefused(t *testing.T) {
	t.Parallel()
	w, requests := newLimitedWorkplace(t, tightLimit)
	for kill := 0; kill < 40 && w.sandbox.Refused() == 0; kill++ {
		w.killAfter(requests, 1, killAtOnce)
		w.must(exitDone, "sql", "--write", "TRUNCATE TABLE key_states")
	}
	if w.sandbox.Refused() == 0 {
		t.Errorf("none of %d requests was refused: the limit is too mild to show anything", w.sandbox.Requests())
	}
}

// newLimitedWorkplace is a workplace with a small limit and long lists, and what tells of its requests.
func newLimitedWorkplace(t *testing.T, limit sandbox.Limit) (*workplace, chan struct{}) {
	t.Helper()
	requests := make(chan struct{}, 10_000)
	w := newWorkplace(t, sandbox.Options{
		Seed: 61, Records: 3000, PageSizeMax: 5, RateLimits: []sandbox.Limit{limit},
		BeforeRequest: func(*http.Request) { requests <- struct{}{} },
	}, "")
	w.must(exitDone, "migrate")
	return w.with(fmt.Sprintf("TIEOUT_COINUT_MAIN_RATE_LIMITS=%d/%s", limit.Requests, limit.Per)), requests
}

// killAfter starts a run, waits for so many requests of it, or for some time, and kills it. It reports whether the
// requests came; a count of none is never reached.
func (w *workplace) killAfter(requests chan struct{}, count int, most time.Duration) (reached bool) {
	w.t.Helper()
	command, _, _ := w.command(w.t.Context(), "sync")
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	for seen := 0; count == 0 || seen < count; {
		select {
		case <-requests:
			seen++
			reached = seen == count
			continue
		case <-timer.C:
		}
		break
	}
	if err := command.Process.Kill(); err != nil {
		w.t.Error(err)
	}
	_ = command.Wait() // it was killed
	return reached
}
