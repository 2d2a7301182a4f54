package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tieout/schema"
)

func (a *app) migrateCommand() *cobra.Command {
	var dryRun bool
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Create or upgrade the schema",
		Long: `Create or upgrade the tables and views in the configured ClickHouse.

Steps only go forward, can be repeated and are noted in schema_migrations with the hash of their file. A single
server, the cluster that TIEOUT_CLICKHOUSE_CLUSTER names and ClickHouse Cloud get the same tables, each in its own
way; --dry-run shows how. For a cluster it does so wherever it runs, the embedded ClickHouse included.`,
		Example: "  tieout migrate\n  tieout migrate --dry-run > schema.sql\n" +
			"  TIEOUT_CLICKHOUSE_CLUSTER=main tieout migrate --dry-run > cluster.sql",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := a.configure(needNothing)
			if err != nil {
				return err
			}
			why := forWork
			if dryRun {
				why = forReview
			}
			w, err := a.open(cmd.Context(), config, why)
			if err != nil {
				return err
			}
			defer a.closing(w)
			if dryRun {
				pending, err := schema.Pending(cmd.Context(), w, w.target.Database, w.layout)
				if err != nil {
					return err
				}
				return a.printMigrations(pending, w.layout)
			}
			applied, err := schema.Migrate(cmd.Context(), w, w.target.Database, w.layout)
			if err != nil {
				return err
			}
			for _, migration := range applied {
				if _, err := fmt.Fprintln(a.stdout, "applied", migration.Name); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintln(a.stdout, "the schema of", w.target, "is up to date")
			return err
		},
	}
	command.Flags().BoolVar(&dryRun, "dry-run", false, "print the SQL of the pending steps and change nothing")
	return command
}

// printMigrations prints SQL that a person can review and any client can run.
func (a *app) printMigrations(pending []schema.Migration, layout schema.Layout) error {
	if len(pending) == 0 {
		_, err := fmt.Fprintln(a.stdout, "-- the schema is up to date")
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "-- for %s\n\n", layout); err != nil {
		return err
	}
	for _, migration := range pending {
		if _, err := fmt.Fprintf(a.stdout, "-- %s, SHA-256 %s\n\n", migration.Name, migration.SHA256); err != nil {
			return err
		}
		for _, statement := range migration.Statements {
			if _, err := fmt.Fprintf(a.stdout, "%s;\n\n", statement); err != nil {
				return err
			}
		}
	}
	return nil
}
