package clickhouse

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load"
	"tieout/schema"
)

// fresh knows of the streams that had no record when the present run wrote to them first which records the run has
// written since: no other one can be stored, and need not be looked up. A first load would spend a third of its time on
// that. Whoever else writes to such a stream meanwhile has lost its lease, and what arrives late of a killed process is
// the same first version, which merges, or an older one, which the views show as such.
type fresh struct {
	mu      sync.Mutex // guards the rest
	runID   string
	streams map[schema.Stream]*written // nil: the stream had records
}

// mayBeStored returns those of a batch's records that must be looked up.
func (d *Destination) mayBeStored(ctx context.Context, batch load.Batch, ids []string) ([]string, error) {
	f := d.fresh
	f.mu.Lock()
	if f.runID != batch.RunID {
		f.runID, f.streams = batch.RunID, map[schema.Stream]*written{}
	}
	so, asked := f.streams[batch.Stream]
	f.mu.Unlock()
	if !asked {
		empty, err := d.empty(ctx, batch.Stream)
		if err != nil {
			return nil, err
		}
		if empty {
			so = &written{seed: maphash.MakeSeed()}
		}
		f.mu.Lock()
		f.streams[batch.Stream] = so
		f.mu.Unlock()
	}
	if so == nil {
		return ids, nil
	}
	// Before they are stored: a batch whose answer is lost, and that is written again, is looked up.
	return so.add(ids), nil
}

// empty reports whether nothing is stored of a stream.
func (d *Destination) empty(ctx context.Context, stream schema.Stream) (bool, error) {
	var rows []struct {
		Version uint64 `ch:"version"`
	}
	t := tables[stream.Resource]
	err := d.conn.Select(ctx, &rows, fmt.Sprintf("SELECT version FROM %s.%s WHERE account = {account:String} LIMIT 1", d.database, t.name),
		clickhouse.Named("account", stream.Account))
	if err != nil {
		return false, fmt.Errorf("look for records of %s: %w", stream, err)
	}
	return len(rows) == 0, nil
}

// written is a set of identifiers that may take some for members that are none: a Bloom filter. Of a million it takes
// one in four hundred of the others for a member, of five million one in four.
type written struct {
	seed maphash.Seed
	bits []uint64
}

// The size of the filter, and how many of its bits stand for an identifier.
const (
	writtenBits   = 1 << 24 // 2 MiB
	writtenProbes = 4
)

// add takes in identifiers, and returns those that may have been in before.
func (w *written) add(ids []string) (maybe []string) {
	if w.bits == nil {
		w.bits = make([]uint64, writtenBits/64)
	}
	for _, id := range ids {
		known := true
		hash := maphash.String(w.seed, id)
		step := hash>>32 | 1
		for range writtenProbes {
			at := hash % writtenBits
			if mask := uint64(1) << (at % 64); w.bits[at/64]&mask == 0 {
				w.bits[at/64] |= mask
				known = false
			}
			hash += step
		}
		if known {
			maybe = append(maybe, id)
		}
	}
	return maybe
}
