package clickhouse_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

func isMistake(err error) bool {
	text, mistake := clickhouse.Mistake(err)
	return mistake && text != ""
}

// drain reads all rows and returns how many there were.
func drain(rows driver.Rows, err error) (int, error) {
	if err != nil || rows == nil {
		return 0, err
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		count++
	}
	return count, rows.Err()
}

// testPeoplesStatements runs what people type: reading is allowed, writing is not unless it is meant, in whatever
// words; and the session is as before afterwards.
func testPeoplesStatements(t *testing.T, conn driver.Conn) {
	c := conn.(*clickhouse.Connection)
	database := embeddedtest.Database(t, conn)
	exec(t, conn, "CREATE TABLE "+database+".t (n UInt64) ENGINE = MergeTree ORDER BY n")
	exec(t, conn, "INSERT INTO "+database+".t SELECT 1")
	file := filepath.Join(t.TempDir(), "file")
	here := strings.NewReplacer("{t}", database+".t", "{file}", file)
	for _, query := range []string{
		"SELECT n FROM {t}", "WITH 1 AS n SELECT n", "(SELECT 1)", "FROM {t} SELECT n", "SHOW TABLES FROM " + database, "DESCRIBE {t}",
		"EXPLAIN SELECT 1", "EXISTS {t}", "SELECT 1 -- the end;", "/* INSERT INTO x; */ SELECT 'INSERT INTO t; x'", "SELECT 1;",
		"SELECT n FROM {t} SETTINGS max_threads = 1",
	} {
		if rows, err := drain(c.QueryReadOnly(t.Context(), here.Replace(query))); err != nil || rows == 0 {
			t.Errorf("%s: %d rows, %v", query, rows, err)
		}
	}
	for _, query := range []string{
		"INSERT INTO {t} SELECT 2", "INSERT INTO {t} VALUES (2)", "insert into {t} select 2", "WITH 2 AS n INSERT INTO {t} SELECT n",
		"INSERT INTO {t} SELECT 2 SETTINGS readonly = 0", "INSERT INTO FUNCTION remote('127.0.0.1', {t}) SELECT 2",
		"INSERT INTO FUNCTION file('{file}', 'CSV', 'n UInt8') SELECT 2", "SELECT 2 INTO OUTFILE '{file}'", "TRUNCATE TABLE {t}", "DROP TABLE {t}",
		"ALTER TABLE {t} DELETE WHERE 1", "DELETE FROM {t} WHERE 1", "OPTIMIZE TABLE {t}", "SET readonly = 0", "SYSTEM STOP MERGES", "KILL QUERY WHERE 1",
		"CREATE TABLE {t}2 AS {t}", "SELECT 1 SETTINGS readonly = 0",
	} {
		_, err := drain(c.QueryReadOnly(t.Context(), here.Replace(query)))
		if !errors.Is(err, clickhouse.ErrReadOnly) || schema.ClassOf(err) == schema.ClassTransient {
			t.Errorf("%s: class %s, %v", query, schema.ClassOf(err), err)
		}
	}
	for _, query := range []string{"SELECT 1; SELECT 2", "SELECT 1; DROP TABLE {t}", "", ";", "-- nothing", "SELECT 1 FORMAT CSV"} {
		for name, ask := range map[string]func(context.Context, string) (driver.Rows, error){"reading": c.QueryReadOnly, "once": c.QueryOnce} {
			if _, err := drain(ask(t.Context(), here.Replace(query))); !isMistake(err) {
				t.Errorf("%s, %s: %v", query, name, err)
			}
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("a file was written")
	}
	if rows := ask[uint64](t, conn, "SELECT sum(n) FROM "+database+".t"); rows != 1 {
		t.Errorf("the table's sum is %d", rows)
	}
	for _, query := range []string{"INSERT INTO {t} SELECT 2", "INSERT INTO {t} VALUES (4)", "WITH 8 AS n INSERT INTO {t} SELECT n"} {
		if rows, err := c.QueryOnce(t.Context(), here.Replace(query)); err != nil || rows != nil { //nolint:rowserrcheck // there are none
			t.Errorf("%s: %v, %v", query, rows, err)
		}
	}
	if rows, err := drain(c.QueryOnce(t.Context(), here.Replace("SELECT n FROM {t}"))); err != nil || rows != 4 {
		t.Errorf("%d rows, %v", rows, err)
	}
	if sum := ask[uint64](t, conn, "SELECT sum(n) FROM "+database+".t"); sum != 15 {
		t.Errorf("after writing the table's sum is %d", sum)
	}
	testPeoplesMistakes(t, c, database)
}

// testPeoplesMistakes: a wrong text is told from a fault of ours.
func testPeoplesMistakes(t *testing.T, c *clickhouse.Connection, database string) {
	for query, mistake := range map[string]bool{
		"SELECT nope FROM " + database + ".t": true, "SELECT * FROM " + database + ".nope": true, "SELECT * FROM nope.t": true, "SELECT nope(1)": true,
		"SELECT FROM WHERE": true, "SELECT 1 + 'a'": true, "SELECT toUInt8('x')": true, "SELECT throwIf(number = 3) FROM numbers(9)": true,
		"SELECT {p:UInt8}": true, "SELECT sleep(99)": false,
	} {
		for name, ask := range map[string]func(context.Context, string) (driver.Rows, error){"reading": c.QueryReadOnly, "once": c.QueryOnce} {
			_, err := drain(ask(t.Context(), query))
			if _, classified := errors.AsType[*schema.Error](err); err == nil || isMistake(err) != mistake || !classified {
				t.Errorf("%s, %s: mistake %v: %v", query, name, !mistake, err)
			}
		}
	}
}

// brokenRows end with an error after their first row.
type brokenRows struct {
	driver.Rows
	err   error
	nexts int
}

func (r *brokenRows) Next() bool        { r.nexts++; return r.nexts == 1 }
func (r *brokenRows) Scan(...any) error { return r.err }
func (r *brokenRows) Err() error        { return r.err }
func (r *brokenRows) Close() error      { return r.err }

// rowsConn answers every query with the same rows.
type rowsConn struct {
	driver.Conn
	rows  driver.Rows
	asked int
}

func (c *rowsConn) Query(context.Context, string, ...any) (driver.Rows, error) {
	c.asked++
	return c.rows, nil
}

// TestQueryDoesNotReadAgain: rows that were read are never read again, and what broke them off has a class.
func TestQueryDoesNotReadAgain(t *testing.T) {
	conn := &rowsConn{rows: &brokenRows{err: io.ErrUnexpectedEOF}}
	rows, err := (&clickhouse.Connection{Conn: conn}).Query(t.Context(), "SELECT 1")
	must(t, err)
	for rows.Next() {
		if err := rows.Scan(); schema.ClassOf(err) != schema.ClassTransient {
			t.Errorf("scan: %v", err)
		}
	}
	for _, err := range []error{rows.Err(), rows.Close()} {
		if schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("class %s of %v", schema.ClassOf(err), err)
		}
	}
	if conn.asked != 1 {
		t.Errorf("asked %d times", conn.asked)
	}
}

// TestQueryOnceAsksOnce: a person's statement whose answer is lost may have run, and nobody runs it again.
func TestQueryOnceAsksOnce(t *testing.T) {
	for _, query := range []string{"INSERT INTO t SELECT 1", "SELECT 1"} {
		conn := &failingConn{errs: times(99, io.ErrUnexpectedEOF)}
		_, err := drain((&clickhouse.Connection{Conn: conn}).QueryOnce(t.Context(), query))
		if len(conn.times) != 1 || schema.ClassOf(err) != schema.ClassUnclassified || !strings.Contains(err.Error(), "may have run") || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: asked %d times, class %s of %v", query, len(conn.times), schema.ClassOf(err), err)
		}
	}
}

// TestQueryReadOnlyOfARestrictedUser: a user who may only read may not change a setting, readonly included.
func TestQueryReadOnlyOfARestrictedUser(t *testing.T) {
	conn := embeddedtest.Connect(t)
	restricted := &clickhouse.Connection{Conn: restrictedConn{conn}}
	if rows, err := drain(restricted.QueryReadOnly(t.Context(), "SELECT 1")); err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// restrictedConn is the connection of a user with readonly = 2 in its profile.
type restrictedConn struct{ *clickhouse.Connection }

func (c restrictedConn) Select(ctx context.Context, destination any, query string, args ...any) error {
	return c.Connection.Select(driverpackage.Context(ctx, driverpackage.WithSettings(driverpackage.Settings{"readonly": 2})), destination, query, args...)
}

func (c restrictedConn) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	// A setting that the context brings would be refused there.
	if rows, err := c.Connection.Query(ctx, "SELECT getSetting('readonly') > 0 AS set WHERE set", args...); err != nil {
		return nil, err
	} else if rows.Next() {
		return nil, errors.Join(&driverpackage.Exception{Code: 164, Message: "Cannot modify 'readonly' setting in readonly mode"}, rows.Close(), rows.Err())
	} else if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	return c.Connection.Query(ctx, query, args...) //nolint:rowserrcheck // the caller reads them
}

// TestEveryErrorHasAClass asks for what fails in every way that a connection has.
func TestEveryErrorHasAClass(t *testing.T) {
	conn := embeddedtest.Connect(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	database := embeddedtest.Database(t, conn)
	exec(t, conn, "CREATE TABLE "+database+".t (n UInt64) ENGINE = MergeTree ORDER BY n")
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+database+".t (n)")
	must(t, err)
	defer batch.Abort()
	row := conn.QueryRow(t.Context(), "SELECT nope")
	none := conn.QueryRow(t.Context(), "SELECT 1 WHERE 0")
	var number uint64
	_, prepare := conn.PrepareBatch(t.Context(), "INSERT INTO no_such_table (n)")
	for name, err := range map[string]error{
		"exec": conn.Exec(t.Context(), "SELECT nope"), "select": conn.Select(t.Context(), &[]struct{}{}, "SELECT nope"),
		"row": row.Err(), "row's scan": row.Scan(&number), "row's struct": row.ScanStruct(&number), "no row": none.Scan(&number),
		"ping": conn.Ping(cancelled), "batch": prepare, "append": batch.Append("a", "b"), "append struct": batch.AppendStruct(7), "send": batch.Send(),
	} {
		if _, ok := errors.AsType[*schema.Error](err); !ok {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
	if err := none.Scan(&number); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
}
