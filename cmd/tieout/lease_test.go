package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// begun is a run that is in the middle of its work.
type begun struct {
	*exec.Cmd
	stdout, stderr *bytes.Buffer
}

// begin starts a sync that takes long, and returns when it has read some pages.
func (w *workplace) begin(pages <-chan struct{}, arguments ...string) begun {
	w.t.Helper()
	command, stdout, stderr := w.command(w.t.Context(), arguments...)
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	for range 10 {
		select {
		case <-pages:
		case <-time.After(time.Minute):
			w.t.Fatalf("the run reads nothing: %s", stderr)
		}
	}
	return begun{command, stdout, stderr}
}

// end waits for the run and returns its exit code, negative if a signal has ended it.
func (b begun) end() int {
	_ = b.Wait() // the exit code tells
	return b.ProcessState.ExitCode()
}

// watchedWorkplace is a workplace whose partner tells of each request.
func watchedWorkplace(t *testing.T, options sandbox.Options, dsn string) (*workplace, <-chan struct{}) {
	t.Helper()
	pages := make(chan struct{}, 100_000)
	options.BeforeRequest = func(*http.Request) { pages <- struct{}{} }
	return newWorkplace(t, options, dsn), pages
}

// TestSecondRunEmbedded: the engine inside the process is of one process. A second one says which.
func TestSecondRunEmbedded(t *testing.T) {
	w, pages := watchedWorkplace(t, sandbox.Options{Seed: 41, Records: 3000}, "")
	first := w.with("TIEOUT_COINUT_MAIN_RATE_LIMITS=10/1s").begin(pages, "sync")
	f := w.must(exitTemporary, "sync")
	if !strings.Contains(f.stderr, fmt.Sprintf("process %d", first.Process.Pid)) {
		t.Errorf("the second run says %s", f.stderr)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.end()
	begin := time.Now()
	w.must(exitDone, "sync") // the lease of the killed run is an hour long
	t.Logf("after the kill a run took %s", time.Since(begin))
	compareFigures(t, w)
}

// TestServerSecondRun: beside a run that is alive a second one says who reads the account, and stores nothing. After
// the first was killed the next one goes on at once.
func TestServerSecondRun(t *testing.T) {
	w, pages := watchedWorkplace(t, sandbox.Options{Seed: 41, Records: 3000}, serverDSN(t))
	w = w.with(shortLeases + "=6s")
	first := w.with("TIEOUT_COINUT_MAIN_RATE_LIMITS=10/1s").begin(pages, "sync")
	f := w.must(exitTemporary, "sync")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	runs := w.rows("SELECT DISTINCT run_id FROM sync_runs")
	if len(runs) != 1 || !strings.Contains(f.stderr, fmt.Sprintf(
		"account coinut_main is left out: account coinut_main is held by another run: run %s, process %d on %s, since 2", runs[0], first.Process.Pid, host)) {
		t.Errorf("beside the run %v the second says %s", runs, f.stderr)
	}
	if out := w.must(exitDone, "doctor").stdout; !strings.Contains(out, "look  coinut_main: not asked, because the key of account coinut_main is held by another run: run "+runs[0]) || strings.Contains(out, "ok    coinut_main") {
		t.Errorf("the doctor asked beside the run: %s", out)
	}
	// Another account with the same key shares its rate limit and its nonces.
	other := w.with("TIEOUT_ACCOUNTS=alias", "TIEOUT_ALIAS_PROVIDER=coinut", "TIEOUT_ALIAS_BASE_URL="+w.value("TIEOUT_COINUT_MAIN_BASE_URL"),
		"TIEOUT_ALIAS_API_KEY="+w.value("TIEOUT_COINUT_MAIN_API_KEY"), "TIEOUT_ALIAS_API_SECRET="+w.value("TIEOUT_COINUT_MAIN_API_SECRET"))
	if f := other.must(exitTemporary, "sync"); !strings.Contains(f.stderr, "account alias is left out: the key of account alias is held by another run: run "+runs[0]) {
		t.Errorf("with the same key: %s", f.stderr)
	}
	if rows := w.rows("SELECT DISTINCT run_id FROM sync_runs"); !slices.Equal(rows, runs) {
		t.Errorf("somebody else has run: %v", rows)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.end()
	w.with(shortLeases+"=1h").must(exitDone, "sync")
	w.must(exitDone, "sync") // the lease was given back, so nobody waits an hour
	compareFigures(t, w)
	if fences := w.rows("SELECT fence FROM sync_leases FINAL WHERE scope = 'account coinut_main' ORDER BY fence"); !slices.Equal(fences, []string{"1", "2", "3"}) {
		t.Errorf("the leases have the numbers %v", fences)
	}
}

// value returns a variable of the program's environment.
func (w *workplace) value(name string) string {
	for _, setting := range slices.Backward(w.environ) {
		if value, ok := strings.CutPrefix(setting, name+"="); ok {
			return value
		}
	}
	return ""
}

// TestServerStaleRun holds up a run for longer than its lease lasts, lets another one read the account to its end,
// and wakes the first: it does no harm, asks nothing more, says that it has lost its lease, and the partner's books still
// agree.
func TestServerStaleRun(t *testing.T) {
	w, pages := watchedWorkplace(t, sandbox.Options{Seed: 42, Records: 2000}, serverDSN(t))
	first := w.with("TIEOUT_COINUT_MAIN_RATE_LIMITS=10/1s", shortLeases+"=4s").begin(pages, "sync")
	if err := first.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	f := w.must(exitDone, "sync")
	if !strings.Contains(f.stderr, "looking whether it is alive") {
		t.Errorf("it did not wait for the end of the lease: %s", f.stderr)
	}
	state := func() []string {
		state := append(w.physicalRows(), w.rows("SELECT account, resource, max(epoch) FROM sync_checkpoints GROUP BY ALL ORDER BY ALL")...)
		// What the later run has recorded of the key is what counts, and nothing beside it.
		return append(state, w.rows("SELECT key, count(), max(seq), argMax(state, seq) FROM key_states GROUP BY key ORDER BY key")...)
	}
	before := state()
	requests := w.sandbox.Requests()
	if err := first.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code := first.end(); code != exitTemporary || !strings.Contains(first.stderr.String(), "the lease of account coinut_main is lost") {
		t.Errorf("the stale run ended with %d: %s", code, first.stderr)
	}
	after := state()
	// One request may have had its permit when it was held up.
	if more := w.sandbox.Requests() - requests; more > 1 {
		t.Errorf("the stale run has asked the partner %d times", more)
	}
	if !slices.Equal(before, after) {
		t.Errorf("the stale run has changed %v to %v", before, after)
	}
	compareFigures(t, w)
	w.must(exitDone, "sync")
	compareFigures(t, w)
}

// TestServerWaitForOneLease: whoever has one lease and waits for another keeps the first, however long the wait.
func TestServerWaitForOneLease(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Seed: 43, Records: 200}, serverDSN(t))
	w.must(exitDone, "sync")
	// Of a machine that was switched off: nobody can tell that its run has ended.
	w.must(exitDone, "sql", "--write", `INSERT INTO sync_leases (scope, fence, claim_id, host, pid, run_id, taken_at, expires_at)
		SELECT scope, max(fence) + 1, 'left', 'elsewhere', 1, 'left', now64(6), now64(6) + INTERVAL 8 SECOND
		FROM sync_leases WHERE startsWith(scope, 'key ') GROUP BY scope`)
	f := w.with(shortLeases+"=4s").must(exitDone, "sync")
	if !strings.Contains(f.stderr, "looking whether it is alive") {
		t.Errorf("it did not wait: %s", f.stderr)
	}
}

// TestServerKeysLeftAlone: while a run uses a key, the doctor and a check of a definition ask nothing with it, say who
// has it, and leave its records as they are.
func TestServerKeysLeftAlone(t *testing.T) {
	pages := make(chan struct{}, 100_000)
	w, s := newWorkplace(t, sandbox.Options{Records: -1}, serverDSN(t)).joined(partner{"kuna", "kunapay", sandbox.Options{
		Partner: "kunapay", Records: 20_000, BeforeRequest: func(*http.Request) { pages <- struct{}{} },
	}, "", false})
	w = w.with("TIEOUT_ACCOUNTS=kuna", "TIEOUT_KUNA_RATE_LIMITS=4/1s", shortLeases+"=6s")
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("name: kunapay\nextends: kunapay\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must(exitDone, "migrate")
	run := w.begin(pages, "sync")
	held := fmt.Sprintf("the key of account kuna is held by another run: run %s, process %d on ", w.rows("SELECT DISTINCT run_id FROM sync_leases")[0], run.Process.Pid)
	if f := w.must(exitDone, "doctor"); !strings.Contains(f.stdout, "look  kuna: not asked, because "+held) {
		t.Errorf("the doctor says\n%s", f.stdout)
	}
	if f := w.must(exitTemporary, "providers", "check", file, "--account", "kuna"); !strings.Contains(f.stderr, held) || strings.Contains(f.stdout, "kuna/") {
		t.Errorf("the check says\n%s%s", f.stdout, f.stderr)
	}
	if fences := w.rows("SELECT DISTINCT intDiv(seq, 4294967296) FROM key_states"); !slices.Equal(fences, []string{"1"}) {
		t.Errorf("the key's states are of the leases %v", fences)
	}
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	run.end()
	if f := w.must(exitDone, "doctor"); !strings.Contains(f.stdout, "ok    kuna/") {
		t.Errorf("after the run the doctor says\n%s", f.stdout)
	}
	if last := w.rows("SELECT argMax(JSONExtractInt(state, 'requests'), seq) FROM key_states WHERE startsWith(key, 'limit ')"); !slices.Equal(last, []string{"0"}) || s.Refused() > 0 {
		t.Errorf("the doctor leaves %v requests under way behind, %d were refused", last, s.Refused())
	}
}
