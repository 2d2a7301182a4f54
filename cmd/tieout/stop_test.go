package main

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tieout/checkpoints"
	"tieout/load"
)

// slowPlace takes its time for everything.
type slowPlace struct{ takes time.Duration }

func (s slowPlace) wait(ctx context.Context) error {
	select {
	case <-time.After(s.takes):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type slowDestination struct {
	load.Destination
	slowPlace
}

func (s slowDestination) Write(ctx context.Context, _ load.Batch) (load.Receipt, error) {
	return load.Receipt{}, s.wait(ctx)
}

type slowStore struct {
	checkpoints.Store
	slowPlace
}

func (s slowStore) Append(ctx context.Context, _ checkpoints.Checkpoint) error { return s.wait(ctx) }

// TestFinishing: what was begun before the signal, or just after it, is finished if that takes no longer than it may.
func TestFinishing(t *testing.T) {
	testFinishing(t, func(ctx context.Context, slow slowPlace) error {
		_, err := finishing{slowDestination{nil, slow}}.Write(ctx, load.Batch{})
		return err
	})
	testFinishing(t, func(ctx context.Context, slow slowPlace) error {
		return advancing{slowStore{nil, slow}}.Append(ctx, checkpoints.Checkpoint{})
	})
}

func testFinishing(t *testing.T, do func(context.Context, slowPlace) error) {
	t.Helper()
	for name, test := range map[string]struct {
		takes, signal time.Duration // signal: when it comes; negative: before the write
		finished      bool
		took          time.Duration
	}{
		"no signal":          {time.Hour, 2 * time.Hour, true, time.Hour},
		"in the middle":      {finishTime, time.Second, true, finishTime},
		"before it":          {time.Second, -time.Second, true, time.Second},
		"it hangs":           {time.Hour, time.Second, false, time.Second + finishTime},
		"it hangs from then": {time.Hour, -time.Second, false, finishTime},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			if test.signal < 0 {
				cancel(signalError{syscall.SIGTERM})
			} else {
				time.AfterFunc(test.signal, func() { cancel(signalError{syscall.SIGTERM}) })
			}
			begin := time.Now()
			err := do(ctx, slowPlace{test.takes})
			took := time.Since(begin)
			if (err == nil) != test.finished || took != test.took || err != nil && !errors.As(err, new(signalError)) {
				t.Errorf("%s: it took %s: %v", name, took, err)
			}
			cancel(nil)
		})
	}
}
