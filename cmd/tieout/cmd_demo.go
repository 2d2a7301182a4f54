package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tieout/extract"
	"tieout/load/embedded"
	"tieout/schema"
)

// demoQueries is what the demo ends with: what an analyst would ask first.
var demoQueries = []struct{ title, query string }{
	{"Deposits by status and currency", "SELECT status, currency, count() AS deposits, sum(amount) AS amount FROM deposits GROUP BY ALL ORDER BY ALL"},
	{"Trades by pair", "SELECT from_currency, to_currency, count() AS trades, sum(from_amount) AS given, sum(to_amount) AS received FROM trades WHERE status = 'completed' GROUP BY ALL ORDER BY trades DESC, from_currency, to_currency LIMIT 5"},
	{"Payments by month", "SELECT toStartOfMonth(created_at) AS month, currency, count() AS payments, sum(amount) AS amount FROM payments GROUP BY ALL ORDER BY month DESC, currency LIMIT 6"},
	{"Balances", "SELECT account, currency, available, locked, total FROM balances ORDER BY ALL"},
}

func (a *app) demoCommand() *cobra.Command {
	var flags sandboxFlags
	var store string
	command := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole job against a simulated partner",
		Long: `Run the whole job against a simulated partner, into ClickHouse inside this process.

Nothing leaves this machine: the partner listens on loopback, and the tables are in a folder. The simulated limit
is higher than a real partner's, so that a year of data is read in seconds. Each demo begins with an empty folder: it
deletes what the last one has left there, and refuses a folder that is not a demo's.`,
		Example: "  tieout demo\n  tieout demo --rate-limits 100/1m",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			config, err := a.configure(needNothing)
			if err != nil {
				return err
			}
			s, err := flags.open()
			if err != nil {
				return usageError{cmd.CommandPath(), err}
			}
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("serve the sandbox: %w", err)
			}
			served := make(chan error, 1)
			go func() { served <- serve(ctx, listener, s) }()
			account := s.Accounts()[0]
			config.ClickHouseDSN, config.Cluster = schema.NewSecret("embedded:"+store), ""
			if err := clearDemo(store); err != nil {
				return err
			}
			if err := a.demo(ctx, config, Account{
				Name: "demo", Provider: "coinut", BaseURL: "http://" + listener.Addr().String(),
				Credentials: map[string]schema.Secret{"api_key": schema.NewSecret(account.Key), "api_secret": schema.NewSecret(account.Secret)},
			}, flags.rateLimits); err != nil {
				return err
			}
			stop()
			fmt.Fprintf(a.stderr, "\nask more: TIEOUT_CLICKHOUSE_DSN=embedded:%s tieout sql \"SELECT * FROM deposits LIMIT 5\"\n", store)
			return <-served
		},
	}
	flags.register(command, 5000, "6000/1m")
	command.Flags().StringVar(&store, "store", ".tieout/demo", "folder of the tables")
	return command
}

// demo reads the simulated account and asks a few questions.
func (a *app) demo(ctx context.Context, config Config, account Account, rateLimits string) error {
	if _, err := a.providers(""); err != nil {
		return err
	}
	windows, err := extract.ParseWindows(rateLimits)
	if err != nil {
		return err
	}
	account.RateLimits = windows
	config.Accounts = []Account{account}
	clients, err := a.clients(config, a.transport(config), extract.NewKeyring(nil))
	if err != nil {
		return err
	}
	// What is there can be looked at, also where something is missing.
	incomplete := a.demoSync(ctx, config, clients)
	if incomplete != nil && !errors.Is(incomplete, errPartial) {
		return incomplete
	}
	// Opened anew, as another process would: the tables are on disk.
	w, err := a.open(ctx, config, forPerson)
	if err != nil {
		return err
	}
	defer a.closing(w)
	for _, question := range demoQueries {
		fmt.Fprintf(a.stdout, "\n%s\n", question.title)
		if err := a.query(ctx, w, question.query, "table", w.QueryReadOnly); err != nil {
			return err
		}
	}
	return incomplete
}

// demoMarker is the file that tells a demo's folder from one that somebody needs. Its name and its text must fit.
const (
	demoMarker     = ".tieout-demo"
	demoMarkerText = "tieout demo made this folder, and deletes it when it runs again.\n"
)

// clearDemo makes the folder of a demo, empty but for the marker. It deletes nothing but a demo that no process has
// open: the data of another seed are other records with the same names, and would never tie out with these.
func clearDemo(folder string) error {
	refuse := func(format string, args ...any) error {
		return &schema.Error{Class: schema.ClassConfiguration, Op: "make the demo's folder", Err: fmt.Errorf(format, args...)}
	}
	if folder == "" {
		return refuse("--store names no folder")
	}
	marker := filepath.Join(folder, demoMarker)
	entries, err := os.ReadDir(folder)
	switch {
	case errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0:
	case err != nil:
		return refuse("%w: name another one with --store", err)
	default:
		text, err := os.ReadFile(marker)
		if err != nil || string(text) != demoMarkerText {
			return refuse("%s is not empty, and no demo has made it: name another folder with --store, or delete this one yourself", folder)
		}
		if err := embedded.CheckFree(folder); err != nil {
			return err
		}
		if err := os.RemoveAll(folder); err != nil {
			return refuse("%w: name another one with --store", err)
		}
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return refuse("%w: name another one with --store", err)
	}
	if err := os.WriteFile(marker, []byte(demoMarkerText), 0o600); err != nil {
		return refuse("%w: name another one with --store", err)
	}
	return nil
}

func (a *app) demoSync(ctx context.Context, config Config, clients []client) error {
	w, err := a.open(ctx, config, forWork)
	if err != nil {
		return err
	}
	defer a.closing(w)
	fmt.Fprintf(a.stderr, "reading a simulated Coinut account into %s\n", w.target)
	return a.sync(ctx, w, clients, nil, syncOptions{})
}
