// Package load brings records into their tables.
//
// Its one rule: a batch is fixed before it is written, and writing it again changes nothing. So a lost answer is
// answered by writing the same batch once more, and a killed process by reading the same page once more.
package load

import (
	"context"
	"time"

	"tieout/schema"
)

// Batch is what one write holds: records of one stream, in the order in which they were seen.
type Batch struct {
	Stream   schema.Stream     // whose records they are
	RunID    string            // the run that writes it
	AsOf     time.Time         // instant that balances stand for, UTC; unused for other resources
	Rows     []schema.Row      // records that have passed schema.Validate
	Rejected []schema.Rejected // records for the quarantine
	Gone     []Gone            // records that are stored and that the partner's list holds no more
}

// Gone is a record that was stored and that a certified list lacks. It gets a tombstone: a version of its own, with
// the columns of the one before, and nothing of it is removed.
type Gone struct {
	ID       string    // the partner's identifier
	At       time.Time // instant of the certificate: the record had left the list by then, UTC
	KnownAt  time.Time // when that was known: as-of answers show it from then on, UTC; zero: at At
	Evidence string    // names the certificate that shows it
}

// Receipt says what a write has stored.
type Receipt struct {
	BatchID  string       // SHA-256 over the content that was written, in hexadecimal
	Versions int          // record versions that were new, tombstones included; for balances the snapshots
	New      int          // records that were not held before: first seen in this batch, or back after a tombstone
	Returned int          // of those, the ones that are back after a tombstone
	Changed  []schema.Row // the record versions that were new, in no order; without tombstones and balances
}

// Destination is where records go.
type Destination interface {
	// Write stores what is new in the batch: records whose content differs from their last known version, rejected
	// records, and tombstones for records that are held and gone. It notes for every record of the batch that its
	// version was seen. When it returns without an error everything is stored. After an error part of it may be;
	// writing the batch again stores the rest and doubles nothing. Two writers of one stream must not write at
	// the same time.
	Write(ctx context.Context, batch Batch) (Receipt, error)
}

// Holdings tells what is held of a stream: the records that are stored and whose last version is no tombstone. What
// is in quarantine only is not held. A stream may be made of several lists; list names one of them as the record's
// last version has it in ListedUnder, and empty stands for the whole stream.
type Holdings interface {
	// CountIDs returns how many records are held.
	CountIDs(ctx context.Context, stream schema.Stream, list string) (uint64, error)
	// Sightings calls do with every record that was ever stored, tombstones included, in the order of their
	// identifiers as bytes. An error of do ends it and is returned.
	Sightings(ctx context.Context, stream schema.Stream, list string, do func(Sighting) error) error
	// Open returns the held records that may still change, the newest first: those whose status is pending, those
	// whose status is unknown and that were created after unknownSince, and all that were created after allSince.
	Open(ctx context.Context, stream schema.Stream, list string, unknownSince, allSince time.Time) ([]Open, error)
}

// Sighting is when a record was seen in its list. A record that came back after a tombstone is seen first when it
// came back.
type Sighting struct {
	ID      string    // the partner's identifier
	FirstAt time.Time // when the first answer that held it had arrived, UTC
	LastAt  time.Time // when the last request whose answer held it was sent, UTC
	Gone    bool      // its last version is a tombstone
}

// Open is a held record that may still change.
type Open struct {
	ID          string        // the partner's identifier
	Status      schema.Status // of its last version
	ListedUnder string        // of its last version
	CreatedAt   time.Time     // when the partner made it, UTC
	Newer       uint64        // held records of the same list that were created after it: its place in a list with the newest first
}
