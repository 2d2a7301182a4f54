package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

const sqlHelp = `Run SQL against the configured ClickHouse, embedded or not.

Query the views deposits, trades, payments and balances; the state that was known at an instant is
deposits_as_of(known_at = '2026-07-01 00:00:00'). Without an argument the query is read from standard input.`

func (a *app) sqlCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:   "sql [QUERY]",
		Short: "Run SQL against the configured ClickHouse",
		Long:  sqlHelp,
		Example: `  tieout sql "SELECT status, currency, count(), sum(amount) FROM deposits GROUP BY ALL ORDER BY ALL"
  tieout sql --format csv "SELECT * FROM balances" > balances.csv
  tieout sql < report.sql`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, ok := renderers[format]; !ok && format != "" {
				return usageError{cmd.CommandPath(), fmt.Errorf("--format %s: want table, csv, tsv or json", format)}
			}
			query := strings.Join(args, " ")
			if len(args) == 0 {
				text, err := io.ReadAll(os.Stdin)
				if err != nil {
					return fmt.Errorf("read the query from standard input: %w", err)
				}
				query = string(text)
			}
			if query = strings.TrimRight(strings.TrimSpace(query), "; \n"); query == "" {
				return usageError{cmd.CommandPath(), fmt.Errorf("no query was given")}
			}
			config, err := a.configure(needNothing)
			if err != nil {
				return err
			}
			w, err := a.open(cmd.Context(), config, true)
			if err != nil {
				return err
			}
			defer a.closing(w)
			return a.query(cmd.Context(), w, query, format)
		},
	}
	command.Flags().StringVar(&format, "format", "", "table, csv, tsv or json (default: table on a terminal, else tsv)")
	return command
}

// query runs one statement and prints its rows.
func (a *app) query(ctx context.Context, w *warehouse, query, format string) error {
	if format == "" {
		format = "tsv"
		if isTerminal(a.stdout) {
			format = "table"
		}
	}
	rows, err := w.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("run the query: %w", err)
	}
	defer rows.Close()
	if err := renderers[format](a, rows); err != nil {
		return fmt.Errorf("print the rows: %w", err)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read the rows: %w", err)
	}
	return nil
}
