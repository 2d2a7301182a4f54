package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tieout/checkpoints"
	"tieout/checkpoints/tables"
)

func (a *app) statusCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:     "status",
		Short:   "Show streams, checkpoints, certificates and last runs",
		Example: "  tieout status\n  tieout status --format json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "table" && format != "json" {
				return usageError{cmd.CommandPath(), fmt.Errorf("--format %s: want table or json", format)}
			}
			config, err := a.configure(needNothing)
			if err != nil {
				return err
			}
			w, err := a.open(cmd.Context(), config, forReading)
			if err != nil {
				return err
			}
			defer a.closing(w)
			streams, err := w.ledger().Status(cmd.Context())
			if err != nil {
				return err
			}
			if format == "json" {
				encoder := json.NewEncoder(a.stdout)
				encoder.SetIndent("", "  ")
				return encoder.Encode(append([]tables.StreamStatus{}, streams...))
			}
			a.printStatus(streams)
			return nil
		},
	}
	command.Flags().StringVar(&format, "format", "table", "table or json")
	return command
}

func (a *app) printStatus(streams []tables.StreamStatus) {
	if len(streams) == 0 {
		fmt.Fprintln(a.stderr, "no stream has been read yet: tieout sync reads them")
		return
	}
	t := a.newTable("stream", "last run (UTC)", "outcome", "stored of listed", "rejected", "proven complete as of (UTC)")
	for _, s := range streams {
		of := "-"
		switch {
		case s.Total != nil:
			of = fmt.Sprintf("%d of %d", s.DistinctIDs, *s.Total)
		case s.Level != "":
			of = fmt.Sprintf("%d", s.DistinctIDs)
		}
		proven := "never"
		if s.ProvenAt != nil {
			proven = shortTime(*s.ProvenAt)
		}
		outcome := s.Outcome
		if s.Outcome == string(checkpoints.Running) {
			outcome = "running or killed"
		}
		t.AppendRow([]any{s.Account + "/" + s.Resource, shortTime(s.StartedAt), outcome, of, s.Rejected, proven})
	}
	t.Render()
	for _, s := range streams {
		if s.Error != "" {
			fmt.Fprintf(a.stdout, "%s/%s: %s\n", s.Account, s.Resource, oneLine(s.Error))
		}
		if s.Reason != "" {
			fmt.Fprintf(a.stdout, "%s/%s is unproven: %s\n", s.Account, s.Resource, s.Reason)
		}
	}
}

// shortTime is an instant for people, in UTC as the header says.
func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
