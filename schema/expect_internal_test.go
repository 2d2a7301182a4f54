package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// read returns what statements make, an object a line: name, kind, columns.
func read(statements ...string) (string, error) {
	objects, err := expect([]Migration{{Version: 7, Name: "0007_test.sql", Statements: statements}})
	var lines []string
	for _, o := range objects {
		line := map[bool]string{false: "table ", true: "view "}[o.view] + o.name
		if o.parameterised {
			line += " with parameters"
		}
		for _, column := range o.columns {
			line += " | " + column.name + " " + column.kind
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n"), err
}

func TestExpect(t *testing.T) {
	const table = "CREATE TABLE IF NOT EXISTS `db`.t \n(\n    n UInt8\n)\nENGINE = MergeTree ORDER BY n"
	for name, test := range map[string]struct {
		statements []string
		want       string
	}{
		"database": {[]string{"CREATE DATABASE IF NOT EXISTS `db`"}, ""},
		"table":    {[]string{table}, "table t | n UInt8"},
		"types with brackets and commas": {
			[]string{"CREATE TABLE IF NOT EXISTS `db`.t (a Decimal(76, 18) COMMENT 'x',\n  b SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC'))), c Enum8('(' = 1, ',' = 2) DEFAULT '(') ENGINE = MergeTree ORDER BY (a, b)"},
			"table t | a Decimal(76, 18) | b SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC'))) | c Enum8('(' = 1, ',' = 2)",
		},
		"comments with brackets, commas and quotes": {
			[]string{"CREATE TABLE IF NOT EXISTS `db`.t (a String COMMENT 'partner''s, (own', b String COMMENT 'it\\'s )' CODEC(ZSTD(3))) ENGINE = Log"},
			"table t | a String | b String",
		},
		"database with odd letters":    {[]string{"CREATE TABLE IF NOT EXISTS `d\\`(b`.t (n UInt8) ENGINE = Log"}, "table t | n UInt8"},
		"on a cluster":                 {[]string{"CREATE TABLE IF NOT EXISTS `db`.t ON CLUSTER `c` (n UInt8) ENGINE = Log"}, "table t | n UInt8"},
		"view":                         {[]string{"CREATE VIEW IF NOT EXISTS `db`.v (n UInt8 COMMENT 'x') AS SELECT n FROM `db`.t WHERE n IN (1, 2)"}, "view v | n UInt8"},
		"view with a parameter":        {[]string{"CREATE VIEW IF NOT EXISTS `db`.v (n UInt8) AS SELECT n FROM `db`.t WHERE n = {n:UInt8}"}, "view v with parameters | n UInt8"},
		"a parameter in a comment":     {[]string{"CREATE VIEW IF NOT EXISTS `db`.v (n UInt8 COMMENT 'no {n:UInt8}') AS SELECT 1 AS n"}, "view v | n UInt8"},
		"a column is added":            {[]string{table, "ALTER TABLE `db`.t ADD COLUMN IF NOT EXISTS fee Nullable(Decimal(76, 18)) COMMENT 'Fee, if any.' AFTER n"}, "table t | n UInt8 | fee Nullable(Decimal(76, 18))"},
		"two columns, on a cluster":    {[]string{table, "ALTER TABLE `db`.t ON CLUSTER `c` ADD COLUMN IF NOT EXISTS a String, ADD COLUMN IF NOT EXISTS b String"}, "table t | n UInt8 | a String | b String"},
		"a column becomes wider":       {[]string{table, "ALTER TABLE `db`.t MODIFY COLUMN n UInt64"}, "table t | n UInt64"},
		"an added column is there yet": {[]string{table, "ALTER TABLE `db`.t ADD COLUMN IF NOT EXISTS n UInt8"}, "table t | n UInt8"},
	} {
		got, err := read(test.statements...)
		if err != nil || got != test.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, got, test.want)
		}
	}
}

// TestExpectRefuses: a statement that nobody can read would make something that nobody verifies.
func TestExpectRefuses(t *testing.T) {
	for _, statement := range []string{
		"DROP TABLE `db`.t", "INSERT INTO `db`.t SELECT 1", "CREATE TABLE `db`.t (n UInt8)", "CREATE TABLE IF NOT EXISTS t (n UInt8)",
		"CREATE TABLE IF NOT EXISTS `db`.t (n UInt8", "CREATE TABLE IF NOT EXISTS `db`.t AS `db`.u", "CREATE TABLE IF NOT EXISTS `db`.t (n)",
		"CREATE TABLE IF NOT EXISTS `db`.t (`n m` UInt8)", "CREATE TABLE IF NOT EXISTS `db`.t (n Decimal(76, 18)",
		"ALTER TABLE `db`.absent ADD COLUMN IF NOT EXISTS n UInt8", "ALTER TABLE `db`.t DROP COLUMN n", "",
	} {
		if got, err := read(statement); err == nil || !strings.Contains(err.Error(), "0007_test.sql") {
			t.Errorf("%s: read as %q, %v", statement, got, err)
		}
	}
}

// TestExpectOurs reads the migrations themselves; what it finds is written down in tables_test.go a second time.
func TestExpectOurs(t *testing.T) {
	all, err := Migrations("my`db(", Layout{})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := expect(all)
	if err != nil {
		t.Fatal(err)
	}
	var parameterised []string
	for _, o := range objects {
		if len(o.columns) < 3 {
			t.Errorf("%s has the columns %v", o.name, o.columns)
		}
		if o.parameterised {
			parameterised = append(parameterised, o.name)
		}
	}
	want := []string{"deposits_as_of", "trades_as_of", "payments_as_of", "balances_as_of"}
	if difference := cmp.Diff(want, parameterised); difference != "" || len(objects) != 23 {
		t.Errorf("%d objects, parameters (-want +got):\n%s", len(objects), difference)
	}
}
