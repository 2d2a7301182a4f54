package schema_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/schema"
)

// testVerify does to a migrated database what people do, and wants each difference named, and the remedy to work.
func testVerify(t *testing.T, conn driver.Conn) {
	for name, test := range map[string]struct {
		damage   string // {db} is the database
		want     []string
		remedies []string // statements before `tieout migrate`; the first is part of the message
	}{
		"a view is dropped": {
			"DROP VIEW {db}.deposits",
			[]string{"view deposits is missing"},
			[]string{"DELETE FROM {db}.schema_migrations WHERE version >= 4"},
		},
		"a view with parameters is dropped": {
			"DROP VIEW {db}.balances_as_of",
			[]string{"view balances_as_of is missing"},
			[]string{"DELETE FROM {db}.schema_migrations WHERE version >= 4"},
		},
		"a table is dropped": {
			"DROP TABLE {db}.rejected_records SYNC",
			[]string{"table rejected_records is missing: restore it from a backup"},
			[]string{"DELETE FROM {db}.schema_migrations WHERE version >= 2"},
		},
		"a column is dropped": {
			"ALTER TABLE {db}.sync_runs DROP COLUMN limit_wait_ms",
			[]string{"column sync_runs.limit_wait_ms is missing, want UInt64"},
			[]string{"ALTER TABLE {db}.sync_runs ADD COLUMN limit_wait_ms UInt64"},
		},
		"a column is made narrow": {
			"ALTER TABLE {db}.balance_snapshots MODIFY COLUMN total Nullable(Float64)",
			[]string{"column balance_snapshots.total is a Nullable(Float64), want Nullable(Decimal(76, 18))"},
			[]string{"ALTER TABLE {db}.balance_snapshots MODIFY COLUMN total Nullable(Decimal(76, 18))"},
		},
		"a view is replaced": {
			"CREATE OR REPLACE VIEW {db}.trades AS SELECT trade_id, toFloat64(from_amount) AS from_amount FROM {db}.trade_versions",
			[]string{"differences from what the migrations make", "column trades.account is missing", "column trades.from_amount is a Float64"},
			[]string{"DROP VIEW {db}.trades", "DELETE FROM {db}.schema_migrations WHERE version >= 4"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			database := migrated(t, conn)
			here := func(sql string) string { return strings.ReplaceAll(sql, "{db}", schema.QuoteIdentifier(database)) }
			must(t, schema.Verify(t.Context(), conn, database, schema.Layout{}))
			must(t, conn.Exec(t.Context(), here(test.damage)))
			refusedMigration(t, conn, database, append(test.want, here(test.remedies[0]))...)
			if err := schema.Verify(t.Context(), conn, database, schema.Layout{}); schema.ClassOf(err) != schema.ClassConfiguration {
				t.Errorf("Verify says %v", err)
			}
			for _, remedy := range test.remedies {
				must(t, conn.Exec(t.Context(), here(remedy)))
			}
			_, err := schema.Migrate(t.Context(), conn, database, schema.Layout{})
			must(t, err)
			must(t, schema.Verify(t.Context(), conn, database, schema.Layout{}))
		})
	}
}

// testVerifyStrangers: a table of somebody else under one of our names is found by Migrate, which would otherwise
// take CREATE … IF NOT EXISTS for success; what somebody has added is left alone.
func testVerifyStrangers(t *testing.T, conn driver.Conn) {
	database := migrated(t, conn)
	must(t, conn.Exec(t.Context(), "ALTER TABLE "+database+".sync_runs ADD COLUMN note String"))
	must(t, conn.Exec(t.Context(), "CREATE TABLE "+database+".ours (n UInt8) ENGINE = MergeTree ORDER BY n"))
	must(t, schema.Verify(t.Context(), conn, database, schema.Layout{}))

	must(t, conn.Exec(t.Context(), "DROP TABLE "+database+".schema_migrations SYNC"))
	must(t, conn.Exec(t.Context(), "DROP TABLE "+database+".sync_checkpoints SYNC"))
	must(t, conn.Exec(t.Context(), "CREATE TABLE "+database+".sync_checkpoints (account String, epoch String) ENGINE = MergeTree ORDER BY account"))
	must(t, conn.Exec(t.Context(), "DROP VIEW "+database+".deposits"))
	must(t, conn.Exec(t.Context(), "CREATE TABLE "+database+".deposits (n UInt8) ENGINE = MergeTree ORDER BY n"))
	_, err := schema.Migrate(t.Context(), conn, database, schema.Layout{})
	if schema.ClassOf(err) != schema.ClassConfiguration {
		t.Fatalf("class %s: %v", schema.ClassOf(err), err)
	}
	for _, text := range []string{
		"column sync_checkpoints.account is a String, want LowCardinality(String)", "column sync_checkpoints.epoch is a String, want UInt64",
		"column sync_checkpoints.seq is missing", "deposits is a table and not our view",
	} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n"); !regexp.MustCompile(`\b11 differences`).MatchString(err.Error()) || lines != 11 {
		t.Errorf("%d lines: %v", lines, err)
	}
}

// testBalances: a currency that has left the partner's answer is not shown as if it were still there.
func testBalances(t *testing.T, conn driver.Conn) {
	database := migrated(t, conn)
	must(t, conn.Exec(t.Context(), "INSERT INTO "+database+`.balance_snapshots (account, currency, as_of, observed_us, observed_at, provider, total)
		SELECT account, currency, at, toUnixTimestamp64Micro(at), at + 1, 'coinut', total FROM values(
			'account String, currency String, at DateTime64(6, \'UTC\'), total Decimal(76, 18)',
			('a', 'BTC', '2026-06-01 04:00:00', 1), ('a', 'ETH', '2026-06-01 04:00:00', 2),
			('a', 'BTC', '2026-06-02 04:00:00', 3), ('a', 'EUR', '2026-06-02 04:00:00', 4),
			('b', 'ETH', '2026-06-01 05:00:00', 5))`))
	for from, want := range map[string]string{
		"balances": "a BTC 3, a EUR 4, b ETH 5",
		"balances_as_of(known_at = '2026-06-03 00:00:00')": "a BTC 3, a EUR 4, b ETH 5",
		"balances_as_of(known_at = '2026-06-02 04:00:00')": "a BTC 1, a ETH 2, b ETH 5", // observed a second later
		"balances_as_of(known_at = '2026-06-01 04:30:00')": "a BTC 1, a ETH 2",
		"balances_as_of(known_at = '2026-05-01 00:00:00')": "",
	} {
		var rows []struct {
			Text string `ch:"text"`
		}
		must(t, conn.Select(t.Context(), &rows, "SELECT concat(account, ' ', currency, ' ', toString(total)) AS text FROM "+database+"."+from+" ORDER BY account, currency"))
		var texts []string
		for _, row := range rows {
			texts = append(texts, row.Text)
		}
		if got := strings.Join(texts, ", "); got != want {
			t.Errorf("%s is %q, want %q", from, got, want)
		}
	}
}
