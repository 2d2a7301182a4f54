package sync

import (
	"context"
	"fmt"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/load"
	"tieout/schema"
)

// What may be held back before it is written: enough rows to make inserts cheap, for so short a time that a
// stream which is slowed down by its partner's limit writes every page at once.
const (
	rowsHeldMax = 10_000
	timeHeldMax = time.Second
)

// streamRun is one stream in a run.
type streamRun struct {
	*Run
	source Source
	place  string
	stream schema.Stream
	result *Result
}

// passesMax bounds how often a run reads a list from its beginning because the partner counts other records than
// are stored. A list that grows or moves while it is read settles in a second pass; one that does not is unproven.
const passesMax = 2

// read reads the list until what is stored is proven to be all of it.
func (s *streamRun) read(ctx context.Context) error {
	checkpoint, err := s.resume(ctx)
	if err != nil {
		return err
	}
	for pass := 1; ; pass++ {
		last, err := s.pass(ctx, &checkpoint)
		if checkpoint.Seq == 0 && checkpoint.Position != "" && schema.ClassOf(err) == schema.ClassStream {
			s.Log.Warn("the list cannot go on where the last run stopped, reading it from its beginning",
				"stream", s.stream.String(), "reason", err.Error())
			checkpoint.Position = ""
			last, err = s.pass(ctx, &checkpoint)
		}
		if err != nil {
			return err
		}
		certificate, err := s.prove(ctx, last)
		if err != nil {
			return err
		}
		if certificate.Proven() || certificate.Total == nil || s.result.Counts.Rejected > 0 || pass == passesMax {
			return s.certify(ctx, certificate)
		}
		s.Log.Info("reading the list once more", "stream", s.stream.String(), "reason", certificate.Reason)
	}
}

// resume opens an epoch of the stream, where its last one stopped.
func (s *streamRun) resume(ctx context.Context) (checkpoints.Checkpoint, error) {
	last, err := s.Checkpoints.Latest(ctx, s.stream)
	if err != nil {
		return last, &stopError{err}
	}
	if last.Epoch > 0 && last.Source != s.place {
		return last, &schema.Error{
			Class: schema.ClassConfiguration, Op: "read " + s.stream.String(),
			Err:  fmt.Errorf("the account was read from %s before, and now its address is %s", last.Source, s.place),
			Hint: "records of two places must not mix: give this one another account name or another database",
		}
	}
	next := checkpoints.Checkpoint{Stream: s.stream, Epoch: last.Epoch + 1, Source: s.place, Position: last.Position, RunID: s.ID}
	if s.Full {
		next.Position = ""
	}
	return next, nil
}

// pass is the whole pipeline: from the checkpoint on, fetch a page, write it, advance, repeat. It returns the last
// page.
func (s *streamRun) pass(ctx context.Context, checkpoint *checkpoints.Checkpoint) (extract.Page, error) {
	position := extract.Position(checkpoint.Position)
	held := load.Batch{Stream: s.stream, RunID: s.ID, AsOf: s.StartedAt}
	for heldSince := time.Now(); ; {
		page, err := s.source.Fetch(ctx, s.stream.Resource, position)
		s.spend(page)
		if err != nil {
			return page, s.stop(ctx, held, checkpoint, position, err)
		}
		s.count(page)
		held.Rows, held.Rejected = append(held.Rows, page.Rows...), append(held.Rejected, page.Rejected...)
		position = page.Next
		if !page.Last && len(held.Rows) < rowsHeldMax && time.Since(heldSince) < timeHeldMax {
			continue
		}
		if err := s.write(ctx, held, checkpoint, position); err != nil || page.Last {
			return page, err
		}
		held.Rows, held.Rejected, heldSince = nil, nil, time.Now()
	}
}

// write stores what is held and then advances the checkpoint: in this order only.
func (s *streamRun) write(ctx context.Context, held load.Batch, checkpoint *checkpoints.Checkpoint, position extract.Position) error {
	receipt, err := s.Destination.Write(ctx, held)
	if err != nil {
		return &stopError{fmt.Errorf("write %s: %w", s.stream, err)}
	}
	s.result.Counts.Versions += uint64(receipt.Versions)
	next := *checkpoint
	next.Seq++
	next.Position = string(position)
	next.BatchID, next.BatchRows = receipt.BatchID, uint64(receipt.Versions)
	next.WrittenAt = time.Now().UTC()
	if err := s.Checkpoints.Append(ctx, next); err != nil {
		return &stopError{fmt.Errorf("advance %s: %w", s.stream, err)}
	}
	*checkpoint = next
	return nil
}

// stop ends a stream that cannot be read on. The pages that are held were read for good: they are written, even
// if we were told to stop, so that the next run need not ask for them again.
func (s *streamRun) stop(ctx context.Context, held load.Batch, checkpoint *checkpoints.Checkpoint, position extract.Position, cause error) error {
	if len(held.Rows) == 0 && len(held.Rejected) == 0 {
		return cause
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	if err := s.write(closing, held, checkpoint, position); err != nil {
		return fmt.Errorf("%w; and what was read could not be stored: %w", cause, err)
	}
	return cause
}

// spend counts what a page has cost, also one that did not come.
func (s *streamRun) spend(page extract.Page) {
	counts := &s.result.Counts
	counts.Requests += uint64(page.Requests)
	counts.Refused += uint64(page.Refused)
	counts.LimitWait += page.LimitWait
}

func (s *streamRun) count(page extract.Page) {
	counts := &s.result.Counts
	counts.Pages++
	counts.Records += uint64(page.Items)
	counts.Rejected += uint64(len(page.Rejected))
	if s.Observer != nil {
		s.Observer.Fetched(s.stream, *counts, page.PagesLeft)
	}
}
