package clickhouse

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
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

// sightingInserts turns sightings into blocks.
func sightingInserts(batch load.Batch, seen []sighting) []insert {
	slices.SortFunc(seen, func(a, b sighting) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.version, b.version)) })
	var inserts []insert
	for some := range slices.Chunk(seen, sightingsPerBlock) {
		i := insert{
			table:   "record_sightings",
			columns: "account, resource, record_id, version, first_seen_at, last_seen_at, listed_under, tombstone",
		}
		sum := sha256.New()
		fmt.Fprintf(sum, "%q %q\n", batch.Stream.Account, batch.Stream.Resource) // streams share the table, see blockDigest
		for _, s := range some {
			i.rows = append(i.rows, []any{
				batch.Stream.Account, string(batch.Stream.Resource), s.id, s.version, s.firstAt, s.lastAt, s.listedUnder, s.tombstone,
			})
			fmt.Fprintf(sum, "%q %d %d %d %q %t\n", s.id, s.version, s.firstAt.UnixMicro(), s.lastAt.UnixMicro(), s.listedUnder, s.tombstone)
		}
		i.digest = hex.EncodeToString(sum.Sum(nil))
		inserts = append(inserts, i)
	}
	return inserts
}
