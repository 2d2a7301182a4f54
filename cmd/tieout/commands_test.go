package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tieout/extract/sandbox"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
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
		{"sync", "--resource", ""},
		{"sync", "--resource", "deposits,"},
		{"sync", "--account", ""},
		{"sync", "--account", "coinut_main", "--allow", ""},
		{"sql", ""},
		{"status", "--format", "xml"},
		{"sandbox", "--rate-limits", "fast"},
		{"migrate", "now"},
		{"remap", "--account", "nobody"},
		{"remap", "--resource", "invoices"},
		{"remap", "--resource", ""},
		{"remap", "deposits"},
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
	for _, command := range []string{"sync", "status", "sql", "remap", "migrate", "doctor", "demo", "sandbox", "version"} {
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
	w := newWorkplace(t, sandbox.Options{Records: 30}, "").with("TIEOUT_COINUT_MAIN_RATE_LIMITS=60000/1m")
	w.must(exitDone, "sync")
	var streams []struct {
		Account  string  `json:"account"`
		Resource string  `json:"resource"`
		Outcome  string  `json:"outcome"`
		Total    *uint64 `json:"total"`
		ProvenAt *string `json:"proven_at"`
		Refused  *uint64 `json:"refused"`
		Limit    struct {
			Used []struct {
				Limit    string `json:"limit"`
				Requests int    `json:"requests"`
				Most     int    `json:"most"`
			} `json:"used"`
		} `json:"limit"`
		Lists []struct {
			Level       string  `json:"level"`
			ProvenAt    *string `json:"proven_at"`
			DistinctIDs uint64  `json:"distinct_ids"`
		} `json:"lists"`
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
		if used := s.Limit.Used; s.Refused == nil || len(used) != 1 || used[0].Limit != "60000/1m" || used[0].Most != 60000 || used[0].Requests != w.sandbox.Requests() {
			t.Errorf("%s: the limit is shown as %+v, %d requests were made", s.Resource, used, w.sandbox.Requests())
		}
		if len(s.Lists) != 1 || s.Lists[0].Level == "" || s.Lists[0].ProvenAt == nil || s.Lists[0].DistinctIDs == 0 {
			t.Errorf("the lists of %s are %+v", s.Resource, s.Lists)
		}
	}
	if text, want := w.must(exitDone, "status").stdout, fmt.Sprintf("coinut_main: used %d of 60000/1m\n", w.sandbox.Requests()); !strings.Contains(text, want) {
		t.Errorf("status does not say %q:\n%s", want, text)
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

// TestDoctorLooksForRecords: a list that begins with empty pages is followed, a list without records is said to be
// one, and one that could store nothing is a failure.
func TestDoctorLooksForRecords(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	w := newWorkplace(t, sandbox.Options{Records: -1, BeforeRequest: func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked[r.URL.Query().Get("status")+"@"+r.URL.Path]++
	}}, "")
	out := w.must(exitDone, "doctor").stdout
	mu.Lock()
	if asked["RECEIVED@/deposit/list"] != 1 || asked["ACTION_REQUIRED@/deposit/list"] != 1 {
		t.Errorf("the doctor asked for %v", asked)
	}
	mu.Unlock()
	for _, resource := range []string{"deposits", "payments"} {
		if !strings.Contains(out, "look  coinut_main/"+resource+": no record to look at") {
			t.Errorf("the empty list of %s is not said to be one:\n%s", resource, out)
		}
	}
	none := `{"status":"SUCCESS","data":{"list":[],"pageNum":1,"pageSize":1,"total":0}}` // answers the check of the filter
	empty := `{"status":"SUCCESS","data":{"list":[],"pageNum":1,"pageSize":100,"total":1}}`
	record := `{"status":"SUCCESS","data":{"list":[{"id":"d-1","status":"COMPLETE","amount":%s,"currency":"BTC","timestamp":"2026-03-12 17:22:04","createTime":"2026-03-12 17:22:04"}],"pageNum":1,"pageSize":100,"total":1}}`
	w.sandbox.Inject(1, sandbox.OnPath("/deposit/list"), sandbox.Answer(http.StatusOK, nil, none))
	w.sandbox.Inject(1, sandbox.OnPath("/deposit/list"), sandbox.Answer(http.StatusOK, nil, empty))
	w.sandbox.Inject(1, sandbox.OnPath("/deposit/list"), sandbox.Answer(http.StatusOK, nil, fmt.Sprintf(record, "1.5")))
	if out := w.must(exitDone, "doctor").stdout; !strings.Contains(out, "ok    coinut_main/deposits: 1 records on page 2") {
		t.Errorf("the second page is not looked at:\n%s", out)
	}
	w.sandbox.Inject(1, sandbox.OnPath("/deposit/list"), sandbox.Answer(http.StatusOK, nil, none))
	w.sandbox.Inject(1, sandbox.OnPath("/deposit/list"), sandbox.Answer(http.StatusOK, nil, fmt.Sprintf(record, `"?"`)))
	if out := w.must(exitPartial, "doctor").stdout; !strings.Contains(out, "FAIL  coinut_main/deposits: 1 records on page 1: all of them would go to quarantine") {
		t.Errorf("the doctor is content:\n%s", out)
	}
}

// TestDemo runs what the README tells to run first, and runs it again with other data in the same folder.
func TestDemo(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	store := filepath.Join(t.TempDir(), "store")
	for _, arguments := range [][]string{{"--records", "300"}, {"--records", "200", "--seed", "7"}} {
		out := w.must(exitDone, append([]string{"demo", "--store", store}, arguments...)...).stdout
		for _, text := range []string{"demo/deposits", fmt.Sprintf("C3n: %s of %[1]s", arguments[1]), "Deposits by status and currency", "Balances"} {
			if !strings.Contains(out, text) {
				t.Errorf("the demo does not show %q:\n%s", text, out)
			}
		}
	}
}

// TestDemoDeletesOnlyDemos: a folder without the demo's own file is somebody's data.
func TestDemoDeletesOnlyDemos(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	store := t.TempDir()
	precious := filepath.Join(store, "precious")
	for name, text := range map[string]string{"precious": "data", demoMarker: "something else of this name"} {
		if err := os.WriteFile(filepath.Join(store, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f := w.must(exitConfiguration, "demo", "--records", "10", "--store", store)
		if !strings.Contains(f.stderr, store) || !strings.Contains(f.stderr, "--store") {
			t.Errorf("the refusal does not say what to do: %s", f.stderr)
		}
	}
	if data, err := os.ReadFile(precious); err != nil || string(data) != "data" {
		t.Errorf("what was in the folder is gone: %q, %v", data, err)
	}
	if f := w.must(exitConfiguration, "demo", "--store", precious); !strings.Contains(f.stderr, "--store") {
		t.Errorf("a file: %s", f.stderr)
	}
}

// TestDemoShowsWhatIsThere: the closing queries are shown although a stream is unproven, and the exit code is kept.
func TestDemoShowsWhatIsThere(t *testing.T) {
	if os.Getenv(alone) == "" {
		runAlone(t)
		return
	}
	w := newWorkplace(t, sandbox.Options{Records: 20}, "")
	w.sandbox.AddDeposit("ARCHIVED")
	a, stdout, stderr := newApp()
	known := w.sandbox.Accounts()[0]
	server := httptest.NewServer(w.sandbox)
	defer server.Close()
	config := Config{Library: embeddedtest.Library(t), ClickHouseDSN: schema.NewSecret("embedded:" + t.TempDir())}
	err := a.demo(t.Context(), config, Account{
		Name: "demo", Provider: "coinut", BaseURL: server.URL,
		Credentials: map[string]schema.Secret{"api_key": schema.NewSecret(known.Key), "api_secret": schema.NewSecret(known.Secret)},
	}, "60000/1m")
	if exitCode(t.Context(), err) != exitPartial || !strings.Contains(stderr.String(), "demo/deposits is not proven complete") {
		t.Errorf("ended with %v: %s", err, stderr)
	}
	for _, question := range demoQueries {
		if !strings.Contains(stdout.String(), question.title) {
			t.Errorf("the demo does not show %q:\n%s", question.title, stdout)
		}
	}
}

// alone says that a test runs in a process of its own.
const alone = "TIEOUT_TEST_ALONE"

// runAlone runs the test in a process of its own, as a process has one engine and other tests may have opened it.
func runAlone(t *testing.T) {
	t.Helper()
	embeddedtest.Library(t) // or the test is skipped
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, "-test.run", "^"+t.Name()+"$", "-test.v")
	command.Env = append(os.Environ(), alone+"=1")
	if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSQLOnlyReads: what would write is refused with the flag that allows it, and changes nothing.
func TestSQLOnlyReads(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	w.must(exitDone, "migrate")
	const insert = "INSERT INTO sync_runs (run_id) VALUES ('x')"
	for _, query := range []string{insert, "DROP TABLE deposit_versions", "TRUNCATE TABLE sync_runs", "SELECT 1 INTO OUTFILE 'x'"} {
		if f := w.must(exitUsage, "sql", query); !strings.Contains(f.stderr, "--write") {
			t.Errorf("%s: the refusal does not name the flag: %s", query, f.stderr)
		}
	}
	w.must(exitUsage, "sql", "SELECT 1; "+insert)
	if rows := w.rows("SELECT count() FROM sync_runs"); rows[0] != "0" {
		t.Errorf("%s rows were written", rows[0])
	}
	if f := w.must(exitDone, "sql", "--write", insert); f.stdout != "" {
		t.Errorf("the insert printed %q", f.stdout)
	}
	if rows := w.rows("SELECT count() FROM sync_runs"); rows[0] != "1" {
		t.Errorf("%s rows are there", rows[0])
	}
}

// TestSQLMistakes are the person's where our own tables are all there, and a matter of configuration where not.
func TestSQLMistakes(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	if f := w.must(exitConfiguration, "sql", "SELECT * FROM deposits"); !strings.Contains(f.stderr, "tieout migrate") {
		t.Errorf("without the database: %s", f.stderr)
	}
	w.must(exitDone, "migrate")
	for query, message := range map[string]string{
		"SELECT * FROM depositss": "Unknown table expression identifier 'depositss'", "SELECT nope FROM deposits": "Unknown expression identifier `nope`",
		"SELECT nope(1)": "`nope`", "SELECT FROM WHERE": "Syntax error", "SELECT 1 + 'a'": "Illegal types", "SELECT * FROM nowhere.t": "nowhere",
		"SELECT 1 FORMAT CSV": "FORMAT",
	} {
		f := w.must(exitUsage, "sql", query)
		if !strings.Contains(f.stderr, message) || strings.Contains(f.stderr, "tieout migrate") {
			t.Errorf("%s: %s", query, f.stderr)
		}
	}
	w.must(exitDone, "sql", "--write", "DROP VIEW deposits")
	if f := w.must(exitConfiguration, "sql", "SELECT * FROM deposits"); !strings.Contains(f.stderr, "tieout migrate") {
		t.Errorf("without the view: %s", f.stderr)
	}
	for _, arguments := range [][]string{{"migrate"}, {"sync"}, {"migrate", "--dry-run"}} {
		if f := w.must(exitConfiguration, arguments...); !strings.Contains(f.stderr, "view deposits is missing") {
			t.Errorf("%s: %s", arguments, f.stderr)
		}
	}
	if f := w.must(exitConfiguration, "doctor"); !strings.Contains(f.stdout, "FAIL  schema: ") || !strings.Contains(f.stdout, "view deposits is missing") {
		t.Errorf("the doctor says\n%s", f.stdout)
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

// TestMigrateDryRunForCluster shows the SQL for a cluster where there is none, and refuses to work as if there were one.
func TestMigrateDryRunForCluster(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "").with("TIEOUT_CLICKHOUSE_CLUSTER=main")
	sql := w.must(exitDone, "migrate", "--dry-run").stdout
	for _, text := range []string{
		"-- for the cluster main", "CREATE DATABASE IF NOT EXISTS `tieout` ON CLUSTER `main`", "`tieout`.deposit_versions_local ON CLUSTER `main`",
		"ENGINE = Distributed('main', 'tieout', 'deposit_versions_local', cityHash64(account, deposit_id))",
	} {
		if !strings.Contains(sql, text) {
			t.Errorf("the SQL lacks %q", text)
		}
	}
	for _, command := range []string{"migrate", "sync"} {
		f := w.must(exitConfiguration, command)
		if !strings.Contains(f.stderr, "TIEOUT_CLICKHOUSE_CLUSTER names cluster main") {
			t.Errorf("%s: %s", command, f.stderr)
		}
	}
}

// TestServerMigrateForCluster does the same on a server that knows no cluster.
func TestServerMigrateForCluster(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, serverDSN(t)).with("TIEOUT_CLICKHOUSE_CLUSTER=main")
	f := w.must(exitDone, "migrate", "--dry-run")
	if !strings.Contains(f.stdout, "ON CLUSTER `main`") || !strings.Contains(f.stderr, "the server knows no cluster main") {
		t.Errorf("%s%s", f.stdout, f.stderr)
	}
	if f := w.must(exitConfiguration, "migrate"); !strings.Contains(f.stderr, "the server knows no cluster main") {
		t.Errorf("%s", f.stderr)
	}
	if sql := w.with("TIEOUT_CLICKHOUSE_CLUSTER=").must(exitDone, "migrate", "--dry-run").stdout; !strings.Contains(sql, "-- for a single server") {
		t.Errorf("%.200s", sql)
	}
}
