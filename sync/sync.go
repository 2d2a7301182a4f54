// Package sync is one run: it takes every stream's checkpoint, fetches its pages, writes them, advances the
// checkpoint, and says what is proven.
//
// Its one rule: write, then advance. Whatever dies between the two, the next run reads the page again and the
// destination finds that it knows it.
package sync

import (
	"cmp"
	"context"
	"errors"
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
	// Lists returns the lists that a resource is made of.
	Lists(resource schema.Resource) ([]extract.List, error)
	// Fetch returns the page at a position. It may be called again with the same position, and the list may have
	// changed meanwhile.
	Fetch(ctx context.Context, resource schema.Resource, position extract.Position) (extract.Page, error)
	// Count returns how many records a list holds at one instant, without a total where the partner gives none.
	Count(ctx context.Context, resource schema.Resource, list string) (extract.Counted, error)
}

// Account is a source with the streams to read from it.
type Account struct {
	Source  Source          // where its pages come from
	Place   string          // host and path of the partner's API: records of two places never mix under one account
	Streams []schema.Stream // what is read from it
	Whole   bool            // Streams are all that the partner lists: the balances can be compared with them
}

// Run reads accounts into a destination. Full, the durations and Observer may be left out.
type Run struct {
	ID          string             // unique for each run
	StartedAt   time.Time          // UTC; the instant that the first balances stand for
	Destination load.Destination   // where records go
	Holdings    load.Holdings      // what is there
	Checkpoints checkpoints.Store  // how far each stream has come
	Ledger      checkpoints.Ledger // what runs did and what is proven
	Full        bool               // read every list from end to end, whatever is known of it
	FullEvery   time.Duration      // how long after a pass from end to end the next one is due; 0: a week
	Lookback    time.Duration      // records made so shortly ago are read again even if they are final
	RowsHeld    int                // how many rows of a list wait for others before they are written; 0: so few that it takes little memory
	Observer    Observer           // told about the progress; nil: nobody
	Log         *slog.Logger       // for what a person should know while it runs
}

func (r *Run) fullEvery() time.Duration { return cmp.Or(r.FullEvery, 7*24*time.Hour) }

// Observer watches a run. Its methods are called from several goroutines, in order for each stream.
type Observer interface {
	// Fetched is called after each page, with what is still to come by the source's estimate.
	Fetched(stream schema.Stream, counts checkpoints.Counts, pagesLeft int)
	// Finished is called when a stream has ended, however it did.
	Finished(result Result)
}

// Result is how one stream ended.
type Result struct {
	Stream       schema.Stream             // that was read
	Outcome      checkpoints.Outcome       // how it ended
	Certificate  checkpoints.Certificate   // of the whole stream: as much as the least of its lists; only where Outcome is Done or Unproven
	Certificates []checkpoints.Certificate // of each of its lists
	Counts       checkpoints.Counts        // its figures
	Err          error                     // only where Outcome is Failed or Interrupted
}

// certified takes in the certificate of one more list.
func (r *Result) certified(c checkpoints.Certificate) {
	r.Certificates = append(r.Certificates, c)
	if len(r.Certificates) == 1 {
		r.Certificate = c
		return
	}
	sum := r.Certificate
	if sum.Total != nil && c.Total != nil {
		total := *sum.Total + *c.Total
		sum.Total = &total
	} else {
		sum.Total = nil
	}
	sum.List, sum.IDsSHA256 = "", ""
	sum.DistinctIDs += c.DistinctIDs
	if weaker := strength(c) < strength(sum); weaker || strength(c) == strength(sum) && c.ProvenAt.Before(sum.ProvenAt) {
		sum.Level, sum.ProvenAt, sum.Reason, sum.Assumptions = c.Level, c.ProvenAt, c.Reason, c.Assumptions
	}
	r.Certificate = sum
}

// strength orders certificates: nothing, stable, proven.
func strength(c checkpoints.Certificate) int {
	switch {
	case c.Proven():
		return 2
	case c.Level == checkpoints.LevelStable:
		return 1
	}
	return 0
}

// Sync reads every stream of every account, accounts and lists side by side, and returns a result for each in the
// order given. One stream's failure stops no other, with two exceptions: refused credentials stop the streams of
// their account, and a destination out of reach stops the run.
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
	rest := results
	for _, account := range accounts {
		accountCtx, stopAccount := context.WithCancelCause(ctx)
		defer stopAccount(nil)
		own := rest[:len(account.Streams):len(account.Streams)]
		rest = rest[len(account.Streams):]
		a := &accountRun{Run: r, account: account, results: own, failed: func(err error) {
			switch {
			case errors.As(err, new(*stopError)):
				stop(err)
			case schema.ClassOf(err) == schema.ClassCredentials:
				stopAccount(err)
			}
		}}
		running.Go(func() { a.read(accountCtx) })
	}
	running.Wait()
	return results
}

// stopError is a failure that no stream can go on after: the destination is gone.
type stopError struct{ error }

// Unwrap returns the cause.
func (e *stopError) Unwrap() error { return e.error }

// closingTime is what a stream may take to store what it holds after it was told to stop. Kubernetes kills a pod
// a while after it asked.
const closingTime = 8 * time.Second
