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

// Memory is a checkpoints.Store, a checkpoints.Ledger, a store of keys' states and checkpoints.Leases that forget
// everything with their process. Its zero value is empty and ready; several goroutines may use it. Like every service
// it does nothing once its context has ended.
type Memory struct {
	mu           sync.Mutex // guards the rest
	checkpoints  []checkpoints.Checkpoint
	runs         []checkpoints.StreamRun
	certificates []checkpoints.Certificate
	cuts         []checkpoints.Cut
	keys         map[string]string
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

// RecordCuts implements checkpoints.Ledger.
func (m *Memory) RecordCuts(ctx context.Context, cuts []checkpoints.Cut) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cuts = append(m.cuts, cuts...)
	return nil
}

// LoadKey returns what was saved last for a key at a partner, empty if nothing was.
func (m *Memory) LoadKey(ctx context.Context, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keys[key], ctx.Err()
}

// SaveKey stores the state of a key.
func (m *Memory) SaveKey(ctx context.Context, key, state string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = map[string]string{}
	}
	m.keys[key] = state
	return nil
}

// HoldsKey says that every key may be used.
func (m *Memory) HoldsKey(string) error { return nil }

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
	runs := slices.DeleteFunc(slices.Clone(m.runs), func(run checkpoints.StreamRun) bool { return !same(run.Stream, stream) })
	return last(runs, func(run checkpoints.StreamRun) string { return run.RunID })
}

// Certificates returns what was recorded of the stream's certificates: one entry a run, list, window,
// level and instant, the last one of each, in the order in which they were first recorded.
func (m *Memory) Certificates(stream schema.Stream) []checkpoints.Certificate {
	m.mu.Lock()
	defer m.mu.Unlock()
	certificates := slices.DeleteFunc(slices.Clone(m.certificates), func(c checkpoints.Certificate) bool { return !same(c.Stream, stream) })
	return last(certificates, func(c checkpoints.Certificate) [5]string {
		return [5]string{c.RunID, c.List, c.Window, c.Level, c.ProvenAt.String()}
	})
}

// Cuts returns what was recorded of the account's cuts: one entry a run and currency, the last one of each, in the
// order in which they were first recorded.
func (m *Memory) Cuts(account string) []checkpoints.Cut {
	m.mu.Lock()
	defer m.mu.Unlock()
	cuts := slices.DeleteFunc(slices.Clone(m.cuts), func(c checkpoints.Cut) bool { return c.Account != account })
	return last(cuts, func(c checkpoints.Cut) [2]string { return [2]string{c.RunID, c.Currency} })
}

// last keeps of the entries with one key the last, in the place of the first.
func last[T any, K comparable](entries []T, key func(T) K) []T {
	var kept []T
	place := map[K]int{}
	for _, entry := range entries {
		if at, ok := place[key(entry)]; ok {
			kept[at] = entry
			continue
		}
		place[key(entry)] = len(kept)
		kept = append(kept, entry)
	}
	return kept
}

// same reports whether both are the same stream: the definition that an account uses may change its name.
func same(a, b schema.Stream) bool { return a.Account == b.Account && a.Resource == b.Resource }
