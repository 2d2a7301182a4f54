package clickhouse_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"

	"tieout/schema"
)

// history returns the versions of deposits that lie in the table, duplicates included.
func (w *warehouse) history(t *testing.T) []string {
	t.Helper()
	return w.texts(t, `SELECT concat(deposit_id, ' ', toString(version), ' ', status, ' ', toString(amount)) AS text
		FROM {db}.deposit_versions ORDER BY deposit_id, version, text`)
}

func (w *warehouse) wantHistory(t *testing.T, want ...string) {
	t.Helper()
	if difference := cmp.Diff(want, w.history(t)); difference != "" {
		t.Errorf("history (-want +got):\n%s", difference)
	}
}

func testSameBatchTwice(t *testing.T, w *warehouse) {
	batch := func() []schema.Row {
		return []schema.Row{deposit("a", schema.StatusPending, "1", 0), deposit("b", schema.StatusPending, "2", 0)}
	}
	first := w.write(t, deposits("run", batch()...), 2)
	w.write(t, deposits("run", batch()...), 0)
	w.write(t, deposits("next run", batch()...), 0)
	// The next night sees the same records again, and a new one.
	receipt := w.write(t, deposits("next run", deposit("a", schema.StatusPending, "1", 60), deposit("b", schema.StatusCompleted, "2", 60), deposit("c", schema.StatusPending, "3", 60)), 2)
	if receipt.BatchID == first.BatchID {
		t.Error("another batch has the same id")
	}
	w.wantHistory(t, "a 1 pending 1", "b 1 pending 2", "b 2 completed 2", "c 1 pending 3")
	w.wantCounts(t, map[string]int{"deposits": 3, "deposits WHERE version = 2": 1})
}

// testThereAndBack: a record that returns to an old state has three versions, and the last one is its state.
func testThereAndBack(t *testing.T, w *warehouse) {
	for night, status := range []schema.Status{schema.StatusPending, schema.StatusFailed, schema.StatusPending, schema.StatusPending} {
		versions := 1
		if night == 3 {
			versions = 0
		}
		w.write(t, deposits(fmt.Sprint("run ", night), deposit("a", status, "1", night*60)), versions)
	}
	w.wantHistory(t, "a 1 pending 1", "a 2 failed 1", "a 3 pending 1")
	w.wantCounts(t, map[string]int{"deposits": 1, "deposits WHERE status = 'pending' AND version = 3": 1})
}

// testThereAndBackAtOnce: a record that moved between pages while it changed is in one batch more than once. The
// batch can be written again like any other.
func testThereAndBackAtOnce(t *testing.T, w *warehouse) {
	w.write(t, deposits("earlier run", deposit("a", schema.StatusPending, "1", 0), deposit("b", schema.StatusPending, "1", 0)), 2)
	batch := func() []schema.Row {
		return []schema.Row{
			deposit("a", schema.StatusPending, "1", 10), deposit("b", schema.StatusFailed, "1", 10), deposit("a", schema.StatusFailed, "1", 11),
			deposit("b", schema.StatusPending, "1", 12), deposit("a", schema.StatusPending, "1", 12), deposit("c", schema.StatusPending, "1", 12),
		}
	}
	w.write(t, deposits("run", batch()...), 5)
	w.write(t, deposits("run", batch()...), 0)
	w.wantHistory(t, "a 1 pending 1", "a 2 failed 1", "a 3 pending 1", "b 1 pending 1", "b 2 failed 1", "b 3 pending 1", "c 1 pending 1")
	w.write(t, deposits("run", deposit("a", schema.StatusFailed, "1", 13)), 1) // a later page of the same run
	w.write(t, deposits("later run", deposit("b", schema.StatusFailed, "1", 14)), 1)
	w.wantCounts(t, map[string]int{"deposit_versions": 9, "deposits WHERE status = 'failed' AND version = 4": 2})
}

// testMonths: an insert is atomic only inside one partition, so a batch that spans months is several inserts. The
// partition is the month in UTC, whatever the zone in which the partner writes.
func testMonths(t *testing.T, w *warehouse) {
	east := time.FixedZone("east", 9*60*60)
	var rows []schema.Row
	for i, created := range []time.Time{
		time.Date(2026, 5, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 6, 1, 8, 59, 59, 0, east), time.Date(2026, 6, 1, 9, 0, 0, 0, east), time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC),
	} {
		row := deposit(fmt.Sprint(i), schema.StatusPending, "1", 0)
		row.CreatedAt = created
		rows = append(rows, row)
	}
	faulty := &faultyConn{Conn: w}
	w.through(faulty).write(t, deposits("run", rows...), 5)
	if faulty.sends != 4 {
		t.Errorf("three months and their sightings became %d inserts", faulty.sends)
	}
	parts := w.texts(t, "SELECT DISTINCT partition AS text FROM system.parts WHERE active AND database = '{db}' AND table = 'deposit_versions' ORDER BY text")
	if difference := cmp.Diff([]string{"202506", "202605", "202606"}, parts); difference != "" {
		t.Errorf("partitions (-want +got):\n%s", difference)
	}
	w.wantCounts(t, map[string]int{"deposit_versions": 5, "deposits": 5})
	// A record of another month changes and stays where it is.
	changed := deposit("0", schema.StatusCompleted, "1", 60)
	changed.CreatedAt = rows[0].Base().CreatedAt
	w.write(t, deposits("next run", changed), 1)
	w.wantCounts(t, map[string]int{"deposit_versions": 6, "deposits": 5})
}

// testAccountsShareNothing: two accounts at one partner can list the very same records in the same instant. The
// server must not take one block for a repetition of the other.
func testAccountsShareNothing(t *testing.T, w *warehouse) {
	batch := deposits("run", deposit("a", schema.StatusPending, "1", 0))
	w.write(t, batch, 1)
	other := deposit("a", schema.StatusPending, "1", 0)
	other.Account = "kuna_second"
	batch.Stream.Account, batch.Rows = "kuna_second", []schema.Row{other}
	w.write(t, batch, 1)
	accounts := w.texts(t, "SELECT account AS text FROM {db}.deposits ORDER BY account")
	if !slices.Equal(accounts, []string{"kuna_main", "kuna_second"}) {
		t.Errorf("deposits of %q", accounts)
	}
}

// testAsOf asks what was known before, at, between and after the changes: an answer never changes later.
func testAsOf(t *testing.T, w *warehouse) {
	known := func(minutes int, more time.Duration) []string {
		return w.texts(t, `SELECT concat(deposit_id, ' ', status, ' ', toString(version)) AS text
			FROM {db}.deposits_as_of(known_at = {known_at:DateTime64(6, 'UTC')}) ORDER BY deposit_id`,
			driverpackage.DateNamed("known_at", noon.Add(time.Duration(minutes)*time.Minute+more), driverpackage.MicroSeconds))
	}
	want := map[int][]string{0: {"a pending 1"}, 10: {"a failed 2", "b pending 1"}, 20: {"a pending 3", "b pending 1"}, 30: {"a pending 3", "b completed 2"}}
	check := func(until int) {
		t.Helper()
		if got := known(0, -time.Microsecond); len(got) != 0 {
			t.Errorf("before everything %q was known", got)
		}
		for minutes := 0; minutes <= until; minutes += 10 {
			for _, more := range []time.Duration{0, time.Microsecond, 10*time.Minute - time.Microsecond} {
				if got := known(minutes, more); minutes+10 <= until+10 && !slices.Equal(got, want[minutes]) {
					t.Errorf("after %d minutes and %s: %q, want %q", minutes, more, got, want[minutes])
				}
			}
		}
	}
	w.write(t, deposits("0", deposit("a", schema.StatusPending, "1", 0)), 1)
	check(0)
	w.write(t, deposits("1", deposit("a", schema.StatusFailed, "1", 10), deposit("b", schema.StatusPending, "1", 10)), 2)
	check(10)
	w.write(t, deposits("2", deposit("a", schema.StatusPending, "1", 20), deposit("b", schema.StatusPending, "1", 20)), 1)
	check(20)
	w.write(t, deposits("3", deposit("a", schema.StatusPending, "1", 30), deposit("b", schema.StatusCompleted, "1", 30)), 1)
	check(30)
	exec(t, w, "OPTIMIZE TABLE "+w.database+".deposit_versions FINAL")
	check(30)
	now := w.texts(t, "SELECT concat(deposit_id, ' ', status, ' ', toString(version)) AS text FROM {db}.deposits ORDER BY deposit_id")
	if !slices.Equal(now, want[30]) {
		t.Errorf("now %q, want %q", now, want[30])
	}
}
