package main

import (
	"context"
	"time"

	"tieout/checkpoints"
	"tieout/load"
	"tieout/schema"
)

// How a run stops. It is over within ten seconds of the signal: what is being written is finished, the checkpoint
// follows, and what is out of reach by then stays behind. The next run finds all that was acknowledged.
const (
	// finishTime is what a write that was begun, or a checkpoint of it, may take after the signal.
	finishTime = 5 * time.Second
	// stopTimeMax is when the process ends whatever it waits for.
	stopTimeMax = 9 * time.Second
)

// unhurried returns a context that ends some time after its parent does: what was begun can be finished.
func unhurried(parent context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	unlink := context.AfterFunc(parent, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(context.Cause(parent))
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		unlink()
		cancel(context.Canceled)
	}
}

// finishing is a destination whose writes are finished when the run is told to stop: a page that is written half is
// a page to be asked for again.
type finishing struct{ load.Destination }

// Write implements load.Destination.
func (d finishing) Write(ctx context.Context, batch load.Batch) (load.Receipt, error) {
	ctx, cancel := unhurried(ctx, finishTime)
	defer cancel()
	return d.Destination.Write(ctx, batch)
}

// advancing is a store whose checkpoints are written when the run is told to stop: what they speak of is stored.
type advancing struct{ checkpoints.Store }

// Append implements checkpoints.Store.
func (s advancing) Append(ctx context.Context, checkpoint checkpoints.Checkpoint) error {
	ctx, cancel := unhurried(ctx, finishTime)
	defer cancel()
	return s.Store.Append(ctx, checkpoint)
}

// finishingArchive is an archive in which what was read again is stored to the end of its part.
type finishingArchive struct{ load.Archive }

// Remap implements load.Archive.
func (a finishingArchive) Remap(ctx context.Context, stream schema.Stream, remapped load.Remapped) error {
	ctx, cancel := unhurried(ctx, finishTime)
	defer cancel()
	return a.Archive.Remap(ctx, stream, remapped)
}
