package tables_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"tieout/checkpoints"
	"tieout/checkpoints/tables"
	"tieout/schema"
)

var evening = time.Date(2026, 7, 1, 21, 0, 0, 654321000, time.UTC)

func streamOf(account string, resource schema.Resource) schema.Stream {
	return schema.Stream{Account: account, Provider: "provider of " + account, Resource: resource}
}

func night(number int) time.Time { return evening.AddDate(0, 0, number) }

func record(t *testing.T, store *tables.Store, runs ...checkpoints.StreamRun) {
	t.Helper()
	for _, run := range runs {
		must(t, store.RecordRun(t.Context(), run))
	}
}

func certify(t *testing.T, store *tables.Store, certificates ...checkpoints.Certificate) {
	t.Helper()
	for _, certificate := range certificates {
		must(t, store.RecordCertificate(t.Context(), certificate))
	}
}

// shown returns the rows of a table, their columns as text, NULL as that word.
func shown(t *testing.T, conn driver.Conn, from string, columns ...string) []string {
	t.Helper()
	var rows []struct {
		Text string `ch:"text"`
	}
	texts := make([]string, 0, len(columns))
	for _, column := range columns {
		texts = append(texts, "ifNull(toString("+column+"), 'NULL')")
	}
	must(t, conn.Select(t.Context(), &rows, fmt.Sprintf("SELECT arrayStringConcat([%s], '|') AS text FROM %s ORDER BY text", strings.Join(texts, ", "), from)))
	all := []string{}
	for _, row := range rows {
		all = append(all, row.Text)
	}
	return all
}

// testRun: of the rows of a run and a stream the last one counts, with every figure in its column.
func testRun(t *testing.T, conn driver.Conn) {
	store, database := newStore(t, conn)
	begun := checkpoints.StreamRun{RunID: `run's\1`, Stream: streamOf("kuna", schema.Deposits), Outcome: checkpoints.Running, StartedAt: evening.In(time.FixedZone("there", 3*60*60))}
	ended := begun
	ended.Outcome, ended.ErrorClass, ended.Error = checkpoints.Failed, "stream", "it's\nnot \\ there: \"404\" žlutý"
	ended.Counts = checkpoints.Counts{Pages: 1, Requests: 2, Records: 3, Versions: 4, Rejected: 5, Refused: 7, LimitWait: 6*time.Millisecond + 999*time.Microsecond}
	other, next := begun, begun
	other.Stream.Resource, next.RunID = schema.Trades, "2"
	record(t, store, begun, other, next, ended, ended)
	got := shown(t, conn, database+".sync_runs FINAL", "run_id", "account", "resource", "provider", "outcome", "error_class", "error",
		"started_at", "recorded_at > started_at - toIntervalYear(100)", "pages", "requests", "records", "versions", "rejected", "refused", "limit_wait_ms")
	const started = "2026-07-01 21:00:00.654321"
	want := []string{
		"2|kuna|deposits|provider of kuna|running|||" + started + "|1|0|0|0|0|0|0|0",
		`run's\1|kuna|deposits|provider of kuna|failed|stream|` + ended.Error + "|" + started + "|1|1|2|3|4|5|7|6",
		`run's\1|kuna|trades|provider of kuna|running|||` + started + "|1|0|0|0|0|0|0|0",
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("runs (-want +got):\n%s", difference)
	}
}

// testCertificate: a partner that counts nothing and one that counts no records are different facts, and every list
// and window has certificates of its own.
func testCertificate(t *testing.T, conn driver.Conn) {
	store, database := newStore(t, conn)
	zero, many := uint64(0), uint64(1<<64-1)
	deposits, trades := streamOf("kuna", schema.Deposits), streamOf("kuna", schema.Trades)
	certify(t, store,
		checkpoints.Certificate{Stream: deposits, RunID: "1", Level: checkpoints.LevelUnproven, ProvenAt: evening, DistinctIDs: 7, Reason: `the partner's \ count`},
		checkpoints.Certificate{Stream: trades, RunID: "1", Level: checkpoints.LevelC3n, ProvenAt: evening, Total: &zero, Assumptions: "A1 A2"},
		checkpoints.Certificate{Stream: deposits, RunID: "2", Level: checkpoints.LevelStable, ProvenAt: evening.Add(time.Microsecond), Total: &zero, DistinctIDs: 1, Reason: "to be replaced"},
		checkpoints.Certificate{Stream: deposits, RunID: "2", Level: checkpoints.LevelStable, ProvenAt: evening.Add(time.Microsecond), DistinctIDs: 1},
		checkpoints.Certificate{Stream: trades, RunID: "2", Level: checkpoints.LevelC3n, ProvenAt: evening, Total: &many, DistinctIDs: many},
		checkpoints.Certificate{Stream: trades, RunID: "2", Level: checkpoints.LevelUnproven, ProvenAt: evening, DistinctIDs: 1}, // of another level
		checkpoints.Certificate{Stream: trades, RunID: "2", List: "it's", Window: `a\/b`, Level: checkpoints.LevelC3, ProvenAt: evening, IDsSHA256: "0f", Passes: 3, Requests: many},
		checkpoints.Certificate{Stream: trades, RunID: "2", List: "it's", Level: checkpoints.LevelC3, ProvenAt: evening, IDsSHA256: "1f", Passes: many, Requests: 4},
	)
	got := shown(t, conn, database+".sync_certificates FINAL", "account", "resource", "list", "window", "run_id", "level", "proven_at", "total",
		"distinct_ids", "ids_sha256", "passes", "requests", "assumptions", "reason", "recorded_at > proven_at - toIntervalYear(100)")
	const all = "18446744073709551615"
	want := []string{
		`kuna|deposits|||1|unproven|2026-07-01 21:00:00.654321|NULL|7||0|0||the partner's \ count|1`,
		"kuna|deposits|||2|stable|2026-07-01 21:00:00.654322|NULL|1||0|0|||1",
		`kuna|trades|it's|a\/b|2|C3|2026-07-01 21:00:00.654321|NULL|0|0f|3|` + all + "|||1",
		"kuna|trades|it's||2|C3|2026-07-01 21:00:00.654321|NULL|0|1f|" + all + "|4|||1",
		"kuna|trades|||1|C3n|2026-07-01 21:00:00.654321|0|0||0|0|A1 A2||1",
		"kuna|trades|||2|C3n|2026-07-01 21:00:00.654321|" + all + "|" + all + "||0|0|||1",
		"kuna|trades|||2|unproven|2026-07-01 21:00:00.654321|NULL|1||0|0|||1",
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("certificates (-want +got):\n%s", difference)
	}
}

// testCuts: of the rows of a run, an account and a currency the last one counts.
func testCuts(t *testing.T, conn driver.Conn) {
	store, database := newStore(t, conn)
	cut := func(runID, account, currency string, consistent bool, reason string) checkpoints.Cut {
		return checkpoints.Cut{
			Account: account, Provider: "provider of " + account, RunID: runID, Currency: currency, BeforeAt: evening,
			AfterAt: evening.Add(time.Microsecond).In(time.FixedZone("there", 3*60*60)), Consistent: consistent, Reason: reason,
		}
	}
	must(t, store.RecordCuts(t.Context(), nil))
	must(t, store.RecordCuts(t.Context(), []checkpoints.Cut{cut("1", "kuna", "BTC", false, `it's \ moving`), cut("1", "kuna", "EUR", false, "to be replaced")}))
	must(t, store.RecordCuts(t.Context(), []checkpoints.Cut{cut("1", "kuna", "EUR", true, ""), cut("1", "other", "EUR", true, ""), cut("2", "kuna", "EUR", true, "")}))
	got := shown(t, conn, database+".balance_cuts FINAL", "account", "run_id", "currency", "provider", "before_at", "after_at", "consistent", "reason")
	const instants = "|2026-07-01 21:00:00.654321|2026-07-01 21:00:00.654322|"
	want := []string{
		"kuna|1|BTC|provider of kuna" + instants + `false|it's \ moving`, "kuna|1|EUR|provider of kuna" + instants + "true|",
		"kuna|2|EUR|provider of kuna" + instants + "true|", "other|1|EUR|provider of other" + instants + "true|",
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("cuts (-want +got):\n%s", difference)
	}
}
