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
	Position  string        // where the stream goes on and what is known of its lists, as the run writes it; empty: at the beginning
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
	Refused   uint64        // attempts that the partner refused for their rate: an incident
	LimitWait time.Duration // time spent waiting for the rate limit
}

// The levels of a certificate, as facts about lists name them.
const (
	LevelC3       = "C3"       // the records present at one answer are as many as the partner counts in it
	LevelC3n      = "C3n"      // the records ever seen are as many as the partner counts in one answer; needs a list that none leaves
	LevelSnapshot = "snapshot" // one answer is the whole list
	LevelStable   = "stable"   // the partner gives no total, and what was read twice was the same both times
	LevelUnproven = "unproven"
)

// Certificate says whether ClickHouse holds the whole of one of the partner's lists, and what that rests on.
type Certificate struct {
	Stream      schema.Stream // that it speaks of
	List        string        // which of the stream's lists, as in Record.ListedUnder; empty: the stream has only one
	Window      string        // span of time of the records it speaks of, as 2026-01-01T00:00:00Z/2026-02-01T00:00:00Z; empty: all
	RunID       string        // run that tried the proof
	Level       string        // one of the levels above
	ProvenAt    time.Time     // of the answer that was compared, UTC; of a stable list: before the first of the two readings
	Total       *uint64       // by the partner's count; nil: it gives none
	DistinctIDs uint64        // records that are stored
	IDsSHA256   string        // of the identifiers at ProvenAt, sorted as bytes, each with a line feed, in hexadecimal; empty without a proof
	Passes      uint64        // times that the run read the list from end to end
	Requests    uint64        // that the run spent on the list
	Assumptions string        // what the proof takes for granted, as A1 A2 (facts about lists)
	Reason      string        // why there is no proof
}

// Proven reports whether the certificate shows that nothing is missing. One without a level shows nothing.
func (c Certificate) Proven() bool {
	return c.Level == LevelC3 || c.Level == LevelC3n || c.Level == LevelSnapshot
}

// Cut is one currency of an account, read before and after the account's lists. Where both readings agree and every
// list is proven between them, nothing moved in between: the balance and the lists speak of one state.
type Cut struct {
	Account    string    // whose balance it is
	Provider   string    // the definition by which it was read
	RunID      string    // run that read both
	Currency   string    // of the balance
	BeforeAt   time.Time // as_of of the first snapshot, UTC
	AfterAt    time.Time // as_of of the second, UTC
	Consistent bool      // both readings agree and the lists are proven between them
	Reason     string    // why it is not; empty where it is
}

// Ledger holds what runs did.
type Ledger interface {
	// RecordRun stores the state of a stream's run; a later call for the same run and stream replaces it.
	RecordRun(ctx context.Context, run StreamRun) error
	// RecordCertificate stores what a run could prove; a later call for the same run, stream, list, window, level
	// and instant replaces it. A run may prove what a list held at an instant of an earlier run, and not what it holds now: that
	// is two certificates.
	RecordCertificate(ctx context.Context, certificate Certificate) error
	// RecordCuts stores the cuts of a run; a later call for the same run, account and currency replaces them.
	RecordCuts(ctx context.Context, cuts []Cut) error
}

// Remap is what one tieout remap did with one stream.
type Remap struct {
	ID         string        // identifier of the remap
	Stream     schema.Stream // whose records it read again
	Definition string        // SHA-256 of the definition by which it did, in hexadecimal
	Outcome    Outcome       // how far it is, or how it ended: never Unproven
	StartedAt  time.Time     // when it began with the stream, UTC
	Counts     RemapCounts   // its figures so far
}

// RemapCounts are the figures of a remap of one stream.
type RemapCounts struct {
	Versions uint64 // record versions that were looked at
	Changed  uint64 // of those, the ones that are read otherwise now
	Kept     uint64 // of those, the ones that the definition cannot read: they stay as they were
	Resolved uint64 // records that have left the quarantine
	Rejected uint64 // records that are still in quarantine
}

// Remaps holds what remaps did.
type Remaps interface {
	// RecordRemap stores the state of a remap of a stream; a later call for the same remap and stream replaces it.
	RecordRemap(ctx context.Context, remap Remap) error
}
