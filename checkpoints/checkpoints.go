// Package checkpoints keeps how far each stream has come, what each run did, and what is proven.
//
// Its one rule: a checkpoint is written after everything that it speaks of, so that a process which dies between
// the two reads a page twice and loses none.
package checkpoints

import (
	"context"
	"time"

	"tieout/schema"
)

// Checkpoint is a place in a stream up to which everything is stored.
type Checkpoint struct {
	Stream    schema.Stream // whose place it is
	Epoch     uint64        // number of the lease it was written under; it only grows; 0: there is no checkpoint yet
	Seq       uint64        // number within the epoch
	Source    string        // where the list was read: host and path of the partner's API
	Position  string        // where the list goes on, as its paging style writes it; empty: at the beginning
	BatchID   string        // of the write before
	BatchRows uint64        // record versions in it
	RunID     string        // run that wrote it
	WrittenAt time.Time     // UTC
}

// Store holds checkpoints.
type Store interface {
	// Latest returns the stream's checkpoint with the highest epoch and, in it, the highest sequence number; the
	// zero epoch if there is none.
	Latest(ctx context.Context, stream schema.Stream) (Checkpoint, error)
	// Append adds a checkpoint. Adding it again changes nothing. It refuses one of an epoch that is over, with an
	// error around a *StaleError: the stream has a checkpoint of a higher epoch, or somebody has taken a lease of the
	// account with a higher number.
	Append(ctx context.Context, checkpoint Checkpoint) error
}

// Outcome says how a stream's run ended.
type Outcome string

// The outcomes. A run that was killed stays Running.
const (
	Running     Outcome = "running"
	Done        Outcome = "done"        // everything was read and stored, and the partner's count agrees
	Unproven    Outcome = "unproven"    // everything was read and stored, but it is not shown to be all
	Failed      Outcome = "failed"      // the stream stopped on an error
	Interrupted Outcome = "interrupted" // we were told to stop
)

// StreamRun is what one run did with one stream.
type StreamRun struct {
	RunID      string        // identifier of the run
	Stream     schema.Stream // that it read
	Outcome    Outcome       // how far it is, or how it ended
	ErrorClass string        // empty without an error
	Error      string        // the failure in one line, without secrets; empty without one
	StartedAt  time.Time     // UTC
	Counts     Counts        // its figures so far
}

// Counts are the figures of a stream's run.
type Counts struct {
	Pages     uint64        // answers that were read
	Requests  uint64        // attempts that were sent, repeats included
	Records   uint64        // records in those answers
	Versions  uint64        // record versions that were new and written
	Rejected  uint64        // records that went to quarantine
	LimitWait time.Duration // time spent waiting for the rate limit
}

// The levels of a certificate.
const (
	LevelC3n      = "C3n"      // ids ever seen = the partner's total at one answer
	LevelSnapshot = "snapshot" // one answer is the whole list
	LevelUnproven = "unproven"
)

// Certificate says whether ClickHouse holds the partner's whole list, and what that rests on.
type Certificate struct {
	Stream      schema.Stream // that it speaks of
	RunID       string        // run that tried the proof
	Level       string        // one of the levels above
	ProvenAt    time.Time     // of the answer that was compared, UTC
	Total       *uint64       // by the partner's count; nil: it gives none
	DistinctIDs uint64        // records that are stored
	Assumptions string        // what the proof takes for granted, as A1 A2 (facts about lists)
	Reason      string        // why there is no proof
}

// Proven reports whether the certificate shows that nothing is missing. One without a level shows nothing.
func (c Certificate) Proven() bool { return c.Level == LevelC3n || c.Level == LevelSnapshot }

// Ledger holds what runs did.
type Ledger interface {
	// RecordRun stores the state of a stream's run; a later call for the same run and stream replaces it.
	RecordRun(ctx context.Context, run StreamRun) error
	// RecordCertificate stores what a run could prove; a later call for the same run and stream replaces it.
	RecordCertificate(ctx context.Context, certificate Certificate) error
}
