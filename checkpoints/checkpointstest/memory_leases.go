package checkpointstest

import (
	"context"
	"fmt"
	"time"

	"tieout/checkpoints"
)

// overtaken reports whether a later run has begun. The caller holds m.mu.
func (m *Memory) overtaken(c checkpoints.Checkpoint) bool {
	for _, known := range m.checkpoints {
		if same(known.Stream, c.Stream) && known.Epoch > c.Epoch {
			return true
		}
	}
	return m.leases[checkpoints.AccountScope(c.Stream.Account)].Fence > c.Epoch
}

// top returns the highest number of the scope. The caller holds m.mu.
func (m *Memory) top(scope checkpoints.Scope) uint64 {
	top := m.leases[scope].Fence
	if account, ok := scope.Account(); ok {
		for _, known := range m.checkpoints {
			if known.Stream.Account == account {
				top = max(top, known.Epoch)
			}
		}
	}
	return top
}

// Take implements checkpoints.Leases.
func (m *Memory) Take(ctx context.Context, claim checkpoints.Claim) (checkpoints.Lease, error) {
	if err := ctx.Err(); err != nil {
		return checkpoints.Lease{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if last := m.leases[claim.Scope]; now.Before(last.ExpiresAt) {
		last.Until = time.Time{}
		return checkpoints.Lease{}, checkpoints.Held(last)
	}
	lease := checkpoints.Lease{Claim: claim, Fence: m.top(claim.Scope) + 1, TakenAt: now.UTC(), ExpiresAt: now.UTC().Add(claim.Term), Until: now.Add(claim.Term)}
	lease.ID = fmt.Sprint("claim ", lease.Fence)
	if m.leases == nil {
		m.leases = map[checkpoints.Scope]checkpoints.Lease{}
	}
	m.leases[claim.Scope] = lease
	return lease, nil
}

// Extend implements checkpoints.Leases.
func (m *Memory) Extend(ctx context.Context, lease checkpoints.Lease) (checkpoints.Lease, error) {
	if err := ctx.Err(); err != nil {
		return lease, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if last := m.leases[lease.Scope]; last.ID != lease.ID || !now.Before(last.ExpiresAt) {
		return lease, checkpoints.Lost(lease.Scope, "it has ended")
	}
	lease.ExpiresAt, lease.Until = now.UTC().Add(lease.Term), now.Add(lease.Term)
	m.leases[lease.Scope] = lease
	return lease, nil
}

// Release implements checkpoints.Leases.
func (m *Memory) Release(ctx context.Context, lease checkpoints.Lease) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := m.leases[lease.Scope]; last.ID == lease.ID {
		last.ExpiresAt = time.Time{}
		m.leases[lease.Scope] = last
	}
	return nil
}
