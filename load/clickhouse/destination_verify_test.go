package clickhouse_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load"
	"tieout/schema"
)

// testSwallowed: rows are taken away behind our back, all of them or one, as a DELETE or a restored backup does, and
// the identical batch comes again. The server knows its token and drops it, and says that it has stored it. What is
// missing must be there in the end, each once: an identical re-insert after a delete is not swallowed.
func testSwallowed(t *testing.T, w *warehouse) {
	for condition, missing := range map[string]int{"1": 3, "deposit_id = 'newer'": 1} {
		w := newWarehouse(t, w.Conn)
		w.write(t, severalBlocks(), 3)
		exec(t, w, "ALTER TABLE "+w.database+".deposit_versions DELETE WHERE "+condition+" SETTINGS mutations_sync = 2")
		exec(t, w, "ALTER TABLE "+w.database+".rejected_records DELETE WHERE 1 SETTINGS mutations_sync = 2")
		w.wantCounts(t, map[string]int{"deposit_versions": 3 - missing, "rejected_records": 0})
		w.write(t, severalBlocks(), missing)
		w.wantCounts(t, map[string]int{
			"deposit_versions": 3, "deposit_versions FINAL": 3, "deposits": 3, "rejected_records": 1, "record_sightings FINAL": 3,
		})
	}
}

// testSwallowedInRetry: the rows are taken away between a commit whose answer is lost and its repetition.
func testSwallowedInRetry(t *testing.T, w *warehouse) {
	conn := &losingConn{Conn: w, after: func() {
		exec(t, w, "ALTER TABLE "+w.database+".deposit_versions DELETE WHERE 1 SETTINGS mutations_sync = 2")
	}}
	w.through(conn).write(t, deposits("run", deposit("a", schema.StatusPending, "1", 0)), 1)
	w.wantCounts(t, map[string]int{"deposit_versions": 1, "deposits": 1, "record_sightings": 1})
	if conn.sends != 4 { // lost, the same token once more, a new one, and the sightings
		t.Errorf("%d inserts were sent", conn.sends)
	}
}

// losingConn calls after when the first insert has been stored.
type losingConn struct {
	driver.Conn
	sends int
	after func()
}

type losingBatch struct {
	driver.Batch
	conn *losingConn
}

func (c *losingConn) PrepareBatch(ctx context.Context, query string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	batch, err := c.Conn.PrepareBatch(ctx, query, options...)
	return &losingBatch{batch, c}, err
}

func (b *losingBatch) Send() error {
	b.conn.sends++
	err := b.Batch.Send()
	if b.conn.sends == 1 {
		b.conn.after()
	}
	return err
}

// testSwallowedBalances is the same for balances, whose rows a later observation may replace.
func testSwallowedBalances(t *testing.T, w *warehouse) {
	batch := balances(0, balance("BTC", "1", 0), balance("EUR", "2", 0))
	w.write(t, batch, 2)
	exec(t, w, "ALTER TABLE "+w.database+".balance_snapshots DELETE WHERE currency = 'EUR' SETTINGS mutations_sync = 2")
	w.write(t, balances(0, balance("BTC", "1", 0), balance("EUR", "2", 0)), 2)
	w.wantCounts(t, map[string]int{"balance_snapshots FINAL": 2, "balances": 2})
	w.write(t, balances(0, balance("EUR", "3", 7)), 1)
	w.write(t, batch, 2) // it is late, and what it says was replaced
	if total := ask[string](t, w, "SELECT toString(assumeNotNull(total)) FROM "+w.database+".balances WHERE currency = 'EUR'"); total != "3" {
		t.Errorf("the balance is %s", total)
	}
}

// droppingConn is a ClickHouse that acknowledges inserts into a table and stores nothing of them.
type droppingConn struct {
	driver.Conn
	table   string
	dropped int
}

func (c *droppingConn) PrepareBatch(ctx context.Context, query string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	batch, err := c.Conn.PrepareBatch(ctx, query, options...)
	if strings.Contains(query, "."+c.table+" ") {
		return &droppedBatch{batch, c}, err
	}
	return batch, err
}

type droppedBatch struct {
	driver.Batch
	conn *droppingConn
}

func (b *droppedBatch) Send() error {
	b.conn.dropped++
	return b.Abort()
}

// testNeverThere: what is acknowledged and never there ends the write, says what is missing and what to do, and no
// later block of the batch is written.
func testNeverThere(t *testing.T, w *warehouse) {
	for table, want := range map[string]string{"deposit_versions": `1 of them are not there; the first is "old"`, "rejected_records": `the first is "bad"`} {
		w := newWarehouse(t, w.Conn)
		conn := &droppingConn{Conn: w, table: table}
		_, err := w.through(conn).destination.Write(t.Context(), severalBlocks())
		if schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), table) || !strings.Contains(err.Error(), "row policy") {
			t.Errorf("class %s of %v", schema.ClassOf(err), err)
		}
		if conn.dropped != 3 {
			t.Errorf("it was tried %d times", conn.dropped)
		}
		w.wantCounts(t, map[string]int{table: 0, "record_sightings": 0})
	}
}

// testInterleaved: rows of the same run lie between those of a block. That is innocent, and nothing is sent twice.
func testInterleaved(t *testing.T, w *warehouse) {
	const size = 1500 // more than are named one by one
	conn := &faultyConn{Conn: w}
	w = w.through(conn)
	for part := range 3 {
		var rows []schema.Row
		for n := range size {
			rows = append(rows, deposit(fmt.Sprintf("%06d", n*3+part), schema.StatusPending, "1", 0))
		}
		w.write(t, deposits("run", rows...), size)
	}
	if conn.sends != 6 {
		t.Errorf("three batches of two blocks were sent as %d", conn.sends)
	}
	w.wantCounts(t, map[string]int{"deposit_versions": 3 * size, "deposits": 3 * size})
}

// testUnsortedRejects: a quarantine in no order, with one record twice, is found again.
func testUnsortedRejects(t *testing.T, w *warehouse) {
	batch := load.Batch{Stream: depositStream, RunID: "run"}
	for n := range 1200 {
		batch.Rejected = append(batch.Rejected, rejected(fmt.Sprint((n*7)%1199), "{}"))
	}
	batch.Rejected = append(batch.Rejected, rejected("", `{"no":"id"}`))
	conn := &faultyConn{Conn: w}
	w.through(conn).write(t, batch, 0)
	w.wantCounts(t, map[string]int{"rejected_records FINAL": 1200})
	if conn.sends != 1 {
		t.Errorf("one block was sent %d times", conn.sends)
	}
}
