package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/schema"
)

// sandboxFlags are the options of a sandbox on the command line.
type sandboxFlags struct {
	partner    string
	listen     string
	seed       uint64
	records    int
	rateLimits string
}

func (f *sandboxFlags) register(command *cobra.Command, records int, rateLimits string) {
	command.Flags().Uint64Var(&f.seed, "seed", 1, "chooses the data: the same seed gives the same bytes")
	command.Flags().IntVar(&f.records, "records", records, "deposits in the year of data; trades and payments follow from them")
	command.Flags().StringVar(&f.rateLimits, "rate-limits", rateLimits, "what the partner allows for a key")
}

// open makes the sandbox.
func (f *sandboxFlags) open() (*sandbox.Sandbox, error) {
	windows, err := extract.ParseWindows(f.rateLimits)
	if err != nil {
		return nil, fmt.Errorf("--rate-limits: %w", err)
	}
	var limits []sandbox.Limit
	for _, window := range windows {
		limits = append(limits, sandbox.Limit{Requests: window.Requests, Per: window.Per})
	}
	return sandbox.New(sandbox.Options{Partner: f.partner, Seed: f.seed, Records: f.records, RateLimits: limits})
}

func (a *app) sandboxCommand() *cobra.Command {
	var flags sandboxFlags
	command := &cobra.Command{
		Use:   "sandbox",
		Short: "Serve simulated partners",
		Long: `Serve a simulated partner with a seeded year of data on this machine.

It speaks the API of --partner (coinut, cryptoix, kunapay, aeterna, or fifth, which does not exist), checks
signatures, timestamps and nonces, and refuses what is over its limit. The variables that point tieout at it are
printed when it is ready.`,
		Example: "  tieout sandbox\n  tieout sandbox --partner kunapay\n  tieout sandbox --listen 127.0.0.1:9999 --records 20000 --rate-limits 1000/1m",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.open()
			if err != nil {
				return usageError{cmd.CommandPath(), err}
			}
			listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", flags.listen)
			if err != nil {
				return &schema.Error{Class: schema.ClassConfiguration, Op: "serve the sandbox", Err: err}
			}
			a.printAccount(s, flags, listener.Addr().String())
			a.log.Info("the sandbox is ready", "address", listener.Addr().String())
			return serve(cmd.Context(), listener, s)
		},
	}
	flags.register(command, 1000, "100/1m")
	command.Flags().StringVar(&flags.partner, "partner", "coinut", "whose API to speak: "+strings.Join(sandbox.Partners(), ", "))
	command.Flags().StringVar(&flags.listen, "listen", "127.0.0.1:8080", "address to listen at")
	return command
}

// printAccount prints the variables of an account at the sandbox, for a shell to take in.
func (a *app) printAccount(s *sandbox.Sandbox, flags sandboxFlags, address string) {
	account, name := s.Accounts()[0], flags.partner+"_sandbox"
	prefix := "export TIEOUT_" + strings.ToUpper(name) + "_"
	fmt.Fprintf(a.stdout, "export TIEOUT_ACCOUNTS=%s\n%sPROVIDER=%s\n%sBASE_URL=http://%s%s\n%sAPI_KEY=%s\n%sAPI_SECRET=%s\n%sRATE_LIMITS=%s\n",
		name, prefix, flags.partner, prefix, address, s.BasePath(), prefix, account.Key, prefix, account.Secret, prefix, flags.rateLimits)
	if account.Email != "" {
		fmt.Fprintf(a.stdout, "%sEMAIL=%s\n", prefix, account.Email)
	}
}

// serve answers until the context ends, which is how a server is meant to end.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(closing) == nil {
			stopped <- nil
			return
		}
		stopped <- server.Close() // connections that never asked anything count as busy
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the sandbox: %w", err)
	}
	return <-stopped
}
