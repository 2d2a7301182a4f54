package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"tieout/load"
	"tieout/schema"
)

// Remap implements load.Archive: versions, then their sightings, then what has left the quarantine, each block in one
// insert.
func (d *Destination) Remap(ctx context.Context, stream schema.Stream, remapped load.Remapped) error {
	w := writing{Destination: d, batch: load.Batch{Stream: stream, RunID: remapped.RemapID}, id: sha256.New()}
	if err := w.readings(ctx, remapped.Versions); err != nil {
		return err
	}
	if err := w.insert(ctx, sightingInserts(w.batch, sightingsOf(remapped.Seen))...); err != nil {
		return err
	}
	if len(remapped.Judged) == 0 {
		return nil
	}
	return w.insert(ctx, judgedInsert(stream, remapped.Judged))
}

// readings stores readings. Their blocks are made one at a time: as the driver takes them they are large.
func (w *writing) readings(ctx context.Context, readings []load.Stored) error {
	rows := make([]schema.Row, 0, len(readings))
	of := make(map[schema.Row]*load.Stored, len(readings))
	for i := range readings {
		rows = append(rows, readings[i].Row)
		of[readings[i].Row] = &readings[i]
	}
	month := func(row schema.Row) time.Time { return row.Base().CreatedAt }
	if w.batch.Stream.Resource == schema.Balances {
		month = func(row schema.Row) time.Time { return of[row].AsOf }
	}
	for _, block := range load.Cut(rows, month) {
		if err := w.insert(ctx, readingInsert(w.batch.Stream, block.Rows, of)); err != nil {
			return err
		}
	}
	return nil
}

// readingInsert turns the rows of a block into their insert.
func readingInsert(stream schema.Stream, rows []schema.Row, of map[schema.Row]*load.Stored) insert {
	i := insert{table: tables[stream.Resource].name, size: len(rows)}
	sum := sha256.New()
	for _, row := range rows {
		reading := of[row]
		names, values := bind(row)
		ownNames, ownValues := recordColumns(load.Batch{Stream: stream, RunID: reading.RunID, AsOf: reading.AsOf}, row.Base())
		names, values = append(names, ownNames...), append(append(values, ownValues...), reading.MappedAt.UTC())
		i.columns = strings.Join(append(names, "mapped_at"), ", ")
		i.rows = append(i.rows, values)
		digestValues(sum, values)
	}
	i.digest = hex.EncodeToString(sum.Sum(nil))
	return i
}

// judgedInsert turns what was in quarantine into its block.
func judgedInsert(stream schema.Stream, judged []load.Judged) insert {
	i := insert{
		table: "rejected_records", size: len(judged),
		columns: "account, resource, record_id, payload_hash, provider, reason, listed_under, " +
			"first_seen_at, last_seen_at, listed_at, permanent, mapped_at, resolved_at, run_id, payload",
	}
	sum := sha256.New()
	for _, j := range judged {
		resolved := time.Unix(0, 0).UTC()
		if j.Resolved {
			resolved = j.MappedAt.UTC()
		}
		values := []any{
			stream.Account, string(stream.Resource), j.RecordID, string(j.PayloadHash[:]), j.Provider, j.Reason, j.ListedUnder,
			j.SeenAt.UTC(), j.LastAt.UTC(), j.AskedAt.UTC(), j.Permanent, j.MappedAt.UTC(), resolved, j.RunID, string(j.Payload),
		}
		i.rows = append(i.rows, values)
		digestValues(sum, values)
	}
	i.digest = hex.EncodeToString(sum.Sum(nil))
	return i
}

// digestValues adds all that is stored of a row: the server drops a block whose digest it has seen, and two readings
// of one version differ in nothing but their columns.
func digestValues(sum interface{ Write([]byte) (int, error) }, values []any) {
	for _, value := range values {
		switch v := value.(type) {
		case time.Time:
			fmt.Fprintf(sum, "%d\n", v.UnixMicro())
		case *time.Time:
			if v != nil {
				fmt.Fprintf(sum, "%d", v.UnixMicro())
			}
			fmt.Fprintln(sum)
		case string:
			fmt.Fprintf(sum, "%d:%s\n", len(v), v)
		default:
			fmt.Fprintf(sum, "%v\n", v)
		}
	}
}
