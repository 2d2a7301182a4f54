package main

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// TestSyncAgreesWithTruth loads a year of data into the embedded engine, and asks the partner's books and
// ClickHouse for the same figures.
func TestSyncAgreesWithTruth(t *testing.T) {
	agreeWithTruth(t, newWorkplace(t, sandbox.Options{Seed: 31, Records: 2500}, ""))
}

// TestServerSyncAgreesWithTruth does the same on a server, over the protocol that its DSN names.
func TestServerSyncAgreesWithTruth(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Seed: 31, Records: 2500}, serverDSN(t))
	agreeWithTruth(t, w)
	w.rows("SELECT 1")
}

func agreeWithTruth(t *testing.T, w *workplace) {
	t.Helper()
	out := w.must(exitDone, "sync").stdout
	for _, resource := range schema.Resources() {
		if !strings.Contains(out, "coinut_main/"+string(resource)) {
			t.Errorf("the summary does not speak of %s:\n%s", resource, out)
		}
	}
	compareFigures(t, w)
	before := w.physicalRows()
	w.must(exitDone, "sync")
	if after := w.physicalRows(); !slices.Equal(before, after) {
		t.Errorf("a second sync turned the rows %v into %v", before, after)
	}
	compareFigures(t, w)
	query := "SELECT status, currency, count(), sum(amount) FROM deposits GROUP BY ALL ORDER BY ALL"
	if rows := w.rows(query); len(rows) < 10 || !strings.HasPrefix(rows[0], "completed\tBTC\t") {
		t.Errorf("%s: %q", query, rows)
	}
}

// physicalRows counts what lies in the tables, not what the views show of it.
func (w *workplace) physicalRows() []string {
	w.t.Helper()
	return w.rows(`SELECT (SELECT count() FROM deposit_versions), (SELECT count() FROM trade_versions), (SELECT count() FROM payment_versions)`)
}

// compareFigures compares count, distinct ids and exact sums by account and resource with the partner's books.
func compareFigures(t *testing.T, w *workplace) {
	t.Helper()
	truth := w.sandbox.Truth()
	total := func(amounts map[string]decimal.Decimal) decimal.Decimal {
		sum := decimal.Zero
		for _, amount := range amounts {
			sum = sum.Add(amount)
		}
		return sum
	}
	for _, list := range []struct {
		resource   schema.Resource
		id, amount string
	}{
		{schema.Deposits, "deposit_id", "amount"},
		{schema.Trades, "trade_id", "from_amount"},
		{schema.Payments, "payment_id", "amount"},
	} {
		want := fmt.Sprintf("coinut_main\t%d\t%d\t%s", truth.Count(list.resource), truth.Count(list.resource), total(truth.Sum(list.resource)))
		got := w.rows(fmt.Sprintf("SELECT account, count(), uniqExact(%s), sum(%s) FROM %s GROUP BY account", list.id, list.amount, list.resource))
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: ClickHouse has %q, the partner %q", list.resource, got, want)
		}
	}
	var want []string
	for _, b := range truth.Balances {
		want = append(want, strings.Join([]string{b.Currency, b.Available.String(), b.Locked.String(), b.Total.String()}, "\t"))
	}
	if got := w.rows("SELECT currency, available, locked, total FROM balances ORDER BY currency"); !slices.Equal(got, want) {
		t.Errorf("balances: ClickHouse has\n%s\nthe partner\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestWrongSecret ends with 77 and one line: which account, and what the partner said.
func TestWrongSecret(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: 10}, "")
	const wrong = "a-secret-nobody-may-see"
	f := w.with("TIEOUT_COINUT_MAIN_API_SECRET="+wrong, "TIEOUT_LOG_LEVEL=error").must(exitCredentials, "sync")
	lines := strings.Split(strings.TrimSpace(f.stderr), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], "coinut_main") || !strings.Contains(lines[0], "401 UNAUTHORISED") {
		t.Errorf("wanted one line with the account and the partner's answer, got\n%s", f.stderr)
	}
	if strings.Contains(f.stdout+f.stderr, wrong) {
		t.Error("the secret is in the output")
	}
	if rows := w.rows("SELECT outcome, error_class FROM sync_runs FINAL WHERE error LIKE '%" + wrong + "%' OR error_class != 'credentials'"); len(rows) != 0 {
		t.Errorf("sync_runs holds %q", rows)
	}
}

// TestClickHouseDown ends with 75 and says where nobody answered.
func TestClickHouseDown(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"clickhouse", "http"} {
		w := newWorkplace(t, sandbox.Options{Records: 10}, scheme+"://user:hunter2@"+address+"/tieout")
		f := w.must(exitTemporary, "sync")
		if !strings.Contains(f.stderr, address) || strings.Contains(f.stderr, "hunter2") {
			t.Errorf("%s: %s", scheme, f.stderr)
		}
		if w.sandbox.Requests() != 0 {
			t.Errorf("the partner was asked although nothing could be stored")
		}
	}
}

// TestMalformedConfiguration ends with 78 and names every problem.
func TestMalformedConfiguration(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: 10}, "").with(
		"TIEOUT_COINUT_MAIN_API_KEY=", "TIEOUT_COINUT_MAIN_RATE_LIMITS=fast", "TIEOUT_TIMEZONE=Mars/Olympus",
		"TIEOUT_LOG_LEVEL=loud", "TIEOUT_CLICKHOUSE_DSN=mysql://x", "TIEOUT_COINUT_MAIN_API_SECRTE=x")
	f := w.must(exitConfiguration, "sync")
	for _, variable := range []string{
		"TIEOUT_COINUT_MAIN_API_KEY: ", "TIEOUT_COINUT_MAIN_RATE_LIMITS: ", "TIEOUT_TIMEZONE: ", "TIEOUT_LOG_LEVEL: ",
		"TIEOUT_CLICKHOUSE_DSN: ", "TIEOUT_COINUT_MAIN_API_SECRTE: ",
	} {
		if !strings.Contains(f.stderr, variable) {
			t.Errorf("the problems do not name %s:\n%s", variable, f.stderr)
		}
	}
}

// TestUnprovenIsPartial ends with 4 where the partner counts a record that no list shows, unless that is allowed.
func TestUnprovenIsPartial(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: 20}, "")
	w.sandbox.AddDeposit("ARCHIVED")
	f := w.must(exitPartial, "sync")
	if !strings.Contains(f.stderr, "coinut_main/deposits is not proven complete: the partner counts 21 records, 20 are stored") {
		t.Errorf("the reason is missing: %s", f.stderr)
	}
	w.must(exitDone, "sync", "--allow", "unproven")
	if status := w.must(exitDone, "status").stdout; !strings.Contains(status, "20 of 21") || !strings.Contains(status, "never") {
		t.Errorf("status does not show it:\n%s", status)
	}
}

// TestOneListGoneIsPartial ends with 4, and the other lists are loaded.
func TestOneListGoneIsPartial(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: 20}, "")
	w.sandbox.Inject(1000, sandbox.OnPath("/trade/list"), sandbox.Answer(http.StatusNotFound, nil, `{"status":"GONE"}`))
	f := w.must(exitPartial, "sync")
	if !strings.Contains(firstLine(f.stderr[strings.Index(f.stderr, "tieout: "):]), "coinut_main/trades page 1") {
		t.Errorf("the stream is not named: %s", f.stderr)
	}
	if rows := w.rows("SELECT count() FROM deposits"); rows[0] != "20" {
		t.Errorf("%s deposits are stored", rows[0])
	}
}

// TestQuarantine keeps a record whose amount does not fit, whole and with the reason, and loads the others.
func TestQuarantine(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	const bad = `{"id":"p-1","status":"CONFIRMED","deductAmount":"0.1234567890123456789","deductCurrency":"ETH","createTime":"2026-03-12 17:22:04"}`
	const good = `{"id":"p-2","status":"CONFIRMED","deductAmount":0.000000000000000001,"deductCurrency":"eth","createTime":"2026-03-12 17:22:04"}`
	w.sandbox.Inject(1000, sandbox.OnPath("/payment/list"), sandbox.Answer(http.StatusOK, nil,
		`{"status":"SUCCESS","data":{"list":[`+bad+`,`+good+`],"pageNum":1,"pageSize":100,"total":2}}`))
	f := w.must(exitPartial, "sync", "--resource", "payments")
	if !strings.Contains(f.stderr, "1 records went to quarantine, see rejected_records") {
		t.Errorf("nobody speaks of the quarantine: %s", f.stderr)
	}
	want := []string{"p-1\tamount has 19 digits behind the point, 18 fit\t" + bad}
	if rows := w.rows("SELECT record_id, reason, payload FROM rejected_records FINAL"); !slices.Equal(rows, want) {
		t.Errorf("quarantine holds %q", rows)
	}
	want = []string{"p-2\tETH\t0.000000000000000001\tunknown\tCONFIRMED\t2026-03-12 17:22:04"}
	if rows := w.rows("SELECT payment_id, currency, amount, status, provider_status, created_at FROM payments"); !slices.Equal(rows, want) {
		t.Errorf("payments holds %q", rows)
	}
}

// TestTerminatedRunGoesOn sends SIGTERM in the middle: exit code 143, a checkpoint, and the next run completes.
func TestTerminatedRunGoesOn(t *testing.T) {
	pages := make(chan struct{}, 1000)
	w := newWorkplace(t, sandbox.Options{Seed: 32, Records: 3000, BeforeRequest: func(*http.Request) { pages <- struct{}{} }}, "")
	slow := w.with("TIEOUT_COINUT_MAIN_RATE_LIMITS=10/1s")
	command, _, stderr := slow.command(t.Context(), "sync", "--resource", "payments")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		<-pages
	}
	signalled := time.Now()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait() // the exit code tells
	if code := command.ProcessState.ExitCode(); code != exitTerminated {
		t.Fatalf("ended with %d, want %d: %s", code, exitTerminated, stderr)
	}
	if took := time.Since(signalled); took > 10*time.Second {
		t.Errorf("took %s to stop", took)
	}
	if rows := w.rows("SELECT outcome FROM sync_runs FINAL"); !slices.Equal(rows, []string{"interrupted"}) {
		t.Errorf("sync_runs says %q", rows)
	}
	if rows := w.rows("SELECT position != '' FROM sync_checkpoints ORDER BY epoch DESC, seq DESC LIMIT 1"); !slices.Equal(rows, []string{"true"}) && !slices.Equal(rows, []string{"1"}) {
		t.Errorf("the checkpoint is %q", rows)
	}
	w.must(exitDone, "sync")
	compareFigures(t, w)
}
