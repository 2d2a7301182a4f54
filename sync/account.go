package sync

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"tieout/checkpoints"
	"tieout/schema"
)

// accountRun is one account in a run.
type accountRun struct {
	*Run
	account Account
	results []Result        // of its streams, in their order
	failed  func(err error) // told about every stream's failure, while others run
}

// read reads the balances, then all lists side by side, and the balances once more: what the lists say and what the
// balances say can be compared only if nothing moved between.
func (a *accountRun) read(ctx context.Context) {
	var balances *Result
	var lists []*Result
	for i := range a.results {
		if result := &a.results[i]; result.Stream.Resource == schema.Balances {
			balances = result
		} else {
			lists = append(lists, result)
		}
	}
	var before, after *snapshot
	twice := balances != nil && len(lists) > 0 && a.account.Whole
	if balances != nil {
		a.stream(ctx, balances, !twice, func(s *streamRun) error {
			var err error
			before, err = s.snapshot(ctx, a.StartedAt)
			return err
		})
	}
	var running sync.WaitGroup
	for _, result := range lists {
		running.Go(func() { a.stream(ctx, result, true, func(s *streamRun) error { return s.read(ctx) }) })
	}
	running.Wait()
	if !twice || balances.Err != nil || ctx.Err() != nil {
		if twice && balances.Err == nil && a.Observer != nil {
			a.Observer.Finished(*balances)
		}
		return
	}
	a.stream(ctx, balances, true, func(s *streamRun) error {
		var err error
		if after, err = s.snapshot(ctx, later(time.Now().UTC().Truncate(time.Microsecond), a.StartedAt.Add(time.Microsecond))); err != nil {
			return err
		}
		return s.cut(ctx, before, after, lists)
	})
}

// stream reads one stream and records what came of it. Who watches is told that it has finished if this was the last
// time, or if it failed.
func (a *accountRun) stream(ctx context.Context, result *Result, last bool, read func(*streamRun) error) {
	s := &streamRun{Run: a.Run, source: a.account.Source, place: a.account.Place, stream: result.Stream, result: result}
	result.Outcome = checkpoints.Running
	err := s.record(ctx)
	if err == nil {
		err = read(s)
	}
	// What ended a cancelled stream is what cancelled it: a refused key in a sister stream, or a signal.
	if cause := context.Cause(ctx); err != nil && cause != nil && schema.ClassOf(err) == schema.ClassCancelled {
		err = cause
		if schema.ClassOf(err) != schema.ClassCredentials && !errors.As(err, new(*stopError)) {
			err = &schema.Error{Class: schema.ClassCancelled, Op: "read " + result.Stream.String(), Err: cause}
		}
	}
	result.Err = err
	result.Outcome = outcome(result)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	if err := s.record(closing); err != nil && result.Err == nil {
		result.Outcome, result.Err = checkpoints.Failed, err
	}
	if result.Err != nil {
		a.failed(result.Err)
	}
	if a.Observer != nil && (last || result.Err != nil) {
		a.Observer.Finished(*result)
	}
}

func outcome(result *Result) checkpoints.Outcome {
	switch {
	case result.Err == nil && result.Certificate.Proven():
		return checkpoints.Done
	case result.Err == nil:
		return checkpoints.Unproven
	case schema.ClassOf(result.Err) == schema.ClassCancelled:
		return checkpoints.Interrupted
	}
	return checkpoints.Failed
}

// record stores the state of the stream's run.
func (s *streamRun) record(ctx context.Context) error {
	run := checkpoints.StreamRun{
		RunID: s.ID, Stream: s.stream, Outcome: s.result.Outcome, StartedAt: s.StartedAt, Counts: s.result.Counts,
	}
	if s.result.Err != nil {
		run.ErrorClass, run.Error = schema.ClassOf(s.result.Err).String(), s.result.Err.Error()
	}
	if err := s.Ledger.RecordRun(ctx, run); err != nil {
		return &stopError{fmt.Errorf("record %s: %w", s.stream, err)}
	}
	return nil
}

// later returns the later of two instants.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
