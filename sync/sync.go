// Package sync is one run: it takes every stream's checkpoint, fetches its pages, writes them, advances the
// checkpoint, and says what is proven.
//
// Its one rule: write, then advance. Whatever dies between the two, the next run reads the page again and the
// destination finds that it knows it.
package sync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/load"
	"tieout/schema"
)

// Source is one account at one partner.
type Source interface {
	// Fetch returns the page at a position; the empty position is the beginning of the list. It may be called
	// again with the same position, and the list may have changed meanwhile.
	Fetch(ctx context.Context, resource schema.Resource, position extract.Position) (extract.Page, error)
	// Count returns how many records the list holds at this instant; nil where the partner gives no total.
	Count(ctx context.Context, resource schema.Resource) (*uint64, error)
}

// Account is a source with the streams to read from it.
type Account struct {
	Source  Source          // where its pages come from
	Place   string          // host and path of the partner's API: records of two places never mix under one account
	Streams []schema.Stream // what is read from it
}

// Run reads accounts into a destination. Full and Observer may be left out.
type Run struct {
	ID          string             // unique for each run
	StartedAt   time.Time          // UTC; the instant that balances stand for
	Destination load.Destination   // where records go
	Checkpoints checkpoints.Store  // how far each stream has come
	Ledger      checkpoints.Ledger // what runs did and what is proven
	Full        bool               // read every list from its beginning, whatever the checkpoints say
	Observer    Observer           // told about the progress; nil: nobody
	Log         *slog.Logger       // for what a person should know while it runs
}

// Observer watches a run. Its methods are called from several goroutines, in order for each stream.
type Observer interface {
	// Fetched is called after each page, with what is still to come by the source's estimate.
	Fetched(stream schema.Stream, counts checkpoints.Counts, pagesLeft int)
	// Finished is called when a stream has ended, however it did.
	Finished(result Result)
}

// Result is how one stream ended.
type Result struct {
	Stream      schema.Stream           // that was read
	Outcome     checkpoints.Outcome     // how it ended
	Certificate checkpoints.Certificate // only where Outcome is Done or Unproven
	Counts      checkpoints.Counts      // its figures
	Err         error                   // only where Outcome is Failed or Interrupted
}

// Sync reads every stream of every account, side by side, and returns a result for each in the order given. One
// stream's failure stops no other, with two exceptions: refused credentials stop the streams of their account,
// and a destination out of reach stops the run.
func (r *Run) Sync(ctx context.Context, accounts []Account) []Result {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var results []Result
	for _, account := range accounts {
		for _, stream := range account.Streams {
			results = append(results, Result{Stream: stream})
		}
	}
	var running sync.WaitGroup
	at := 0
	for _, account := range accounts {
		accountCtx, stopAccount := context.WithCancelCause(ctx)
		defer stopAccount(nil)
		for range account.Streams {
			result := &results[at]
			at++
			running.Go(func() {
				r.stream(accountCtx, account, result)
				switch failure, _ := errors.AsType[*stopError](result.Err); {
				case failure != nil:
					stop(result.Err)
				case schema.ClassOf(result.Err) == schema.ClassCredentials:
					stopAccount(result.Err)
				}
			})
		}
	}
	running.Wait()
	return results
}

// stopError is a failure that no stream can go on after: the destination is gone.
type stopError struct{ error }

// Unwrap returns the cause.
func (e *stopError) Unwrap() error { return e.error }

// stream reads one stream and records what came of it.
func (r *Run) stream(ctx context.Context, account Account, result *Result) {
	s := &streamRun{Run: r, source: account.Source, place: account.Place, stream: result.Stream, result: result}
	result.Outcome = checkpoints.Running
	err := s.record(ctx)
	if err == nil {
		err = s.read(ctx)
	}
	// What ended a cancelled stream is what cancelled it: a refused key in a sister stream, or a signal.
	if cause := context.Cause(ctx); err != nil && cause != nil && schema.ClassOf(err) == schema.ClassCancelled {
		err = cause
		if schema.ClassOf(err) != schema.ClassCredentials && !errors.As(err, new(*stopError)) {
			err = &schema.Error{Class: schema.ClassCancelled, Op: "read " + result.Stream.String(), Err: cause}
		}
	}
	result.Err = err
	switch {
	case err == nil && result.Certificate.Proven():
		result.Outcome = checkpoints.Done
	case err == nil:
		result.Outcome = checkpoints.Unproven
	case schema.ClassOf(err) == schema.ClassCancelled:
		result.Outcome = checkpoints.Interrupted
	default:
		result.Outcome = checkpoints.Failed
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	if err := s.record(closing); err != nil && result.Err == nil {
		result.Outcome, result.Err = checkpoints.Failed, err
	}
	if r.Observer != nil {
		r.Observer.Finished(*result)
	}
}

// closingTime is what a stream may take to store what it holds after it was told to stop. Kubernetes kills a pod
// a while after it asked.
const closingTime = 8 * time.Second

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
