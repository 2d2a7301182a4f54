package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tieout/checkpoints"
	"tieout/schema"
	"tieout/sync"
)

const syncHelp = `Fetch what the partners list and load what is new into ClickHouse, once.

Every stream (a resource of an account) reads what is new, reads again what may have changed, and shows by the
partner's own count that nothing is missing: a certificate says as of when, and what it rests on. Where the count
does not agree, for a list that is new, and once every TIEOUT_FULL_PASS_EVERY, it reads the whole list. A run that
is interrupted goes on where it stopped.

One run reads an account at a time. A second one says who is at it, leaves the account out and ends with 75; what a
killed run has left behind it takes over.`

func (a *app) syncCommand() *cobra.Command {
	var accounts, resources, allow []string
	var full bool
	command := &cobra.Command{
		Use:     "sync",
		Short:   "Fetch and load once",
		Long:    syncHelp,
		Example: "  tieout sync\n  tieout sync --account coinut_main --resource deposits,balances\n  tieout sync --full",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseEmpty(cmd, "account", "resource", "allow"); err != nil {
				return err
			}
			for _, what := range allow {
				if what != "unproven" {
					return usageError{cmd.CommandPath(), fmt.Errorf("--allow %s: only unproven can be allowed", what)}
				}
			}
			config, err := a.configure(needAccounts)
			if err != nil {
				return err
			}
			keys := newKeyring()
			clients, err := a.clients(config, a.transport(config), keys.Keyring)
			if err != nil {
				return err
			}
			if clients, err = selected(cmd.CommandPath(), clients, accounts, resources); err != nil {
				return err
			}
			w, err := a.open(cmd.Context(), config, forWork)
			if err != nil {
				return err
			}
			defer a.closing(w)
			err = a.sync(cmd.Context(), w, clients, keys, syncOptions{
				full: full, allowUnproven: len(allow) > 0, fullPassEvery: config.FullPassEvery, lookback: config.Lookback,
			})
			a.compactOwn(cmd.Context(), w) // after the leases were given back
			return err
		},
	}
	command.Flags().StringSliceVar(&accounts, "account", nil, "only these accounts (default: all)")
	command.Flags().StringSliceVar(&resources, "resource", nil, "only these resources: deposits, trades, payments, balances (default: all)")
	command.Flags().BoolVar(&full, "full", false, "read every list from its beginning, whatever the checkpoints say")
	command.Flags().StringSliceVar(&allow, "allow", nil, "unproven: a stream that is not proven complete is a warning, not exit code 4")
	return command
}

// closing closes what was opened; there is nobody left to act on its error.
func (a *app) closing(w *warehouse) {
	if err := w.Close(); err != nil {
		a.log.Warn("closing ClickHouse", "error", err)
	}
}

// refuseEmpty refuses lists that were given and name nothing, as --resource "$UNSET" does: they would mean all.
func refuseEmpty(command *cobra.Command, names ...string) error {
	for _, name := range names {
		flag := command.Flags().Lookup(name)
		list, ok := flag.Value.(interface{ GetSlice() []string })
		if ok && flag.Changed && (len(list.GetSlice()) == 0 || slices.Contains(list.GetSlice(), "")) {
			return usageError{command.CommandPath(), fmt.Errorf("--%s holds an empty name; without the flag it means all", name)}
		}
	}
	return nil
}

// syncOptions are what a run is told beside its accounts; the zero value is a run with the defaults.
type syncOptions struct {
	full, allowUnproven     bool
	fullPassEvery, lookback time.Duration
}

// embeddedRowsHeld is how many rows of a list wait for others where the engine in the process takes most of the memory
// anyway: it likes few large inserts.
const embeddedRowsHeld = 20_000

// memoryWanted is how much memory a run that loads into a server keeps to, in bytes, if it does with it: the less garbage
// may pile up, the nearer it is. Who sets GOMEMLIMIT decides otherwise.
const memoryWanted = 56 << 20

// sync brings the schema up to date, reads every stream whose account nobody else reads, and prints what came of each.
func (a *app) sync(ctx context.Context, w *warehouse, clients []client, keys *keyring, options syncOptions) error {
	if err := a.migrate(ctx, w); err != nil {
		return err
	}
	runID := uuid.NewString()
	running, owned, err := a.own(ctx, w, clients, runID, client.scopes)
	if err != nil {
		return err
	}
	defer a.release(ctx, owned.hold)
	for _, left := range owned.left {
		fmt.Fprintf(a.stderr, "tieout: account %s is left out: %v\n", left.Account().Name, left.held)
	}
	if len(owned.clients) == 0 {
		return reportedError{owned.refused()}
	}
	defer a.using(ctx, keys, w, owned.hold)()
	verdict := a.read(running, w, owned, sync.Run{
		ID: runID, StartedAt: time.Now().UTC().Truncate(time.Microsecond), Full: options.full, Log: a.log,
	}, options)
	if err := owned.hold.Err(); err != nil {
		fmt.Fprintln(a.stderr, "tieout:", err)
		return reportedError{err}
	}
	if refused := owned.refused(); verdict == nil && refused != nil {
		return reportedError{refused}
	}
	return verdict
}

// read reads the streams under their leases and prints what came of each.
func (a *app) read(ctx context.Context, w *warehouse, owned ownership, r sync.Run, options syncOptions) error {
	var accounts []sync.Account
	for _, c := range owned.clients {
		accounts = append(accounts, c.account())
	}
	destination := w.guarded(owned.hold)
	progress := a.newProgress(owned.clients)
	if w.target.Embedded() {
		r.RowsHeld = embeddedRowsHeld
	} else if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryWanted)
	}
	r.FullEvery, r.Lookback = options.fullPassEvery, options.lookback
	r.Destination, r.Holdings, r.Observer = finishing{destination}, destination, progress
	r.Ledger, r.Checkpoints = w.ledger(), advancing{checkpoints.Fenced(w.ledger(), owned.leases)}
	results := r.Sync(ctx, accounts)
	progress.close()
	a.printResults(results)
	return a.verdict(results, options)
}

func (a *app) printResults(results []sync.Result) {
	t := a.newTable("stream", "outcome", "pages", "records", "new versions", "rejected", "refused", "waited", "proof")
	for _, result := range results {
		counts := result.Counts
		t.AppendRow([]any{
			result.Stream, result.Outcome, counts.Pages, counts.Records, counts.Versions, counts.Rejected, counts.Refused,
			counts.LimitWait.Round(100 * time.Millisecond), proof(result.Certificate),
		})
	}
	t.Render()
}

// proof says in a few words what a certificate shows.
func proof(certificate checkpoints.Certificate) string {
	switch {
	case certificate.Level == "":
		return "-"
	case certificate.Level == checkpoints.LevelStable:
		return "stable, not proven"
	case !certificate.Proven():
		return "unproven"
	case certificate.Total != nil:
		return fmt.Sprintf("%s: %d of %d", certificate.Level, certificate.DistinctIDs, *certificate.Total)
	}
	return certificate.Level
}

// verdict turns the results into the error that decides the exit code, and prints a line for each problem. Streams
// that failed for the same reason, as all of an account do whose key is refused, share one line.
func (a *app) verdict(results []sync.Result, options syncOptions) error {
	var failed []sync.Result
	said := map[string]bool{}
	unproven := 0
	for _, result := range results {
		switch {
		case result.Err != nil:
			failed = append(failed, result)
			if text := "tieout: " + oneLine(strings.TrimSpace(result.Err.Error())); !said[rootText(result.Err)] {
				said[rootText(result.Err)] = true
				fmt.Fprintln(a.stderr, text)
			}
		case result.Outcome == checkpoints.Unproven && (options.allowUnproven || unprovable(result)):
			fmt.Fprintf(a.stderr, "warning: %s is not proven complete: %s\n", result.Stream, reason(result.Certificate))
		case result.Outcome == checkpoints.Unproven:
			unproven++
			fmt.Fprintf(a.stderr, "tieout: %s is not proven complete: %s\n", result.Stream, reason(result.Certificate))
		}
	}
	switch {
	case len(failed) == 0 && unproven == 0:
		return nil
	case len(failed) == 0:
		return reportedError{errPartial}
	}
	switch class, same := commonClass(failed); {
	case same && (class == schema.ClassCancelled || class == schema.ClassUnavailable),
		same && len(failed) == len(results) && (class == schema.ClassCredentials || class == schema.ClassConfiguration):
		return reportedError{&schema.Error{Class: class, Err: errors.New("nothing could go on")}}
	}
	return reportedError{fmt.Errorf("%d of %d streams: %w", len(failed), len(results), errPartial)}
}

// unprovable reports whether the only thing that is missing for a proof is the partner's count, which it never gives:
// nothing that a person could mend. Balances need no count, and a record in quarantine is one that is missing.
func unprovable(result sync.Result) bool {
	return result.Certificate.Total == nil && result.Stream.Resource != schema.Balances && result.Counts.Rejected == 0
}

// reason says why there is no proof, on one line.
func reason(certificate checkpoints.Certificate) string {
	return cmp.Or(oneLine(certificate.Reason), "the run gave no reason")
}

// rootText is the text of the classified error, without the stream that met it and the name of the request.
func rootText(err error) string {
	if classified, ok := errors.AsType[*schema.Error](err); ok {
		alone := *classified
		alone.Request = ""
		return alone.Error()
	}
	return err.Error()
}

// commonClass returns the class that all failures have, if they have one in common.
func commonClass(failed []sync.Result) (schema.Class, bool) {
	class := schema.ClassOf(failed[0].Err)
	for _, result := range failed {
		if schema.ClassOf(result.Err) != class {
			return class, false
		}
	}
	return class, true
}
