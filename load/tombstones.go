package load

import (
	"crypto/sha256"
	"fmt"
	"time"

	"tieout/schema"
)

// Last is what is stored of a record that may have gone, the batch's own rows included.
type Last struct {
	Row    schema.Row // the last version; nil: nothing is stored
	SeenAt time.Time  // when the last request whose answer held the record was sent, UTC
	Sights []Sight    // as in Current
}

// NewTombstones returns the tombstones of records that are held and gone. A record gets none if its last version is
// one, and none if it was seen after it is said to have gone: then it is back, and the batch is an old one that is
// written again. Last returns what is stored of an id.
func NewTombstones(gone []Gone, last func(id string) Last) []schema.Row {
	var tombstones []schema.Row
	made := map[string]bool{}
	for _, g := range gone {
		known := last(g.ID)
		if made[g.ID] || known.Row == nil || !known.Row.Base().DeletedAt.IsZero() || known.SeenAt.After(g.At) {
			continue
		}
		tombstone := g.tombstone(known.Row)
		if stored(known.Sights, tombstone.Base().PayloadHash) {
			continue
		}
		made[g.ID] = true
		tombstones = append(tombstones, tombstone)
	}
	return tombstones
}

// tombstone returns the version after the last one that says that the record has gone. As-of answers go by when that
// was known, which is later than the instant of the certificate if an earlier run's answers were proven by this one's.
func (g Gone) tombstone(last schema.Row) schema.Row {
	row := schema.Copy(last)
	record := row.Base()
	record.Version++
	record.Moved = false
	record.DeletedAt, record.Evidence = g.At.UTC().Truncate(time.Microsecond), g.Evidence
	for _, at := range []time.Time{g.At, g.KnownAt} {
		if known := at.UTC().Truncate(time.Microsecond); record.FirstSeenAt.Before(known) {
			record.FirstSeenAt = known
		}
	}
	record.AskedAt = record.FirstSeenAt
	// Not the hash of the last version: the record that comes back as it was must be a version again.
	record.PayloadHash = sha256.Sum256(fmt.Appendf(nil, "tombstone %x %d %q", record.PayloadHash, record.DeletedAt.UnixMicro(), g.Evidence))
	return row
}

func stored(sights []Sight, hash [32]byte) bool {
	for _, sight := range sights {
		if sight.PayloadHash == hash {
			return true
		}
	}
	return false
}

// Changes tells a Receipt what a batch has changed: new versions as NewVersions returns them, and tombstones.
func Changes(versions, tombstones []schema.Row, current map[string]Current) Receipt {
	receipt := Receipt{Versions: len(versions) + len(tombstones), Changed: versions}
	counted := map[string]bool{}
	for _, row := range versions {
		id := row.Base().ID
		known := current[id]
		if counted[id] || known.Version > 0 && !known.Gone {
			continue
		}
		counted[id] = true
		receipt.New++
		if known.Gone {
			receipt.Returned++
		}
	}
	return receipt
}
