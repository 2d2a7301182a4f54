package clickhouse_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load"
	"tieout/schema"
)

// faultyConn is a connection whose inserts fail as told, each time once.
type faultyConn struct {
	driver.Conn
	sends      int           // how often Send was called
	lostBefore map[int]error // Send of that number, from 1, fails before anything is sent
	lostAfter  map[int]error // … fails although the server has stored everything
}

type faultyBatch struct {
	driver.Batch
	conn *faultyConn
}

func (c *faultyConn) PrepareBatch(ctx context.Context, query string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	batch, err := c.Conn.PrepareBatch(ctx, query, options...)
	return &faultyBatch{batch, c}, err
}

func (b *faultyBatch) Send() error {
	b.conn.sends++
	if err := b.conn.lostBefore[b.conn.sends]; err != nil {
		return err
	}
	return errors.Join(b.Batch.Send(), b.conn.lostAfter[b.conn.sends])
}

// severalBlocks is a batch of two months and a rejected record: three inserts.
func severalBlocks() load.Batch {
	old := deposit("old", schema.StatusCompleted, "0.1", 0)
	old.CreatedAt = noon.AddDate(0, -2, 0)
	batch := deposits("run", old, deposit("new", schema.StatusPending, "0.2", 0), deposit("newer", schema.StatusPending, "0.4", 0))
	batch.Rejected = []schema.Rejected{rejected("bad", `{"id":"bad"}`)}
	return batch
}

// testLostAnswer: the server stores each block and nobody hears of it. The block is sent again and is there once,
// also in the table itself, because the server knows its token.
func testLostAnswer(t *testing.T, w *warehouse) {
	faulty := &faultyConn{Conn: w, lostAfter: map[int]error{1: io.EOF, 3: io.ErrUnexpectedEOF}}
	w.through(faulty).write(t, severalBlocks(), 3)
	if faulty.sends != 5 {
		t.Errorf("three blocks with two lost answers were sent %d times", faulty.sends)
	}
	w.wantCounts(t, map[string]int{"deposit_versions": 3, "deposits": 3, "rejected_records": 1})
}

// testForgottenToken: where the server has forgotten the token the block lies there twice until it is merged, and
// whoever reads through the views sees it once.
func testForgottenToken(t *testing.T, w *warehouse) {
	for _, table := range []string{"deposit_versions", "rejected_records"} {
		exec(t, w, "ALTER TABLE "+w.database+"."+table+" MODIFY SETTING non_replicated_deduplication_window = 0")
		exec(t, w, "SYSTEM STOP MERGES "+w.database+"."+table)
	}
	w.through(&faultyConn{Conn: w, lostAfter: map[int]error{1: io.EOF, 3: io.EOF}}).write(t, severalBlocks(), 3)
	w.wantCounts(t, map[string]int{"deposit_versions": 4, "rejected_records": 2, "deposits": 3, "deposit_versions FINAL": 3, "rejected_records FINAL": 1})
	if sum := ask[string](t, w, "SELECT toString(sum(amount)) FROM "+w.database+".deposits"); sum != "0.7" {
		t.Errorf("the sum is %s", sum)
	}
	w.write(t, severalBlocks(), 0)
	if ids, err := w.destination.CountIDs(t.Context(), depositStream, ""); err != nil || ids != 3 { // what is in quarantine only is not stored
		t.Errorf("%d ids, %v", ids, err)
	}
}

func testLostBeforeSend(t *testing.T, w *warehouse) {
	faulty := &faultyConn{Conn: w, lostBefore: map[int]error{2: io.EOF}}
	w.through(faulty).write(t, severalBlocks(), 3)
	if faulty.sends != 4 {
		t.Errorf("three blocks with one lost connection were sent %d times", faulty.sends)
	}
	w.wantCounts(t, map[string]int{"deposit_versions": 3, "deposits": 3, "rejected_records": 1})
}

// testFailureBetweenBlocks breaks the write off at every block, before and after its effect. Writing the batch
// again stores the rest and doubles nothing.
func testFailureBetweenBlocks(t *testing.T, w *warehouse) {
	broken := errors.New("the process is gone")
	for block := 1; block <= 3; block++ {
		for _, stored := range []bool{false, true} {
			faulty := &faultyConn{Conn: w, lostBefore: map[int]error{block: broken}}
			if stored {
				faulty.lostBefore, faulty.lostAfter = nil, faulty.lostBefore
			}
			if _, err := w.through(faulty).destination.Write(t.Context(), severalBlocks()); !errors.Is(err, broken) || faulty.sends != block {
				t.Fatalf("block %d: %v after %d inserts", block, err, faulty.sends)
			}
			_, err := w.destination.Write(t.Context(), severalBlocks())
			must(t, err)
			w.wantCounts(t, map[string]int{"deposit_versions": 3, "deposits": 3, "rejected_records": 1})
			for _, table := range []string{"deposit_versions", "rejected_records"} {
				exec(t, w, "TRUNCATE TABLE "+w.database+"."+table) // forgets the tokens, too
			}
		}
	}
}
