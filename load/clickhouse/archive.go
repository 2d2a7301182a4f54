package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/shopspring/decimal"

	"tieout/load"
	"tieout/schema"
)

var _ load.Archive = (*Destination)(nil)

// What a part of an archive holds: so many rows at first, and afterwards as many as have about so many bytes of
// payloads.
const (
	rowsPerPart     = 1000
	rowsPerPartMax  = 3_000
	bytesPerPart    = 1 << 20
	rowsPerPartFull = 1 << 20 // more than this of one record are not read: it would not end
)

// partSize learns how many rows a part may have.
type partSize struct{ rows int }

func newPartSize() *partSize { return &partSize{rowsPerPart} }

// saw takes in a part: the next one has at most twice as many rows.
func (p *partSize) saw(rows, bytes int) {
	if rows == 0 {
		return
	}
	p.rows = min(max(bytesPerPart/max(1, bytes/rows), 100), 2*p.rows, rowsPerPartMax)
}

// archiveSettings keep what the server holds for a part small: it reads in the order of the table's key.
const archiveSettings = " SETTINGS optimize_read_in_order = 1, max_block_size = 1024, max_threads = 1"

// partsPerQuery is how many parts one question answers: what the server reads for a question are whole granules of
// every part of the table, however few rows of them are wanted.
const partsPerQuery = 16

// Versions implements load.Archive. It asks for some parts at a time, from an identifier on, in the order of the key.
func (d *Destination) Versions(ctx context.Context, stream schema.Stream, do func(part []load.Stored) error) error {
	v := versionsReading{Destination: d, stream: stream, size: newPartSize(), do: do}
	for more := true; more; {
		limit := v.size.rows * partsPerQuery
		err := repeat(ctx, func() error {
			var err error
			more, err = v.read(ctx, limit)
			return err
		})
		if v.failed != nil {
			return v.failed
		}
		if err != nil {
			return fmt.Errorf("read the versions of %s: %w", stream, err)
		}
	}
	return nil
}

// versionsReading is one call of Versions.
type versionsReading struct {
	*Destination
	stream schema.Stream
	size   *partSize
	do     func(part []load.Stored) error
	from   string // identifier from which on nothing was handed out
	failed error  // of do, which is not to be asked again
}

// read asks for rows and hands out parts as they come. It reports whether there are more rows behind them.
func (v *versionsReading) read(ctx context.Context, limit int) (more bool, err error) {
	begin := v.from
	rows, err := v.storedRows(ctx, v.stream, begin, limit)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	scanRow := scanStored
	if v.stream.Resource == schema.Balances {
		scanRow = scanSnapshot
	}
	var part []load.Stored
	count := 0
	for ; rows.Next(); count++ {
		stored := load.Stored{Row: schema.NewRow(v.stream.Resource)}
		if err := scanRow(rows.Scan, &stored); err != nil {
			return false, err
		}
		record := stored.Row.Base()
		record.Account = v.stream.Account
		if len(part) >= v.size.rows && part[len(part)-1].Row.Base().ID != record.ID {
			if v.hand(part, record.ID) != nil {
				return false, nil
			}
			part = part[:0]
		}
		part = append(part, stored)
	}
	if err := rows.Err(); err != nil {
		return false, err
	}
	if count < limit {
		_ = v.hand(part, "")
		return false, nil
	}
	// What is stored of the last record may go on.
	last, rest := part[len(part)-1].Row.Base().ID, len(part)
	for rest > 0 && part[rest-1].Row.Base().ID == last {
		rest--
	}
	if rest == 0 && begin == last { // all of them are of one record
		if v.size.rows *= 2; v.size.rows > rowsPerPartFull {
			return false, fmt.Errorf("%s has more than %d rows", last, rowsPerPartFull)
		}
		return true, nil
	}
	return v.hand(part[:rest], last) == nil, nil
}

// hand hands out a part. The next one begins with an identifier.
func (v *versionsReading) hand(part []load.Stored, next string) error {
	bytes := 0
	for _, stored := range part {
		bytes += len(stored.Row.Base().Payload)
	}
	v.size.saw(len(part), bytes)
	v.from = next
	if latest := lastReadings(part, v.stream.Resource == schema.Balances); len(latest) > 0 {
		v.failed = v.do(latest)
	}
	return v.failed
}

// lastReadings keeps of each version the last reading, in place. Rows that are not merged yet are the same reading; of
// balances for one instant those of the last observation count.
func lastReadings(part []load.Stored, observed bool) []load.Stored {
	latest := part[:0]
	for _, stored := range part {
		if last := len(latest) - 1; last >= 0 && sameVersion(latest[last], stored) {
			record, known := stored.Row.Base(), latest[last].Row.Base()
			switch {
			case observed && record.FirstSeenAt.Before(known.FirstSeenAt):
				continue
			case !observed && known.FirstSeenAt.Before(record.FirstSeenAt):
				record.FirstSeenAt = known.FirstSeenAt
			}
			latest[last] = stored
			continue
		}
		latest = append(latest, stored)
	}
	return latest
}

// sameVersion reports whether two rows are of one version of one record, or of one balance at one instant.
func sameVersion(a, b load.Stored) bool {
	x, y := a.Row.Base(), b.Row.Base()
	return x.ID == y.ID && x.Version == y.Version && x.PayloadHash == y.PayloadHash && a.AsOf.Equal(b.AsOf)
}

// storedRows asks for rows of the table in the order of its key.
func (d *Destination) storedRows(ctx context.Context, stream schema.Stream, from string, limit int) (driver.Rows, error) {
	t := tables[stream.Resource]
	names, order := recordNames(stream.Resource), "version, payload_hash"
	if stream.Resource == schema.Balances {
		names, order = "currency, available, locked, total, provider, observed_at, as_of, payload", "as_of"
	}
	query := fmt.Sprintf(`SELECT %s, run_id, mapped_at FROM %s.%s WHERE account = {account:String} AND %s >= {from:String}
		ORDER BY account, %[4]s, %s, mapped_at LIMIT %d`, names, d.database, t.name, t.id, order, limit) + archiveSettings
	return d.conn.Conn.Query(ctx, query, clickhouse.Named("account", stream.Account), clickhouse.Named("from", from)) //nolint:rowserrcheck // the caller reads them
}

// scanStored reads the columns of a version.
func scanStored(read func(destinations ...any) error, stored *load.Stored) error {
	return scan(func(destinations ...any) error { return read(append(destinations, &stored.RunID, &stored.MappedAt)...) }, stored.Row)
}

// scanSnapshot reads the columns of a balance.
func scanSnapshot(read func(destinations ...any) error, stored *load.Stored) error {
	balance := stored.Row.(*schema.Balance)
	var available, locked, total *decimal.Decimal
	var payload string
	err := read(&balance.ID, &available, &locked, &total, &balance.Provider, &balance.FirstSeenAt, &stored.AsOf, &payload, &stored.RunID, &stored.MappedAt)
	if err != nil {
		return err
	}
	balance.Payload = []byte(payload)
	for _, amount := range []struct {
		of    *decimal.Decimal
		field *schema.Amount
	}{{available, &balance.Available}, {locked, &balance.Locked}, {total, &balance.Total}} {
		if amount.of == nil {
			continue
		}
		if *amount.field, err = schema.ParseAmount(amount.of.String()); err != nil {
			return fmt.Errorf("a balance of %q: %w", balance.ID, err)
		}
	}
	return nil
}

// recordNames lists the columns that scan reads.
func recordNames(resource schema.Resource) string {
	return mappedNames(resource) + ", provider, status, listed_under, first_seen_at, version, payload_hash, deleted_at, evidence, payload"
}

// quarantineRow is a rejected record with all that is stored of it.
type quarantineRow struct {
	RecordID    string    `ch:"record_id"`
	PayloadHash string    `ch:"payload_hash"`
	Provider    string    `ch:"by_provider"`
	Reason      string    `ch:"last_reason"`
	ListedUnder string    `ch:"list"`
	FirstAt     time.Time `ch:"first_at"`
	LastAt      time.Time `ch:"last_at"`
	ListedAt    time.Time `ch:"asked_at"`
	MappedAt    time.Time `ch:"read_at"`
	Permanent   bool      `ch:"for_good"`
	RunID       string    `ch:"by_run"`
	Payload     string    `ch:"content"`
}

func (r quarantineRow) quarantined() load.Quarantined {
	q := load.Quarantined{
		Rejected: schema.Rejected{
			RecordID: r.RecordID, ListedUnder: r.ListedUnder, Reason: r.Reason, Payload: []byte(r.Payload),
			PayloadHash: [32]byte([]byte(r.PayloadHash)), SeenAt: r.FirstAt.UTC(), AskedAt: r.ListedAt.UTC(), Permanent: r.Permanent,
		},
		LastAt: r.LastAt.UTC(), Provider: r.Provider, RunID: r.RunID, MappedAt: r.MappedAt.UTC(),
	}
	return q
}

// Quarantine implements load.Archive.
func (d *Destination) Quarantine(ctx context.Context, stream schema.Stream, do func(part []load.Quarantined) error) error {
	size, id, hash := newPartSize(), "", ""
	for {
		rows, err := d.quarantinePart(ctx, stream, id, hash, size.rows)
		if err != nil {
			return fmt.Errorf("read the quarantine of %s: %w", stream, err)
		}
		full, rest := len(rows) == size.rows, len(rows)
		if full { // there may be more with the last identifier
			last := rows[rest-1].RecordID
			for rest > 0 && rows[rest-1].RecordID == last {
				rest--
			}
			if rest == 0 {
				rest = len(rows) // more than a part holds
			}
		}
		var part []load.Quarantined
		bytes := 0
		for _, row := range rows[:rest] {
			bytes += len(row.Payload)
			part = append(part, row.quarantined())
			id, hash = row.RecordID, row.PayloadHash
		}
		size.saw(rest, bytes)
		if len(part) > 0 {
			if err := do(part); err != nil {
				return err
			}
		}
		if !full {
			return nil
		}
	}
}

// quarantinePart reads what is behind an identifier and a hash. Of several rows of one content the reason of the last
// reading counts, as in the view quarantine.
func (d *Destination) quarantinePart(ctx context.Context, stream schema.Stream, id, hash string, limit int) ([]quarantineRow, error) {
	var rows []quarantineRow
	err := d.conn.Select(ctx, &rows, fmt.Sprintf(`SELECT record_id, payload_hash, any(provider) AS by_provider,
			argMax(reason, greatest(last_seen_at, mapped_at)) AS last_reason, any(listed_under) AS list, min(first_seen_at) AS first_at,
			max(last_seen_at) AS last_at, max(listed_at) AS asked_at, max(mapped_at) AS read_at, max(permanent) AS for_good,
			any(run_id) AS by_run, any(payload) AS content
		FROM %s.rejected_records WHERE account = {account:String} AND resource = {resource:String} AND record_id >= {id:String}
			AND (record_id > {id:String} OR payload_hash > unhex({hash:String}))
		GROUP BY account, resource, record_id, payload_hash HAVING max(resolved_at) < last_at
		ORDER BY account, resource, record_id, payload_hash LIMIT %d`, d.database, limit)+inOrder,
		clickhouse.Named("account", stream.Account), clickhouse.Named("resource", string(stream.Resource)),
		clickhouse.Named("id", id), clickhouse.Named("hash", hex.EncodeToString([]byte(hash))))
	return rows, err
}
