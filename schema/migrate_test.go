package schema_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func TestMigrate(t *testing.T) { migrateSuite(t, embeddedtest.Connect(t)) }

// TestMigrateServer runs the same against servers.
func TestMigrateServer(t *testing.T) {
	embeddedtest.Servers(t, func(t *testing.T, connection *clickhouse.Connection) { migrateSuite(t, connection) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func migrateSuite(t *testing.T, conn driver.Conn) {
	t.Run("from nothing", func(t *testing.T) { testMigrateFromNothing(t, conn) })
	t.Run("everything is described", func(t *testing.T) { testDescribed(t, conn) })
	t.Run("columns are those of the rows", func(t *testing.T) { testColumnsOfRows(t, conn) })
	t.Run("killed anywhere", func(t *testing.T) { testMigrateKilled(t, conn) })
	t.Run("drift", func(t *testing.T) { testDrift(t, conn) })
	t.Run("newer database", func(t *testing.T) { testNewerDatabase(t, conn) })
	t.Run("gap in the journal", func(t *testing.T) { testJournalGap(t, conn) })
	t.Run("two at once", func(t *testing.T) { testMigrateTwice(t, conn) })
	t.Run("what people do", func(t *testing.T) { testVerify(t, conn) })
	t.Run("strangers", func(t *testing.T) { testVerifyStrangers(t, conn) })
	t.Run("balances", func(t *testing.T) { testBalances(t, conn) })
}

// migrated returns a database with the whole schema.
func migrated(t *testing.T, conn driver.Conn) string {
	t.Helper()
	database := embeddedtest.Database(t, conn)
	_, err := schema.Migrate(t.Context(), conn, database, schema.Layout{})
	must(t, err)
	return database
}

// describe returns every table with its engine and keys, and every column with its type and comment: what makes a
// schema. The name of the database is cut out, so that two databases can be compared.
func describe(t *testing.T, conn driver.Conn, database string) []string {
	t.Helper()
	var rows []struct {
		Line string `ch:"line"`
	}
	must(t, conn.Select(t.Context(), &rows, `SELECT concat(name, ' ', engine, ' ', create_table_query, ' -- ', comment) AS line
		FROM system.tables WHERE database = $1
		UNION ALL SELECT concat(table, '.', toString(position), ' ', name, ' ', type, ' ', compression_codec, ' -- ', comment)
		FROM system.columns WHERE database = $1`, database))
	lines := make([]string, 0, len(rows))
	for _, row := range rows {
		lines = append(lines, strings.ReplaceAll(row.Line, database, "{database}"))
	}
	slices.Sort(lines)
	return lines
}

type applied struct {
	Version uint32 `ch:"version"`
	Name    string `ch:"name"`
	SHA256  string `ch:"sha256"`
}

func journal(t *testing.T, conn driver.Conn, database string) []applied {
	t.Helper()
	var rows []applied
	must(t, conn.Select(t.Context(), &rows, "SELECT version, name, toString(sha256) AS sha256 FROM "+database+".schema_migrations FINAL ORDER BY version"))
	return rows
}

func wantJournal(t *testing.T, database string) []applied {
	t.Helper()
	var rows []applied
	for _, migration := range migrations(t, database) {
		rows = append(rows, applied{migration.Version, migration.Name, migration.SHA256})
	}
	return rows
}

func testMigrateFromNothing(t *testing.T, conn driver.Conn) {
	database := embeddedtest.Database(t, conn)
	must(t, conn.Exec(t.Context(), "DROP DATABASE "+database+" SYNC")) // Migrate makes it again, else the end of the test fails
	pending, err := schema.Pending(t.Context(), conn, database, schema.Layout{})
	must(t, err)
	if len(pending) != len(migrations(t, database)) {
		t.Errorf("%d migrations are pending in a database that does not exist", len(pending))
	}
	first, err := schema.Migrate(t.Context(), conn, database, schema.Layout{})
	must(t, err)
	if difference := cmp.Diff(migrations(t, database), first); difference != "" {
		t.Errorf("applied (-want +got):\n%s", difference)
	}
	before := describe(t, conn, database)
	again, err := schema.Migrate(t.Context(), &counting{Conn: conn, t: t}, database, schema.Layout{})
	must(t, err)
	if len(again) != 0 {
		t.Errorf("the second time applied %d migrations", len(again))
	}
	if difference := cmp.Diff(before, describe(t, conn, database)); difference != "" {
		t.Errorf("the second time changed the schema (-want +got):\n%s", difference)
	}
	if difference := cmp.Diff(wantJournal(t, database), journal(t, conn, database)); difference != "" {
		t.Errorf("journal (-want +got):\n%s", difference)
	}
}

// counting fails the test at the first statement that is executed.
type counting struct {
	driver.Conn
	t *testing.T
}

func (c *counting) Exec(_ context.Context, query string, _ ...any) error {
	c.t.Errorf("executed %.80s", query)
	return nil
}

var errKilled = errors.New("killed")

// killed is a connection of a process that dies after a number of statements.
type killed struct {
	driver.Conn
	statements int // left to live
}

func (k *killed) Exec(ctx context.Context, query string, args ...any) error {
	if k.statements == 0 {
		return errKilled
	}
	k.statements--
	return k.Conn.Exec(ctx, query, args...)
}

func testMigrateKilled(t *testing.T, conn driver.Conn) {
	want := describe(t, conn, migrated(t, conn))
	statements := 0
	for _, migration := range migrations(t, "any") {
		statements += len(migration.Statements) + 1 // and its row in the journal
	}
	for alive := range statements {
		t.Run(fmt.Sprint(alive), func(t *testing.T) {
			database := embeddedtest.Database(t, conn)
			if _, err := schema.Migrate(t.Context(), &killed{conn, alive}, database, schema.Layout{}); !errors.Is(err, errKilled) {
				t.Fatalf("after %d of %d statements: %v", alive, statements, err)
			}
			_, err := schema.Migrate(t.Context(), conn, database, schema.Layout{})
			must(t, err)
			if difference := cmp.Diff(want, describe(t, conn, database)); difference != "" {
				t.Errorf("the schema differs (-want +got):\n%s", difference)
			}
			if difference := cmp.Diff(wantJournal(t, database), journal(t, conn, database)); difference != "" {
				t.Errorf("the journal differs (-want +got):\n%s", difference)
			}
		})
	}
}

// refusedMigration holds both Pending and Migrate to one refusal that executes nothing.
func refusedMigration(t *testing.T, conn driver.Conn, database string, texts ...string) {
	t.Helper()
	_, pending := schema.Pending(t.Context(), conn, database, schema.Layout{})
	_, migrate := schema.Migrate(t.Context(), &counting{Conn: conn, t: t}, database, schema.Layout{})
	for _, err := range []error{pending, migrate} {
		if schema.ClassOf(err) != schema.ClassConfiguration {
			t.Errorf("class %s: %v", schema.ClassOf(err), err)
			continue
		}
		for _, text := range append(texts, database) {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("the error does not say %q: %v", text, err)
			}
		}
	}
}

func noteInJournal(t *testing.T, conn driver.Conn, database string, version uint32, name string) {
	t.Helper()
	must(t, conn.Exec(t.Context(), "INSERT INTO "+database+".schema_migrations SELECT $1, $2, $3, now64(6, 'UTC') + 1",
		version, name, strings.Repeat("0", 64)))
}

func testDrift(t *testing.T, conn driver.Conn) {
	database := migrated(t, conn)
	second := migrations(t, database)[1]
	noteInJournal(t, conn, database, second.Version, second.Name)
	refusedMigration(t, conn, database, "step 2", second.Name, "another program has migrated it")
}

func testNewerDatabase(t *testing.T, conn driver.Conn) {
	database := migrated(t, conn)
	next := len(migrations(t, database)) + 1
	noteInJournal(t, conn, database, uint32(next), "9999_later.sql")
	refusedMigration(t, conn, database, fmt.Sprintf("step %d (9999_later.sql)", next), fmt.Sprintf("knows %d steps", next-1), "use a newer program")
}

// testJournalGap: a journal without one of its rows is not continued, because nobody knows what is there.
func testJournalGap(t *testing.T, conn driver.Conn) {
	database := embeddedtest.Database(t, conn)
	all := migrations(t, database)
	for _, statement := range all[0].Statements {
		must(t, conn.Exec(t.Context(), statement))
	}
	must(t, conn.Exec(t.Context(), "INSERT INTO "+database+".schema_migrations SELECT $1, $2, $3, now64(6, 'UTC')", all[1].Version, all[1].Name, all[1].SHA256))
	refusedMigration(t, conn, database, "step 2", all[0].Name)
}

func testMigrateTwice(t *testing.T, conn driver.Conn) {
	want := describe(t, conn, migrated(t, conn))
	database := embeddedtest.Database(t, conn)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := schema.Migrate(t.Context(), conn, database, schema.Layout{}); err != nil {
				t.Errorf("beside another one: %v", err)
			}
		})
	}
	group.Wait()
	if difference := cmp.Diff(want, describe(t, conn, database)); difference != "" {
		t.Errorf("the schema differs (-want +got):\n%s", difference)
	}
	if difference := cmp.Diff(wantJournal(t, database), journal(t, conn, database)); difference != "" {
		t.Errorf("the journal differs (-want +got):\n%s", difference)
	}
}
