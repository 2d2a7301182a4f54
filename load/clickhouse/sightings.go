package clickhouse

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tieout/load"
	"tieout/schema"
)

// sighting is a row of record_sightings.
type sighting struct {
	id              string
	version         uint64
	firstAt, lastAt time.Time
	listedUnder     string
	tombstone       bool
}

// sightingsPerBlock bounds a block of sightings, so that the server takes it in one piece.
const sightingsPerBlock = 100_000

// sightingsOf returns when the rows' versions were seen, one sighting for each.
func sightingsOf(rows []schema.Row) []sighting {
	type key struct {
		id      string
		version uint64
	}
	seen := make([]sighting, 0, len(rows))
	place := make(map[key]int, len(rows))
	for _, row := range rows {
		record := row.Base()
		next := sighting{
			id: record.ID, version: record.Version, firstAt: record.FirstSeenAt.UTC(), lastAt: load.AskedAt(record).UTC(),
			listedUnder: record.ListedUnder,
		}
		at, ok := place[key{next.id, next.version}]
		if !ok {
			place[key{next.id, next.version}] = len(seen)
			seen = append(seen, next)
			continue
		}
		if next.firstAt.Before(seen[at].firstAt) {
			seen[at].firstAt = next.firstAt
		}
		if next.lastAt.After(seen[at].lastAt) {
			seen[at].lastAt = next.lastAt
		}
	}
	return seen
}

// tombstoneSightings returns the sightings of tombstones: of new ones, and of those that an earlier write has stored
// without coming to their sightings.
func tombstoneSightings(gone []load.Gone, last map[string]load.Last, tombstones []schema.Row) []sighting {
	for _, g := range gone {
		if row := last[g.ID].Row; row != nil && !row.Base().DeletedAt.IsZero() {
			tombstones = append(tombstones[:len(tombstones):len(tombstones)], row)
		}
	}
	seen := sightingsOf(tombstones)
	for i := range seen {
		seen[i].tombstone, seen[i].lastAt = true, seen[i].firstAt
	}
	return seen
}

// appendTo appends all that is stored of the sighting.
func (s sighting) appendTo(line []byte) []byte {
	line = append(strconv.AppendQuote(line, s.id), ' ')
	line = append(strconv.AppendUint(line, s.version, 10), ' ')
	line = append(strconv.AppendInt(line, s.firstAt.UnixMicro(), 10), ' ')
	line = append(strconv.AppendInt(line, s.lastAt.UnixMicro(), 10), ' ')
	line = append(strconv.AppendQuote(line, s.listedUnder), ' ')
	return append(strconv.AppendBool(line, s.tombstone), '\n')
}

// sightingInserts turns sightings into blocks. There is one for every record of a batch, known or not, so they go to
// the driver as columns and not as rows of boxed values.
func sightingInserts(batch load.Batch, seen []sighting) []insert {
	slices.SortFunc(seen, func(a, b sighting) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.version, b.version)) })
	var inserts []insert
	for some := range slices.Chunk(seen, sightingsPerBlock) {
		var (
			accounts, resources = slices.Repeat([]string{batch.Stream.Account}, len(some)), slices.Repeat([]string{string(batch.Stream.Resource)}, len(some))
			ids, lists          = make([]string, 0, len(some)), make([]string, 0, len(some))
			versions            = make([]uint64, 0, len(some))
			first, last         = make([]time.Time, 0, len(some)), make([]time.Time, 0, len(some))
			tombstones          = make([]bool, 0, len(some))
		)
		sum, line := sha256.New(), []byte(nil)
		fmt.Fprintf(sum, "%q %q\n", batch.Stream.Account, batch.Stream.Resource) // streams share the table, see blockDigest
		for _, s := range some {
			ids, versions, lists = append(ids, s.id), append(versions, s.version), append(lists, s.listedUnder)
			first, last, tombstones = append(first, s.firstAt), append(last, s.lastAt), append(tombstones, s.tombstone)
			line = s.appendTo(line[:0])
			sum.Write(line)
		}
		inserts = append(inserts, insert{
			table: "record_sightings", size: len(some), digest: hex.EncodeToString(sum.Sum(nil)),
			columns: "account, resource, record_id, version, first_seen_at, last_seen_at, listed_under, tombstone",
			values:  []any{accounts, resources, ids, versions, first, last, lists, tombstones},
		})
	}
	return inserts
}
