// Package loadtest gives tests a load.Destination that keeps its records in memory.
package loadtest

import (
	"context"
	"fmt"
	"sync"

	"tieout/load"
	"tieout/schema"
)

// Memory is a load.Destination that stores what a table would: every version of every record. Its zero value is
// empty and ready.
type Memory struct {
	mu       sync.Mutex                                   // guards all below
	versions map[schema.Stream][]schema.Row               // in the order of writing
	rejected map[schema.Stream]map[string]schema.Rejected // by id and content
	writes   int
}

var _ load.Destination = (*Memory)(nil)

// Write implements load.Destination.
func (m *Memory) Write(ctx context.Context, batch load.Batch) (load.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return load.Receipt{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.versions == nil {
		m.versions, m.rejected = map[schema.Stream][]schema.Row{}, map[schema.Stream]map[string]schema.Rejected{}
	}
	m.writes++
	current := map[string]load.Current{}
	for _, row := range m.versions[batch.Stream] {
		record := row.Base()
		current[record.ID] = load.Current{Version: record.Version, PayloadHash: record.PayloadHash}
	}
	changed := load.NewVersions(batch.Rows, current)
	m.versions[batch.Stream] = append(m.versions[batch.Stream], changed...)
	for _, r := range batch.Rejected {
		if m.rejected[batch.Stream] == nil {
			m.rejected[batch.Stream] = map[string]schema.Rejected{}
		}
		m.rejected[batch.Stream][fmt.Sprintf("%s %x", r.RecordID, r.PayloadHash)] = r
	}
	return load.Receipt{BatchID: fmt.Sprint(m.writes), Versions: len(changed)}, nil
}

// CountIDs implements load.Destination.
func (m *Memory) CountIDs(_ context.Context, stream schema.Stream) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := map[string]bool{}
	for _, row := range m.versions[stream] {
		ids[row.Base().ID] = true
	}
	return uint64(len(ids)), nil
}

// Versions returns every version of a stream's records, by id, in the order of writing.
func (m *Memory) Versions(stream schema.Stream) map[string][]schema.Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	versions := map[string][]schema.Row{}
	for _, row := range m.versions[stream] {
		versions[row.Base().ID] = append(versions[row.Base().ID], row)
	}
	return versions
}

// Rejected returns the records of a stream that are in quarantine.
func (m *Memory) Rejected(stream schema.Stream) []schema.Rejected {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rejected []schema.Rejected
	for _, r := range m.rejected[stream] {
		rejected = append(rejected, r)
	}
	return rejected
}
