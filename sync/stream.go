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

// streamRun is one stream in a run.
type streamRun struct {
	*Run
	source     Source
	place      string
	stream     schema.Stream
	result     *Result
	checkpoint checkpoints.Checkpoint // the last one that was written, or the first one of this run's epoch
	wroteAt    time.Time              // when the last checkpoint of an earlier run was written
	standing   standing
}

// read reads every list of the stream until it is proven, or cannot be in this run.
func (s *streamRun) read(ctx context.Context) error {
	if err := s.resume(ctx); err != nil {
		return err
	}
	lists, err := s.source.Lists(s.stream.Resource)
	if err != nil {
		return err
	}
	for _, list := range lists {
		l := &listRun{streamRun: s, list: list, known: s.standing.of(list)}
		l.calendar.last = l.known.AnsweredAt
		if err := l.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// resume opens an epoch of the stream, where its last one stopped.
func (s *streamRun) resume(ctx context.Context) error {
	last, err := s.Checkpoints.Latest(ctx, s.stream)
	if err != nil {
		return &stopError{err}
	}
	if last.Epoch > 0 && last.Source != s.place {
		return &schema.Error{
			Class: schema.ClassConfiguration, Op: "read " + s.stream.String(),
			Err:  fmt.Errorf("the account was read from %s before, and now its address is %s", last.Source, s.place),
			Hint: "records of two places must not mix: give this one another account name or another database",
		}
	}
	s.wroteAt = last.WrittenAt
	s.checkpoint = checkpoints.Checkpoint{Stream: s.stream, Epoch: last.Epoch + 1, Source: s.place, RunID: s.ID}
	if last.RunID == s.ID { // balances are read twice in a run
		s.checkpoint.Epoch, s.checkpoint.Seq = last.Epoch, last.Seq
	}
	if s.standing, err = readStanding(last.Position); err != nil {
		s.Log.Warn("what the last run noted cannot be read, reading every list from its beginning",
			"stream", s.stream.String(), "reason", err.Error())
	}
	if s.Full {
		for _, list := range s.standing.Lists {
			list.Open, list.Position, list.PassedAt = false, "", time.Time{}
		}
	}
	return nil
}

// write stores a batch and then advances the checkpoint: in this order only. Note, which may be nil, is told what was
// new before the checkpoint is written.
func (s *streamRun) write(ctx context.Context, batch load.Batch, note func(load.Receipt)) (load.Receipt, error) {
	batch.Stream, batch.RunID = s.stream, s.ID
	receipt, err := s.Destination.Write(ctx, batch)
	if err != nil {
		return receipt, s.broken("write", err)
	}
	s.result.Counts.Versions += uint64(receipt.Versions)
	if note != nil {
		note(receipt)
	}
	next := s.checkpoint
	next.Seq++
	next.Position = s.standing.position()
	next.BatchID, next.BatchRows = receipt.BatchID, uint64(receipt.Versions)
	next.WrittenAt = time.Now().UTC()
	if err := s.Checkpoints.Append(ctx, next); err != nil {
		return receipt, s.broken("advance", err)
	}
	s.checkpoint = next
	return receipt, nil
}

// broken is a failure of the destination: no stream can go on.
func (s *streamRun) broken(what string, err error) error {
	return &stopError{fmt.Errorf("%s %s: %w", what, s.stream, err)}
}

// spend counts what a page has cost, also one that did not come.
func (s *streamRun) spend(page extract.Page) {
	counts := &s.result.Counts
	counts.Requests += uint64(page.Requests)
	counts.Refused += uint64(page.Refused)
	counts.LimitWait += page.LimitWait
}

// fetched counts an answer and tells who watches.
func (s *streamRun) fetched(page extract.Page) {
	counts := &s.result.Counts
	counts.Pages++
	counts.Records += uint64(page.Items)
	counts.Rejected += uint64(len(page.Rejected))
	if s.Observer != nil {
		s.Observer.Fetched(s.stream, *counts, page.PagesLeft)
	}
}
