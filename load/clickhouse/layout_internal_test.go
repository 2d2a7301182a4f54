package clickhouse

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/schema"
)

// busyConn is a table with a quorum: an insert that meets another one is refused, as ClickHouse does.
type busyConn struct {
	driver.Conn
	inserts, refused atomic.Int64
}

func (c *busyConn) Exec(ctx context.Context, query string, _ ...any) error {
	if c.inserts.Add(1) > 1 {
		c.refused.Add(1)
	}
	defer c.inserts.Add(-1)
	select {
	case <-time.After(time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestInsertsWaitForEachOther: where a table takes one insert at a time, streams that run side by side are not refused.
// Other statements do not wait, and on a single server nothing does.
func TestInsertsWaitForEachOther(t *testing.T) {
	for name, test := range map[string]struct {
		quorum  bool
		query   string
		took    time.Duration
		refused int64
	}{
		"with a quorum":      {true, "INSERT INTO t SELECT 1", 5 * time.Second, 0},
		"without a quorum":   {false, "INSERT INTO t SELECT 1", time.Second, 4},
		"no insert, but DDL": {true, "ALTER TABLE t ADD COLUMN n UInt8", time.Second, 4},
	} {
		synctest.Test(t, func(t *testing.T) {
			busy := &busyConn{}
			connection := &Connection{Conn: busy}
			if test.quorum {
				connection.inserting = &turns{}
			}
			begin := time.Now()
			var group sync.WaitGroup
			for range 5 {
				group.Go(func() {
					if err := connection.Exec(t.Context(), test.query); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			group.Wait()
			if took := time.Since(begin); took != test.took || busy.refused.Load() != test.refused {
				t.Errorf("%s: it took %s, %d met another one", name, took, busy.refused.Load())
			}
		})
	}
}

// TestWaitingInsertStops: whoever waits for his turn can be told to stop.
func TestWaitingInsertStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connection := &Connection{Conn: &busyConn{}, inserting: &turns{}}
		connection.inserting.of("t") <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := connection.Exec(ctx, "INSERT INTO t SELECT 1"); schema.ClassOf(err) != schema.ClassCancelled {
			t.Errorf("class %s: %v", schema.ClassOf(err), err)
		}
		late, cancelLate := context.WithTimeout(t.Context(), time.Second)
		defer cancelLate()
		if err := connection.Exec(late, "INSERT INTO t SELECT 1"); schema.ClassOf(err) != schema.ClassUnavailable {
			t.Errorf("class %s: %v", schema.ClassOf(err), err)
		}
	})
}

// TestLeasesDoNotWaitForData: an insert waits for those into its own table only.
func TestLeasesDoNotWaitForData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connection := &Connection{Conn: &busyConn{}, inserting: &turns{}}
		for _, table := range []string{"deposit_versions", "trade_versions"} {
			connection.inserting.of(table) <- struct{}{} // for as long as anybody likes
		}
		begin := time.Now()
		if err := connection.Exec(t.Context(), "INSERT INTO `a`.sync_leases\n\t\t(scope) SELECT 1"); err != nil || time.Since(begin) != time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

func TestTableOf(t *testing.T) {
	for into, want := range map[string]string{
		"t SELECT 1": "t", "`a`.sync_leases\n\t(scope)": "sync_leases", "`a.b c\\``.key_states (key)": "key_states", "a.t (x)": "t", "t": "t", "t(x)": "t",
	} {
		if got := tableOf(into); got != want {
			t.Errorf("%q is an insert into %q, want %q", into, got, want)
		}
	}
}
