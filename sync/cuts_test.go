package sync_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"tieout/checkpoints"
	"tieout/extract/sandbox"
	"tieout/schema"
	"tieout/sync"
)

// wholeNight reads all lists of the account, between two readings of its balances.
func (w *world) wholeNight(t *testing.T) []sync.Result {
	t.Helper()
	account := w.account("coinut_main", w.client(t, "coinut_main", w.sandbox.Transport()))
	account.Whole = true
	return w.run().Sync(t.Context(), []sync.Account{account})
}

// TestCuts reads the balances before and after the lists: where nothing moved between and the lists are proven, both
// speak of one state.
func TestCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 41, Records: 120})
		for _, result := range w.wholeNight(t) {
			if result.Outcome != checkpoints.Done {
				t.Fatalf("%s ended %s: %v %s", result.Stream, result.Outcome, result.Err, result.Certificate.Reason)
			}
		}
		cuts := w.checkpoints.Cuts("coinut_main")
		if len(cuts) != len(w.sandbox.Truth().Balances) {
			t.Fatalf("%d cuts of %d balances", len(cuts), len(w.sandbox.Truth().Balances))
		}
		snapshots := w.destination.Versions(stream("coinut_main", schema.Balances))
		for _, cut := range cuts {
			if !cut.Consistent || cut.Reason != "" || !cut.BeforeAt.Before(cut.AfterAt) {
				t.Errorf("nothing moved, and %+v", cut)
			}
			if len(snapshots[cut.Currency]) != 2 {
				t.Errorf("%d snapshots of %s", len(snapshots[cut.Currency]), cut.Currency)
			}
		}
	})
}

// TestCutsOfAMovingAccount lets money arrive while the lists are read: the cut of its currency is not consistent, and
// none is when a list is not proven or not read.
func TestCutsOfAMovingAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		moved := ""
		w = newWorld(t, sandbox.Options{Seed: 42, Records: 120, BeforeRequest: func(r *http.Request) {
			if strings.Contains(r.URL.Path, "/payment/") && moved == "" {
				moved = w.sandbox.AddDeposit("CONFIRMED").Currency
			}
		}})
		w.wholeNight(t)
		for _, cut := range w.checkpoints.Cuts("coinut_main") {
			if cut.Consistent != (cut.Currency != moved) && cut.Reason == "the balance moved while the lists were read" {
				t.Errorf("%s arrived, and %+v", moved, cut)
			}
			if cut.Currency == moved && cut.Consistent {
				t.Errorf("%s arrived, and its cut is consistent", moved)
			}
		}
		w.sandbox.AddDeposit("ARCHIVED") // under a status that no slice asks for
		w.wholeNight(t)
		last := w.checkpoints.Cuts("coinut_main")
		if cut := last[len(last)-1]; cut.Consistent || cut.Reason != "the deposits are not proven complete" {
			t.Errorf("without a proof: %+v", cut)
		}
		before := len(last)
		w.sync(t, schema.Balances, schema.Payments)
		if after := len(w.checkpoints.Cuts("coinut_main")); after != before {
			t.Errorf("%d cuts were recorded without all lists", after-before)
		}
	})
}

// TestRecordsThatLeave takes a payment off the partner's list. The next night proves the list without it by what was
// seen when, and the payment gets a tombstone that names the certificate; from then on the count alone proves nothing.
func TestRecordsThatLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 43, Records: 400})
		payments := stream("coinut_main", schema.Payments)
		if first := w.sync(t, schema.Payments)[0]; first.Outcome != checkpoints.Done {
			t.Fatalf("the first night ended %s: %v", first.Outcome, first.Err)
		}
		gone := w.sandbox.Truth().Payments[7].ID
		if err := w.sandbox.Remove(schema.Payments, gone); err != nil {
			t.Fatal(err)
		}
		result := w.sync(t, schema.Payments)[0]
		truth := uint64(len(w.sandbox.Truth().Payments))
		if c := result.Certificate; c.Level != checkpoints.LevelC3 || c.DistinctIDs != truth || *c.Total != truth || c.IDsSHA256 == "" {
			t.Fatalf("the night ended %s with %+v", result.Outcome, c)
		}
		versions := w.destination.Versions(payments)[gone]
		last := versions[len(versions)-1].Base()
		if len(versions) != 2 || !last.DeletedAt.Equal(result.Certificate.ProvenAt) || !strings.Contains(last.Evidence, "C3") {
			t.Errorf("the payment has %d versions, the last was deleted at %s by %q", len(versions), last.DeletedAt, last.Evidence)
		}
		requests := w.sandbox.Requests()
		again := w.sync(t, schema.Payments)[0]
		if again.Certificate.Level != checkpoints.LevelC3 || again.Certificate.Passes != 1 {
			t.Errorf("the night after it: %+v after %d requests", again.Certificate, w.sandbox.Requests()-requests)
		}
	})
}

// TestCheapNight asks once for a list in which nothing is new, however long it is.
func TestCheapNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 44, Records: 1500})
		for _, word := range []string{"RECEIVED", "ACTION_REQUIRED"} { // nothing may change any more
			for _, deposit := range w.sandbox.Truth().Deposits {
				if deposit.Status == word {
					if err := w.sandbox.SetStatus(schema.Deposits, deposit.ID, "CONFIRMED"); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		w.sync(t, schema.Deposits)
		before := w.sandbox.Requests()
		night := w.sync(t, schema.Deposits)[0]
		if spent := w.sandbox.Requests() - before; spent != 1 || night.Outcome != checkpoints.Done || night.Certificate.Level != checkpoints.LevelC3n {
			t.Errorf("%d requests, %s %s", spent, night.Outcome, night.Certificate.Level)
		}
		w.sandbox.Add(3)
		night = w.sync(t, schema.Deposits)[0]
		if night.Outcome != checkpoints.Done || len(w.destination.Versions(stream("coinut_main", schema.Deposits))) != len(w.truths(schema.Deposits)) {
			t.Errorf("with three new ones the night ended %s: %s", night.Outcome, night.Certificate.Reason)
		}
	})
}
