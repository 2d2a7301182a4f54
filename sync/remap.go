package sync

import (
	"context"
	"fmt"
	"time"

	"tieout/checkpoints"
	"tieout/load"
	"tieout/schema"
)

// Reader reads stored records again by a definition.
type Reader interface {
	// Reread returns what the definition derives from a payload, or the reason why it cannot be stored; neither if the
	// record is of another resource.
	Reread(payload []byte, listedUnder string) (row schema.Row, reason string)
}

// Remap reads again what is stored, by the definitions that are in force now, and asks no partner. It goes from a
// stream's versions to its quarantine, part by part, and stores what is read otherwise. Whatever ends it, the next one
// finds by content what is done, and does the rest.
type Remap struct {
	ID          string             // unique for each remap
	Archive     load.Archive       // what is stored
	Checkpoints checkpoints.Store  // of the streams
	Remaps      checkpoints.Remaps // what remaps did
	DryRun      bool               // store nothing
	Observer    func(stream schema.Stream, counts checkpoints.RemapCounts)
}

// RemapStream is a stream with the definition by which it is read.
type RemapStream struct {
	Stream     schema.Stream
	Reader     Reader
	Place      string // host and path of the partner's API: payloads of another place are not read
	Definition string // digest of the definition
}

// Example is one column that is read otherwise, or why a record cannot be read.
type Example struct {
	ID      string // of the record
	Version uint64 // of the record; 0: it is in quarantine
	Column  string // empty: the record as a whole
	Old     string // as it is stored; of a record as a whole empty
	New     string // as it is read now; of a record as a whole the reason
}

// examplesMax is how many examples of each kind a result has.
const examplesMax = 10

// RemapResult is how the remap of one stream ended.
type RemapResult struct {
	Stream  schema.Stream
	Outcome checkpoints.Outcome
	Counts  checkpoints.RemapCounts
	Changed []Example // columns that are read otherwise
	Kept    []Example // versions that the definition cannot read
	Unread  []Example // records that stay in quarantine
	Err     error     // only where Outcome is Failed or Interrupted
}

// Run reads the streams again, one after the other, and returns a result for each that it came to. A failure ends it.
func (r *Remap) Run(ctx context.Context, streams []RemapStream) []RemapResult {
	var results []RemapResult
	for _, stream := range streams {
		m := &remapping{Remap: r, of: stream, startedAt: time.Now().UTC(), result: RemapResult{Stream: stream.Stream, Outcome: checkpoints.Running}}
		m.run(ctx)
		results = append(results, m.result)
		if m.result.Err != nil {
			break
		}
	}
	return results
}

// remapping is one stream in a remap.
type remapping struct {
	*Remap
	of        RemapStream
	startedAt time.Time
	result    RemapResult
	unread    map[string]bool // names that the checkpoint knows: whether they are still in quarantine
}

// run reads the stream again and records what came of it.
func (m *remapping) run(ctx context.Context) {
	err := m.record(ctx)
	if err == nil {
		err = m.read(ctx)
	}
	m.result.Outcome, m.result.Err = checkpoints.Done, err
	if err != nil {
		m.result.Outcome = checkpoints.Failed
		if schema.ClassOf(err) == schema.ClassCancelled {
			m.result.Outcome = checkpoints.Interrupted
		}
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	if err := m.record(closing); err != nil && m.result.Err == nil {
		m.result.Outcome, m.result.Err = checkpoints.Failed, err
	}
}

// record stores how far the remap of the stream is.
func (m *remapping) record(ctx context.Context) error {
	if m.DryRun {
		return nil
	}
	return m.Remaps.RecordRemap(ctx, checkpoints.Remap{
		ID: m.ID, Stream: m.of.Stream, Definition: m.of.Definition, Outcome: m.result.Outcome, StartedAt: m.startedAt, Counts: m.result.Counts,
	})
}

// read reads the versions, then the quarantine: a record that was in both needs to be known as it is read now.
func (m *remapping) read(ctx context.Context) error {
	last, err := m.Checkpoints.Latest(ctx, m.of.Stream)
	if err != nil {
		return err
	}
	if last.Epoch > 0 && last.Source != m.of.Place {
		return &schema.Error{
			Class: schema.ClassConfiguration, Op: "read " + m.of.Stream.String() + " again",
			Err:  fmt.Errorf("the account was read from %s, and now its address is %s", last.Source, m.of.Place),
			Hint: "the definition would read records of another partner",
		}
	}
	known, _ := readStanding(last.Position) // of one that cannot be read nothing is known
	m.unread = map[string]bool{}
	for _, list := range known.Lists {
		for _, name := range list.Quarantine {
			m.unread[name] = false
		}
	}
	if err := m.Archive.Versions(ctx, m.of.Stream, func(part []load.Stored) error { return m.versions(ctx, part) }); err != nil {
		return err
	}
	if err := m.Archive.Quarantine(ctx, m.of.Stream, func(part []load.Quarantined) error { return m.quarantine(ctx, part) }); err != nil {
		return err
	}
	return m.forget(ctx, last, known)
}

// versions reads a part of the versions again.
func (m *remapping) versions(ctx context.Context, part []load.Stored) error {
	if ctx.Err() != nil {
		return &schema.Error{Class: schema.ClassCancelled, Op: "read " + m.of.Stream.String() + " again", Err: context.Cause(ctx)}
	}
	out := load.Remapped{RemapID: m.ID}
	now := time.Now()
	for _, stored := range part {
		m.result.Counts.Versions++
		record := stored.Row.Base()
		read, reason := m.of.Reader.Reread(record.Payload, record.ListedUnder)
		if reason = unfit(record.ID, read, reason); reason != "" {
			m.result.Counts.Kept++
			m.result.Kept = example(m.result.Kept, Example{ID: record.ID, Version: record.Version, New: reason})
			continue
		}
		changes := differences(stored.Row, read)
		if len(changes) == 0 {
			continue
		}
		m.result.Counts.Changed++
		for _, change := range changes {
			m.result.Changed = example(m.result.Changed, change)
		}
		out.Versions = append(out.Versions, load.Stored{
			Row: reread(stored.Row, read), RunID: stored.RunID, AsOf: stored.AsOf,
			MappedAt: load.NextMapping(now, stored.MappedAt, record.FirstSeenAt),
		})
	}
	return m.store(ctx, out)
}

// unfit returns why a version stays as it is; nothing if it was read. A version whose identifier is another one now
// would be another record: the partner's list will show it, and a pass that the old one is not there.
func unfit(id string, read schema.Row, reason string) string {
	switch {
	case reason != "":
		return reason
	case read == nil:
		return "the record is of another resource"
	case read.Base().ID != id:
		return fmt.Sprintf("the identifier would be %q", read.Base().ID)
	}
	return ""
}

// store stores what a part has given, and tells how far the remap is.
func (m *remapping) store(ctx context.Context, out load.Remapped) error {
	if !m.DryRun && len(out.Versions)+len(out.Seen)+len(out.Judged) > 0 {
		if err := m.Archive.Remap(ctx, m.of.Stream, out); err != nil {
			return fmt.Errorf("store what was read again of %s: %w", m.of.Stream, err)
		}
	}
	if m.Observer != nil {
		m.Observer(m.of.Stream, m.result.Counts)
	}
	return nil
}

// forget takes what was resolved out of what the checkpoint says of the quarantine: the next night must not take it
// for the reason why a count disagrees.
func (m *remapping) forget(ctx context.Context, last checkpoints.Checkpoint, known standing) error {
	changed := false
	for _, list := range known.Lists {
		var names []string
		for _, name := range list.Quarantine {
			if m.unread[name] {
				names = append(names, name)
			}
		}
		open := list.Quarantined && m.result.Counts.Rejected > 0
		changed = changed || len(names) != len(list.Quarantine) || open != list.Quarantined
		list.Quarantine, list.Quarantined = names, open
	}
	if !changed || m.DryRun {
		return nil
	}
	next := last
	next.Epoch, next.Seq, next.RunID, next.Position = last.Epoch+1, 1, m.ID, known.position()
	if err := m.Checkpoints.Append(ctx, next); err != nil {
		return fmt.Errorf("note that the quarantine of %s was read again: %w", m.of.Stream, err)
	}
	return nil
}

func example(examples []Example, one Example) []Example {
	if len(examples) < examplesMax {
		return append(examples, one)
	}
	return examples
}
