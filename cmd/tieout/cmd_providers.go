package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/schema"
)

func (a *app) providersCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "providers",
		Short: "The definitions of partners' APIs: list, show, check",
		Long: `The definitions of partners' APIs.

A partner is one YAML file. Built-in ones are extended or replaced by files in TIEOUT_PROVIDERS_DIR.`,
		Example: "  tieout providers list\n  tieout providers show coinut\n  tieout providers check acme.yaml",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	command.AddCommand(a.providersListCommand(), a.providersShowCommand(), a.providersCheckCommand(), a.providersSchemaCommand())
	for _, sub := range command.Commands() {
		refuseArguments(sub)
	}
	return command
}

// folders returns where definitions are: the built-in ones, then those of the operator.
func (a *app) folders(config Config) []fs.FS {
	folders := []fs.FS{providers.Files}
	if config.ProvidersDir != "" {
		folders = append(folders, os.DirFS(config.ProvidersDir))
	}
	return folders
}

func (a *app) providersListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the definitions",
		Example: "  tieout providers list",
		RunE: func(*cobra.Command, []string) error {
			config, err := a.configure(needNothing)
			if err != nil {
				return err
			}
			catalog, err := extract.LoadCatalog(a.folders(config)...)
			if err != nil {
				return err
			}
			t := a.newTable("name", "partner", "lists", "credentials", "rate limits")
			for _, name := range (catalogFacts{catalog}).Names() {
				definition := catalog[name]
				var lists, limits []string
				for _, resource := range definition.Lists() {
					lists = append(lists, string(resource))
				}
				for _, window := range definition.RateLimits {
					limits = append(limits, window.String())
				}
				if definition.Template {
					lists = append(lists, "(to be extended)")
				}
				t.AppendRow([]any{
					name, definition.Title, strings.Join(lists, " "), strings.Join(definition.Needs(), " "), strings.Join(limits, " "),
				})
			}
			t.Render()
			return nil
		},
	}
}

func (a *app) providersShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show NAME",
		Short:   "Print a definition with all that it extends, and the sources of its facts",
		Example: "  tieout providers show coinut",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			config, err := a.configure(needNothing)
			if err != nil {
				return err
			}
			effective, err := extract.Effective(args[0], a.folders(config)...)
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(effective)
			return err
		},
	}
}

func (a *app) providersSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a definition, for editors",
		Example: "  tieout providers schema > definition.schema.json\n" +
			"  # then, as the first line of a definition: # yaml-language-server: $schema=definition.schema.json",
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(a.stdout, providers.Schema)
			return err
		},
	}
}

func (a *app) providersCheckCommand() *cobra.Command {
	var account string
	command := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a definition, and with --account one live page of each list",
		Long: `Check a definition: all mistakes are reported together with line and column: what is no part of the language, and
what does not fit together, where that can be told.

With --account one page of each of its lists is asked for with that account's credentials: it shows which fields were
found, which were not, and what would be rejected. Nothing of it is stored; where a key's nonces must rise, the last one
is remembered in ClickHouse, as by tieout sync, and a key that a run is using is left alone.`,
		Example: "  tieout providers check acme.yaml\n  tieout providers check acme.yaml --account acme_main",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			needs := needNothing
			if account != "" {
				needs = needAccounts
			}
			data, err := readDefinition(args[0])
			if err != nil {
				return usageError{cmd.CommandPath(), err}
			}
			config, err := a.configure(needs)
			if err != nil {
				return err
			}
			definition, err := extract.ParseDefinition(filepath.Base(args[0]), data, a.folders(config)...)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "ok    %s: %s, a definition of %s\n", args[0], definition.Name, definition.Title)
			if needs == needNothing {
				return nil
			}
			return a.tryDefinition(cmd.Context(), config, definition, account)
		},
	}
	command.Flags().StringVar(&account, "account", "", "ask for one live page of each list with this account")
	return command
}

// definitionBytesMax bounds the file of a definition.
const definitionBytesMax = 1 << 20

// readDefinition reads a file that may be a definition.
func readDefinition(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > definitionBytesMax:
		return nil, fmt.Errorf("%s is no file of at most %d KiB", path, definitionBytesMax>>10)
	}
	return os.ReadFile(path)
}

// openKeys opens where the state of keys is kept, for a definition that cannot do without. A nonce that is drawn and not
// remembered could be above the first one of the next sync, which the partner would then refuse.
func (a *app) openKeys(ctx context.Context, config Config, definition *extract.Definition) (*warehouse, error) {
	w, err := a.open(ctx, config, forWork)
	if err != nil {
		return nil, err
	}
	pending, err := schema.Pending(ctx, w, w.target.Database, w.layout)
	if err == nil && len(pending) > 0 {
		err = &schema.Error{
			Class: schema.ClassConfiguration, Op: "try the definition " + definition.Name,
			Err: errors.New("its nonces must rise from one process to the next, and the tables that remember them are missing"), Hint: "run tieout migrate",
		}
	}
	if err != nil {
		a.closing(w)
		return nil, err
	}
	return w, nil
}

// tryPages asks for one page of each list of the only account, with its key to itself where that has to be remembered.
func (a *app) tryPages(ctx context.Context, config Config, definition *extract.Definition) error {
	d := &doctor{app: a}
	if !needsKeyStore(definition) {
		if err := d.withoutKeys(ctx, config); err != nil {
			return err
		}
		return d.verdict()
	}
	w, err := a.openKeys(ctx, config, definition)
	if err != nil {
		return err
	}
	defer a.closing(w)
	keys := newKeyring()
	clients, err := a.clients(config, a.transport(config), keys.Keyring)
	if err != nil {
		return err
	}
	running, owned, err := a.own(ctx, w, clients, "of tieout providers check", client.keyScopes)
	if err != nil {
		return err
	}
	defer a.release(ctx, owned.hold)
	if refused := owned.refused(); refused != nil {
		return refused
	}
	defer a.using(ctx, keys, w, owned.hold)()
	d.account(running, owned.clients[0])
	return d.verdict()
}

// tryDefinition asks for one page of each list of a definition.
func (a *app) tryDefinition(ctx context.Context, config Config, definition *extract.Definition, name string) error {
	for i, account := range config.Accounts {
		if account.Name != name {
			continue
		}
		// The file may name another host: the credentials of one partner must not be sent to another.
		if account.Provider != definition.Name {
			return &schema.Error{
				Class: schema.ClassConfiguration,
				Err:   fmt.Errorf("account %s uses the definition %s, and the file is %s", name, account.Provider, definition.Name),
			}
		}
		if account.BaseURL == "" {
			if err := checkBaseURL(definition.BaseURL); err != nil {
				return &schema.Error{Class: schema.ClassConfiguration, Op: "base_url of the definition", Err: err}
			}
		}
		config.Accounts = config.Accounts[i : i+1]
		config.Accounts[0].Resources = nil
		a.catalog = extract.Catalog{account.Provider: definition}
		return a.tryPages(ctx, config, definition)
	}
	return &schema.Error{Class: schema.ClassConfiguration, Err: errors.New("--account " + name + ": TIEOUT_ACCOUNTS lists no such account")}
}
