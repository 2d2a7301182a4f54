package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/shopspring/decimal"

	"tieout/load"
	"tieout/schema"
)

// idsPerLookup bounds one look-up: over HTTP its parameters travel in the address.
const idsPerLookup = 1000

// lookUp calls do with the ids, sorted and without repetitions, as many at once as a look-up bears.
func lookUp(ids []string, do func(some []string) error) error {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	for some := range slices.Chunk(slices.Compact(ids), idsPerLookup) {
		if err := do(some); err != nil {
			return err
		}
	}
	return nil
}

// current returns what is stored of records of the batch's stream: the last version, and what its run has stored.
func (d *Destination) current(ctx context.Context, batch load.Batch, ids []string) (map[string]load.Current, error) {
	t := tables[batch.Stream.Resource]
	current := make(map[string]load.Current, len(ids))
	// Of the other runs' versions only the last one counts.
	query := fmt.Sprintf(`SELECT %[1]s AS id, version, payload_hash, first_seen_at, created_at, isNotNull(deleted_at) AS gone, run_id = {run_id:String} AS own
		FROM %[2]s.%[3]s WHERE account = {account:String} AND %[1]s IN {ids:Array(String)}
		ORDER BY version DESC, first_seen_at DESC LIMIT 1 BY %[1]s, if(run_id = {run_id:String}, version, 0)`, t.id, d.database, t.name)
	err := lookUp(ids, func(some []string) error {
		var rows []storedVersion
		err := d.conn.Select(ctx, &rows, query, clickhouse.Named("account", batch.Stream.Account),
			clickhouse.Named("ids", some), clickhouse.Named("run_id", batch.RunID))
		if err != nil {
			return fmt.Errorf("look up %d records in %s: %w", len(some), t.name, err)
		}
		for _, row := range slices.Backward(rows) {
			current[row.ID] = row.after(current[row.ID])
		}
		return nil
	})
	return current, err
}

// storedVersion is a version of a record as its table has it.
type storedVersion struct {
	ID          string    `ch:"id"`
	Version     uint64    `ch:"version"`
	PayloadHash string    `ch:"payload_hash"`
	FirstSeenAt time.Time `ch:"first_seen_at"`
	CreatedAt   time.Time `ch:"created_at"`
	Gone        bool      `ch:"gone"` // it is a tombstone
	Own         bool      `ch:"own"`  // stored by the run that asks
}

// after returns what is known of the record with this version on top of the lower ones.
func (v storedVersion) after(lower load.Current) load.Current {
	hash := [32]byte([]byte(v.PayloadHash))
	current := load.Current{Version: v.Version, PayloadHash: hash, Gone: v.Gone, CreatedAt: v.CreatedAt}
	if !v.Own {
		return current // what is lower is older than what this run found
	}
	if current.Sights = lower.Sights; current.Sights == nil && lower.Version > 0 {
		current.Sights = []load.Sight{{Version: lower.Version, PayloadHash: lower.PayloadHash}}
	}
	current.Sights = append(current.Sights, load.Sight{Version: v.Version, PayloadHash: hash, FirstSeenAt: v.FirstSeenAt})
	return current
}

// last returns what is stored of the records that the batch says are gone. Seen is what the batch itself has seen,
// which is not stored yet.
func (d *Destination) last(ctx context.Context, batch load.Batch, seen []sighting) (map[string]load.Last, error) {
	var ids []string
	for _, gone := range batch.Gone {
		ids = append(ids, gone.ID)
	}
	last := make(map[string]load.Last, len(ids))
	current, err := d.current(ctx, batch, ids)
	if err != nil {
		return nil, err
	}
	err = lookUp(ids, func(some []string) error {
		rows, err := d.lastRows(ctx, batch.Stream, some)
		if err != nil {
			return err
		}
		seenAt, err := d.lastSeen(ctx, batch.Stream, some)
		for _, row := range rows {
			id := row.Base().ID
			last[id] = load.Last{Row: row, SeenAt: seenAt[id], Sights: current[id].Sights}
		}
		return err
	})
	for _, s := range seen {
		if known, ok := last[s.id]; ok && s.lastAt.After(known.SeenAt) {
			known.SeenAt = s.lastAt
			last[s.id] = known
		}
	}
	return last, err
}

// lastSeen returns when the last requests were sent whose answers held the records.
func (d *Destination) lastSeen(ctx context.Context, stream schema.Stream, ids []string) (map[string]time.Time, error) {
	var rows []struct {
		ID     string    `ch:"record_id"`
		LastAt time.Time `ch:"last_at"`
	}
	err := d.conn.Select(ctx, &rows, `SELECT record_id, max(last_seen_at) AS last_at FROM `+d.database+`.record_sightings
		WHERE account = {account:String} AND resource = {resource:String} AND record_id IN {ids:Array(String)} AND NOT tombstone
		GROUP BY record_id`, clickhouse.Named("account", stream.Account), clickhouse.Named("resource", string(stream.Resource)), clickhouse.Named("ids", ids))
	if err != nil {
		return nil, fmt.Errorf("look up when %d records were seen: %w", len(ids), err)
	}
	seen := make(map[string]time.Time, len(rows))
	for _, row := range rows {
		seen[row.ID] = row.LastAt
	}
	return seen, nil
}

// lastRows reads back the last versions of records as the rows that they were written from.
func (d *Destination) lastRows(ctx context.Context, stream schema.Stream, ids []string) (rows []schema.Row, err error) {
	return d.rowsOf(ctx, stream, ids, tables[stream.Resource].id)
}

// rowsOf reads back the last reading of the last row of records, for each value of the columns in by.
func (d *Destination) rowsOf(ctx context.Context, stream schema.Stream, ids []string, by string) (rows []schema.Row, err error) {
	t := tables[stream.Resource]
	query := fmt.Sprintf(`SELECT %s FROM %s.%s WHERE account = {account:String} AND %s IN {ids:Array(String)}
		ORDER BY version DESC, first_seen_at DESC, mapped_at DESC LIMIT 1 BY %s`, recordNames(stream.Resource), d.database, t.name, t.id, by)
	err = repeat(ctx, func() error {
		rows = nil
		found, err := d.conn.Conn.Query(ctx, query, clickhouse.Named("account", stream.Account), clickhouse.Named("ids", ids))
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			row := schema.NewRow(stream.Resource)
			if err := scan(found.Scan, row); err != nil {
				return err
			}
			row.Base().Account = stream.Account
			rows = append(rows, row)
		}
		return found.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read %d records of %s: %w", len(ids), t.name, err)
	}
	return rows, nil
}

// scan reads the columns of lastRows into a row.
func scan(read func(destinations ...any) error, row schema.Row) error {
	columns, record := row.Columns(), row.Base()
	var destinations []any
	amounts, times := make([]*decimal.Decimal, len(columns)), make([]*time.Time, len(columns))
	for i, column := range columns {
		switch field := column.Field.(type) {
		case *string:
			destinations = append(destinations, field)
		case *schema.Amount:
			destinations = append(destinations, &amounts[i])
		case *time.Time:
			destinations = append(destinations, &times[i])
		}
	}
	var status, hash, payload string
	var deletedAt *time.Time
	destinations = append(destinations, &record.Provider, &status, &record.ListedUnder, &record.FirstSeenAt, &record.Version,
		&hash, &deletedAt, &record.Evidence, &payload)
	if err := read(destinations...); err != nil {
		return err
	}
	record.Status, record.PayloadHash, record.Payload = schema.Status(status), [32]byte([]byte(hash)), []byte(payload)
	if deletedAt != nil {
		record.DeletedAt = *deletedAt
	}
	for i, column := range columns {
		switch field := column.Field.(type) {
		case *schema.Amount:
			if amounts[i] != nil {
				amount, err := schema.ParseAmount(amounts[i].String())
				if err != nil {
					return fmt.Errorf("%s of %q: %w", column.Name, record.ID, err)
				}
				*field = amount
			}
		case *time.Time:
			if times[i] != nil {
				*field = *times[i]
			}
		}
	}
	return nil
}
