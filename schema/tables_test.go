package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"tieout/schema"
)

// tablesAndViews is what the product promises to exist, apart from the text of the migrations.
var tablesAndViews = []string{
	"balance_cuts", "balance_snapshots", "balances", "balances_as_of", "deposit_versions", "deposits", "deposits_as_of", "key_states",
	"payment_versions", "payments", "payments_as_of", "quarantine", "record_sightings", "rejected_records", "remaps", "schema_migrations",
	"sync_certificates",
	"sync_checkpoints", "sync_leases", "sync_runs", "trade_versions", "trades", "trades_as_of",
}

type described struct {
	Table   string `ch:"table"`
	Column  string `ch:"column"`
	Type    string `ch:"type"`
	Comment string `ch:"comment"`
}

func describedColumns(t *testing.T, conn driver.Conn, database string) []described {
	t.Helper()
	var columns []described
	must(t, conn.Select(t.Context(), &columns,
		"SELECT table, name AS column, type, comment FROM system.columns WHERE database = $1 ORDER BY table, position", database))
	return columns
}

func testDescribed(t *testing.T, conn driver.Conn) {
	database := migrated(t, conn)
	var tables []described
	must(t, conn.Select(t.Context(), &tables, "SELECT name AS table, comment FROM system.tables WHERE database = $1 ORDER BY name", database))
	var names []string
	for _, table := range tables {
		names = append(names, table.Table)
		if !strings.HasSuffix(table.Comment, ".") {
			t.Errorf("%s has the comment %q", table.Table, table.Comment)
		}
	}
	if difference := cmp.Diff(tablesAndViews, names); difference != "" {
		t.Errorf("tables and views (-want +got):\n%s", difference)
	}
	seen := map[string]bool{}
	for _, column := range describedColumns(t, conn, database) {
		seen[column.Table] = true
		if !strings.HasSuffix(column.Comment, ".") {
			t.Errorf("%s.%s has the comment %q", column.Table, column.Column, column.Comment)
		}
	}
	for _, name := range names {
		// A view with a parameter has no columns before it gets one; TestMigrationsDescribeEverything reads its text.
		if !seen[name] && !strings.HasSuffix(name, "_as_of") {
			t.Errorf("%s has no columns", name)
		}
	}
}

// testColumnsOfRows: what a mapping can fill has a column in the table, of the type that holds all of it, NULL
// exactly where the partner need not say it, and analysts see the same in the view.
func testColumnsOfRows(t *testing.T, conn driver.Conn) {
	database := migrated(t, conn)
	types := map[string]map[string]string{}
	for _, column := range describedColumns(t, conn, database) {
		if types[column.Table] == nil {
			types[column.Table] = map[string]string{}
		}
		types[column.Table][column.Column] = column.Type
	}
	for resource, table := range map[schema.Resource]string{
		schema.Deposits: "deposit_versions", schema.Trades: "trade_versions", schema.Payments: "payment_versions", schema.Balances: "balance_snapshots",
	} {
		for _, column := range schema.NewRow(resource).Columns() {
			plain := plainType(types[table][column.Name])
			if !slices.Contains(wantedTypes(column), plain) {
				t.Errorf("%s.%s has type %q, want %q", table, column.Name, plain, wantedTypes(column))
			}
			if view := types[string(resource)][column.Name]; view != plain {
				t.Errorf("%s.%s has type %q in the view, %q in the table", resource, column.Name, view, plain)
			}
		}
	}
}

// plainType is a type as analysts see it.
func plainType(stored string) string {
	if inner, ok := strings.CutPrefix(stored, "SimpleAggregateFunction("); ok {
		_, stored, _ = strings.Cut(strings.TrimSuffix(inner, ")"), ", ")
	}
	return stored
}

func wantedTypes(column schema.Column) []string {
	var plain string
	switch column.Field.(type) {
	case *schema.Amount:
		plain = "Decimal(76, 18)"
	case *string:
		return []string{"String", "LowCardinality(String)"}
	default:
		plain = "DateTime64(6, 'UTC')"
	}
	if column.Required {
		return []string{plain}
	}
	return []string{"Nullable(" + plain + ")"}
}
