// Package loadtest gives tests a load.Destination that keeps its records in memory, and the suite that every
// destination has to pass.
package loadtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tieout/load"
	"tieout/schema"
)

// Memory is a load.Destination that stores what a table would: every version of every record, and when it was seen.
// Its zero value is empty and ready. A write costs as much as its batch is long, however much is stored.
type Memory struct {
	mu      sync.Mutex // guards all below
	shelves map[schema.Stream]*shelf
	writes  int
}

var (
	_ load.Destination = (*Memory)(nil)
	_ load.Holdings    = (*Memory)(nil)
)

// shelf holds one stream.
type shelf struct {
	records  map[string]*history
	held     map[string]uint64 // records by the list of their last version, without tombstones
	rejected []schema.Rejected
	known    map[string]int // index in rejected, by id and content
}

// history is all that is stored of one record.
type history struct {
	versions []schema.Row
	seen     []load.VersionSeen // of each version
	runID    string             // that stored the last one
	sights   []load.Sight       // what that run has stored, as in load.Current
}

// Write implements load.Destination.
func (m *Memory) Write(ctx context.Context, batch load.Batch) (load.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return load.Receipt{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	s := m.shelf(batch.Stream)
	for _, rejected := range batch.Rejected {
		s.reject(rejected)
	}
	if batch.Stream.Resource == schema.Balances {
		s.writeBalances(batch)
		return load.Receipt{BatchID: fmt.Sprint(m.writes), Versions: len(batch.Rows)}, nil
	}
	current := map[string]load.Current{}
	for _, row := range batch.Rows {
		id := row.Base().ID
		if h := s.records[id]; h != nil {
			current[id] = h.current(batch.RunID)
		}
	}
	changed := load.NewVersions(batch.Rows, current)
	for _, row := range changed {
		s.append(batch.RunID, row)
	}
	for _, row := range batch.Rows {
		s.records[row.Base().ID].see(row.Base())
	}
	tombstones := load.NewTombstones(batch.Gone, func(id string) load.Last { return s.last(batch.RunID, id) })
	for _, row := range tombstones {
		s.append(batch.RunID, row)
	}
	receipt := load.Changes(changed, tombstones, current)
	receipt.BatchID = fmt.Sprint(m.writes)
	return receipt, nil
}

// shelf returns the shelf of a stream. The caller holds m.mu.
func (m *Memory) shelf(stream schema.Stream) *shelf {
	if m.shelves == nil {
		m.shelves = map[schema.Stream]*shelf{}
	}
	if m.shelves[stream] == nil {
		m.shelves[stream] = &shelf{records: map[string]*history{}, held: map[string]uint64{}, known: map[string]int{}}
	}
	return m.shelves[stream]
}

// reject keeps a rejected record; of one that is seen again the last sight counts.
func (s *shelf) reject(rejected schema.Rejected) {
	key := fmt.Sprintf("%s %x", rejected.RecordID, rejected.PayloadHash)
	if at, ok := s.known[key]; ok {
		s.rejected[at] = rejected
		return
	}
	s.known[key] = len(s.rejected)
	s.rejected = append(s.rejected, rejected)
}

// writeBalances stores the snapshots of an instant: a second one of the same instant takes the place of the first.
func (s *shelf) writeBalances(batch load.Batch) {
	for _, row := range batch.Rows {
		record := row.Base()
		h := s.records[record.ID]
		if h == nil {
			h = &history{}
			s.records[record.ID] = h
		}
		seen := load.VersionSeen{FirstAt: batch.AsOf}
		at := slices.IndexFunc(h.seen, func(v load.VersionSeen) bool { return v.FirstAt.Equal(batch.AsOf) })
		switch {
		case at < 0:
			h.versions, h.seen = append(h.versions, row), append(h.seen, seen)
		case !record.FirstSeenAt.Before(h.versions[at].Base().FirstSeenAt):
			h.versions[at] = row
		}
	}
}

// append stores a new version of a record.
func (s *shelf) append(runID string, row schema.Row) {
	record := row.Base()
	h := s.records[record.ID]
	if h == nil {
		h = &history{}
		s.records[record.ID] = h
	}
	if h.runID != runID {
		h.sights = nil
		if len(h.versions) > 0 {
			found := h.versions[len(h.versions)-1].Base()
			h.sights = []load.Sight{{Version: found.Version, PayloadHash: found.PayloadHash}}
		}
		h.runID = runID
	}
	if len(h.versions) > 0 {
		s.count(h, ^uint64(0))
	}
	seenAt := record.FirstSeenAt.UTC().Truncate(time.Microsecond)
	h.sights = append(h.sights, load.Sight{Version: record.Version, PayloadHash: record.PayloadHash, FirstSeenAt: seenAt})
	h.versions = append(h.versions, schema.Copy(row)) // the caller may write his row again
	h.seen = append(h.seen, load.VersionSeen{
		Version: record.Version, FirstAt: seenAt, LastAt: load.AskedAt(record).UTC().Truncate(time.Microsecond),
		ListedUnder: record.ListedUnder, Tombstone: !record.DeletedAt.IsZero(),
	})
	s.count(h, 1)
}

// count adds to the held records of the list of a record's last version.
func (s *shelf) count(h *history, difference uint64) {
	if last := h.seen[len(h.seen)-1]; !last.Tombstone {
		s.held[last.ListedUnder] += difference
	}
}

// see notes that the record's version was seen.
func (h *history) see(record *schema.Record) {
	seen := &h.seen[record.Version-1]
	if at := record.FirstSeenAt.UTC().Truncate(time.Microsecond); at.Before(seen.FirstAt) {
		seen.FirstAt = at
	}
	if at := load.AskedAt(record).UTC().Truncate(time.Microsecond); at.After(seen.LastAt) {
		seen.LastAt = at
	}
}

// current is the last version for a write of a run.
func (h *history) current(runID string) load.Current {
	last := h.versions[len(h.versions)-1].Base()
	current := load.Current{Version: last.Version, PayloadHash: last.PayloadHash, Gone: !last.DeletedAt.IsZero(), CreatedAt: last.CreatedAt}
	if h.runID == runID {
		current.Sights = h.sights
	}
	return current
}

// last is what is stored of a record that may have gone.
func (s *shelf) last(runID, id string) load.Last {
	h := s.records[id]
	if h == nil {
		return load.Last{}
	}
	last := load.Last{Row: h.versions[len(h.versions)-1]}
	for _, seen := range h.seen {
		if !seen.Tombstone && seen.LastAt.After(last.SeenAt) {
			last.SeenAt = seen.LastAt
		}
	}
	if h.runID == runID {
		last.Sights = h.sights
	}
	return last
}

// CountIDs implements load.Holdings.
func (m *Memory) CountIDs(ctx context.Context, stream schema.Stream, list string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if list != "" {
		return m.shelf(stream).held[list], ctx.Err()
	}
	sum := uint64(0)
	for _, count := range m.shelf(stream).held {
		sum += count
	}
	return sum, ctx.Err()
}

// Sightings implements load.Holdings.
func (m *Memory) Sightings(ctx context.Context, stream schema.Stream, list string, do func(load.Sighting) error) error {
	m.mu.Lock()
	sightings := []load.Sighting{}
	for id, h := range m.shelf(stream).records {
		if sighting, ok := load.Presence(id, list, h.seen); ok && stream.Resource != schema.Balances {
			sightings = append(sightings, sighting)
		}
	}
	m.mu.Unlock()
	slices.SortFunc(sightings, func(a, b load.Sighting) int { return cmp.Compare(a.ID, b.ID) })
	for _, sighting := range sightings {
		if err := cmp.Or(ctx.Err(), do(sighting)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Open implements load.Holdings.
func (m *Memory) Open(ctx context.Context, stream schema.Stream, list string, unknownSince, allSince time.Time) ([]load.Open, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var held []load.Open
	for id, h := range m.shelf(stream).records {
		last := h.versions[len(h.versions)-1].Base()
		if stream.Resource == schema.Balances || !last.DeletedAt.IsZero() || list != "" && last.ListedUnder != list {
			continue
		}
		created := last.CreatedAt.UTC().Truncate(time.Microsecond)
		held = append(held, load.Open{ID: id, Status: last.Status, ListedUnder: last.ListedUnder, CreatedAt: created})
	}
	slices.SortFunc(held, func(a, b load.Open) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID)) })
	var open []load.Open
	above, same, before := map[string]uint64{}, map[string]uint64{}, map[string]time.Time{}
	for _, record := range held {
		if under := record.ListedUnder; !before[under].Equal(record.CreatedAt) {
			above[under], same[under], before[under] = above[under]+same[under], 0, record.CreatedAt
		}
		same[record.ListedUnder]++
		record.Newer = above[record.ListedUnder]
		switch {
		case record.Status == schema.StatusPending,
			record.Status == schema.StatusUnknown && record.CreatedAt.After(unknownSince),
			record.CreatedAt.After(allSince):
			open = append(open, record)
		}
	}
	return open, ctx.Err()
}

// Versions returns every version of a stream's records, by id, in the order of writing, tombstones included.
func (m *Memory) Versions(stream schema.Stream) map[string][]schema.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	versions := map[string][]schema.Row{}
	for id, h := range m.shelf(stream).records {
		versions[id] = slices.Clone(h.versions)
	}
	return versions
}

// Tombstones returns the records of a stream whose last version is a tombstone, with that version, by id.
func (m *Memory) Tombstones(stream schema.Stream) map[string]schema.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	tombstones := map[string]schema.Row{}
	for id, h := range m.shelf(stream).records {
		if last := h.versions[len(h.versions)-1]; !last.Base().DeletedAt.IsZero() {
			tombstones[id] = last
		}
	}
	return tombstones
}

// IDs returns the identifiers of all records that are held, sorted as bytes.
func (m *Memory) IDs(stream schema.Stream) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	records := m.shelf(stream).records
	return slices.DeleteFunc(slices.Sorted(maps.Keys(records)), func(id string) bool {
		versions := records[id].versions
		return !versions[len(versions)-1].Base().DeletedAt.IsZero()
	})
}

// Rejected returns the records of a stream that are in quarantine, in the order of writing.
func (m *Memory) Rejected(stream schema.Stream) []schema.Rejected {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.shelf(stream).rejected)
}
