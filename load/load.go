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
}

// Receipt says what a write has stored.
type Receipt struct {
	BatchID  string // SHA-256 over the content that was written, in hexadecimal
	Versions int    // record versions that were new; for balances the snapshots
}

// Destination is where records go.
type Destination interface {
	// Write stores what is new in the batch: records whose content differs from their last known version, and
	// rejected records. When it returns without an error everything is stored. After an error part of it may be;
	// writing the batch again stores the rest and doubles nothing. Two writers of one stream must not write at
	// the same time.
	Write(ctx context.Context, batch Batch) (Receipt, error)
	// CountIDs returns how many distinct records of the stream are stored. What is in quarantine only is not.
	CountIDs(ctx context.Context, stream schema.Stream) (uint64, error)
}
