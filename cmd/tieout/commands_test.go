package main

import (
	"encoding/json"
	"strings"
	"testing"

	"tieout/extract/sandbox"
)

// TestUsage ends with 2 for what cannot be understood, and says where help is.
func TestUsage(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "embedded:unused")
	for _, arguments := range [][]string{
		{"snyc"},
		{"sync", "--nope"},
		{"sync", "extra"},
		{"sync", "--allow", "everything"},
		{"sync", "--account", "nobody"},
		{"sync", "--resource", "invoices"},
		{"sql", "--format", "pdf", "SELECT 1"},
		{"sql", ""},
		{"status", "--format", "xml"},
		{"sandbox", "--rate-limits", "fast"},
		{"migrate", "now"},
	} {
		f := w.must(exitUsage, arguments...)
		if !strings.Contains(f.stderr, "see tieout") || f.stdout != "" {
			t.Errorf("tieout %s: stdout %q, stderr %q", strings.Join(arguments, " "), f.stdout, f.stderr)
		}
	}
}

// TestHelp wants an example in the help of every command, and the environment in that of the program.
func TestHelp(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "embedded:unused")
	top := w.must(exitDone, "--help").stdout
	for _, variable := range variables {
		if !strings.Contains(top, variable.Name) {
			t.Errorf("--help does not name %s", variable.Name)
		}
	}
	for _, command := range []string{"sync", "status", "sql", "migrate", "doctor", "demo", "sandbox", "version"} {
		if help := w.must(exitDone, command, "--help").stdout; !strings.Contains(help, "Examples:") {
			t.Errorf("tieout %s --help has no example:\n%s", command, help)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if script := w.must(exitDone, "completion", shell).stdout; len(script) < 1000 {
			t.Errorf("completion for %s is %d bytes", shell, len(script))
		}
	}
}

// TestMigrateDryRun prints the SQL and changes nothing; afterwards there is nothing to print.
func TestMigrateDryRun(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	sql := w.must(exitDone, "migrate", "--dry-run").stdout
	for _, text := range []string{"CREATE TABLE IF NOT EXISTS `tieout`.deposit_versions", "-- 0001_journal.sql, SHA-256 ", "CREATE VIEW"} {
		if !strings.Contains(sql, text) {
			t.Errorf("the SQL lacks %q", text)
		}
	}
	if f := w.run("status"); f.code != exitConfiguration || !strings.Contains(f.stderr, "tieout migrate") {
		t.Errorf("the dry run left something behind: status ended with %d: %s%s", f.code, f.stdout, f.stderr)
	}
	w.must(exitDone, "migrate")
	if again := w.must(exitDone, "migrate", "--dry-run").stdout; strings.TrimSpace(again) != "-- the schema is up to date" {
		t.Errorf("after a migration there is still\n%s", again)
	}
}

// TestStatusJSON reads back what a script would.
func TestStatusJSON(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: 30}, "")
	w.must(exitDone, "sync")
	var streams []struct {
		Account  string  `json:"account"`
		Resource string  `json:"resource"`
		Outcome  string  `json:"outcome"`
		Total    *uint64 `json:"total"`
		ProvenAt *string `json:"proven_at"`
	}
	if err := json.Unmarshal([]byte(w.must(exitDone, "status", "--format", "json").stdout), &streams); err != nil {
		t.Fatal(err)
	}
	if len(streams) != 4 {
		t.Fatalf("%d streams, want 4", len(streams))
	}
	for _, s := range streams {
		if s.Account != "coinut_main" || s.Outcome != "done" || s.ProvenAt == nil || (s.Resource != "balances" && s.Total == nil) {
			t.Errorf("%+v", s)
		}
	}
}

// TestDoctor shows which fields feed which columns, and changes nothing.
func TestDoctor(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: 200}, "")
	out := w.must(exitDone, "doctor").stdout
	for _, text := range []string{
		"ok    configuration", "ok    ClickHouse", "ok    coinut_main/deposits", "amount<-amount", "total<-total", "received_amount<-receivedAmount",
	} {
		if !strings.Contains(out, text) {
			t.Errorf("the doctor does not say %q:\n%s", text, out)
		}
	}
	f := w.with("TIEOUT_COINUT_MAIN_API_KEY=unknown").must(exitCredentials, "doctor")
	if !strings.Contains(f.stdout, "FAIL  coinut_main/deposits") {
		t.Errorf("the doctor is content:\n%s", f.stdout)
	}
}

// TestDemo runs what the README tells to run first.
func TestDemo(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	out := w.must(exitDone, "demo", "--records", "300").stdout
	for _, text := range []string{"demo/deposits", "C3n: 300 of 300", "Deposits by status and currency", "Balances"} {
		if !strings.Contains(out, text) {
			t.Errorf("the demo does not show %q:\n%s", text, out)
		}
	}
}

// TestMissingLibrary says in one sentence which command fetches it.
func TestMissingLibrary(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "embedded:unused").with("TIEOUT_LIBCHDB=no/such/libchdb.so")
	f := w.must(exitConfiguration, "status")
	if lines := strings.Split(strings.TrimSpace(f.stderr), "\n"); len(lines) != 1 || !strings.Contains(lines[0], "make libchdb") {
		t.Errorf("stderr is %q", f.stderr)
	}
}

// TestFormatsAreExact prints the same awkward values in every format.
func TestFormatsAreExact(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	w.must(exitDone, "migrate")
	query := `SELECT toDecimal256('1234567890123456789012345678901234567890.000000000000000001', 18) AS amount, NULL AS nothing,
		'a\tb"c\nd' AS words, toDateTime64('2026-01-02 03:04:05.000006', 6, 'UTC') AS at`
	const amount = "1234567890123456789012345678901234567890.000000000000000001"
	for format, want := range map[string]string{
		"tsv":   "amount\tnothing\twords\tat\n" + amount + "\t\\N\ta\\tb\"c\\nd\t2026-01-02 03:04:05.000006\n",
		"csv":   "amount,nothing,words,at\n" + amount + ",,\"a\tb\"\"c\nd\",2026-01-02 03:04:05.000006\n",
		"json":  `{"amount":"` + amount + `","nothing":null,"words":"a\tb\"c\nd","at":"2026-01-02 03:04:05.000006"}` + "\n",
		"table": amount,
	} {
		if got := w.must(exitDone, "sql", "--format", format, query).stdout; got != want && (format != "table" || !strings.Contains(got, want)) {
			t.Errorf("%s is\n%q\nwant\n%q", format, got, want)
		}
	}
}
