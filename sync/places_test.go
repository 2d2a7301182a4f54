package sync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/schema"
	"tieout/sync"
)

// scriptedSource answers by the position that it is asked for, and keeps those.
type scriptedSource struct {
	asked []extract.Position
	fetch func(position extract.Position) (extract.Page, error)
	total uint64
}

func (s *scriptedSource) Fetch(_ context.Context, _ schema.Resource, position extract.Position) (extract.Page, error) {
	s.asked = append(s.asked, position)
	return s.fetch(position)
}

func (s *scriptedSource) Lists(schema.Resource) ([]extract.List, error) {
	return []extract.List{{Rows: 2, Counted: true}}, nil
}

func (s *scriptedSource) Count(context.Context, schema.Resource, string) (extract.Counted, error) {
	return extract.Counted{Total: &s.total}, nil
}

// depositNamed is a record that can be stored.
func depositNamed(id string) schema.Row {
	row := schema.NewRow(schema.Deposits).(*schema.Deposit)
	record := row.Base()
	record.ID, record.Account, record.Provider = id, "coinut_main", "coinut"
	record.FirstSeenAt, record.Payload = time.Now().UTC(), []byte(`{"id":"`+id+`"}`)
	record.PayloadHash = [32]byte{id[0]}
	return row
}

// leftAt says where the last run stopped.
func (w *world) leftAt(t *testing.T, position, place string) {
	t.Helper()
	if position != "" {
		position = fmt.Sprintf(`{"lists":{"":{"open":true,"opened_at":"2026-01-01T00:00:00Z","position":%q}}}`, position)
	}
	checkpoint := checkpoints.Checkpoint{Stream: stream("coinut_main", schema.Deposits), Epoch: 3, Seq: 1, Source: place, Position: position, RunID: "run-0"}
	if err := w.checkpoints.Append(t.Context(), checkpoint); err != nil {
		t.Fatal(err)
	}
}

// TestRefusedPositionStartsAnew stores a position that the partner does not accept any more, as a token that has
// expired: the run reads the list from its beginning by itself, and says so.
func TestRefusedPositionStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 16, Records: 250})
		w.leftAt(t, "no position of ours", "")
		result := w.sync(t, schema.Deposits)[0]
		if result.Outcome != checkpoints.Done || len(w.destination.Versions(stream("coinut_main", schema.Deposits))) != len(w.truths(schema.Deposits)) {
			t.Errorf("the stream ended %s: %v %s", result.Outcome, result.Err, result.Certificate.Reason)
		}
		if !strings.Contains(w.log.String(), "reading it from its beginning") {
			t.Errorf("the log does not say so: %s", w.log.String())
		}
	})
}

// TestRefusedPositionOnce starts anew only where nothing was read from the stored position, only after an error of
// the stream, and only once.
func TestRefusedPositionOnce(t *testing.T) {
	refused := &schema.Error{Class: schema.ClassStream, Err: errors.New("the token has expired")}
	tests := map[string]struct {
		refuse map[extract.Position]error // what is answered to a position, nil: a page
		want   string                     // the positions that are asked for
		class  schema.Class
	}{
		"refused":               {map[extract.Position]error{"stored": refused}, ",stored, ", 0},
		"refused at both":       {map[extract.Position]error{"stored": refused, "": refused}, "", schema.ClassStream},
		"refused on the way":    {map[extract.Position]error{"next": refused}, ",stored,next", schema.ClassStream},
		"unavailable":           {map[extract.Position]error{"stored": &schema.Error{Class: schema.ClassUnavailable, Err: errors.New("down")}}, ",stored", schema.ClassUnavailable},
		"refused in the second": {map[extract.Position]error{"stored": refused, "next": refused}, ",stored,,next", schema.ClassStream},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sandbox.Options{Seed: 17, Records: -1})
			w.leftAt(t, "stored", "")
			source := &scriptedSource{total: 2}
			source.fetch = func(position extract.Position) (extract.Page, error) {
				if err := test.refuse[position]; err != nil {
					return extract.Page{}, err
				}
				page := extract.Page{Rows: []schema.Row{depositNamed("a"), depositNamed("b")}, Items: 2, Total: &source.total, Requests: 1}
				if page.EndsList = position == "next" || name == "refused"; !page.EndsList {
					page.Next = "next"
				}
				return page, nil
			}
			result := w.run().Sync(t.Context(), []sync.Account{w.account("coinut_main", source, schema.Deposits)})[0]
			var asked []string
			for _, position := range source.asked {
				asked = append(asked, string(position))
			}
			if got := strings.Join(asked, ","); got != strings.TrimSuffix(test.want, " ") {
				t.Errorf("asked for %q, want %q", got, test.want)
			}
			if (result.Err == nil) != (test.class == 0) || (result.Err != nil && schema.ClassOf(result.Err) != test.class) {
				t.Errorf("ended %s: %v", result.Outcome, result.Err)
			}
		})
	}
}

// spoilt answers as the partner does, with the first text old in each body of a path replaced.
func spoilt(next http.RoundTripper, path, old, replacement string) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(r)
		if err != nil || r.URL.Path != path {
			return response, err
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.Replace(body, []byte(old), []byte(replacement), 1)
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		response.Header.Del("Content-Length")
		return response, nil
	})
}

// TestQuarantineIsUnproven spoils one record: it is kept aside, all others are stored, nothing is claimed, and the
// list is not read a second time, which would not help. When the partner has mended it the next run proves the list.
func TestQuarantineIsUnproven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 18, Records: 60})
		payments := stream("coinut_main", schema.Payments)
		client := w.client(t, "coinut_main", spoilt(w.sandbox.Transport(), "/payment/list", `"deductAmount":`, `"deductAmount":"a lot","x":`))
		result := w.run().Sync(t.Context(), []sync.Account{w.account("coinut_main", client, schema.Payments)})[0]
		if want := "1 records went to quarantine, see rejected_records"; result.Outcome != checkpoints.Unproven || result.Certificate.Reason != want {
			t.Fatalf("the stream ended %s: %v, %q, want it unproven: %q", result.Outcome, result.Err, result.Certificate.Reason, want)
		}
		if stored, truth := len(w.destination.Versions(payments)), len(w.truths(schema.Payments)); stored != truth-1 || len(w.destination.Rejected(payments)) != 1 || w.sandbox.Requests() != 1 {
			t.Errorf("%d of %d records are stored, %d rejected, after %d requests", stored, truth, len(w.destination.Rejected(payments)), w.sandbox.Requests())
		}
		if again := w.sync(t, schema.Payments)[0]; again.Outcome != checkpoints.Done {
			t.Errorf("mended, the stream ended %s: %v %s", again.Outcome, again.Err, again.Certificate.Reason)
		}
	})
}

// TestBalancesOfOneInstant claims a snapshot only of balances that came in one answer, all of them readable.
func TestBalancesOfOneInstant(t *testing.T) {
	tests := map[string]struct {
		pages []extract.Page
		want  string // reason; empty: a snapshot
	}{
		"one answer":  {[]extract.Page{{Items: 3, Last: true}}, ""},
		"two answers": {[]extract.Page{{Items: 3, Next: "next"}, {Items: 1, Last: true}}, "the balances came in 2 answers, which speak of as many instants"},
		"one of them": {[]extract.Page{{Items: 3, Last: true, Rejected: []schema.Rejected{{Reason: "amount"}}}}, "1 balances went to quarantine, see rejected_records"},
		"in the first": {
			[]extract.Page{{Items: 3, Next: "next", Rejected: []schema.Rejected{{Reason: "amount"}}}, {Items: 1, Last: true}},
			"1 balances went to quarantine, see rejected_records",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, sandbox.Options{Records: -1})
			source := &scriptedSource{}
			source.fetch = func(extract.Position) (extract.Page, error) { return test.pages[len(source.asked)-1], nil }
			result := w.run().Sync(t.Context(), []sync.Account{w.account("coinut_main", source, schema.Balances)})[0]
			if result.Certificate.Proven() != (test.want == "") || result.Certificate.Reason != test.want {
				t.Errorf("level %s, reason %q, want %q", result.Certificate.Level, result.Certificate.Reason, test.want)
			}
		})
	}
}

// TestPlaceChanged reads an account that was read from another address before: sandbox and production must not mix.
// Nothing is asked for and nothing stored.
func TestPlaceChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 19, Records: 50})
		client := w.client(t, "coinut_main", w.sandbox.Transport())
		at := func(place string) sync.Result {
			account := w.account("coinut_main", client, schema.Payments)
			account.Place = place
			return w.run().Sync(t.Context(), []sync.Account{account})[0]
		}
		if first := at(client.Place()); first.Outcome != checkpoints.Done || client.Place() != "coinut.test" {
			t.Fatalf("at %s the stream ended %s: %v", client.Place(), first.Outcome, first.Err)
		}
		requests, stored := w.sandbox.Requests(), w.storedVersions()
		moved := at("ramp.example/v1")
		failure, _ := errors.AsType[*schema.Error](moved.Err)
		if moved.Outcome != checkpoints.Failed || failure == nil || failure.Class != schema.ClassConfiguration || !strings.Contains(failure.Hint, "another account name") ||
			!strings.Contains(failure.Error(), "from coinut.test before, and now its address is ramp.example/v1") {
			t.Errorf("at another place the stream ended %s: %v", moved.Outcome, moved.Err)
		}
		if w.sandbox.Requests() != requests || w.storedVersions() != stored {
			t.Error("the other place was asked, or something was stored")
		}
		if back := at(client.Place()); back.Outcome != checkpoints.Done {
			t.Errorf("back again the stream ended %s: %v", back.Outcome, back.Err)
		}
	})
}

// TestFilterWithoutEffect lets the partner ignore the filter by which deposits are told apart: every deposit would
// come under every status. The stream fails before anything is stored, and the others are read.
func TestFilterWithoutEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 20, Records: 50})
		client := w.client(t, "coinut_main", w.unfiltered(t))
		for _, result := range w.run().Sync(t.Context(), []sync.Account{w.account("coinut_main", client)}) {
			sliced := result.Stream.Resource == schema.Deposits || result.Stream.Resource == schema.Trades
			switch {
			case !sliced && result.Outcome != checkpoints.Done:
				t.Errorf("%s ended %s: %v", result.Stream, result.Outcome, result.Err)
			case sliced && (result.Outcome != checkpoints.Failed || schema.ClassOf(result.Err) != schema.ClassStream || !strings.Contains(result.Err.Error(), "the filter status has no effect")):
				t.Errorf("%s ended %s: %v", result.Stream, result.Outcome, result.Err)
			case sliced && len(w.destination.Versions(result.Stream))+len(w.destination.Rejected(result.Stream)) > 0:
				t.Errorf("%s: something was stored", result.Stream)
			}
		}
	})
}

// unfiltered is the partner as if it did not know the parameter status. It checks signatures of the whole address, so
// the requests are signed anew.
func (w *world) unfiltered(t *testing.T) http.RoundTripper {
	account := w.client(t, "coinut_main", nil).Account()
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		query := r.URL.Query()
		query.Del("status")
		r.URL.RawQuery = query.Encode()
		_, headers := account.Definition.Signing.Sign(extract.SigningInput{
			Method: r.Method, Host: r.URL.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
			Timestamp: r.Header.Get("X-Timestamp"), Nonce: r.Header.Get("X-Nonce"), Credentials: account.Credentials,
		})
		r.Header = headers
		return w.sandbox.Transport().RoundTrip(r)
	})
}

// TestEndNotRecorded loses the ledger at the end of a stream: it is not done if nobody can know.
func TestEndNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 23, Records: 50})
		r := w.run()
		r.Ledger = endlessLedger{w.checkpoints}
		result := r.Sync(t.Context(), []sync.Account{w.account("coinut_main", w.client(t, "coinut_main", w.sandbox.Transport()), schema.Payments)})[0]
		if result.Outcome != checkpoints.Failed || schema.ClassOf(result.Err) != schema.ClassUnavailable || !strings.Contains(result.Err.Error(), "record coinut_main/payments") {
			t.Errorf("the stream ended %s: %v", result.Outcome, result.Err)
		}
	})
}

// endlessLedger records that a stream runs, and not how it ended.
type endlessLedger struct{ checkpoints.Ledger }

func (l endlessLedger) RecordRun(ctx context.Context, run checkpoints.StreamRun) error {
	if run.Outcome != checkpoints.Running {
		return &schema.Error{Class: schema.ClassUnavailable, Err: errors.New("the tables are gone")}
	}
	return l.Ledger.RecordRun(ctx, run)
}
