package clickhouse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/load/loadtest"
	"tieout/schema"
)

func TestContract(t *testing.T) { contract(t, embeddedtest.Connect(t)) }

// TestContractServer runs the same against servers.
func TestContractServer(t *testing.T) {
	embeddedtest.Servers(t, func(t *testing.T, connection *clickhouse.Connection) { contract(t, connection) })
}

// contract is the contract of load that every destination keeps.
func contract(t *testing.T, conn driver.Conn) {
	loadtest.Suite(t, func(t *testing.T) (loadtest.Store, loadtest.History) {
		w := newWarehouse(t, conn)
		return w.destination, w.versions
	})
	t.Run("many sightings", func(t *testing.T) { testManySightings(t, newWarehouse(t, conn)) })
}

// versions returns the versions of deposits as the table has them.
func (w *warehouse) versions(t *testing.T, stream schema.Stream) []loadtest.Version {
	t.Helper()
	rows, err := w.Query(t.Context(), `SELECT deposit_id, version, status, toString(amount), payload, listed_under, first_seen_at,
		ifNull(deleted_at, toDateTime64(0, 6)), evidence FROM `+w.database+`.deposit_versions FINAL
		WHERE account = $1 ORDER BY deposit_id, version, payload_hash`, stream.Account)
	must(t, err)
	defer rows.Close()
	var all []loadtest.Version
	for rows.Next() {
		var v loadtest.Version
		var status string
		must(t, rows.Scan(&v.ID, &v.Version, &status, &v.Amount, &v.Payload, &v.ListedUnder, &v.FirstSeenAt, &v.DeletedAt, &v.Evidence))
		if v.Status = schema.Status(status); v.DeletedAt.Unix() == 0 {
			v.DeletedAt = time.Time{}
		}
		all = append(all, v)
	}
	must(t, rows.Err())
	return all
}

// testManySightings reads more than a page, with versions on both sides of its end and rows that are not merged.
func testManySightings(t *testing.T, w *warehouse) {
	exec(t, w, "SYSTEM STOP MERGES "+w.database+".record_sightings")
	const records = 120_000
	for _, part := range []string{ // every fourth record has two versions; all are seen twice; every third has left
		"1 + (number % 4 = 0) AS version, number AS first, 10 + number AS last, false AS tombstone FROM numbers(120000)",
		"1 + (number % 4 = 0) AS version, 5 + number AS first, 30 + number AS last, false AS tombstone FROM numbers(120000)",
		"1 AS version, 2 + number AS first, 8 + number AS last, false AS tombstone FROM numbers(120000) WHERE number % 4 = 0",
		"2 + (number % 4 = 0) AS version, 40 + number AS first, first AS last, true AS tombstone FROM numbers(120000) WHERE number % 3 = 0",
	} {
		exec(t, w, "INSERT INTO "+w.database+`.record_sightings (account, resource, record_id, version, first_seen_at, last_seen_at, tombstone, listed_under)
			SELECT 'kuna_main', 'deposits', leftPad(toString(number), 7, '0'), version, toDateTime64(first, 6), toDateTime64(last, 6), tombstone, ''
			FROM (SELECT number, `+part+")")
	}
	next := 0
	must(t, w.destination.Sightings(t.Context(), depositStream, "", func(got load.Sighting) error {
		want := load.Sighting{ID: fmt.Sprintf("%07d", next), FirstAt: time.Unix(int64(next), 0).UTC(), LastAt: time.Unix(int64(30+next), 0).UTC(), Gone: next%3 == 0}
		if got != want {
			return fmt.Errorf("record %d is %+v, want %+v", next, got, want)
		}
		next++
		return nil
	}))
	if count, err := w.destination.CountIDs(t.Context(), depositStream, ""); err != nil || next != records || count != records*2/3 {
		t.Errorf("%d records were seen, %d are held, %v", next, count, err)
	}
}
