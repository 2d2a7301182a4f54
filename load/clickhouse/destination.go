package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load"
	"tieout/schema"
)

// Destination writes batches into the tables of one database, which must be migrated.
type Destination struct {
	conn     *Connection
	database string // quoted
}

var _ load.Destination = (*Destination)(nil)

// NewDestination returns the destination of a database.
func NewDestination(conn *Connection, database string) *Destination {
	return &Destination{conn: conn, database: schema.QuoteIdentifier(database)}
}

// Write implements load.Destination: quarantine first, then the records, each block in one insert.
func (d *Destination) Write(ctx context.Context, batch load.Batch) (load.Receipt, error) {
	var inserts []insert
	if len(batch.Rejected) > 0 {
		inserts = append(inserts, rejectedInsert(batch))
	}
	versions := batch.Rows
	if batch.Stream.Resource != schema.Balances {
		current, err := d.current(ctx, batch)
		if err != nil {
			return load.Receipt{}, err
		}
		versions = load.NewVersions(batch.Rows, current)
	}
	inserts = append(inserts, rowInserts(batch, versions)...)
	id := sha256.New()
	for _, i := range inserts {
		if err := d.insert(ctx, batch.RunID, i); err != nil {
			return load.Receipt{}, fmt.Errorf("insert %d rows into %s: %w", len(i.rows), i.table, err)
		}
		fmt.Fprintln(id, i.table, i.digest)
	}
	return load.Receipt{BatchID: hex.EncodeToString(id.Sum(nil)), Versions: len(versions)}, nil
}

// idsPerLookup bounds one look-up: over HTTP its parameters travel in the address.
const idsPerLookup = 1000

// current returns what is stored of each record of the batch: the last version, and what this run has stored.
func (d *Destination) current(ctx context.Context, batch load.Batch) (map[string]load.Current, error) {
	t := tables[batch.Stream.Resource]
	ids := make([]string, 0, len(batch.Rows))
	for _, row := range batch.Rows {
		ids = append(ids, row.Base().ID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	current := make(map[string]load.Current, len(ids))
	// Of the other runs' versions only the last one counts.
	query := fmt.Sprintf(`SELECT %[1]s AS id, version, payload_hash, first_seen_at, run_id = {run_id:String} AS own
		FROM %[2]s.%[3]s WHERE account = {account:String} AND %[1]s IN {ids:Array(String)}
		ORDER BY version DESC, first_seen_at DESC LIMIT 1 BY %[1]s, if(run_id = {run_id:String}, version, 0)`, t.id, d.database, t.name)
	for some := range slices.Chunk(ids, idsPerLookup) {
		var rows []storedVersion
		err := d.conn.Select(ctx, &rows, query, clickhouse.Named("account", batch.Stream.Account),
			clickhouse.Named("ids", some), clickhouse.Named("run_id", batch.RunID))
		if err != nil {
			return nil, fmt.Errorf("look up %d records in %s: %w", len(some), t.name, err)
		}
		for _, row := range slices.Backward(rows) {
			current[row.ID] = row.after(current[row.ID])
		}
	}
	return current, nil
}

// storedVersion is a version of a record as its table has it.
type storedVersion struct {
	ID          string    `ch:"id"`
	Version     uint64    `ch:"version"`
	PayloadHash string    `ch:"payload_hash"`
	FirstSeenAt time.Time `ch:"first_seen_at"`
	Own         bool      `ch:"own"` // stored by the run that asks
}

// after returns what is known of the record with this version on top of the lower ones.
func (v storedVersion) after(lower load.Current) load.Current {
	hash := [32]byte([]byte(v.PayloadHash))
	current := load.Current{Version: v.Version, PayloadHash: hash}
	if !v.Own {
		return current // what is lower is older than what this run found
	}
	if current.Sights = lower.Sights; current.Sights == nil && lower.Version > 0 {
		current.Sights = []load.Sight{{Version: lower.Version, PayloadHash: lower.PayloadHash}}
	}
	current.Sights = append(current.Sights, load.Sight{Version: v.Version, PayloadHash: hash, FirstSeenAt: v.FirstSeenAt})
	return current
}

// CountIDs implements load.Destination.
func (d *Destination) CountIDs(ctx context.Context, stream schema.Stream) (uint64, error) {
	t := tables[stream.Resource]
	var rows []struct {
		IDs uint64 `ch:"ids"`
	}
	query := fmt.Sprintf(`SELECT uniqExact(%s) AS ids FROM %s.%s WHERE account = {account:String}`, t.id, d.database, t.name)
	if err := d.conn.Select(ctx, &rows, query, clickhouse.Named("account", stream.Account)); err != nil {
		return 0, fmt.Errorf("count the ids of %s: %w", t.name, err)
	}
	return rows[0].IDs, nil
}

// insert stores one block. The token holds a digest of the content: the server drops a repeated block, and never
// another one. Where it has forgotten the token, the tables' engines make the repetition harmless.
func (d *Destination) insert(ctx context.Context, runID string, i insert) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token":      i.table + ":" + i.digest,
		"insert_deduplicate":              1,
		"async_insert":                    0,
		"max_insert_threads":              1,
		"max_partitions_per_insert_block": 1, // an assertion: a block of two partitions would not be atomic
		"log_comment":                     "tieout " + runID,
	}))
	// The driver's own batch: repeat classifies its errors.
	return repeat(ctx, func() error {
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
