package sync_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tieout/checkpoints"
	"tieout/extract/sandbox"
	"tieout/schema"
	"tieout/sync"
)

// TestSyncEqualsTruth reads a year of data at the documented limit, in virtual time: every record is stored as the
// partner knows it, nothing is refused, and the limit alone decides how long it takes.
func TestSyncEqualsTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 7, Records: 3000})
		begun := time.Now()
		results := w.sync(t)
		for _, result := range results {
			if result.Outcome != checkpoints.Done || !result.Certificate.Proven() {
				t.Errorf("%s ended %s: %v (%s)", result.Stream, result.Outcome, result.Err, result.Certificate.Reason)
			}
		}
		w.mustEqualTruth(t)
		if refused := w.sandbox.Refused(); refused > 0 {
			t.Errorf("%d requests were refused", refused)
		}
		w.mustKeepPace(t, begun)
	})
}

// mustKeepPace wants all requests since an instant to have taken at most 3 % more than they must: 100 a minute is
// 0.6 s a request, whatever is done about it.
func (w *world) mustKeepPace(t *testing.T, begun time.Time) {
	t.Helper()
	elapsed, bound := time.Since(begun), time.Duration(w.sandbox.Requests())*600*time.Millisecond
	t.Logf("%d requests in %s, %.2f %% more than %s", w.sandbox.Requests(), elapsed, 100*(elapsed.Seconds()/bound.Seconds()-1), bound)
	if elapsed > bound*103/100 {
		t.Errorf("%d requests took %s, the limit asks for %s", w.sandbox.Requests(), elapsed, bound)
	}
}

// TestSyncOfFiftyThousand reads 50,000 records at the documented limit, through round trips of 20 to 400 ms: no request
// is made that the pages do not ask for, none waits longer than the partner demands, and none is refused.
func TestSyncOfFiftyThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 50, Records: 18_300})
		begun := time.Now()
		var ways atomic.Uint64
		slow := roundTripper(func(r *http.Request) (*http.Response, error) {
			way := func() {
				random := rand.New(rand.NewPCG(50, ways.Add(1)))
				<-time.After(10*time.Millisecond + time.Duration(random.Int64N(int64(190*time.Millisecond))))
			}
			way()
			response, err := w.sandbox.Transport().RoundTrip(r)
			way()
			return response, err
		})
		results := w.run().Sync(t.Context(), []sync.Account{w.account("coinut_main", w.client(t, "coinut_main", slow))})
		records := uint64(0)
		for _, result := range results {
			records += result.Counts.Records
			// A list is read once, page by page. A few requests more show that nothing has moved meanwhile.
			const pageSize, spare = 100, 5
			if most := (result.Counts.Records+pageSize-1)/pageSize + spare; result.Counts.Requests > most {
				t.Errorf("%s took %d requests for %d records, want %d at most", result.Stream, result.Counts.Requests, result.Counts.Records, most)
			}
			if result.Outcome != checkpoints.Done || result.Counts.Refused != 0 {
				t.Errorf("%s ended %s with %d refused: %v (%s)", result.Stream, result.Outcome, result.Counts.Refused, result.Err, result.Certificate.Reason)
			}
		}
		if refused := w.sandbox.Refused(); refused > 0 || records < 50_000 {
			t.Errorf("%d requests were refused, %d records were read, want none and 50,000", refused, records)
		}
		w.mustKeepPace(t, begun)
	})
}

// TestSecondSyncWritesNothing reads the same lists again: every record is known.
func TestSecondSyncWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 8, Records: 400})
		w.sync(t)
		before := w.storedVersions()
		for _, result := range w.sync(t) {
			if result.Counts.Versions != 0 && result.Stream.Resource != schema.Balances {
				t.Errorf("%s wrote %d versions of records that had not changed", result.Stream, result.Counts.Versions)
			}
		}
		if after := w.storedVersions(); after != before {
			t.Errorf("%d versions became %d", before, after)
		}
		w.mustEqualTruth(t)
	})
}

// TestChangesBecomeVersions moves a deposit to another status and back: three states are three versions.
func TestChangesBecomeVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 9, Records: 50})
		deposit := w.sandbox.AddDeposit("RECEIVED")
		for _, word := range []string{"RECEIVED", "ACTION_REQUIRED", "RECEIVED"} {
			if err := w.sandbox.SetStatus(schema.Deposits, deposit.ID, word); err != nil {
				t.Fatal(err)
			}
			w.sync(t, schema.Deposits)
		}
		var words []string
		for i, row := range w.destination.Versions(stream("coinut_main", schema.Deposits))[deposit.ID] {
			words = append(words, row.Base().ProviderStatus)
			if got := row.Base().Version; got != uint64(i+1) {
				t.Errorf("version %d has number %d", i+1, got)
			}
		}
		if got := strings.Join(words, " "); got != "RECEIVED ACTION_REQUIRED RECEIVED" {
			t.Errorf("stored the versions %s", got)
		}
	})
}

// TestGrowthWhilePaging adds records to the front of every list while it is read, so that its rows move: all that
// was there at the end is stored, which one pass alone would not show.
func TestGrowthWhilePaging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		var requests atomic.Int64
		// Of each list more than 20 pages: nothing grows any more when the first pass over any of them is at its end.
		w = newWorld(t, sandbox.Options{Seed: 10, Records: 3000, BeforeRequest: func(*http.Request) {
			if n := requests.Add(1); n%5 == 0 && n <= 20 {
				w.sandbox.Add(1)
			}
		}})
		for _, result := range w.sync(t, schema.Deposits, schema.Trades, schema.Payments) {
			if result.Outcome != checkpoints.Done {
				t.Errorf("%s ended %s: %v %s", result.Stream, result.Outcome, result.Err, result.Certificate.Reason)
			}
		}
		w.mustEqualTruth(t)
	})
}

// TestUnknownStatusIsUnproven adds a record under a word that no slice asks for: it cannot be found, and the
// partner's count gives that away.
func TestUnknownStatusIsUnproven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 11, Records: 50})
		w.sandbox.AddDeposit("ARCHIVED")
		result := w.sync(t, schema.Deposits)[0]
		if result.Outcome != checkpoints.Unproven || result.Certificate.Level != checkpoints.LevelUnproven {
			t.Fatalf("the stream ended %s with %s", result.Outcome, result.Certificate.Level)
		}
		if want := "the partner counts 51 records, 50 are stored"; result.Certificate.Reason != want {
			t.Errorf("the reason is %q, want %q", result.Certificate.Reason, want)
		}
	})
}

// TestFailingStreamLeavesOthers takes one list away for good.
func TestFailingStreamLeavesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 12, Records: 50})
		w.sandbox.Inject(1000, sandbox.OnPath("/trade/list"), sandbox.Answer(http.StatusNotFound, nil, `{"status":"GONE"}`))
		for _, result := range w.sync(t) {
			want := checkpoints.Done
			if result.Stream.Resource == schema.Trades {
				want = checkpoints.Failed
			}
			if result.Outcome != want {
				t.Errorf("%s ended %s, want %s: %v", result.Stream, result.Outcome, want, result.Err)
			}
		}
	})
}

// TestRefusedKeyStopsItsAccount gives one of two accounts a secret that the partner does not know.
func TestRefusedKeyStopsItsAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 13, Records: 50})
		good := w.client(t, "coinut_main", w.sandbox.Transport())
		bad := w.client(t, "coinut_other", withoutSignature(w.sandbox.Transport()))
		results := w.run().Sync(context.Background(), []sync.Account{w.account("coinut_main", good), w.account("coinut_other", bad)})
		for _, result := range results {
			switch {
			case result.Stream.Account == "coinut_main" && result.Outcome != checkpoints.Done:
				t.Errorf("%s ended %s: %v", result.Stream, result.Outcome, result.Err)
			case result.Stream.Account == "coinut_other" && schema.ClassOf(result.Err) != schema.ClassCredentials:
				t.Errorf("%s ended with class %s: %v", result.Stream, schema.ClassOf(result.Err), result.Err)
			}
		}
		w.mustEqualTruth(t)
	})
}

// withoutSignature spoils the signature of every request.
func withoutSignature(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r.Header.Set("X-Signature", strings.Repeat("0", 64))
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestInterruptedRunGoesOn stops a run in the middle: what was read is stored, and the next run goes on there
// instead of at the beginning.
func TestInterruptedRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 14, Records: 3000})
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(10*time.Second, cancel)
		client := w.client(t, "coinut_main", w.sandbox.Transport())
		result := w.run().Sync(ctx, []sync.Account{w.account("coinut_main", client, schema.Payments)})[0]
		if result.Outcome != checkpoints.Interrupted || schema.ClassOf(result.Err) != schema.ClassCancelled {
			t.Fatalf("the stream ended %s: %v", result.Outcome, result.Err)
		}
		stored := len(w.destination.Versions(stream("coinut_main", schema.Payments)))
		if stored != int(result.Counts.Records) || stored == 0 {
			t.Errorf("%d of %d records that were read are stored", stored, result.Counts.Records)
		}
		first := w.sandbox.Requests()
		again := w.sync(t, schema.Payments)[0]
		if again.Outcome != checkpoints.Done {
			t.Fatalf("the second run ended %s: %v", again.Outcome, again.Err)
		}
		pages := (len(w.truths(schema.Payments)) + 99) / 100
		if both := w.sandbox.Requests(); both > pages+1 {
			t.Errorf("both runs made %d requests (%d and %d) for %d pages", both, first, both-first, pages)
		}
	})
}

// TestRunNeverLogsSecrets reads with a debug log and looks for the secret in it.
func TestRunNeverLogsSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 15, Records: 30})
		w.sandbox.Inject(3, sandbox.OnPath("/balance"), sandbox.Answer(http.StatusBadGateway, nil, "<html>"+w.sandbox.Accounts()[0].Secret))
		w.sync(t)
		if secret := w.sandbox.Accounts()[0].Secret; bytes.Contains(w.log.Bytes(), []byte(secret)) {
			t.Error("the secret is in the log")
		}
		if w.log.Len() == 0 {
			t.Error("the log is empty: this test has seen nothing")
		}
	})
}
