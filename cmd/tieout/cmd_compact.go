package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tieout/load/clickhouse"
)

// compactAfterSync is what a run on the embedded ClickHouse may spend on compaction when all is stored: nobody else can
// open it, so nobody else would.
const compactAfterSync = time.Minute

func (a *app) compactCommand() *cobra.Command {
	var within time.Duration
	command := &cobra.Command{
		Use:   "compact",
		Short: "Make closed months fast to read",
		Long: `Make the records of each month that is over one part in ClickHouse, so that the views need not look for equal
rows in it. Nothing that a query could see changes; the data of a night may be loaded meanwhile.

It begins no month that would probably end after --within, and goes on with the others the next time. A month is
compacted again when a twentieth of its rows are new. It can be killed at any time. On a server it needs the role
tieout_migrator; on the embedded ClickHouse tieout sync does it by itself.`,
		Example: "  tieout compact\n  tieout compact --within 2h",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if within <= 0 {
				return usageError{cmd.CommandPath(), fmt.Errorf("--within %s: want a time above zero", within)}
			}
			config, err := a.configure(needNothing)
			if err != nil {
				return err
			}
			w, err := a.open(cmd.Context(), config, forWork)
			if err != nil {
				return err
			}
			defer a.closing(w)
			if err := a.verify(cmd.Context(), w); err != nil {
				return err
			}
			return a.printCompacted(cmd.Context(), w, within)
		},
	}
	command.Flags().DurationVar(&within, "within", 30*time.Minute, "how long it may take")
	return command
}

// printCompacted compacts and prints what came of it.
func (a *app) printCompacted(ctx context.Context, w *warehouse, within time.Duration) error {
	t := a.newTable("table", "month", "parts", "rows", "took")
	left, err := clickhouse.Compact(ctx, w.Connection, w.target.Database, w.layout, within, func(c clickhouse.Compacted) {
		t.AppendRow([]any{c.Table, c.Month, c.Parts, c.Rows, c.Took.Round(time.Millisecond)})
	})
	t.Render()
	if err == nil && left > 0 {
		fmt.Fprintf(a.stderr, "%d months are left for the next time\n", left)
	}
	return err
}

// compactOwn compacts what a run has stored in the embedded ClickHouse. That it fails is no failure of the run.
func (a *app) compactOwn(ctx context.Context, w *warehouse) {
	if !w.target.Embedded() || ctx.Err() != nil {
		return
	}
	left, err := clickhouse.Compact(ctx, w.Connection, w.target.Database, w.layout, compactAfterSync, func(c clickhouse.Compacted) {
		a.log.Info("compacted a month", "table", c.Table, "month", c.Month, "parts", c.Parts, "rows", c.Rows, "took", c.Took.Round(time.Millisecond))
	})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Warn("closed months were not compacted", "error", err)
	case left > 0:
		a.log.Info("some months are left to compact for the next run, or for tieout compact", "months", left)
	}
}
