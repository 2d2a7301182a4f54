package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/schema"
)

// app is what every command shares: where it prints, what it was told, and the logger.
type app struct {
	environ        []string
	stdout, stderr io.Writer
	terminal       bool    // a person is looking at stderr
	messages       *detour // where every logger writes: stderr, or above the bars while they are shown
	log            *slog.Logger
	catalog        extract.Catalog // set by configure for commands that need accounts
}

// run is the whole program: it returns the exit code. Results go to stdout, everything else to stderr.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	a := &app{environ: environ, stdout: stdout, stderr: stderr, terminal: isTerminal(stderr), messages: newDetour(stderr)}
	a.log = newLogger(a.messages, slog.LevelInfo, logFormatAuto, a.terminal)
	root := a.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		a.explain(err)
	}
	return exitCode(ctx, err)
}

const rootHelp = `tieout pages through what partners have listed (deposits, trades, payments,
balances), keeps every version of every record in ClickHouse, and says of each
list whether it is proven complete.

It is configured by the environment:

`

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "tieout",
		Short:         "Tie out balances at partners against what moved",
		Long:          rootHelp + variablesHelp() + "\nExit codes:" + exitCodesHelp,
		Example:       "  tieout demo\n  TIEOUT_ACCOUNTS=coinut TIEOUT_COINUT_API_KEY=… TIEOUT_COINUT_API_SECRET_FILE=… tieout sync",
		SilenceErrors: true,
		SilenceUsage:  true,
		// Without this cobra takes a misspelt command for a request for help, and ends with 0.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{cmd.CommandPath(), err} })
	root.AddCommand(
		a.syncCommand(), a.statusCommand(), a.sqlCommand(), a.migrateCommand(), a.compactCommand(), a.remapCommand(), a.doctorCommand(),
		a.providersCommand(), a.demoCommand(), a.sandboxCommand(), a.versionCommand(),
	)
	for _, command := range root.Commands() {
		refuseArguments(command)
	}
	refuseArguments(root)
	return root
}

// refuseArguments makes wrong arguments a usage error, as wrong flags are.
func refuseArguments(command *cobra.Command) {
	check := command.Args
	if check == nil {
		check = cobra.NoArgs
	}
	command.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{cmd.CommandPath(), err}
		}
		return nil
	}
}

// usageError is a command line that cannot be understood.
type usageError struct {
	command string
	cause   error
}

// Error implements error.
func (e usageError) Error() string {
	return e.cause.Error() + "\nsee " + e.command + " --help"
}

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.cause }

// configure reads the environment, sets up the log and tells what looks like a mistake.
func (a *app) configure(needs configNeeds) (Config, error) {
	config, err := loadConfig(a.environ, needs, a.providers, readSettingFile)
	for _, warning := range config.Warnings {
		fmt.Fprintln(a.stderr, "warning:", warning)
	}
	if err != nil {
		return config, err
	}
	if config.ProvidersDir != "" {
		if info, err := os.Stat(config.ProvidersDir); err != nil || !info.IsDir() {
			return config, &schema.Error{Class: schema.ClassConfiguration, Err: errors.New(variableProvidersDir + ": names no folder that can be read")}
		}
	}
	a.log = newLogger(a.messages, config.LogLevel, config.LogFormat, a.terminal)
	return config, nil
}

// providers loads the definitions and keeps them for the accounts.
func (a *app) providers(dir string) (providerFacts, error) {
	catalog, err := extract.LoadCatalog(providers.Files)
	if err == nil && dir != "" {
		if _, err = os.Stat(dir); err == nil {
			catalog, err = extract.LoadCatalog(providers.Files, os.DirFS(dir))
		}
	}
	a.catalog = catalog
	return catalogFacts{catalog}, err
}

// explain prints an error for people.
func (a *app) explain(err error) {
	var reported reportedError
	if errors.As(err, &reported) {
		return
	}
	fmt.Fprintln(a.stderr, "tieout:", err)
	if schema.ClassOf(err) == schema.ClassUnclassified && !errors.As(err, new(usageError)) && !errors.Is(err, errUnknownCommand) {
		a.log.Debug("this error has no class: a fault of ours", "type", fmt.Sprintf("%T", err))
	}
}

// reportedError is an error that the command has told about already.
type reportedError struct{ error }

// Unwrap returns the cause.
func (e reportedError) Unwrap() error { return e.error }

// isTerminal reports whether a person is looking at what is written.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}
