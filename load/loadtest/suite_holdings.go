package loadtest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"tieout/load"
	"tieout/schema"
)

// testSightings: a record was seen first when an answer that held it had arrived, and last when a request whose
// answer held it was sent: between the two it was surely there. Batches that come out of order change nothing.
func testSightings(t *testing.T, b *bench) {
	at := func(row *schema.Deposit, asked, answered time.Duration) *schema.Deposit {
		row.AskedAt, row.FirstSeenAt = second(0).Add(asked), second(0).Add(answered)
		return row
	}
	a := func() *schema.Deposit { return deposit("a", schema.StatusPending, 0, 0) }
	b.write(t, rows(at(a(), 4*time.Second, 6*time.Second)), 1, 1, 0)
	b.wantSightings(t, "", "a 6 to 4")
	b.write(t, rows(at(a(), 9*time.Second, 11*time.Second), at(a(), 7*time.Second, 8*time.Second)), 0, 0, 0)
	b.wantSightings(t, "", "a 6 to 9")
	b.write(t, by("next run", rows(at(a(), 8*time.Second, 9*time.Second))), 0, 0, 0)
	b.wantSightings(t, "", "a 6 to 9")
	c := func() *schema.Deposit { return deposit("c", schema.StatusPending, 0, 0) }
	b.write(t, rows(at(c(), 9*time.Second, 11*time.Second), at(c(), 5*time.Second, 6*time.Second), at(c(), 7*time.Second, 8*time.Second)), 1, 1, 0)
	b.wantSightings(t, "", "a 6 to 9", "c 6 to 9")
	// To the microsecond, in whatever zone.
	east := time.FixedZone("east", 9*60*60)
	precise := at(a(), 20*time.Second+123456*time.Microsecond, 21*time.Second)
	precise.AskedAt = precise.AskedAt.In(east)
	b.write(t, rows(precise), 0, 0, 0)
	b.wantSightings(t, "", "a 6 to 20.123456", "c 6 to 9")
	must(t, b.store.Sightings(t.Context(), stream, "", func(s load.Sighting) error {
		if s.FirstAt.Location() != time.UTC || s.LastAt.Location() != time.UTC {
			t.Errorf("seen in %s and %s", s.FirstAt.Location(), s.LastAt.Location())
		}
		return nil
	}))
	// Another version of the record is the same record.
	b.write(t, rows(deposit("a", schema.StatusFailed, 30, 31), deposit("b", schema.StatusFailed, 30, 31)), 2, 1, 0)
	b.wantSightings(t, "", "a 6 to 30", "b 31 to 30", "c 6 to 9")
}

func testNeverAsked(t *testing.T, b *bench) {
	row := deposit("a", schema.StatusPending, 0, 6)
	row.AskedAt = time.Time{}
	b.write(t, rows(row), 1, 1, 0)
	b.wantSightings(t, "", "a 6 to 6")
}

// testLists: a record is of the list of its last version.
func testLists(t *testing.T, b *bench) {
	b.write(t, rows(
		under(deposit("a", schema.StatusPending, 1, 2), "OPEN"), under(deposit("b", schema.StatusPending, 1, 2), "OPEN"),
		under(deposit("c", schema.StatusCompleted, 3, 4), "PAID"), under(deposit("d", schema.StatusCompleted, 3, 4), "it's\\d"),
	), 4, 4, 0)
	for list, want := range map[string]uint64{"": 4, "OPEN": 2, "PAID": 1, "it's\\d": 1, "NONE": 0, "open": 0} {
		b.holds(t, list, want)
	}
	b.wantSightings(t, "OPEN", "a 2 to 1", "b 2 to 1")
	b.wantSightings(t, "PAID", "c 4 to 3")
	b.wantSightings(t, "", "a 2 to 1", "b 2 to 1", "c 4 to 3", "d 4 to 3")
	b.write(t, gone(6, "b"), 1, 0, 0)
	b.holds(t, "OPEN", 1)
	b.holds(t, "", 3)
	b.wantSightings(t, "OPEN", "a 2 to 1", "b 2 to 1 gone")
}

// testMoves: a record that moves to another list was not there before, and comes back to the first one as if it had
// never been there: one stay is one interval.
func testMoves(t *testing.T, b *bench) {
	a := func(list string, asked int) *schema.Deposit {
		return under(deposit("a", schema.StatusPending, asked, asked+1), list)
	}
	b.write(t, rows(a("OPEN", 1)), 1, 1, 0)
	b.write(t, rows(a("OPEN", 3)), 0, 0, 0)
	b.write(t, rows(a("PAID", 5)), 1, 0, 0)
	b.holds(t, "OPEN", 0)
	b.holds(t, "PAID", 1)
	b.wantSightings(t, "OPEN", []string{}...)
	b.wantSightings(t, "PAID", "a 6 to 5")
	b.wantSightings(t, "", "a 2 to 5")
	b.write(t, rows(a("OPEN", 7)), 1, 0, 0)
	b.wantSightings(t, "OPEN", "a 8 to 7")
	b.wantSightings(t, "PAID", []string{}...)
	b.wantSightings(t, "", "a 2 to 7")
}

func testOpenByStatus(t *testing.T, b *bench) {
	var batch load.Batch
	for i, status := range schema.Statuses() {
		for _, age := range []int{0, 10, 20} {
			row := created(deposit(fmt.Sprintf("%s-%d", status, age), status, 30, 31), second(20-age).Add(time.Duration(i)*time.Millisecond))
			batch.Rows = append(batch.Rows, row)
		}
	}
	batch.Stream, batch.RunID = stream, "run"
	b.write(t, batch, 15, 15, 0)
	// Unknown ones are open until they are old, pending ones for ever, others not at all.
	for _, test := range []struct {
		unknownSince, allSince time.Time
		want                   string
	}{
		{second(9), second(99), "unknown-0 unknown 0, pending-0 pending 4, unknown-10 unknown 5, pending-10 pending 9, pending-20 pending 14"},
		{second(10).Add(4 * time.Millisecond), second(99), "unknown-0 unknown 0, pending-0 pending 4, pending-10 pending 9, pending-20 pending 14"}, // after, not at
		{second(10).Add(4*time.Millisecond - time.Microsecond), second(99), "unknown-0 unknown 0, pending-0 pending 4, unknown-10 unknown 5, pending-10 pending 9, pending-20 pending 14"},
		{second(99), second(99), "pending-0 pending 4, pending-10 pending 9, pending-20 pending 14"},
	} {
		if open := b.open(t, "", test.unknownSince, test.allSince); open != test.want {
			t.Errorf("since %s: open are %s, want %s", seconds(test.unknownSince), open, test.want)
		}
	}
}

func testOpenByTime(t *testing.T, b *bench) {
	b.write(t, rows(
		created(deposit("a", schema.StatusCompleted, 1, 2), second(-30)), created(deposit("b", schema.StatusFailed, 1, 2), second(-20)),
		created(deposit("c", schema.StatusCancelled, 1, 2), second(-10)), created(deposit("old", schema.StatusCompleted, 1, 2), second(0).AddDate(-100, 0, 0)),
	), 4, 4, 0)
	for since, want := range map[time.Time]string{
		second(0): "", second(-20): "c cancelled 0", second(-21): "c cancelled 0, b failed 1",
		second(-20).Add(-time.Microsecond): "c cancelled 0, b failed 1",
		{}:                                 "c cancelled 0, b failed 1, a completed 2, old completed 3",
		second(0).AddDate(500, 0, 0):       "",
	} {
		if open := b.open(t, "", second(0), since); open != want {
			t.Errorf("since %s: open are %s, want %s", since, open, want)
		}
	}
	// Times and lists are those of the last version.
	moved := created(under(deposit("a", schema.StatusCompleted, 3, 4), "PAID"), second(-5))
	b.write(t, rows(moved), 1, 0, 0)
	if open := b.open(t, "", second(0), second(-21)); open != "a completed 0, c cancelled 0, b failed 1" {
		t.Errorf("open are %s", open)
	}
	found, err := b.store.Open(t.Context(), stream, "PAID", time.Time{}, time.Time{})
	must(t, err)
	want := []load.Open{{ID: "a", Status: schema.StatusCompleted, ListedUnder: "PAID", CreatedAt: second(-5)}}
	if !slices.Equal(found, want) {
		t.Errorf("open are %+v, want %+v", found, want)
	}
}

// testNewer: the place counts the held records of the same list that are newer, open or not, and no others.
func testNewer(t *testing.T, b *bench) {
	final := func(id string, at int, list string) *schema.Deposit {
		return created(under(deposit(id, schema.StatusCompleted, 1, 2), list), second(at))
	}
	open := func(id string, at int, list string) *schema.Deposit {
		return created(under(deposit(id, schema.StatusPending, 1, 2), list), second(at))
	}
	b.write(t, rows(
		final("f9", 9, "A"), open("p8", 8, "A"), open("q8", 8, "A"), final("f8", 8, "A"), final("f7", 7, "A"), final("g7", 7, "A"),
		open("p6", 6, "A"), final("f5", 5, "A"), final("x9", 9, "B"), open("y6", 6, "B"),
	), 10, 10, 0)
	later, never := second(99), second(99)
	if got, want := b.open(t, "A", later, never), "p8 pending 1, q8 pending 1, p6 pending 6"; got != want {
		t.Errorf("open are %s, want %s", got, want)
	}
	if got, want := b.open(t, "", later, never), "p8 pending 1, q8 pending 1, p6 pending 6, y6 pending 1"; got != want {
		t.Errorf("open are %s, want %s", got, want)
	}
	b.write(t, gone(4, "f9", "p8"), 2, 0, 0)
	if got, want := b.open(t, "A", later, never), "q8 pending 0, p6 pending 4"; got != want {
		t.Errorf("open are %s, want %s", got, want)
	}
}

func testOrder(t *testing.T, b *bench) {
	ids := []string{"a", "B", "10", "9", "žluť", "z", "a\x00", "a\xff", "aa", "🐎", "-", "it's", `\`}
	batch := rows()
	for _, id := range ids {
		batch.Rows = append(batch.Rows, deposit(id, schema.StatusPending, 1, 2))
	}
	b.write(t, batch, len(ids), len(ids), 0)
	var got []string
	must(t, b.store.Sightings(t.Context(), stream, "", func(s load.Sighting) error {
		got = append(got, s.ID)
		return nil
	}))
	if slices.Sort(ids); !slices.Equal(got, ids) {
		t.Errorf("the order is %q, want %q", got, ids)
	}
}

func testStreams(t *testing.T, b *bench) {
	b.write(t, rows(deposit("a", schema.StatusPending, 1, 2)), 1, 1, 0)
	other := rows(deposit("a", schema.StatusPending, 1, 2))
	other.Stream.Account = "kuna_second"
	other.Rows[0].Base().Account = "kuna_second"
	b.write(t, other, 1, 1, 0)
	trade := &schema.Trade{Record: deposit("a", schema.StatusPending, 3, 4).Record}
	trades := load.Batch{Stream: stream, RunID: "run", Rows: []schema.Row{trade}}
	trades.Stream.Resource = schema.Trades
	b.write(t, trades, 1, 1, 0)
	other.Rows, other.Gone = nil, gone(5, "a").Gone
	b.write(t, other, 1, 0, 0)
	for of, want := range map[schema.Stream]uint64{stream: 1, other.Stream: 0, trades.Stream: 1} {
		if got, err := b.store.CountIDs(t.Context(), of, ""); err != nil || got != want {
			t.Errorf("%s holds %d, want %d, %v", of, got, want, err)
		}
	}
	b.wantSightings(t, "", "a 2 to 1")
	for _, of := range []schema.Stream{other.Stream, trades.Stream} {
		open, err := b.store.Open(t.Context(), of, "", second(0), second(0))
		if must(t, err); len(open) != map[bool]int{true: 1}[of == trades.Stream] {
			t.Errorf("%s has open %+v", of, open)
		}
	}
}

func testErrorOfDo(t *testing.T, b *bench) {
	b.write(t, rows(deposit("a", schema.StatusPending, 1, 2), deposit("b", schema.StatusPending, 1, 2)), 2, 2, 0)
	enough, calls := errors.New("enough"), 0
	err := b.store.Sightings(t.Context(), stream, "", func(load.Sighting) error {
		calls++
		return enough
	})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

// testBalances: snapshots are counted in receipts, and nothing of them is held.
func testBalances(t *testing.T, b *bench) {
	of := schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Balances}
	total, err := schema.ParseAmount("7")
	must(t, err)
	batch := load.Batch{Stream: of, RunID: "run", AsOf: second(0), Rows: []schema.Row{
		&schema.Balance{Record: schema.Record{Account: of.Account, ID: "BTC", FirstSeenAt: second(1)}, Total: total},
	}}
	b.write(t, batch, 1, 0, 0)
	b.write(t, batch, 1, 0, 0)
	count, err := b.store.CountIDs(t.Context(), of, "")
	must(t, err)
	open, err := b.store.Open(t.Context(), of, "", time.Time{}, time.Time{})
	must(t, err)
	must(t, b.store.Sightings(t.Context(), of, "", func(s load.Sighting) error { return fmt.Errorf("%s was seen", s.ID) }))
	if count != 0 || len(open) != 0 {
		t.Errorf("%d are held, open are %+v", count, open)
	}
}

func testQuarantine(t *testing.T, b *bench) {
	batch := rows(deposit("a", schema.StatusPending, 1, 2))
	batch.Rejected = []schema.Rejected{{RecordID: "b", Reason: "amount is missing", Payload: []byte("{}"), SeenAt: second(2)}}
	b.write(t, batch, 1, 1, 0)
	b.holds(t, "", 1)
	b.wantSightings(t, "", "a 2 to 1")
}
