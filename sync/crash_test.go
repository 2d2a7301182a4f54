package sync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/load"
	"tieout/schema"
	"tieout/sync"
)

// crash fails one call of a run, and everything after it: the process is gone. The call that fails has had its
// effect, or has not.
type crash struct {
	calls       int // made so far
	at          int // the call that fails, from 1; 0: none
	afterEffect bool
	name        string // of the call that failed
}

var errCrashed = &schema.Error{Class: schema.ClassStream, Err: errors.New("the process was killed")}

// call makes one call that may be the last.
func (c *crash) call(name string, do func() error) error {
	c.calls++
	if c.at == 0 || c.calls < c.at {
		return do()
	}
	if c.calls > c.at {
		return errCrashed
	}
	c.name = name
	if c.afterEffect {
		if err := do(); err != nil {
			return err
		}
	}
	return errCrashed
}

type crashingSource struct {
	sync.Source
	crash *crash
}

func (s crashingSource) Fetch(ctx context.Context, resource schema.Resource, position extract.Position) (page extract.Page, err error) {
	err = s.crash.call("fetch", func() error { page, err = s.Source.Fetch(ctx, resource, position); return err })
	return page, err
}

func (s crashingSource) Count(ctx context.Context, resource schema.Resource, list string) (counted extract.Counted, err error) {
	err = s.crash.call("count", func() error { counted, err = s.Source.Count(ctx, resource, list); return err })
	return counted, err
}

type crashingDestination struct {
	load.Destination
	crash *crash
}

func (d crashingDestination) Write(ctx context.Context, batch load.Batch) (receipt load.Receipt, err error) {
	err = d.crash.call("write", func() error { receipt, err = d.Destination.Write(ctx, batch); return err })
	return receipt, err
}

type crashingStore struct {
	checkpoints.Store
	crash *crash
}

func (s crashingStore) Append(ctx context.Context, checkpoint checkpoints.Checkpoint) error {
	return s.crash.call("advance", func() error { return s.Store.Append(ctx, checkpoint) })
}

// crashingRun reads deposits with every call counted.
func (w *world) crashingRun(t *testing.T, c *crash) sync.Result {
	t.Helper()
	r := w.run()
	r.Destination = crashingDestination{r.Destination, c}
	r.Checkpoints = crashingStore{r.Checkpoints, c}
	source := crashingSource{w.client(t, "coinut_main", w.sandbox.Transport()), c}
	return r.Sync(context.Background(), []sync.Account{w.account("coinut_main", source, schema.Deposits)})[0]
}

// TestCrashAtEveryCall kills a run at each of its calls, before and after the call's effect, while the list grows
// at its front, and runs again: nothing is lost and nothing is there twice.
func TestCrashAtEveryCall(t *testing.T) {
	calls := 0
	synctest.Test(t, func(t *testing.T) {
		counting := &crash{}
		if result := newWorld(t, sandbox.Options{Seed: 21, Records: 250}).crashingRun(t, counting); result.Outcome != checkpoints.Done {
			t.Fatalf("the undisturbed run ended %s: %v", result.Outcome, result.Err)
		}
		calls = counting.calls
	})
	tally := map[string]int{}
	for at := 1; at <= calls; at++ {
		for _, afterEffect := range []bool{false, true} {
			c := &crash{at: at, afterEffect: afterEffect}
			synctest.Test(t, func(t *testing.T) { crashAndRunAgain(t, c) })
			tally[fmt.Sprintf("%s, effect %v", c.name, afterEffect)]++
		}
	}
	t.Logf("%d calls: %v", calls, tally)
	for _, name := range []string{"fetch", "count", "write", "advance"} {
		if tally[name+", effect true"] == 0 || tally[name+", effect false"] == 0 {
			t.Errorf("no run was killed at %s", name)
		}
	}
}

func crashAndRunAgain(t *testing.T, c *crash) {
	w := newWorld(t, sandbox.Options{Seed: 21, Records: 250})
	if first := w.crashingRun(t, c); first.Outcome == checkpoints.Done {
		t.Fatalf("the run survived call %d", c.at)
	}
	w.sandbox.Add(3)
	if again := w.sync(t, schema.Deposits)[0]; again.Outcome != checkpoints.Done {
		t.Fatalf("after a crash at call %d (%s) the next run ended %s: %v %s", c.at, c.name, again.Outcome, again.Err, again.Certificate.Reason)
	}
	truth, stored := w.truths(schema.Deposits), w.destination.Versions(stream("coinut_main", schema.Deposits))
	for id := range truth {
		if len(stored[id]) != 1 {
			t.Errorf("after a crash at call %d (%s): deposit %s has %d versions, want 1", c.at, c.name, id, len(stored[id]))
		}
	}
	if len(stored) != len(truth) {
		t.Errorf("after a crash at call %d (%s): %d deposits, want %d", c.at, c.name, len(stored), len(truth))
	}
}

// TestDestinationGoneStopsTheRun loses ClickHouse for good: no stream goes on, and the class says that later may
// help.
func TestDestinationGoneStopsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 22, Records: 300})
		r := w.run()
		r.Destination = goneDestination{}
		for _, result := range r.Sync(context.Background(), []sync.Account{w.account("coinut_main", w.client(t, "coinut_main", w.sandbox.Transport()))}) {
			if result.Outcome != checkpoints.Failed || schema.ClassOf(result.Err) != schema.ClassUnavailable {
				t.Errorf("%s ended %s: %v", result.Stream, result.Outcome, result.Err)
			}
		}
		if requests := w.sandbox.Requests(); requests > 12 {
			t.Errorf("%d requests were made although nothing could be stored", requests)
		}
	})
}

type goneDestination struct{}

func (goneDestination) Write(context.Context, load.Batch) (load.Receipt, error) {
	return load.Receipt{}, &schema.Error{Class: schema.ClassUnavailable, Err: errors.New("ClickHouse is gone")}
}

func (goneDestination) CountIDs(context.Context, schema.Stream) (uint64, error) { return 0, nil }

// TestWriteThenAdvance holds the one rule of this package: each checkpoint is written after a write, and there is one
// for each.
func TestWriteThenAdvance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 22, Records: 450})
		var calls strings.Builder
		r := w.run()
		r.Destination, r.Checkpoints = noting{r.Destination, &calls}, notingStore{r.Checkpoints, &calls}
		account := w.account("coinut_main", w.client(t, "coinut_main", w.sandbox.Transport()), schema.Payments)
		if result := r.Sync(t.Context(), []sync.Account{account})[0]; result.Outcome != checkpoints.Done {
			t.Fatalf("the run ended %s: %v", result.Outcome, result.Err)
		}
		if got := calls.String(); got == "" || strings.ReplaceAll(got, "wa", "") != "" {
			t.Errorf("writes and advances come as %s", got)
		}
	})
}

type noting struct {
	load.Destination
	calls *strings.Builder
}

func (n noting) Write(ctx context.Context, batch load.Batch) (load.Receipt, error) {
	n.calls.WriteByte('w')
	return n.Destination.Write(ctx, batch)
}

type notingStore struct {
	checkpoints.Store
	calls *strings.Builder
}

func (n notingStore) Append(ctx context.Context, checkpoint checkpoints.Checkpoint) error {
	n.calls.WriteByte('a')
	return n.Store.Append(ctx, checkpoint)
}
