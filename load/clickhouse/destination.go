package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load"
	"tieout/schema"
)

// Destination writes batches into the tables of one database, which must be migrated, and tells what they hold.
type Destination struct {
	conn     *Connection
	database string                    // quoted
	check    func(schema.Stream) error // whether the stream may still be written; nil: it may
	fresh    *fresh
}

var (
	_ load.Destination = (*Destination)(nil)
	_ load.Holdings    = (*Destination)(nil)
)

// NewDestination returns the destination of a database.
func NewDestination(conn *Connection, database string) *Destination {
	return &Destination{conn: conn, database: schema.QuoteIdentifier(database), fresh: &fresh{}}
}

// Guarded returns the destination with a check whether a stream may still be written. It is made after what is stored
// was looked up, and before anything is inserted: whoever may not write any more numbers no version by what he sees of
// the next writer. A write that was checked in time and arrives late has the number of a version that is older by
// its first_seen_at, and is shown as such.
func (d *Destination) Guarded(check func(schema.Stream) error) *Destination {
	guarded := *d
	guarded.check, guarded.fresh = check, &fresh{}
	return &guarded
}

// Write implements load.Destination: quarantine, versions, tombstones and sightings, in this order, each block in
// one insert.
//
// The versions come before their sightings because a kill in between must err on the safe side. A version without
// a sighting is a record that is stored and not yet counted: the count disagrees with the partner's, nothing is
// proven, and the batch that is written again, or the page that is read again, brings the sighting. (Of a record that
// has changed, the sightings of the version before go on counting, which is as true.) A sighting without a version
// would be a record that is counted and not stored: a certificate could rest on it.
func (d *Destination) Write(ctx context.Context, batch load.Batch) (load.Receipt, error) {
	w := writing{Destination: d, batch: batch, id: sha256.New()}
	if len(batch.Rejected) > 0 {
		if err := w.insert(ctx, rejectedInsert(batch)); err != nil {
			return load.Receipt{}, err
		}
	}
	receipt := load.Receipt{Versions: len(batch.Rows)}
	if batch.Stream.Resource == schema.Balances {
		if err := w.insert(ctx, rowInserts(batch, batch.Rows)...); err != nil {
			return load.Receipt{}, err
		}
	} else {
		var err error
		if receipt, err = w.records(ctx); err != nil {
			return load.Receipt{}, err
		}
	}
	receipt.BatchID = hex.EncodeToString(w.id.Sum(nil))
	return receipt, nil
}

// writing is one call of Write.
type writing struct {
	*Destination
	batch load.Batch
	id    hash.Hash // over what was written
}

// insert stores blocks, if the stream may still be written, and sees that they are there.
func (w *writing) insert(ctx context.Context, inserts ...insert) error {
	for _, i := range inserts {
		if err := w.store(ctx, i); err != nil {
			return fmt.Errorf("insert %d rows into %s: %w", i.size, i.table, err)
		}
		fmt.Fprintln(w.id, i.table, i.digest)
	}
	return nil
}

// records writes what is new of records, and then what was seen.
func (w *writing) records(ctx context.Context) (load.Receipt, error) {
	ids := make([]string, 0, len(w.batch.Rows))
	for _, row := range w.batch.Rows {
		ids = append(ids, row.Base().ID)
	}
	ids, err := w.mayBeStored(ctx, w.batch, ids)
	if err != nil {
		return load.Receipt{}, err
	}
	current, err := w.current(ctx, w.batch, ids)
	if err != nil {
		return load.Receipt{}, err
	}
	versions := load.NewVersions(w.batch.Rows, current)
	if err := w.insert(ctx, rowInserts(w.batch, versions)...); err != nil {
		return load.Receipt{}, err
	}
	seen := sightingsOf(w.batch.Rows)
	var tombstones []schema.Row
	if len(w.batch.Gone) > 0 {
		last, err := w.last(ctx, w.batch, seen) // the versions of this batch are among them by now
		if err != nil {
			return load.Receipt{}, err
		}
		tombstones = load.NewTombstones(w.batch.Gone, func(id string) load.Last { return last[id] })
		if err := w.insert(ctx, rowInserts(w.batch, tombstones)...); err != nil {
			return load.Receipt{}, err
		}
		seen = append(seen, tombstoneSightings(w.batch.Gone, last, tombstones)...)
	}
	if err := w.insert(ctx, sightingInserts(w.batch, seen)...); err != nil {
		return load.Receipt{}, err
	}
	return load.Changes(versions, tombstones, current), nil
}

// insertBlock inserts one block. The token holds a digest of the content: the server drops a repeated block, and never
// another one. Where it has forgotten the token, the tables' engines make the repetition harmless.
func (d *Destination) insertBlock(ctx context.Context, runID string, i insert) error {
	combine := 1
	if i.distinct {
		combine = 0
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token":      i.table + ":" + i.token,
		"insert_deduplicate":              1,
		"async_insert":                    0,
		"max_insert_threads":              1,
		"optimize_on_insert":              combine,
		"max_partitions_per_insert_block": 1, // an assertion: a block of two partitions would not be atomic
		"log_comment":                     "tieout " + runID,
	}))
	// The driver's own batch: repeat classifies its errors.
	return d.conn.insertRepeat(ctx, i.table, func() error {
		batch, err := d.conn.Conn.PrepareBatch(ctx, fmt.Sprintf("INSERT INTO %s.%s (%s)", d.database, i.table, i.columns))
		if err != nil {
			return err
		}
		defer batch.Abort() //nolint:errcheck // after Send it has nothing left to do and says so
		for _, row := range i.rows {
			if err := batch.Append(row...); err != nil {
				return &schema.Error{Class: schema.ClassUnclassified, Err: err}
			}
		}
		for at, column := range i.values {
			if err := batch.Column(at).Append(column); err != nil {
				return &schema.Error{Class: schema.ClassUnclassified, Err: err}
			}
		}
		return batch.Send()
	})
}

// partition returns the time by whose month a row is stored.
func partition(batch load.Batch) func(schema.Row) time.Time {
	if batch.Stream.Resource == schema.Balances {
		return func(schema.Row) time.Time { return batch.AsOf }
	}
	return func(row schema.Row) time.Time { return row.Base().CreatedAt }
}
