package checkpointstest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tieout/checkpoints"
	"tieout/schema"
)

var (
	kunaDeposits  = schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Deposits}
	kunaTrades    = schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Trades}
	otherDeposits = schema.Stream{Account: "kuna_second", Provider: "kuna", Resource: schema.Deposits}
)

// checkpoint is a valid checkpoint of the stream at a place.
func checkpoint(stream schema.Stream, epoch, seq uint64) checkpoints.Checkpoint {
	return checkpoints.Checkpoint{
		Stream: stream, Epoch: epoch, Seq: seq, Source: "api.example/v1", Position: "page 7", BatchID: strings.Repeat("0f", 32), BatchRows: 123,
		RunID: "run", WrittenAt: time.Date(2026, 7, 1, 2, 3, 4, 567891000, time.UTC),
	}
}

// Suite holds a checkpoints.Store to its contract. Open returns a store that is empty.
func Suite(t *testing.T, open func(t *testing.T) checkpoints.Store) {
	t.Run("nothing yet", func(t *testing.T) {
		wantLatest(t, open(t), checkpoints.Checkpoint{Stream: kunaDeposits})
	})
	t.Run("the highest place counts", func(t *testing.T) { testLatest(t, open(t)) })
	t.Run("appended twice", func(t *testing.T) { testAppendedTwice(t, open(t)) })
	t.Run("streams share nothing", func(t *testing.T) { testStreamsShareNothing(t, open(t)) })
	t.Run("every field", func(t *testing.T) { testEveryField(t, open(t)) })
	t.Run("awkward texts", func(t *testing.T) { testAwkwardTexts(t, open(t)) })
}

func appendTo(t *testing.T, store checkpoints.Store, c checkpoints.Checkpoint) {
	t.Helper()
	if err := store.Append(t.Context(), c); err != nil {
		t.Fatalf("append %+v: %v", c, err)
	}
}

func refusesStale(t *testing.T, store checkpoints.Store, c checkpoints.Checkpoint) {
	t.Helper()
	err := store.Append(t.Context(), c)
	stale, ok := errors.AsType[*checkpoints.StaleError](err)
	if !ok || stale.Epoch != c.Epoch || stale.Stream != c.Stream || schema.ClassOf(err) != schema.ClassUnavailable {
		t.Errorf("a checkpoint of an epoch that is over: %v", err)
	}
}

func wantLatest(t *testing.T, store checkpoints.Store, want checkpoints.Checkpoint) {
	t.Helper()
	got, err := store.Latest(t.Context(), want.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if got != want { // both times are UTC to the microsecond
		t.Errorf("the latest checkpoint is %+v, want %+v", got, want)
	}
}

// testLatest appends in an order that no run has: only epoch and sequence number decide, not the time of writing. An
// epoch that is over is refused.
func testLatest(t *testing.T, store checkpoints.Store) {
	highest := checkpoint(kunaDeposits, 0, 0)
	for i, place := range [][2]uint64{{1, 1}, {1, 3}, {1, 2}, {2, 1}, {1, 99}, {10, 2}, {9, 5}, {10, 10}, {10, 9}, {2, 100}} {
		next := checkpoint(kunaDeposits, place[0], place[1])
		next.WrittenAt = next.WrittenAt.Add(-time.Duration(i) * time.Minute)
		if next.Epoch < highest.Epoch {
			refusesStale(t, store, next)
			wantLatest(t, store, highest)
			continue
		}
		appendTo(t, store, next)
		if next.Epoch > highest.Epoch || next.Epoch == highest.Epoch && next.Seq > highest.Seq {
			highest = next
		}
		wantLatest(t, store, highest)
	}
	huge := checkpoint(kunaDeposits, 1<<63, 1<<64-1)
	appendTo(t, store, huge)
	wantLatest(t, store, huge)
}

func testAppendedTwice(t *testing.T, store checkpoints.Store) {
	first, second := checkpoint(kunaDeposits, 1, 1), checkpoint(kunaDeposits, 1, 2)
	for _, c := range []checkpoints.Checkpoint{first, first, second, second, first} {
		appendTo(t, store, c)
	}
	wantLatest(t, store, second)
}

func testStreamsShareNothing(t *testing.T, store checkpoints.Store) {
	appendTo(t, store, checkpoint(kunaDeposits, 3, 3))
	wantLatest(t, store, checkpoints.Checkpoint{Stream: kunaTrades})
	wantLatest(t, store, checkpoints.Checkpoint{Stream: otherDeposits})
	appendTo(t, store, checkpoint(kunaTrades, 1, 1))
	appendTo(t, store, checkpoint(otherDeposits, 2, 2))
	for stream, place := range map[schema.Stream]uint64{kunaDeposits: 3, kunaTrades: 1, otherDeposits: 2} {
		wantLatest(t, store, checkpoint(stream, place, place))
	}
	// A definition that goes by another name now reads on where it was.
	renamed := checkpoint(kunaDeposits, 3, 3)
	renamed.Stream.Provider = "kuna_v4"
	wantLatest(t, store, renamed)
}

// testEveryField gives each field a value that no other has.
func testEveryField(t *testing.T, store checkpoints.Store) {
	want := checkpoints.Checkpoint{
		Stream: otherDeposits, Epoch: 11, Seq: 12, Source: "17", Position: "13", BatchID: "14", BatchRows: 15, RunID: "16",
		WrittenAt: time.Date(2026, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
	there := want
	there.WrittenAt = there.WrittenAt.In(time.FixedZone("there", -7*60*60))
	appendTo(t, store, there)
	got, err := store.Latest(t.Context(), want.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if !got.WrittenAt.Equal(want.WrittenAt) || got.WrittenAt.Location() != time.UTC {
		t.Errorf("written at %s, want %s", got.WrittenAt, want.WrittenAt)
	}
	got.WrittenAt = want.WrittenAt
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	appendTo(t, store, checkpoint(otherDeposits, 12, 1)) // back to the beginning of the list
	beginning := checkpoint(otherDeposits, 12, 2)
	beginning.Position, beginning.BatchRows = "", 0
	appendTo(t, store, beginning)
	wantLatest(t, store, beginning)
}

// testAwkwardTexts: a position is the partner's text, of any form.
func testAwkwardTexts(t *testing.T, store checkpoints.Store) {
	for i, text := range []string{
		"it's", `back\slash`, `\N`, `\`, `'`, `\'`, "'; DROP TABLE x; --", "two\nlines\ttab\r", "žluťoučký 🐎", `{"cursor":"a=b&c/d+e=="}`,
		"{position:String}", "$1 ?", "%27", "", strings.Repeat("x", 20_000),
	} {
		want := checkpoint(kunaDeposits, 1, uint64(i+1))
		want.Source, want.Position, want.RunID, want.BatchID = "at "+text, text, "run "+text, "batch "+text
		want.Stream.Account = "account " + text
		appendTo(t, store, want)
		wantLatest(t, store, want)
	}
}
