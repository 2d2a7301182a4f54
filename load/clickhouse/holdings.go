package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load"
	"tieout/schema"
)

// inOrder aggregates in the order of the table's key, so that a question about millions of records holds few of them
// at a time. Without the limits every part of the table has 50 MB of finished records in flight.
const inOrder = " SETTINGS optimize_aggregation_in_order = 1, aggregation_in_order_max_block_bytes = 1000000, max_block_size = 8192"

// named returns the parameters that all questions about holdings have.
func named(stream schema.Stream, list string, more ...any) []any {
	return append([]any{
		clickhouse.Named("account", stream.Account), clickhouse.Named("resource", string(stream.Resource)), clickhouse.Named("list", list),
	}, more...)
}

// CountIDs implements load.Holdings. The greatest of a record's numbers is that of its last version, with the two
// flags below it: an argMax of several columns at once takes many times as long.
func (d *Destination) CountIDs(ctx context.Context, stream schema.Stream, list string) (uint64, error) {
	var rows []struct {
		IDs uint64 `ch:"ids"`
	}
	err := d.conn.Select(ctx, &rows, `SELECT countIf(bitAnd(last, 3) = 1) AS ids FROM (
			SELECT max(version * 4 + tombstone * 2 + ({list:String} = '' OR listed_under = {list:String})) AS last FROM `+d.database+`.record_sightings
			WHERE account = {account:String} AND resource = {resource:String} GROUP BY account, resource, record_id)`+inOrder, named(stream, list)...)
	if err != nil {
		return 0, fmt.Errorf("count the records of %s: %w", stream, err)
	}
	return rows[0].IDs, nil
}

// sightingsPerPage bounds what one question about sightings holds in memory.
const sightingsPerPage = 20_000

// Sightings implements load.Holdings. It asks for a page at a time, in the order of the table's key: neither side
// sorts, neither holds more than a page, and a lost answer costs no more than that.
func (d *Destination) Sightings(ctx context.Context, stream schema.Stream, list string, do func(load.Sighting) error) error {
	var id string                   // of the record that the last page ended with
	var versions []load.VersionSeen // of that record
	for {
		from := uint64(0)
		if len(versions) > 0 {
			from = versions[len(versions)-1].Version
		}
		page, err := d.sightingPage(ctx, stream, id, from)
		if err != nil {
			return fmt.Errorf("read when the records of %s were seen: %w", stream, err)
		}
		full := len(page) == sightingsPerPage
		if last := len(page) - 1; full && page[last].id == id && page[last].version == from {
			return fmt.Errorf("read when the records of %s were seen: %w", stream, errTooManyParts)
		}
		for _, s := range page {
			if s.id != id {
				if err := present(id, list, versions, do); err != nil {
					return err
				}
				id, versions = s.id, versions[:0]
			}
			versions = together(versions, s)
		}
		if !full {
			return present(id, list, versions, do)
		}
	}
}

var errTooManyParts = errors.New("one version lies in more rows than a page has")

// present calls do if the versions say that the record is, or was, of the list.
func present(id, list string, versions []load.VersionSeen, do func(load.Sighting) error) error {
	if sighting, ok := load.Presence(id, list, versions); ok {
		return do(sighting)
	}
	return nil
}

// together adds a row to the versions of its record. Of one version there may be several rows that are not merged
// yet, and the page before may have ended with some of them.
func together(versions []load.VersionSeen, s sighting) []load.VersionSeen {
	if last := len(versions) - 1; last >= 0 && versions[last].Version == s.version {
		if s.firstAt.Before(versions[last].FirstAt) {
			versions[last].FirstAt = s.firstAt
		}
		if s.lastAt.After(versions[last].LastAt) {
			versions[last].LastAt = s.lastAt
		}
		return versions
	}
	return append(versions, load.VersionSeen{
		Version: s.version, FirstAt: s.firstAt, LastAt: s.lastAt, ListedUnder: s.listedUnder, Tombstone: s.tombstone,
	})
}

// sightingPage returns the sightings from a record and version on.
func (d *Destination) sightingPage(ctx context.Context, stream schema.Stream, id string, version uint64) (page []sighting, err error) {
	query := fmt.Sprintf(`SELECT record_id, version, first_seen_at, last_seen_at, listed_under, tombstone FROM %s.record_sightings
		WHERE account = {account:String} AND resource = {resource:String}
			AND record_id >= {id:String} AND (record_id > {id:String} OR version >= {version:UInt64})
		ORDER BY account, resource, record_id, version LIMIT %d`, d.database, sightingsPerPage)
	err = repeat(ctx, func() error {
		page = page[:0]
		rows, err := d.conn.Conn.Query(ctx, query, named(stream, "", clickhouse.Named("id", id), clickhouse.Named("version", version))...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s sighting
			if err := rows.Scan(&s.id, &s.version, &s.firstAt, &s.lastAt, &s.listedUnder, &s.tombstone); err != nil {
				return err
			}
			page = append(page, s)
		}
		return rows.Err()
	})
	return page, err
}

// latestReading orders the rows of a record by version, and of a version by when they were read. Both are one number,
// with 43 bits for the milliseconds, as an argMax by several columns takes three times as long.
const latestReading = "bitShiftLeft(version, 43) + toUInt64(toUnixTimestamp64Milli(mapped_at))"

// openQuery has the id's column %[1]s, the table %[2]s and latestReading %[3]s. What is older than every open record stands before none
// and is left out before the ranks are given; of the others only the open ones keep their identifiers, as all that
// are ranked are sorted: beyond 100 MB of them on disk, as one record that is pending for ever ranks all after it.
const openQuery = `WITH
	held AS (
		SELECT %[1]s AS id, argMax(status, %[3]s) AS state, argMax(listed_under, %[3]s) AS list, argMax(created_at, %[3]s) AS created,
			argMax(isNotNull(deleted_at), %[3]s) AS gone,
			state = 'pending' OR state = 'unknown' AND created >= {unknown_from:DateTime64(6, 'UTC')} OR created >= {all_from:DateTime64(6, 'UTC')} AS open
		FROM %[2]s WHERE account = {account:String} GROUP BY account, %[1]s
		HAVING NOT gone AND ({list:String} = '' OR list = {list:String})),
	(SELECT minOrNull(created) FROM held WHERE open) AS oldest
SELECT id, state AS status, list AS listed_under, created AS created_at, newer FROM (
	SELECT if(open, id, '') AS id, state, list, created, open, toUInt64(rank() OVER (PARTITION BY list ORDER BY created DESC) - 1) AS newer
	FROM held WHERE created >= oldest)
WHERE open ORDER BY created DESC, id` + inOrder + ", max_bytes_before_external_sort = 100000000"

// Open implements load.Holdings.
func (d *Destination) Open(ctx context.Context, stream schema.Stream, list string, unknownSince, allSince time.Time) ([]load.Open, error) {
	if stream.Resource == schema.Balances {
		return nil, nil
	}
	var rows []struct {
		ID          string    `ch:"id"`
		Status      string    `ch:"status"`
		ListedUnder string    `ch:"listed_under"`
		CreatedAt   time.Time `ch:"created_at"`
		Newer       uint64    `ch:"newer"`
	}
	t := tables[stream.Resource]
	err := d.conn.Select(ctx, &rows, fmt.Sprintf(openQuery, t.id, d.database+"."+t.name, latestReading),
		named(stream, list, after("unknown_from", unknownSince), after("all_from", allSince))...)
	if err != nil {
		return nil, fmt.Errorf("read the open records of %s: %w", stream, err)
	}
	var open []load.Open
	for _, row := range rows {
		open = append(open, load.Open{
			ID: row.ID, Status: schema.Status(row.Status), ListedUnder: row.ListedUnder, CreatedAt: row.CreatedAt.UTC(), Newer: row.Newer,
		})
	}
	return open, nil
}

// The instants that a column can hold, see schema.Validate: others would become some other year on their way.
var (
	instantMin = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	instantMax = time.Date(2261, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
)

// after is the first instant of a column after another, as a parameter.
func after(name string, since time.Time) any {
	from := since.UTC().Truncate(time.Microsecond).Add(time.Microsecond)
	if from.Before(instantMin) {
		from = instantMin
	}
	if from.After(instantMax) {
		from = instantMax
	}
	return clickhouse.DateNamed(name, from, clickhouse.MicroSeconds)
}
