package main

import (
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// killsSetting is how often TestKilledRunsAreNotRefused kills; `make crash` sets more.
const killsSetting = "TIEOUT_TEST_KILLS"

// TestKilledRunsAreNotRefused kills the program with SIGKILL again and again, right after requests and in its waits,
// and starts it anew at once, as a CronJob does: no request is refused, because the ledger is in ClickHouse. The limit
// is an hour's, scaled down: 20 in 20 s, which a few processes without memory would break.
func TestKilledRunsAreNotRefused(t *testing.T) {
	t.Parallel()
	kills := 4
	if text := os.Getenv(killsSetting); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", killsSetting, err)
		}
	}
	w, requests := newLimitedWorkplace(t)
	for kill := range kills {
		if kill%4 == 3 {
			w.killAfter(requests, 0, time.Second+time.Duration(kill*379%2000)*time.Millisecond) // while it waits
			continue
		}
		w.killAfter(requests, 1+kill%3, time.Minute)
	}
	t.Logf("%d kills, %d requests, %d refused", kills, w.sandbox.Requests(), w.sandbox.Refused())
	if w.sandbox.Refused() > 0 || w.sandbox.Requests() < kills/2 {
		t.Errorf("%d of %d requests were refused", w.sandbox.Refused(), w.sandbox.Requests())
	}
}

// TestKilledRunsWithoutLedgerAreRefused is the control: the same processes, whose ledger is lost each time.
func TestKilledRunsWithoutLedgerAreRefused(t *testing.T) {
	if os.Getenv(killsSetting) == "" {
		t.Skip("a control for make crash: " + killsSetting + " is not set")
	}
	w, requests := newLimitedWorkplace(t)
	for kill := 0; kill < 40 && w.sandbox.Refused() == 0; kill++ {
		w.killAfter(requests, 2, time.Minute)
		w.must(exitDone, "sql", "--write", "TRUNCATE TABLE key_states")
	}
	if w.sandbox.Refused() == 0 {
		t.Errorf("none of %d requests was refused: the limit is too mild to show anything", w.sandbox.Requests())
	}
}

// newLimitedWorkplace is a workplace with a small limit and long lists, and what tells of its requests.
func newLimitedWorkplace(t *testing.T) (*workplace, chan struct{}) {
	t.Helper()
	requests := make(chan struct{}, 10_000)
	w := newWorkplace(t, sandbox.Options{
		Seed: 61, Records: 3000, PageSizeMax: 5, RateLimits: []sandbox.Limit{{Requests: 20, Per: 20 * time.Second}},
		BeforeRequest: func(*http.Request) { requests <- struct{}{} },
	}, "")
	w.must(exitDone, "migrate")
	return w.with("TIEOUT_COINUT_MAIN_RATE_LIMITS=20/20s"), requests
}

// killAfter starts a run, waits for so many requests of it, or for some time, and kills it.
func (w *workplace) killAfter(requests chan struct{}, count int, most time.Duration) {
	w.t.Helper()
	command, _, stderr := w.command(w.t.Context(), "sync")
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	for seen := 0; count == 0 || seen < count; seen++ {
		select {
		case <-requests:
			continue
		case <-timer.C:
			if count > 0 {
				w.t.Errorf("no request within %s: %s", most, stderr)
			}
		}
		break
	}
	if err := command.Process.Kill(); err != nil {
		w.t.Error(err)
	}
	_ = command.Wait() // it was killed
}
