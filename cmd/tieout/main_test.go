package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tieout/extract/sandbox"
	"tieout/load/embedded/embeddedtest"
)

// asProgram makes the test binary the program itself, so that every command of a test is a process of its own:
// with exit codes, signals and the engine's lock on its folder, as people have them.
const asProgram = "TIEOUT_TEST_AS_PROGRAM"

// shortLeases is how long the program's leases last, where a test waits for the end of one.
const shortLeases = "TIEOUT_TEST_LEASE_TERM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if err := os.Unsetenv(asProgram); err != nil {
			panic(err)
		}
		if term, err := time.ParseDuration(os.Getenv(shortLeases)); err == nil {
			leaseTerm = term
		}
		if plan := os.Getenv(killPlan); plan != "" {
			dieBy(plan)
		}
		main()
	}
	os.Exit(embeddedtest.Main(m))
}

// finished is how a command ended.
type finished struct {
	stdout, stderr string
	code           int
}

// workplace is a partner, a ClickHouse and the environment that points the program at both.
type workplace struct {
	t       *testing.T
	sandbox *sandbox.Sandbox
	environ []string
}

// newWorkplace opens a sandbox on loopback. An empty DSN stands for the embedded engine in a folder of the test.
func newWorkplace(t *testing.T, options sandbox.Options, dsn string) *workplace {
	t.Helper()
	if options.RateLimits == nil {
		options.RateLimits = []sandbox.Limit{{Requests: 60_000, Per: time.Minute}}
	}
	partner, err := sandbox.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(partner)
	t.Cleanup(server.Close)
	known := partner.Accounts()[0]
	w := &workplace{t: t, sandbox: partner}
	if dsn == "" {
		dsn = "embedded:" + filepath.Join(t.TempDir(), "clickhouse")
		w.environ = append(w.environ, "TIEOUT_LIBCHDB="+embeddedtest.Library(t))
	}
	w.environ = append(w.environ,
		"PATH="+os.Getenv("PATH"), "HOME="+t.TempDir(), asProgram+"=1",
		"TIEOUT_CLICKHOUSE_DSN="+dsn,
		"TIEOUT_ACCOUNTS=coinut_main", "TIEOUT_COINUT_MAIN_PROVIDER=coinut", "TIEOUT_COINUT_MAIN_BASE_URL="+server.URL,
		"TIEOUT_COINUT_MAIN_API_KEY="+known.Key, "TIEOUT_COINUT_MAIN_API_SECRET="+known.Secret,
		"TIEOUT_COINUT_MAIN_RATE_LIMITS=1000/1s")
	return w
}

// with changes variables for what follows; an empty value unsets one.
func (w *workplace) with(settings ...string) *workplace {
	changed := *w
	changed.environ = append(append([]string(nil), w.environ...), settings...)
	return &changed
}

// command prepares the program as a process.
func (w *workplace) command(ctx context.Context, arguments ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	w.t.Helper()
	program, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	command := exec.CommandContext(ctx, program, arguments...)
	command.Env, command.Dir = w.environ, w.t.TempDir()
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	return command, &stdout, &stderr
}

// run runs the program to its end. The secret must be in nothing that it prints.
func (w *workplace) run(arguments ...string) finished {
	w.t.Helper()
	command, stdout, stderr := w.command(w.t.Context(), arguments...)
	err := command.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("run tieout %s: %v", strings.Join(arguments, " "), err)
	}
	f := finished{stdout.String(), stderr.String(), command.ProcessState.ExitCode()}
	if secret := w.sandbox.Accounts()[0].Secret; strings.Contains(f.stdout+f.stderr, secret) {
		w.t.Errorf("tieout %s printed the secret", strings.Join(arguments, " "))
	}
	return f
}

// must runs the program and wants an exit code.
func (w *workplace) must(code int, arguments ...string) finished {
	w.t.Helper()
	f := w.run(arguments...)
	if f.code != code {
		w.t.Fatalf("tieout %s ended with %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(arguments, " "), f.code, code, f.stdout, f.stderr)
	}
	return f
}

// rows runs a query and returns its rows without the header, columns separated by tabs.
func (w *workplace) rows(query string) []string {
	w.t.Helper()
	lines := strings.Split(strings.TrimSuffix(w.must(exitDone, "sql", "--format", "tsv", query).stdout, "\n"), "\n")
	return lines[1:]
}

var databases atomic.Int64

// serverDSN returns a DSN with a database of its own on the server that the tests are given, or skips the test.
func serverDSN(t *testing.T) string {
	t.Helper()
	dsn := os.Getenv("TIEOUT_TEST_CLICKHOUSE_DSN")
	if dsn == "" {
		t.Skip("TIEOUT_TEST_CLICKHOUSE_DSN names no server")
	}
	base, _, _ := strings.Cut(dsn, "?")
	return fmt.Sprintf("%s/tieout_test_%d_%d", base[:strings.LastIndexByte(base, '/')], os.Getpid(), databases.Add(1))
}

// newApp is the program inside the test's own process, with what it prints.
func newApp() (a *app, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	a = &app{stdout: stdout, stderr: stderr, messages: newDetour(stderr)}
	a.log = newLogger(a.messages, slog.LevelInfo, logFormatText, false)
	return a, stdout, stderr
}

// firstLine is what people read first.
func firstLine(text string) string { return cmp.Or(strings.SplitN(text, "\n", 2)[0], "nothing") }
