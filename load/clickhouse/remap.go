package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
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
	names, columns := columnsOf(load.Batch{Stream: stream}, rows)
	own := ownColumns{runs: make([]string, len(rows)), asOf: make([]time.Time, len(rows)), mapped: make([]time.Time, len(rows))}
	sum := sha256.New()
	for at, row := range rows {
		reading := of[row]
		own.runs[at], own.asOf[at], own.mapped[at] = reading.RunID, reading.AsOf.UTC(), reading.MappedAt.UTC()
		digestReading(sum, stream, reading)
	}
	names, columns = own.into(names, columns)
	return insert{
		table: tables[stream.Resource].name, size: len(rows), digest: hex.EncodeToString(sum.Sum(nil)),
		columns: strings.Join(names, ", "), values: columns, check: readingCheck(stream, rows, of),
	}
}

// readingCheck is of readings: a version has one for each instant at which it was read.
func readingCheck(stream schema.Stream, rows []schema.Row, of map[schema.Row]*load.Stored) check {
	c := check{column: tables[stream.Resource].id, must: within("mapped_at", "mapped"), near: "true"}
	c.key = "concat(" + c.column + ", reinterpretAsFixedString(version), payload_hash, reinterpretAsFixedString(toUnixTimestamp64Micro(mapped_at)))"
	if stream.Resource == schema.Balances {
		c.key = "concat(currency, reinterpretAsFixedString(toUnixTimestamp64Micro(as_of)), reinterpretAsFixedString(toUnixTimestamp64Micro(mapped_at)))"
	}
	var mapped span
	for _, row := range rows {
		r, reading := row.Base(), of[row]
		mapped.take(reading.MappedAt)
		key := []byte(r.ID)
		if stream.Resource == schema.Balances {
			key = binary.LittleEndian.AppendUint64(key, uint64(reading.AsOf.UnixMicro()))
		} else {
			key = append(binary.LittleEndian.AppendUint64(key, r.Version), r.PayloadHash[:]...)
		}
		c.add(r.ID, binary.LittleEndian.AppendUint64(key, uint64(reading.MappedAt.UnixMicro())))
	}
	c.args = mapped.named("mapped")
	return c
}

// ownColumns are what each reading has of its own, where the rows of an ordinary batch have one value.
type ownColumns struct {
	runs         []string
	asOf, mapped []time.Time
}

// into puts them in the places of the batch's, and mapped_at behind all others.
func (o ownColumns) into(names []string, columns []any) ([]string, []any) {
	for at, name := range names {
		switch name {
		case "run_id":
			columns[at] = o.runs
		case "as_of":
			columns[at] = o.asOf
		}
	}
	return append(names, "mapped_at"), append(columns, o.mapped)
}

// digestReading adds all that is stored of a reading: the server drops a block whose digest it has seen, and two
// readings of one version differ in nothing but their columns.
func digestReading(sum io.Writer, stream schema.Stream, reading *load.Stored) {
	r := reading.Row.Base()
	fmt.Fprintf(sum, "%q %q %q %d %x %q %q %q %d %d %q %t %q %d %d %q\n", stream.Account, stream.Resource, r.ID, r.Version, r.PayloadHash,
		r.Provider, r.Status, r.ListedUnder, r.FirstSeenAt.UnixMicro(), r.DeletedAt.UnixMicro(), r.Evidence, r.Moved,
		reading.RunID, reading.AsOf.UnixMicro(), reading.MappedAt.UnixMicro(), r.Payload)
	for _, column := range reading.Row.Columns() {
		switch field := column.Field.(type) {
		case *string:
			fmt.Fprintf(sum, "%q ", *field)
		case *schema.Amount:
			fmt.Fprintf(sum, "%s ", field)
		case *time.Time:
			fmt.Fprintf(sum, "%d ", field.UnixMicro())
		}
	}
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
		i.rows = append(i.rows, []any{
			stream.Account, string(stream.Resource), j.RecordID, string(j.PayloadHash[:]), j.Provider, j.Reason, j.ListedUnder,
			j.SeenAt.UTC(), j.LastAt.UTC(), j.AskedAt.UTC(), j.Permanent, j.MappedAt.UTC(), resolved, j.RunID, string(j.Payload),
		})
		fmt.Fprintf(sum, "%q %q %q %x %q %q %q %d %d %d %t %d %d %q %q\n", stream.Account, stream.Resource, j.RecordID, j.PayloadHash, j.Provider,
			j.Reason, j.ListedUnder, j.SeenAt.UnixMicro(), j.LastAt.UnixMicro(), j.AskedAt.UnixMicro(), j.Permanent, j.MappedAt.UnixMicro(),
			resolved.UnixMicro(), j.RunID, j.Payload)
	}
	i.digest = hex.EncodeToString(sum.Sum(nil))
	return i
}
