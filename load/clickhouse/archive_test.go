package clickhouse_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tieout/load"
	"tieout/schema"
)

// storedVersions returns the versions of deposits as an archive has them.
func (w *warehouse) storedVersions(t *testing.T) []load.Stored {
	t.Helper()
	var all []load.Stored
	must(t, w.destination.Versions(t.Context(), depositStream, func(part []load.Stored) error {
		all = append(all, slices.Clone(part)...)
		return nil
	}))
	return all
}

// testArchiveParts: more records than a part holds come once each, in the order of their identifiers, none of them in
// two parts, and the quarantine too, of which one identifier has more than a part holds.
func testArchiveParts(t *testing.T, w *warehouse) {
	var rows []schema.Row
	batch := deposits("run")
	for i := range 2600 {
		for state := range 1 + i%3 {
			row := deposit(fmt.Sprintf("d%05d", i), schema.StatusPending, fmt.Sprint(state), state)
			row.CreatedAt = noon.AddDate(0, -(i % 4), 0)
			rows = append(rows, row)
		}
		id := ""
		if i%5 == 0 {
			id = fmt.Sprint("q", i/10)
		}
		batch.Rejected = append(batch.Rejected, rejected(id, fmt.Sprintf(`{"n":%d}`, i)))
	}
	batch.Rows = rows
	w.write(t, batch, len(rows))
	seen, parts, versions := map[string]int{}, 0, 0
	must(t, w.destination.Versions(t.Context(), depositStream, func(part []load.Stored) error {
		parts++
		last := ""
		for _, stored := range part {
			record := stored.Row.Base()
			if of, ok := seen[record.ID]; ok && of != parts || record.ID < last {
				t.Errorf("%s is in the parts %d and %d, or out of order", record.ID, of, parts)
			}
			seen[record.ID], last = parts, record.ID
			versions++
		}
		return nil
	}))
	if parts < 2 || versions != len(rows) || len(seen) != 2600 {
		t.Errorf("%d versions of %d records in %d parts", versions, len(seen), parts)
	}
	contents, parts := map[string]bool{}, 0
	must(t, w.destination.Quarantine(t.Context(), depositStream, func(part []load.Quarantined) error {
		parts++
		for _, q := range part {
			contents[string(q.Payload)] = true
		}
		return nil
	}))
	if parts < 2 || len(contents) != 2600 {
		t.Errorf("%d contents are in quarantine, in %d parts", len(contents), parts)
	}
	enough, calls := errors.New("enough"), 0
	stop := func() error { calls++; return enough }
	if err := w.destination.Versions(t.Context(), depositStream, func([]load.Stored) error { return stop() }); !errors.Is(err, enough) {
		t.Error(err)
	}
	if err := w.destination.Quarantine(t.Context(), depositStream, func([]load.Quarantined) error { return stop() }); !errors.Is(err, enough) || calls != 2 {
		t.Error(err, calls)
	}
}

// testReadings: of several readings of a version the last one counts, for whoever reads, whatever their content: also
// where the token of one would do for the other, where the record moves to another month, and for who buries it.
func testReadings(t *testing.T, w *warehouse) {
	w.write(t, deposits("run", deposit("a", schema.StatusPending, "1", 0), deposit("b", schema.StatusPending, "1", 0)), 2)
	for number, amount := range []string{"2", "3"} {
		for _, stored := range w.storedVersions(t)[:1] {
			row := schema.Copy(stored.Row).(*schema.Deposit)
			row.Amount, row.Status = amountOf(amount), schema.StatusCompleted
			row.CreatedAt, row.Moved = noon.AddDate(0, -number, 0), number > 0
			at := load.NextMapping(noon, stored.MappedAt, row.FirstSeenAt)
			if !at.After(stored.MappedAt) || at.Before(row.FirstSeenAt) {
				t.Errorf("mapped at %s, after %s, of %s", at, stored.MappedAt, row.FirstSeenAt)
			}
			must(t, w.destination.Remap(t.Context(), depositStream, load.Remapped{RemapID: "m", Versions: []load.Stored{{Row: row, RunID: stored.RunID, MappedAt: at}}}))
		}
	}
	check := func() {
		t.Helper()
		if got := w.texts(t, "SELECT concat(deposit_id, ' ', status, ' ', toString(amount), ' ', toString(version), ' ', toString(toDate(created_at))) AS text FROM {db}.deposits ORDER BY deposit_id"); !slices.Equal(got, []string{"a completed 3 1 2026-06-01", "b pending 1 1 2026-07-01"}) {
			t.Errorf("the view has %q", got)
		}
		open, err := w.destination.Open(t.Context(), depositStream, "", noon.AddDate(1, 0, 0), noon.AddDate(1, 0, 0))
		must(t, err)
		if len(open) != 1 || open[0].ID != "b" {
			t.Errorf("open are %+v", open)
		}
		if stored := w.storedVersions(t); len(stored) != 2 || stored[0].Row.(*schema.Deposit).Amount.String() != "3" {
			t.Errorf("stored are %+v", stored)
		}
	}
	check()
	exec(t, w, "OPTIMIZE TABLE "+w.database+".deposit_versions FINAL")
	check()
	w.write(t, deposits("next run", deposit("a", schema.StatusPending, "1", 5)), 0) // the content has not changed
	leaving := deposits("third run")
	leaving.Gone = []load.Gone{{ID: "a", At: noon.Add(time.Hour)}}
	w.write(t, leaving, 1)
	if got := w.texts(t, "SELECT concat(status, ' ', toString(amount)) AS text FROM {db}.deposits WHERE deleted_at IS NOT NULL"); !slices.Equal(got, []string{"completed 3"}) {
		t.Errorf("the tombstone has %q", got)
	}
}

// testReadBalances: a balance that is read otherwise takes the place of what was read, and what was known stays known.
func testReadBalances(t *testing.T, w *warehouse) {
	stream := depositStream
	stream.Resource = schema.Balances
	balance := func(total string) *schema.Balance {
		return &schema.Balance{Record: schema.Record{Account: stream.Account, ID: "BTC", Provider: "kuna", FirstSeenAt: noon, Payload: []byte(total)}, Total: amountOf(total)}
	}
	w.write(t, load.Batch{Stream: stream, RunID: "run", AsOf: noon, Rows: []schema.Row{balance("1")}}, 1)
	later := noon.Add(24 * time.Hour)
	second := balance("5")
	second.FirstSeenAt = later
	w.write(t, load.Batch{Stream: stream, RunID: "run", AsOf: later, Rows: []schema.Row{second}}, 1)
	read := func() (all []load.Stored) {
		must(t, w.destination.Versions(t.Context(), stream, func(part []load.Stored) error { all = append(all, slices.Clone(part)...); return nil }))
		return all
	}
	stored := read()
	if len(stored) != 2 || !stored[0].AsOf.Equal(noon) || !stored[1].AsOf.Equal(later) {
		t.Fatalf("stored are %+v", stored)
	}
	at := later.Add(time.Hour)
	for i := range stored {
		row := schema.Copy(stored[i].Row).(*schema.Balance)
		row.Total = amountOf(row.Total.String() + "0")
		stored[i].Row, stored[i].MappedAt = row, at
	}
	must(t, w.destination.Remap(t.Context(), stream, load.Remapped{RemapID: "m", Versions: stored}))
	must(t, w.destination.Remap(t.Context(), stream, load.Remapped{RemapID: "m", Versions: stored}))
	if again := read(); len(again) != 2 || again[0].Row.(*schema.Balance).Total.String() != "10" {
		t.Errorf("stored are %+v", again)
	}
	for sql, want := range map[string][]string{
		"balances": {"50"}, "balances_as_of(known_at = '2026-07-01 13:00:00')": {"1"}, "balances_as_of(known_at = '2026-07-02 12:30:00')": {"5"},
		"balances_as_of(known_at = '2026-07-02 14:00:00')": {"50"},
	} {
		if difference := cmp.Diff(want, w.texts(t, "SELECT toString(total) AS text FROM {db}."+sql)); difference != "" {
			t.Errorf("%s (-want +got):\n%s", sql, difference)
		}
	}
}
