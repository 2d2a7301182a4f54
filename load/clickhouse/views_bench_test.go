package clickhouse_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// versionMillions is how many millions of versions BenchmarkViews makes; ten of them take some minutes.
const versionMillions = "TIEOUT_TEST_BENCH_MILLIONS"

// The shape of the history: so many months of so many inserts each, over so many accounts. A tenth of the rows of each
// later insert are second versions of records of the one before.
const (
	historyMonths   = 24
	historyInserts  = 10
	historyAccounts = 50
)

// BenchmarkViews asks the views for one account and one day, as of now and as of a past instant, in a history as nightly
// inserts leave it, and once more after compaction. The times are the least of five.
func BenchmarkViews(b *testing.B) {
	millions, err := strconv.Atoi(os.Getenv(versionMillions))
	if err != nil {
		millions = 1
	}
	conn := &clickhouse.Connection{Conn: embeddedtest.Connect(b).Conn}
	database := embeddedtest.Database(b, conn)
	if _, err := schema.Migrate(b.Context(), conn, database, schema.Layout{}); err != nil {
		b.Fatal(err)
	}
	rows := millions * 1_000_000 / historyMonths / historyInserts
	for month := range historyMonths {
		for insert := range historyInserts {
			if err := conn.Exec(b.Context(), fmt.Sprintf(historyInsert, month, insert, rows, historyAccounts, database)); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() { // once: what is measured is measured inside
		reportViews(b, conn, database, "")
		began := time.Now()
		left, err := clickhouse.Compact(b.Context(), conn, database, schema.Layout{}, time.Hour, func(clickhouse.Compacted) {})
		if err != nil || left != 0 {
			b.Fatalf("%d months are left: %v", left, err)
		}
		b.ReportMetric(time.Since(began).Seconds(), "compaction-s")
		reportViews(b, conn, database, "compacted-")
	}
	b.ReportMetric(float64(millions), "M-versions")
	b.ReportMetric(0, "ns/op")
}

// reportViews measures the questions that analysts ask most.
func reportViews(b *testing.B, conn *clickhouse.Connection, database, state string) {
	b.Helper()
	const day = " WHERE account = 'account_7' AND created_at >= '2024-08-10 00:00:00' AND created_at < '2024-08-11 00:00:00'"
	for name, question := range map[string]string{
		"day-ms":       "deposits" + day,
		"day-as-of-ms": "deposits_as_of(known_at = '2024-08-12 00:00:00')" + day,
		"account-ms":   "deposits WHERE account = 'account_7'",
	} {
		least := time.Hour
		for range 5 {
			began, found := time.Now(), 0
			answer, err := conn.Query(b.Context(), "SELECT * FROM "+database+"."+question)
			if err != nil {
				b.Fatal(err)
			}
			for answer.Next() {
				found++
			}
			if err := answer.Err(); err != nil || found == 0 {
				b.Fatalf("%s: %d rows, %v", name, found, err)
			}
			_ = answer.Close() // it was read to its end
			least = min(least, time.Since(began))
		}
		b.ReportMetric(float64(least.Microseconds())/1000, state+name)
	}
}

// historyInsert has the month, the insert in the month, its rows, the accounts and the database.
const historyInsert = `INSERT INTO %[5]s.deposit_versions (account, deposit_id, version, payload_hash, created_at, provider, status, provider_status, currency,
	amount, network, txid, customer_id, reference, first_seen_at, run_id, payload)
SELECT concat('account_', toString(cityHash64(record, %[1]d) %% %[4]d)) AS account,
	toString(reinterpretAsUUID(MD5(concat('%[1]d-', toString(record))))) AS deposit_id, if(second, 2, 1) AS version,
	toFixedString(SHA256(concat(deposit_id, toString(version))), 32) AS payload_hash,
	toDateTime64('2024-01-01 00:00:00', 6, 'UTC') + INTERVAL %[1]d MONTH + toIntervalSecond(cityHash64(record, %[1]d) %% 2419200) AS created_at,
	'coinut', if(second OR number %% 10 < 8, 'completed', 'pending'), if(second OR number %% 10 < 8, 'CONFIRMED', 'RECEIVED'),
	['EUR', 'USD', 'BTC', 'ETH'][cityHash64(record) %% 4 + 1] AS currency, toDecimal256(cityHash64(record) %% 1000000000, 18) / 100 AS amount,
	'ETHEREUM', hex(SHA256(toString(record))) AS txid, toString(cityHash64(record) %% 5000) AS customer_id, concat('INV-', toString(record)),
	created_at + toIntervalDay(version), 'run',
	concat('{"id":"', deposit_id, '","currency":"', currency, '","amount":"', toString(amount), '","txid":"', txid, '","customerId":"', customer_id, '"}')
FROM (SELECT number, number %% 10 = 9 AND %[2]d > 0 AS second, if(second, number - 1 + (%[2]d - 1) * %[3]d, number + %[2]d * %[3]d) AS record FROM numbers(%[3]d))
SETTINGS max_insert_threads = 1, max_block_size = 200000, min_insert_block_size_rows = 200000`
