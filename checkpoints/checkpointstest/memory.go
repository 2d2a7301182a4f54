// Package checkpointstest gives tests of other rooms a store and ledger that keeps everything in memory, and the
// suites that every checkpoints.Store and checkpoints.Ledger must pass.
package checkpointstest

import (
	"context"
	"slices"
	"sync"

	"tieout/checkpoints"
	"tieout/schema"
)

// Memory is a checkpoints.Store, a checkpoints.Ledger and checkpoints.Leases that forget everything with their
// process. Its zero value is empty and ready; several goroutines may use it. Like every service it does nothing once
// its context has ended.
type Memory struct {
	mu           sync.Mutex // guards the rest
	checkpoints  []checkpoints.Checkpoint
	runs         []checkpoints.StreamRun
	certificates []checkpoints.Certificate
	leases       map[checkpoints.Scope]checkpoints.Lease // the last of each scope
}

var (
	_ checkpoints.Leases = (*Memory)(nil)
	_ checkpoints.Store  = (*Memory)(nil)
	_ checkpoints.Ledger = (*Memory)(nil)
)

// Latest implements checkpoints.Store.
func (m *Memory) Latest(ctx context.Context, stream schema.Stream) (checkpoints.Checkpoint, error) {
	if err := ctx.Err(); err != nil {
		return checkpoints.Checkpoint{}, err
	}
	latest := checkpoints.Checkpoint{Stream: stream}
	for _, checkpoint := range m.Checkpoints(stream) {
		if checkpoint.Epoch > latest.Epoch || checkpoint.Epoch == latest.Epoch && checkpoint.Seq > latest.Seq {
			latest = checkpoint
		}
	}
	latest.Stream = stream
	return latest, nil
}

// Append implements checkpoints.Store.
func (m *Memory) Append(ctx context.Context, checkpoint checkpoints.Checkpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.overtaken(checkpoint) {
		return checkpoints.Stale(checkpoint)
	}
	checkpoint.WrittenAt = checkpoint.WrittenAt.UTC()
	m.checkpoints = append(m.checkpoints, checkpoint)
	return nil
}

// RecordRun implements checkpoints.Ledger.
func (m *Memory) RecordRun(ctx context.Context, run checkpoints.StreamRun) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = append(m.runs, run)
	return nil
}

// RecordCertificate implements checkpoints.Ledger.
func (m *Memory) RecordCertificate(ctx context.Context, certificate checkpoints.Certificate) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.certificates = append(m.certificates, certificate)
	return nil
}

// Checkpoints returns every checkpoint of the stream in the order in which they were appended.
func (m *Memory) Checkpoints(stream schema.Stream) []checkpoints.Checkpoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.checkpoints), func(c checkpoints.Checkpoint) bool { return !same(c.Stream, stream) })
}

// Runs returns what was recorded of the stream's runs: one entry a run, the last one of each, in the order in
// which the runs began.
func (m *Memory) Runs(stream schema.Stream) []checkpoints.StreamRun {
	m.mu.Lock()
	defer m.mu.Unlock()
	return last(m.runs, func(run checkpoints.StreamRun) (schema.Stream, string) { return run.Stream, run.RunID }, stream)
}

// Certificates returns what was recorded of the stream's certificates: one entry a run, the last one of each, in
// the order in which the runs first recorded one.
func (m *Memory) Certificates(stream schema.Stream) []checkpoints.Certificate {
	m.mu.Lock()
	defer m.mu.Unlock()
	return last(m.certificates, func(c checkpoints.Certificate) (schema.Stream, string) { return c.Stream, c.RunID }, stream)
}

// last keeps the entries of the stream, and of each run the last one in the place of its first.
func last[T any](entries []T, key func(T) (stream schema.Stream, runID string), stream schema.Stream) []T {
	var kept []T
	place := map[string]int{}
	for _, entry := range entries {
		of, runID := key(entry)
		if !same(of, stream) {
			continue
		}
		if at, ok := place[runID]; ok {
			kept[at] = entry
			continue
		}
		place[runID] = len(kept)
		kept = append(kept, entry)
	}
	return kept
}

// same reports whether both are the same stream: the definition that an account uses may change its name.
func same(a, b schema.Stream) bool { return a.Account == b.Account && a.Resource == b.Resource }
