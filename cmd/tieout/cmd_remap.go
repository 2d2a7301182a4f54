package main

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/sync"
)

const remapHelp = `Read again what is stored, after a definition was corrected, and ask no partner.

Every version of every record has the partner's own JSON beside its columns. This derives the columns from it once
more, by the definitions that are in force now, and stores what is read otherwise. What is in quarantine and can be
read now becomes an ordinary version, in the order in which it was seen. No version is numbered anew, and nothing that
was known at an earlier instant changes: deposits_as_of and its siblings answer for it as before.

A version that the definition cannot read, or would give another identifier, stays as it is, and the command ends with
4. It can be interrupted at any time: run again, it does what is left, and in the end nothing.`

func (a *app) remapCommand() *cobra.Command {
	var accounts, resources []string
	var dryRun bool
	command := &cobra.Command{
		Use:   "remap",
		Short: "Read again what is stored, after a definition was corrected",
		Long:  remapHelp,
		Example: "  tieout remap --dry-run\n  tieout remap\n  tieout remap --account coinut_main --resource deposits,payments\n" +
			"  tieout sql \"SELECT account, resource, reason, count() FROM quarantine GROUP BY ALL\"",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := refuseEmpty(cmd, "account", "resource"); err != nil {
				return err
			}
			config, err := a.configure(needAccounts)
			if err != nil {
				return err
			}
			clients, err := a.clients(config, a.transport(config), nil)
			if err != nil {
				return err
			}
			if clients, err = selected(cmd.CommandPath(), clients, accounts, resources); err != nil {
				return err
			}
			why := forWork
			if dryRun {
				why = forReading
			}
			w, err := a.open(cmd.Context(), config, why)
			if err != nil {
				return err
			}
			defer a.closing(w)
			if dryRun {
				return a.tryRemap(cmd.Context(), w, clients)
			}
			return a.remap(cmd.Context(), w, clients)
		},
	}
	command.Flags().StringSliceVar(&accounts, "account", nil, "only these accounts (default: all)")
	command.Flags().StringSliceVar(&resources, "resource", nil, "only these resources: deposits, trades, payments, balances (default: all)")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, with examples, and store nothing")
	return command
}

// tryRemap shows what a remap would do. It only reads, and needs no lease for that.
func (a *app) tryRemap(ctx context.Context, w *warehouse, clients []client) error {
	if err := a.verify(ctx, w); err != nil {
		return err
	}
	r := sync.Remap{Archive: w.destination(), Checkpoints: w.ledger(), DryRun: true}
	return a.runRemap(ctx, r, clients)
}

// remap reads the streams again whose account nobody else reads or writes, and prints what came of each.
func (a *app) remap(ctx context.Context, w *warehouse, clients []client) error {
	if err := a.migrate(ctx, w); err != nil {
		return err
	}
	remapID := uuid.NewString()
	running, owned, err := a.own(ctx, w, clients, remapID, client.accountScopes)
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
	verdict := a.runRemap(running, sync.Remap{
		ID: remapID, Archive: finishingArchive{w.guarded(owned.hold)}, Remaps: w.ledger(),
		Checkpoints: advancing{checkpoints.Fenced(w.ledger(), owned.leases)},
	}, owned.clients)
	if err := owned.hold.Err(); err != nil {
		fmt.Fprintln(a.stderr, "tieout:", err)
		return reportedError{err}
	}
	if refused := owned.refused(); verdict == nil && refused != nil {
		return reportedError{refused}
	}
	return verdict
}

// accountScopes returns what nobody else may use while what is stored of a client is read again.
func (c client) accountScopes() []checkpoints.Scope {
	return []checkpoints.Scope{checkpoints.AccountScope(c.Account().Name)}
}

// gcPercentOfRemap is by how much the heap may grow between two collections, in per cent of what is in use.
const gcPercentOfRemap = 30

// memoryOfRemap is how much memory, in bytes, the collector tries to do with.
const memoryOfRemap = 56 << 20

// runRemap reads the streams of the clients again and prints what came of each.
func (a *app) runRemap(ctx context.Context, r sync.Remap, clients []client) error {
	var streams []sync.RemapStream
	for _, c := range clients {
		digest := c.Account().Definition.Digest()
		for _, resource := range c.resources {
			reader, err := extract.NewRereader(c.Account(), resource)
			if err != nil {
				return err
			}
			streams = append(streams, sync.RemapStream{Stream: c.Account().Stream(resource), Reader: reader, Place: c.Place(), Definition: digest})
		}
	}
	// What a part is made of is garbage with the next one: collected early, the process stays small.
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercentOfRemap))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryOfRemap))
	progress := a.newRemapProgress(time.Now())
	r.Observer = progress.read
	results := r.Run(ctx, streams)
	progress.close()
	a.printRemap(results, r.DryRun)
	return a.remapVerdict(results)
}

// printRemap prints what a remap has done, or would do, with examples.
func (a *app) printRemap(results []sync.RemapResult, dryRun bool) {
	changed, resolved := "changed", "left quarantine"
	if dryRun {
		changed, resolved = "would change", "would leave quarantine"
	}
	t := a.newTable("stream", "outcome", "versions", changed, "cannot be read", resolved, "in quarantine")
	for _, result := range results {
		counts := result.Counts
		t.AppendRow(table.Row{result.Stream, result.Outcome, counts.Versions, counts.Changed, counts.Kept, counts.Resolved, counts.Rejected})
	}
	t.Render()
	for _, result := range results {
		if dryRun {
			a.printExamples(result.Changed, "%s: %s of %s: %s -> %s\n", func(e sync.Example) []any {
				return []any{result.Stream, e.Column, named(e), quoted(e.Old), quoted(e.New)}
			})
		}
		if dryRun || result.Counts.Kept > 0 {
			a.printExamples(result.Kept, "%s: %s stays as it is: %s\n", func(e sync.Example) []any {
				return []any{result.Stream, named(e), oneLine(e.New)}
			})
		}
		if dryRun {
			a.printExamples(result.Unread, "%s: %s stays in quarantine: %s\n", func(e sync.Example) []any {
				return []any{result.Stream, named(e), oneLine(e.New)}
			})
		}
	}
}

func (a *app) printExamples(examples []sync.Example, format string, values func(sync.Example) []any) {
	for _, e := range examples {
		fmt.Fprintf(a.stdout, format, values(e)...)
	}
}

// named names a version or a record in quarantine to people.
func named(e sync.Example) string {
	switch {
	case e.Version > 0:
		return fmt.Sprintf("%s version %d", oneLine(e.ID), e.Version)
	case e.ID == "":
		return "a record without an identifier"
	}
	return oneLine(e.ID)
}

// quoted shows an empty value as such.
func quoted(value string) string {
	if value == "" || strings.ContainsAny(value, " \t\r\n") {
		return fmt.Sprintf("%q", value)
	}
	return oneLine(value)
}

// remapVerdict turns the results into the error that decides the exit code.
func (a *app) remapVerdict(results []sync.RemapResult) error {
	kept := uint64(0)
	for _, result := range results {
		if result.Err != nil {
			fmt.Fprintln(a.stderr, "tieout:", oneLine(result.Err.Error()))
			return reportedError{result.Err}
		}
		if kept += result.Counts.Kept; result.Counts.Kept > 0 {
			fmt.Fprintf(a.stderr, "tieout: %d versions of %s cannot be read by the definition %s and stay as they are\n",
				result.Counts.Kept, result.Stream, result.Stream.Provider)
		}
		if result.Counts.Rejected > 0 {
			fmt.Fprintf(a.stderr, "warning: %d records of %s are in quarantine: tieout sql \"SELECT * FROM quarantine\" shows them\n",
				result.Counts.Rejected, result.Stream)
		}
	}
	if kept > 0 {
		return reportedError{errPartial}
	}
	return nil
}
