package clickhouse_test

import (
	"strings"
	"testing"

	"tieout/schema"
)

// dated is a deposit that the partner dates by so many days before the others.
func dated(status schema.Status, days, minutes int) *schema.Deposit {
	d := deposit("moving", status, "1", minutes)
	d.CreatedAt = d.CreatedAt.AddDate(0, 0, -days)
	return d
}

// testMoved: a record that the partner dates anew, into another month and back, is shown once and where it is now, also
// to who asks for the day where it was; as of then it is shown where it was.
func testMoved(t *testing.T, w *warehouse) {
	w.write(t, deposits("0", dated(schema.StatusPending, 0, 0), deposit("still", schema.StatusPending, "1", 0)), 2)
	w.write(t, deposits("1", dated(schema.StatusCompleted, 40, 60)), 1)
	here, there := "created_at >= '2026-07-01 00:00:00'", "created_at < '2026-06-01 00:00:00'"
	w.wantCounts(t, map[string]int{
		"deposits": 2, "deposits WHERE " + there: 1, "deposits WHERE " + here: 1,
		"deposits_as_of(known_at = '2026-07-01 12:30:00')": 2, "deposits_as_of(known_at = '2026-07-01 12:30:00') WHERE " + there: 0,
		"deposits_as_of(known_at = '2026-07-01 13:30:00') WHERE " + there: 1,
		"deposit_versions WHERE moved":                                    1,
	})
	w.write(t, deposits("2", dated(schema.StatusFailed, 0, 120)), 1)
	w.write(t, deposits("3", dated(schema.StatusPending, 0, 180)), 1)
	w.wantCounts(t, map[string]int{
		"deposits": 2, "deposits WHERE " + there: 0, "deposits WHERE " + here: 2, "deposit_versions WHERE moved": 2,
		"deposits WHERE account = 'kuna_main' AND deposit_id = 'moving' AND status = 'pending' AND version = 4": 1,
		"deposits_as_of(known_at = '2026-07-01 13:30:00') WHERE " + there + " AND status = 'completed'":         1,
	})
}

// testPruned: who asks for one day reads the partition of its month, and not the others.
func testPruned(t *testing.T, w *warehouse) {
	for month := range 6 {
		d := deposit("a"+strings.Repeat("x", month), schema.StatusPending, "1", month)
		d.CreatedAt = d.CreatedAt.AddDate(0, -month, 0)
		w.write(t, deposits("run", d), 1)
	}
	for _, view := range []string{"deposits", "deposits_as_of(known_at = '2026-07-01 14:00:00')"} {
		plan := strings.Join(w.texts(t, `SELECT explain AS text FROM (EXPLAIN indexes = 1 SELECT * FROM {db}.`+view+`
			WHERE account = 'kuna_main' AND created_at >= '2026-03-01 00:00:00' AND created_at < '2026-03-02 00:00:00')`), "\n")
		if !strings.Contains(plan, "Parts: 1/6") {
			t.Errorf("%s reads more than the partition of the day:\n%s", view, plan)
		}
	}
}
