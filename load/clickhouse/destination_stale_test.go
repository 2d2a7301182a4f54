package clickhouse_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// TestStaleWriter: a writer who is overtaken does no harm, wherever he is held up.
func TestStaleWriter(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *warehouse){
		"before he looks":                testStaleBeforeLook,
		"while he looks":                 testStaleWhileLooking,
		"between his look and his write": testStaleInBetween,
	} {
		t.Run(name, func(t *testing.T) { test(t, newWarehouse(t, embeddedtest.Connect(t))) })
	}
}

// heldUpConn is the connection of a writer who is held up just before he inserts, for as long as meanwhile takes.
type heldUpConn struct {
	driver.Conn
	meanwhile func()
}

func (c *heldUpConn) PrepareBatch(ctx context.Context, query string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	c.meanwhile()
	return c.Conn.PrepareBatch(ctx, query, options...)
}

var errOvertaken = errors.New("the lease is lost")

// testStaleBeforeLook: he would number his version on top of those of the next writer, so he is asked before he
// inserts, and after he has looked.
func testStaleBeforeLook(t *testing.T, w *warehouse) {
	w.write(t, deposits("0", deposit("a", schema.StatusPending, "1", 0)), 1)
	w.write(t, deposits("next", deposit("a", schema.StatusCompleted, "1", 20)), 1)
	var asked []schema.Stream
	stale := w.destination.Guarded(func(stream schema.Stream) error {
		asked = append(asked, stream)
		return &schema.Error{Class: schema.ClassUnavailable, Err: errOvertaken}
	})
	batch := deposits("stale", deposit("a", schema.StatusFailed, "1", 10))
	batch.Rejected = severalBlocks().Rejected
	if _, err := stale.Write(t.Context(), batch); !errors.Is(err, errOvertaken) || schema.ClassOf(err) != schema.ClassUnavailable {
		t.Errorf("the stale writer was told %v", err)
	}
	if !slices.Equal(asked, []schema.Stream{depositStream}) {
		t.Errorf("asked was for %v", asked)
	}
	w.wantCounts(t, map[string]int{"deposit_versions": 2, "rejected_records": 0})
	w.write(t, deposits("third", deposit("a", schema.StatusCompleted, "1", 30)), 0) // the unguarded one goes on
}

// slowLookConn is the connection of a writer whose look-up takes as long as meanwhile does.
type slowLookConn struct {
	driver.Conn
	once      sync.Once
	meanwhile func()
}

func (c *slowLookConn) Select(ctx context.Context, destination any, query string, args ...any) error {
	c.once.Do(c.meanwhile)
	return c.Conn.Select(ctx, destination, query, args...)
}

// testStaleWhileLooking: he sees what the next writer has stored. A check before the look would have let him write.
func testStaleWhileLooking(t *testing.T, w *warehouse) {
	w.write(t, deposits("0", deposit("a", schema.StatusPending, "1", 0)), 1)
	var lost error
	stale := clickhouse.NewDestination(&clickhouse.Connection{Conn: &slowLookConn{Conn: w, meanwhile: func() {
		w.write(t, deposits("next", deposit("a", schema.StatusCompleted, "1", 20)), 1)
		lost = errOvertaken
	}}}, w.database).Guarded(func(schema.Stream) error { return lost })
	if _, err := stale.Write(t.Context(), deposits("stale", deposit("a", schema.StatusFailed, "1", 10))); !errors.Is(err, errOvertaken) {
		t.Errorf("the stale writer was told %v", err)
	}
	w.wantCounts(t, map[string]int{"deposit_versions": 2})
}

// testStaleInBetween: he has looked and was allowed to write, and his insert arrives when the next writer has gone
// far ahead. What he writes is what the partner said when he read it, and that is how it is shown: as the state that
// was known from then until the next writer saw another one.
func testStaleInBetween(t *testing.T, w *warehouse) {
	w.write(t, deposits("0", deposit("a", schema.StatusPending, "1", 0)), 1)
	allowed, overtaken := false, false
	stale := clickhouse.NewDestination(&clickhouse.Connection{Conn: &heldUpConn{w, func() {
		if !allowed {
			t.Error("he writes and has not been asked")
		}
		if overtaken {
			return
		}
		overtaken = true
		w.write(t, deposits("next", deposit("a", schema.StatusCancelled, "1", 20)), 1)
		w.write(t, deposits("after", deposit("a", schema.StatusCompleted, "1", 30)), 1)
	}}}, w.database).Guarded(func(schema.Stream) error { allowed = true; return nil })
	if _, err := stale.Write(t.Context(), deposits("stale", deposit("a", schema.StatusFailed, "1", 10))); err != nil {
		t.Fatal(err)
	}
	want := map[int][]string{0: {"pending 1"}, 10: {"failed 2"}, 20: {"cancelled 2"}, 30: {"completed 3"}, 40: {"completed 3"}}
	check := func(now string) {
		t.Helper()
		for minutes, states := range want {
			got := w.texts(t, `SELECT concat(status, ' ', toString(version)) AS text FROM {db}.deposits_as_of(known_at = {known_at:DateTime64(6, 'UTC')})`,
				driverpackage.DateNamed("known_at", noon.Add(time.Duration(minutes)*time.Minute), driverpackage.MicroSeconds))
			if !slices.Equal(got, states) {
				t.Errorf("after %d minutes %q was known, want %q", minutes, got, states)
			}
		}
		if got := w.texts(t, "SELECT concat(status, ' ', toString(version)) AS text FROM {db}.deposits"); !slices.Equal(got, []string{now}) {
			t.Errorf("now it is %q, want %s", got, now)
		}
	}
	check("completed 3")
	exec(t, w, "OPTIMIZE TABLE "+w.database+".deposit_versions FINAL")
	check("completed 3")
	w.write(t, deposits("again", deposit("a", schema.StatusCompleted, "1", 50)), 0)
	w.write(t, deposits("back", deposit("a", schema.StatusFailed, "1", 60)), 1)
	want[60] = []string{"failed 4"}
	check("failed 4")
}
