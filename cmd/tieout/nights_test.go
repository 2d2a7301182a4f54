package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// TestSimNightsLoseNothing lets an account live for some nights (more in a simulation): deposits, trades and payments
// come, what is not final yet becomes final, a payment is taken off the list, a run is killed. Every state that the
// partner listed at the time of a night is a version in ClickHouse, and what it lists at the end is what the views say.
func TestSimNightsLoseNothing(t *testing.T) {
	nights := 6
	if scale, err := strconv.Atoi(os.Getenv("TIEOUT_TEST_SIM_SCALE")); err == nil && scale >= 30 {
		nights = 60
	}
	requests := make(chan struct{}, 100_000)
	w := newWorkplace(t, sandbox.Options{Seed: 61, Records: 1200, BeforeRequest: func(*http.Request) { requests <- struct{}{} }}, "")
	random := rand.New(rand.NewPCG(61, 61))
	w.must(exitDone, "sync")
	seen := map[string]bool{} // resource, id and status at the time of a night
	gone := map[string]bool{} // payments that were taken off the list
	var pending []string      // deposits that are not final yet
	for night := range nights {
		w.sandbox.Add(10)
		for range 2 {
			pending = append(pending, w.sandbox.AddDeposit("RECEIVED").ID)
		}
		if len(pending) > 4 {
			settled := pending[0]
			pending = pending[1:]
			if err := w.sandbox.SetStatus(schema.Deposits, settled, "CONFIRMED"); err != nil {
				t.Fatal(err)
			}
		}
		if night == nights/2 {
			payments := w.sandbox.Truth().Payments
			taken := payments[random.IntN(len(payments))].ID
			if err := w.sandbox.Remove(schema.Payments, taken); err != nil {
				t.Fatal(err)
			}
			gone[taken] = true
		}
		if night%3 == 1 {
			for len(requests) > 0 {
				<-requests
			}
			w.killAfter(requests, 2+random.IntN(4), time.Minute)
		}
		w.must(exitDone, "sync")
		for _, d := range w.sandbox.Truth().Deposits {
			seen["deposits "+d.ID+" "+d.Status] = true
		}
		for _, p := range w.sandbox.Truth().Payments {
			seen["payments "+p.ID+" "+p.Status] = true
		}
	}
	stored := map[string]bool{}
	for _, line := range w.rows("SELECT 'deposits', deposit_id, provider_status FROM deposit_versions UNION ALL SELECT 'payments', payment_id, provider_status FROM payment_versions") {
		stored[strings.ReplaceAll(line, "\t", " ")] = true
	}
	for state := range seen {
		if !stored[state] {
			t.Errorf("%s was listed at a night and is not stored", state)
		}
	}
	tombstones := w.rows("SELECT payment_id FROM payment_versions WHERE payment_id IN (SELECT payment_id FROM payments WHERE deleted_at IS NOT NULL) AND evidence != ''")
	if len(tombstones) != len(gone) || !gone[tombstones[0]] {
		t.Errorf("tombstones %v, taken off the list: %v", tombstones, gone)
	}
	truth := w.sandbox.Truth()
	want := fmt.Sprintf("%d\t%d\t%d", truth.Count(schema.Deposits), truth.Count(schema.Trades), truth.Count(schema.Payments))
	got := w.rows("SELECT (SELECT count() FROM deposits), (SELECT count() FROM trades), (SELECT count() FROM payments WHERE deleted_at IS NULL)")
	if got[0] != want {
		t.Errorf("the views show %q records, the partner lists %q", got[0], want)
	}
	if open := w.rows("SELECT count() FROM deposits WHERE status = 'pending' AND provider_status = 'RECEIVED'"); open[0] == "0" {
		t.Error("no deposit is pending: nothing was tested")
	}
}
