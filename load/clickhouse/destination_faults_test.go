package clickhouse_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

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

// severalBlocks is a batch of two months and a rejected record: four inserts, the last one of the sightings.
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
	faulty := &faultyConn{Conn: w, lostAfter: map[int]error{1: io.EOF, 3: io.ErrUnexpectedEOF, 6: io.EOF}}
	w.through(faulty).write(t, severalBlocks(), 3)
	if faulty.sends != 7 {
		t.Errorf("four blocks with three lost answers were sent %d times", faulty.sends)
	}
	w.wantCounts(t, map[string]int{"deposit_versions": 3, "deposits": 3, "rejected_records": 1, "record_sightings": 3})
}

// testForgottenToken: where the server has forgotten the token the block lies there twice until it is merged, and
// whoever reads through the views sees it once.
func testForgottenToken(t *testing.T, w *warehouse) {
	for _, table := range []string{"deposit_versions", "rejected_records", "record_sightings"} {
		exec(t, w, "ALTER TABLE "+w.database+"."+table+" MODIFY SETTING non_replicated_deduplication_window = 0")
		exec(t, w, "SYSTEM STOP MERGES "+w.database+"."+table)
	}
	w.through(&faultyConn{Conn: w, lostAfter: map[int]error{1: io.EOF, 3: io.EOF, 6: io.EOF}}).write(t, severalBlocks(), 3)
	w.wantCounts(t, map[string]int{"deposit_versions": 4, "rejected_records": 2, "record_sightings": 6, "deposits": 3, "deposit_versions FINAL": 3, "rejected_records FINAL": 1})
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
	if faulty.sends != 5 {
		t.Errorf("four blocks with one lost connection were sent %d times", faulty.sends)
	}
	w.wantCounts(t, map[string]int{"deposit_versions": 3, "deposits": 3, "rejected_records": 1})
}

// testFailureBetweenBlocks breaks the write off at every block, before and after its effect. Until the batch is
// written again no more is held than is stored, and then everything is as if nothing had happened.
func testFailureBetweenBlocks(t *testing.T, w *warehouse) {
	broken := errors.New("the process is gone")
	batch := func() load.Batch { // the blocks: quarantine, two months, two months of tombstones, sightings
		batch := severalBlocks()
		batch.Gone = []load.Gone{{ID: "leaving", At: noon.Add(time.Hour)}, {ID: "old", At: noon.Add(time.Hour)}}
		return batch
	}
	const blocks = 6
	for block := 1; block <= blocks; block++ {
		for _, stored := range []bool{false, true} {
			w := newWarehouse(t, w.Conn)
			w.write(t, deposits("earlier run", deposit("leaving", schema.StatusPending, "1", 0)), 1)
			faulty := &faultyConn{Conn: w, lostBefore: map[int]error{block: broken}}
			if stored {
				faulty.lostBefore, faulty.lostAfter = nil, faulty.lostBefore
			}
			if _, err := w.through(faulty).destination.Write(t.Context(), batch()); !errors.Is(err, broken) || faulty.sends != block {
				t.Fatalf("block %d: %v after %d inserts", block, err, faulty.sends)
			}
			w.wantHeld(t, map[bool]uint64{false: 1, true: 2}[block == blocks && stored])
			missing := w.count(t, "record_sightings WHERE (record_id, version) NOT IN (SELECT deposit_id, version FROM "+w.database+".deposit_versions)")
			if missing != 0 {
				t.Errorf("block %d: %d sightings are of versions that are not stored", block, missing)
			}
			_, err := w.destination.Write(t.Context(), batch())
			must(t, err)
			w.wantCounts(t, map[string]int{
				"deposit_versions": 6, "deposits": 4, "deposits WHERE deleted_at IS NOT NULL": 2, "rejected_records": 1, "record_sightings FINAL": 6,
			})
			w.wantHeld(t, 2)
		}
	}
}

// testLostSighting: a process that died between a tombstone and its sighting, and a record that is back before
// anybody writes the batch again: it was not there all the time.
func testLostSighting(t *testing.T, w *warehouse) {
	w.write(t, deposits("run", deposit("a", schema.StatusPending, "1", 0)), 1)
	broken := errors.New("the process is gone")
	leaving := deposits("run")
	leaving.Gone = []load.Gone{{ID: "a", At: noon.Add(time.Minute)}}
	_, err := w.through(&faultyConn{Conn: w, lostBefore: map[int]error{2: broken}}).destination.Write(t.Context(), leaving)
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	w.wantHeld(t, 1) // too many: the partner counts one less, and nothing is proven
	w.write(t, deposits("next run", deposit("a", schema.StatusPending, "1", 10)), 1)
	must(t, w.destination.Sightings(t.Context(), depositStream, "", func(s load.Sighting) error {
		if !s.FirstAt.Equal(noon.Add(10 * time.Minute)) {
			t.Errorf("%+v", s)
		}
		return nil
	}))
}

// wantHeld compares how many deposits are held.
func (w *warehouse) wantHeld(t *testing.T, want uint64) {
	t.Helper()
	if held, err := w.destination.CountIDs(t.Context(), depositStream, ""); err != nil || held != want {
		t.Errorf("%d records are held, want %d, %v", held, want, err)
	}
}
