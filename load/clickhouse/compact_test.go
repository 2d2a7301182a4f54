package clickhouse_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tieout/load/clickhouse"
	"tieout/schema"
)

// testCompact: months that are over become one part, once, the last ones first and no more of them than the time allows;
// the present month is left alone, and no answer changes.
func testCompact(t *testing.T, w *warehouse) {
	must(t, w.Exec(t.Context(), "SYSTEM STOP MERGES "+w.database+".deposit_versions"))
	for night := range 4 {
		for age, status := range []schema.Status{schema.StatusPending, schema.StatusCompleted, schema.StatusFailed} {
			d := deposit(fmt.Sprint("record-", night%2), status, fmt.Sprint(night+1), night*60+age)
			d.ID = fmt.Sprint(d.ID, "-", age)
			d.CreatedAt = time.Now().UTC().AddDate(0, 0, -40*age)
			w.write(t, deposits(fmt.Sprint("night ", night, age), d), 1)
		}
	}
	before := w.answers(t)
	must(t, w.Exec(t.Context(), "SYSTEM START MERGES "+w.database+".deposit_versions"))
	month := func(age int) string { return time.Now().UTC().AddDate(0, 0, -40*age).Format("200601") }
	if done, left := w.compact(t, time.Nanosecond); len(done) != 0 || left != 2 {
		t.Errorf("in no time %v were compacted and %d left", done, left)
	}
	if done, left := w.compact(t, time.Minute); !slices.Equal(done, []string{month(1), month(2)}) || left != 0 {
		t.Errorf("the months %v were compacted, want %s and %s", done, month(1), month(2))
	}
	if done, left := w.compact(t, time.Minute); len(done) != 0 || left != 0 {
		t.Errorf("compacted once more: %v, %d left", done, left)
	}
	parts := w.texts(t, `SELECT concat(partition, ' ', toString(count() > 1)) AS text FROM system.parts
		WHERE active AND database = '`+w.database+`' AND table = 'deposit_versions' GROUP BY partition ORDER BY partition DESC`)
	if want := []string{month(0) + " 1", month(1) + " 0", month(2) + " 0"}; !slices.Equal(parts, want) {
		t.Errorf("months and whether they have several parts: %q, want %q", parts, want)
	}
	if after := w.answers(t); !slices.Equal(before, after) {
		t.Errorf("the answers were %q and are %q", before, after)
	}
}

// compact compacts, and returns the months in order.
func (w *warehouse) compact(t *testing.T, within time.Duration) (months []string, left int) {
	t.Helper()
	left, err := clickhouse.Compact(t.Context(), &clickhouse.Connection{Conn: w.Conn}, w.database, schema.Layout{}, within, func(c clickhouse.Compacted) {
		months = append(months, c.Month)
	})
	must(t, err)
	return months, left
}

// answers is what the views say, and how often each version lies in the table.
func (w *warehouse) answers(t *testing.T) []string {
	t.Helper()
	row := "concat(deposit_id, ' ', toString(version), ' ', status, ' ', toString(amount), ' ', toString(first_seen_at)) AS text"
	return slices.Concat(
		w.texts(t, "SELECT "+row+" FROM {db}.deposits ORDER BY text"),
		w.texts(t, "SELECT "+row+" FROM {db}.deposits_as_of(known_at = '2026-07-01 13:30:00') ORDER BY text"),
		w.texts(t, "SELECT "+row+" FROM {db}.deposit_versions FINAL ORDER BY text"))
}
