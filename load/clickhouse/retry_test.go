package clickhouse_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load/clickhouse"
	"tieout/schema"
)

// failingConn answers every statement with the next of its errors, and with success when there are no more.
type failingConn struct {
	driver.Conn
	errs  []error
	times []time.Time // when it was asked
}

func (c *failingConn) next() error {
	c.times = append(c.times, time.Now())
	if len(c.errs) == 0 {
		return nil
	}
	err := c.errs[0]
	c.errs = c.errs[1:]
	return err
}

func (c *failingConn) Exec(context.Context, string, ...any) error        { return c.next() }
func (c *failingConn) Select(context.Context, any, string, ...any) error { return c.next() }

func (c *failingConn) Query(context.Context, string, ...any) (driver.Rows, error) {
	return nil, c.next()
}

func (c *failingConn) QueryRow(context.Context, string, ...any) driver.Row {
	return failingRow{c.next()}
}

// failingRow is a row of a statement that failed.
type failingRow struct{ err error }

func (r failingRow) Err() error           { return r.err }
func (r failingRow) Scan(...any) error    { return r.err }
func (r failingRow) ScanStruct(any) error { return r.err }

func (c *failingConn) PrepareBatch(context.Context, string, ...driver.PrepareBatchOption) (driver.Batch, error) {
	return nil, c.next()
}

func times(count int, err error) []error {
	errs := make([]error, count)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// promisedPauses are the longest pauses between the attempts; jitter takes up to a half of each.
var promisedPauses = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second}

// statements are the ways to ask that repeat.
var statements = map[string]func(context.Context, *failingConn) error{
	"exec": func(ctx context.Context, c *failingConn) error {
		return (&clickhouse.Connection{Conn: c}).Exec(ctx, "SELECT 1")
	},
	"select": func(ctx context.Context, c *failingConn) error {
		return (&clickhouse.Connection{Conn: c}).Select(ctx, nil, "SELECT 1")
	},
	"query": func(ctx context.Context, c *failingConn) error {
		_, err := (&clickhouse.Connection{Conn: c}).Query(ctx, "SELECT 1")
		return err
	},
	"query row": func(ctx context.Context, c *failingConn) error {
		return (&clickhouse.Connection{Conn: c}).QueryRow(ctx, "SELECT 1").Scan(nil)
	},
	"insert": func(ctx context.Context, c *failingConn) error {
		destination := clickhouse.NewDestination(&clickhouse.Connection{Conn: c}, "tieout")
		_, err := destination.Write(ctx, balances(0, balance("BTC", "1", 0))) // needs no look-up
		return err
	},
}

func TestGivesUpInTheEnd(t *testing.T) {
	for name, ask := range statements {
		synctest.Test(t, func(t *testing.T) {
			conn := &failingConn{errs: times(99, io.EOF)}
			err := ask(t.Context(), conn)
			if schema.ClassOf(err) != schema.ClassUnavailable || !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "ClickHouse") {
				t.Errorf("%s: class %s of %v", name, schema.ClassOf(err), err)
			}
			if len(conn.times) != len(promisedPauses)+1 {
				t.Fatalf("%s: %d attempts", name, len(conn.times))
			}
			for i, longest := range promisedPauses {
				if pause := conn.times[i+1].Sub(conn.times[i]); pause < longest/2 || pause > longest {
					t.Errorf("%s: pause %d is %s, want %s to %s", name, i+1, pause, longest/2, longest)
				}
			}
		})
	}
}

func TestSucceedsAfterPauses(t *testing.T) {
	for name, ask := range statements {
		if name == "insert" {
			continue // TestDestination has it, with a real batch
		}
		for failures := range len(promisedPauses) + 1 {
			synctest.Test(t, func(t *testing.T) {
				conn := &failingConn{errs: times(failures, &driverpackage.Exception{Code: 242})}
				if err := ask(t.Context(), conn); err != nil || len(conn.times) != failures+1 {
					t.Errorf("%s with %d failures: %v after %d attempts", name, failures, err, len(conn.times))
				}
			})
		}
	}
}

// TestDoesNotRepeat: what the next attempt cannot change is reported at once, and with its class.
func TestDoesNotRepeat(t *testing.T) {
	for name, ask := range statements {
		for err, want := range map[error]schema.Class{
			&driverpackage.Exception{Code: 62}:  schema.ClassUnclassified,
			&driverpackage.Exception{Code: 60}:  schema.ClassConfiguration,
			&driverpackage.Exception{Code: 516}: schema.ClassConfiguration,
			&driverpackage.Exception{Code: 243}: schema.ClassUnavailable,
			errors.New("anything"):              schema.ClassUnclassified,
		} {
			synctest.Test(t, func(t *testing.T) {
				conn := &failingConn{errs: times(99, err)}
				begin := time.Now()
				got := ask(t.Context(), conn)
				if schema.ClassOf(got) != want || !errors.Is(got, err) || len(conn.times) != 1 || time.Since(begin) != 0 {
					t.Errorf("%s: class %s of %v after %d attempts and %s", name, schema.ClassOf(got), got, len(conn.times), time.Since(begin))
				}
			})
		}
	}
}

var errTold = errors.New("stopped by terminated")

// TestStopsInAPause: who is told to stop does not wait for the next attempt, and says why in one line.
func TestStopsInAPause(t *testing.T) {
	for name, ask := range statements {
		for _, cause := range []error{nil, errTold} {
			synctest.Test(t, func(t *testing.T) {
				conn := &failingConn{errs: times(99, io.EOF)}
				ctx, cancel := context.WithCancelCause(t.Context())
				const told = 5 * time.Second // in the fourth pause: the first three take 1.75 to 3.5 s, the fourth 2 s or more
				begin := time.Now()
				time.AfterFunc(told, func() { cancel(cause) })
				err := ask(ctx, conn)
				if took := time.Since(begin); took != told {
					t.Errorf("%s: stopped after %s, %d attempts", name, took, len(conn.times))
				}
				if schema.ClassOf(err) != schema.ClassCancelled || !errors.Is(err, context.Canceled) || cause != nil && !errors.Is(err, cause) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: class %s of %q", name, schema.ClassOf(err), err)
				}
			})
		}
	}
}

// TestDeadlineInAPause: the caller's time is over and ClickHouse was out of reach for all of it. That is not
// transient any more: nobody tries again.
func TestDeadlineInAPause(t *testing.T) {
	for name, ask := range statements {
		synctest.Test(t, func(t *testing.T) {
			conn := &failingConn{errs: times(99, io.EOF)}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			begin := time.Now()
			err := ask(ctx, conn)
			if schema.ClassOf(err) != schema.ClassUnavailable || !errors.Is(err, io.EOF) || time.Since(begin) != 5*time.Second {
				t.Errorf("%s: class %s of %v after %s", name, schema.ClassOf(err), err, time.Since(begin))
			}
		})
	}
}

// TestEndedWithACause: a statement that was broken off because its context has ended was cancelled, or out of time,
// whatever the cause is that somebody gave, and the driver reports.
func TestEndedWithACause(t *testing.T) {
	told := errors.New("stopped by a signal")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(told)
	late, cancelLate := context.WithTimeoutCause(t.Context(), 0, told)
	defer cancelLate()
	for _, test := range []struct {
		ctx  context.Context
		want schema.Class
	}{{cancelled, schema.ClassCancelled}, {late, schema.ClassUnavailable}} {
		connection := &clickhouse.Connection{Conn: &failingConn{errs: []error{told, told}}}
		for name, err := range map[string]error{
			"exec": connection.Exec(test.ctx, "SELECT 1"), "select": connection.Select(test.ctx, nil, "SELECT 1"),
		} {
			if schema.ClassOf(err) != test.want || !errors.Is(err, told) {
				t.Errorf("%s: class %s of %v, want %s", name, schema.ClassOf(err), err, test.want)
			}
		}
	}
	// What the server has refused stays refused.
	denied := &driverpackage.Exception{Code: 497}
	if err := (&clickhouse.Connection{Conn: &failingConn{errs: []error{denied}}}).Exec(cancelled, "SELECT 1"); schema.ClassOf(err) != schema.ClassConfiguration {
		t.Errorf("%v", err)
	}
}
