package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/spf13/cobra"

	"tieout/load/clickhouse"
	"tieout/schema"
)

const sqlHelp = `Run SQL against the configured ClickHouse, embedded or not.

Query the views deposits, trades, payments and balances; the state that was known at an instant is
deposits_as_of(known_at = '2026-07-01 00:00:00'). Without an argument the query is read from standard input.

What would write is refused unless --write is given.`

func (a *app) sqlCommand() *cobra.Command {
	var format string
	var write bool
	command := &cobra.Command{
		Use:   "sql [QUERY]",
		Short: "Run SQL against the configured ClickHouse",
		Long:  sqlHelp,
		Example: `  tieout sql "SELECT status, currency, count(), sum(amount) FROM deposits GROUP BY ALL ORDER BY ALL"
  tieout sql --format csv "SELECT * FROM balances" > balances.csv
  tieout sql < report.sql
  tieout sql --write "OPTIMIZE TABLE deposit_versions FINAL"`,
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
				return usageError{cmd.CommandPath(), errors.New("no query was given")}
			}
			config, err := a.configure(needNothing)
			if err != nil {
				return err
			}
			w, err := a.open(cmd.Context(), config, forPerson)
			if err != nil {
				return err
			}
			defer a.closing(w)
			if write {
				return a.query(cmd.Context(), w, query, format, w.QueryOnce)
			}
			return a.query(cmd.Context(), w, query, format, w.QueryReadOnly)
		},
	}
	command.Flags().StringVar(&format, "format", "", "table, csv, tsv or json (default: table on a terminal, else tsv)")
	command.Flags().BoolVar(&write, "write", false, "allow the statement to write")
	return command
}

// asking runs a person's statement: QueryReadOnly or QueryOnce of a connection.
type asking func(ctx context.Context, query string) (driver.Rows, error)

// query runs one statement and prints its rows.
func (a *app) query(ctx context.Context, w *warehouse, query, format string, ask asking) error {
	if format == "" {
		format = "tsv"
		if isTerminal(a.stdout) {
			format = "table"
		}
	}
	rows, err := ask(ctx, query)
	if err != nil {
		return a.blame(ctx, w, fmt.Errorf("run the query: %w", err))
	}
	if rows == nil {
		return nil // the statement returns none
	}
	defer rows.Close()
	if err := renderers[format](a, rows); err != nil {
		return fmt.Errorf("print the rows: %w", err)
	}
	if err := rows.Err(); err != nil {
		return a.blame(ctx, w, fmt.Errorf("read the rows: %w", err))
	}
	return nil
}

// blame tells whether an error is the person's mistake, which is one of usage, or a fault of ours or of the schema. A
// table that is missing is the person's mistake only where ours are all there.
func (a *app) blame(ctx context.Context, w *warehouse, err error) error {
	if errors.Is(err, clickhouse.ErrReadOnly) {
		return usageError{"tieout sql", fmt.Errorf("%w: --write allows it", err)}
	}
	text, mistake := clickhouse.Mistake(err)
	if !mistake || schema.ClassOf(err) == schema.ClassConfiguration && a.verify(ctx, w) != nil {
		return err
	}
	return usageError{"tieout sql", errors.New(text)}
}
