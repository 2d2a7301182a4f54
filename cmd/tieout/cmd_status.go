package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tieout/checkpoints"
	"tieout/checkpoints/tables"
	"tieout/extract"
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
			states, err := w.ledger().KeyStates(cmd.Context(), extract.LimitKeys)
			if err != nil {
				return err
			}
			keys := a.outlooks(states, time.Now())
			if format == "json" {
				return a.encodeStatus(streams, keys)
			}
			a.printStatus(streams)
			for _, key := range keys {
				fmt.Fprintf(a.stdout, "%s: %s\n", strings.Join(key.Accounts, ", "), key)
			}
			return nil
		},
	}
	command.Flags().StringVar(&format, "format", "table", "table or json")
	return command
}

// outlooks reads what the processes that use the keys have recorded, sorted by account.
func (a *app) outlooks(states map[string]string, now time.Time) []extract.Outlook {
	var keys []extract.Outlook
	for key, state := range states {
		outlook, err := extract.ReadOutlook(state, now)
		if err != nil {
			a.log.Warn("the limit of a key cannot be shown", "key", key, "reason", err.Error())
			continue
		}
		keys = append(keys, outlook)
	}
	slices.SortFunc(keys, func(a, b extract.Outlook) int { return slices.Compare(a.Accounts, b.Accounts) })
	return keys
}

// encodeStatus prints one object a stream, with what is known of the limit of its account's key.
func (a *app) encodeStatus(streams []tables.StreamStatus, keys []extract.Outlook) error {
	type row struct {
		tables.StreamStatus
		Limit *extract.Outlook `json:"limit,omitempty"`
	}
	rows := []row{}
	for _, stream := range streams {
		r := row{StreamStatus: stream}
		if at := slices.IndexFunc(keys, func(o extract.Outlook) bool { return slices.Contains(o.Accounts, stream.Account) }); at >= 0 {
			r.Limit = &keys[at]
		}
		rows = append(rows, r)
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(rows)
}

func (a *app) printStatus(streams []tables.StreamStatus) {
	if len(streams) == 0 {
		fmt.Fprintln(a.stderr, "no stream has been read yet: tieout sync reads them")
		return
	}
	t := a.newTable("stream", "last run (UTC)", "outcome", "stored of listed", "proven complete as of")
	for _, s := range streams {
		of := "-"
		switch {
		case s.Total != nil:
			of = fmt.Sprintf("%d of %d", s.DistinctIDs, *s.Total)
		case s.Level != "":
			of = fmt.Sprintf("%d", s.DistinctIDs)
		}
		if s.Quarantine > 0 {
			of += fmt.Sprintf(", %d unread", s.Quarantine)
		}
		proven := "never"
		if s.ProvenAt != nil {
			proven = shortTime(*s.ProvenAt)
		}
		t.AppendRow([]any{s.Account + "/" + s.Resource, s.StartedAt.UTC().Format("2006-01-02 15:04"), s.Outcome, of, proven})
	}
	t.Render()
	for _, s := range streams {
		for _, line := range notes(s) {
			fmt.Fprintf(a.stdout, "%s/%s %s\n", s.Account, s.Resource, line)
		}
	}
}

// notes returns what the table has no room for: whatever is not as it should be, and why.
func notes(s tables.StreamStatus) []string {
	var lines []string
	if s.Outcome == string(checkpoints.Running) {
		lines = append(lines, fmt.Sprintf("is running since %s UTC, or was killed", shortTime(s.StartedAt)))
	}
	if s.Error != "" {
		lines = append(lines, "failed: "+oneLine(s.Error))
	}
	if waited := (time.Duration(s.LimitWaitMS) * time.Millisecond).Round(time.Second); waited > 0 {
		lines = append(lines, fmt.Sprintf("waited %s for the limit in the last run", waited))
	}
	if s.Refused > 0 {
		lines = append(lines, fmt.Sprintf("was refused %d times for its rate in the last run", s.Refused))
	}
	reason := ""
	if s.Reason != "" {
		reason = ": " + oneLine(s.Reason)
	}
	switch {
	case s.StableAt != nil:
		lines = append(lines, fmt.Sprintf("is stable as of %s UTC, and not proven%s", shortTime(*s.StableAt), reason))
	case s.Level == checkpoints.LevelUnproven || s.Level != "" && s.ProvenAt == nil || reason != "":
		lines = append(lines, "is not proven complete"+reason)
	}
	if s.Quarantine > 0 {
		lines = append(lines, fmt.Sprintf("has %d records in quarantine: tieout sql \"SELECT record_id, reason FROM quarantine WHERE account = '%s' AND resource = '%s'\" shows why; "+
			"after the definition was corrected, tieout remap reads them", s.Quarantine, s.Account, s.Resource))
	}
	if s.RemapOpen != nil {
		lines = append(lines, fmt.Sprintf("was to be read again by a remap of %s UTC, which is at work or was broken off: tieout remap does the rest", shortTime(*s.RemapOpen)))
	}
	return lines
}

// shortTime is an instant for people, in UTC as the header or the text says.
func shortTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
