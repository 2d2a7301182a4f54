package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"tieout/schema"
)

// The exit codes, which the Kubernetes manifests name as well.
const (
	exitDone          = 0
	exitUnexpected    = 1
	exitUsage         = 2
	exitPartial       = 4
	exitTemporary     = 75
	exitCredentials   = 77
	exitConfiguration = 78
	exitInterrupted   = 130
	exitTerminated    = 143
)

const exitCodesHelp = `
  0 done, 1 unexpected, 2 usage, 4 partial (a stream failed or is not proven
  complete), 75 temporary, 77 credentials, 78 configuration, 130 and 143
  interrupted after a clean checkpoint.`

// errUnknownCommand marks cobra's error for a command that does not exist, which is only a text.
var errUnknownCommand = errors.New("unknown command")

// errPartial marks the error of a run of which a part failed or is unproven.
var errPartial = errors.New("partial")

// signalError is the cause of a context that a signal has cancelled.
type signalError struct{ signal os.Signal }

// Error implements error.
func (e signalError) Error() string { return "stopped by " + e.signal.String() }

// interruptible returns a context that the first SIGINT or SIGTERM cancels; the second ends the process at once, and
// so does the end of stopTimeMax.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		if received, ok := <-signals; ok {
			signal.Stop(signals)
			cancel(signalError{received})
			time.AfterFunc(stopTimeMax, func() {
				fmt.Fprintln(os.Stderr, "tieout: not everything could be finished in time; the next run goes on from the last checkpoint")
				os.Exit(signalCode(received))
			})
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel(nil)
	}
}

// signalCode is what shells report for a process that a signal has ended.
func signalCode(received os.Signal) int {
	if received == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupted
}

// exitCode turns what ended a command into the code that a scheduler acts on.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	if stopped, ok := errors.AsType[signalError](context.Cause(ctx)); ok {
		return signalCode(stopped.signal)
	}
	if errors.As(err, new(usageError)) || strings.HasPrefix(err.Error(), errUnknownCommand.Error()) {
		return exitUsage
	}
	if errors.Is(err, errPartial) {
		return exitPartial
	}
	switch schema.ClassOf(err) {
	case schema.ClassCredentials:
		return exitCredentials
	case schema.ClassConfiguration:
		return exitConfiguration
	case schema.ClassUnavailable, schema.ClassTransient:
		return exitTemporary
	case schema.ClassCancelled:
		return exitInterrupted
	}
	return exitUnexpected
}
