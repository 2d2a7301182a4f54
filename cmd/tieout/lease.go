package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"tieout/checkpoints"
	"tieout/checkpoints/tables"
	"tieout/load/clickhouse"
	"tieout/schema"
)

// How long a lease lasts unless it is extended, which happens six times in its term. A run that is killed keeps the
// next one waiting for so long, if they cannot see each other: on one machine they can. The engine inside the process
// is of one process only, so that there nobody waits, and a statement may take long.
var (
	leaseTerm         = time.Minute // shorter in tests
	embeddedLeaseTerm = time.Hour
)

// releaseTime is what giving back the leases may take at the end of a run.
const releaseTime = 2 * time.Second

// leases returns who may write in the warehouse.
func (w *warehouse) leases() *tables.Leases {
	own := processName(os.Getpid())
	ended := func(h checkpoints.Holder) bool { return processEnded(h.Process) }
	if w.target.Embedded() {
		// Whoever else had the engine open has ended: it is of one process.
		ended = func(h checkpoints.Holder) bool { return h.PID != int64(os.Getpid()) || h.Process != own }
	}
	return tables.NewLeases(w.Connection, w.target.Database, ended)
}

// claimFor is what a run of this process claims.
func (w *warehouse) claimFor(scope checkpoints.Scope, runID string) checkpoints.Claim {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown machine"
	}
	term := leaseTerm
	if w.target.Embedded() {
		term = embeddedLeaseTerm
	}
	return checkpoints.Claim{Scope: scope, Term: term, Holder: checkpoints.Holder{
		Host: host, PID: int64(os.Getpid()), Process: processName(os.Getpid()), RunID: runID,
	}}
}

// ownership is what a command may use: the clients whose scopes nobody else has.
type ownership struct {
	clients []client
	leases  []checkpoints.Lease
	hold    *checkpoints.Hold // keeps the leases
	left    []leftOut
}

// leftOut is a client of which somebody else has a part, as the error says in words.
type leftOut struct {
	client
	held error
}

// refused returns why clients are left out, nil if none is.
func (o ownership) refused() error {
	if len(o.left) == 0 {
		return nil
	}
	return o.left[0].held
}

// scopes returns what nobody else may use while a client is read: its account, because two writers would number the
// versions of a record against each other, and its key.
func (c client) scopes() []checkpoints.Scope {
	return append([]checkpoints.Scope{checkpoints.AccountScope(c.Account().Name)}, c.keyScopes()...)
}

// keyScopes returns what nobody else may use while a client only asks: its key, because the rate limit and the nonces
// of a key are counted in one process.
func (c client) keyScopes() []checkpoints.Scope {
	return []checkpoints.Scope{checkpoints.KeyScope(c.KeyName())}
}

// own takes the leases of the clients' scopes and keeps them. Clients of which somebody else holds a part are left out.
// The context ends with the leases.
func (a *app) own(ctx context.Context, w *warehouse, clients []client, runID string, scopes func(client) []checkpoints.Scope) (
	context.Context, ownership, error,
) {
	running, hold := checkpoints.Keep(ctx, w.leases(), nil)
	taken, failed := a.acquire(running, w, hold, clients, runID, scopes)
	o := ownership{hold: hold}
	errs := []error{hold.Err()}
	for _, c := range clients {
		missing := slices.IndexFunc(scopes(c), func(s checkpoints.Scope) bool { return failed[s] != nil })
		if missing < 0 {
			o.clients = append(o.clients, c)
			continue
		}
		err := failed[scopes(c)[missing]]
		if held, ok := errors.AsType[*checkpoints.HeldError](err); ok {
			o.left = append(o.left, leftOut{c, &schema.Error{Class: schema.ClassOf(err), Err: inWords(held, c)}})
			continue
		}
		errs = append(errs, err)
	}
	if err := cmp.Or(errs...); err != nil {
		a.release(ctx, hold)
		return nil, ownership{}, err
	}
	for scope, lease := range taken {
		if slices.ContainsFunc(o.clients, func(c client) bool { return slices.Contains(scopes(c), scope) }) {
			o.leases = append(o.leases, lease)
		} else if err := hold.Drop(ctx, scope); err != nil {
			a.log.Warn("giving back a lease", "scope", string(scope), "error", err)
		}
	}
	return running, o, nil
}

// inWords says who has the lease; of a key it says whose it is, not its digest.
func inWords(held *checkpoints.HeldError, c client) error {
	lease := held.Lease
	if _, ok := lease.Scope.Account(); !ok {
		lease.Scope = checkpoints.Scope("the key of account " + c.Account().Name)
	}
	return &checkpoints.HeldError{Lease: lease}
}

// acquire takes every scope of the clients side by side: whoever must wait for one, waits for all at once. What is
// taken is kept from then on, however long another one has to be waited for.
func (a *app) acquire(ctx context.Context, w *warehouse, hold *checkpoints.Hold, clients []client, runID string, scopes func(client) []checkpoints.Scope) (
	taken map[checkpoints.Scope]checkpoints.Lease, failed map[checkpoints.Scope]error,
) {
	leases := w.leases()
	taken, failed = map[checkpoints.Scope]checkpoints.Lease{}, map[checkpoints.Scope]error{}
	var mu sync.Mutex // guards the maps
	var group sync.WaitGroup
	begun := map[checkpoints.Scope]bool{}
	for _, c := range clients {
		for _, scope := range scopes(c) {
			if begun[scope] {
				continue
			}
			begun[scope] = true
			group.Go(func() {
				lease, err := checkpoints.Acquire(ctx, leases, w.claimFor(scope, runID), func(by checkpoints.Lease) {
					a.log.Info("another run is at work, or has left its lease behind: looking whether it is alive",
						"account", c.Account().Name, "holder", by.Holder.String(), "since", by.TakenAt, "until", by.ExpiresAt)
				})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed[scope] = err
					return
				}
				taken[scope] = lease
				hold.Add(lease)
			})
		}
	}
	group.Wait()
	return taken, failed
}

// guarded returns the destination that writes only what the leases allow.
func (w *warehouse) guarded(hold *checkpoints.Hold) *clickhouse.Destination {
	return w.destination().Guarded(func(stream schema.Stream) error { return hold.Check(checkpoints.AccountScope(stream.Account)) })
}

// release gives back the leases of a run that has ended, also one that was told to stop.
func (a *app) release(ctx context.Context, hold *checkpoints.Hold) {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTime)
	defer cancel()
	if err := hold.Release(closing); err != nil {
		a.log.Warn("giving back the leases; they end by themselves", "error", err)
	}
}
