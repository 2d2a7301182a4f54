package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// definitions writes a definition into a folder of the workplace's own. What is written later takes its place.
func (w *workplace) definitions(text string) (*workplace, func(text string)) {
	w.t.Helper()
	folder := w.t.TempDir()
	write := func(text string) {
		w.t.Helper()
		if err := os.WriteFile(filepath.Join(folder, "mine.yaml"), []byte("name: mine\nextends: coinut\n"+text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	write(text)
	return w.with("TIEOUT_PROVIDERS_DIR="+folder, "TIEOUT_COINUT_MAIN_PROVIDER=mine"), write
}

// TestRemapOfWrongStatus corrects a definition that took a status for another one: what is stored is read again, what
// was known before stays known, and the next night neither writes the history once more nor goes by the old reading.
func TestRemapOfWrongStatus(t *testing.T) {
	w, correct := newWorkplace(t, sandbox.Options{Seed: 71, Records: 400}, "").definitions(
		"resources:\n  deposits:\n    statuses: {RECEIVED: completed, ACTION_REQUIRED: completed, CONFIRMED: failed}\n")
	for range 3 {
		w.sandbox.AddDeposit("RECEIVED")
	}
	w.must(exitDone, "sync")
	before := time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	known := func() []string {
		return w.rows("SELECT * EXCEPT payload FROM deposits_as_of(known_at = '" + before + "') ORDER BY deposit_id")
	}
	then, rows := known(), w.physicalRows()
	pending := w.sandbox.Truth().Count(schema.Deposits, "RECEIVED", "ACTION_REQUIRED")
	confirmed := w.sandbox.Truth().Count(schema.Deposits, "CONFIRMED")
	if w.must(exitDone, "remap"); !slices.Equal(rows, w.physicalRows()) {
		t.Errorf("a remap by the same definition has turned %v into %v", rows, w.physicalRows())
	}
	correct("")
	dry := w.must(exitDone, "remap", "--dry-run").stdout
	for _, text := range []string{fmt.Sprintf("|          %d |", pending+confirmed), "coinut_main/deposits: status of ", " version 1: failed -> completed\n"} {
		if !strings.Contains(dry, text) {
			t.Errorf("the dry run does not say %q:\n%s", text, dry)
		}
	}
	if again := w.physicalRows(); !slices.Equal(rows, again) {
		t.Errorf("a dry run has turned %v into %v", rows, again)
	}
	w.must(exitDone, "remap")
	status := func() string {
		return strings.Join(w.rows("SELECT (SELECT count() FROM deposits WHERE status = 'pending'), (SELECT count() FROM deposits WHERE status = 'completed'), (SELECT max(version) FROM deposits)"), "")
	}
	if want := fmt.Sprintf("%d\t%d\t1", pending, confirmed); status() != want || pending == 0 || confirmed == 0 {
		t.Errorf("the views show %q, want %q", status(), want)
	}
	if now := known(); !slices.Equal(then, now) || len(now) == 0 {
		t.Errorf("what was known at %s has changed", before)
	}
	compareFigures(t, w)
	rows = w.physicalRows()
	w.must(exitDone, "remap")
	w.must(exitDone, "sync")
	if again := w.physicalRows(); !slices.Equal(rows, again) {
		t.Errorf("another remap and a night have turned %v into %v", rows, again)
	}
	// The night after goes by the new reading: what is pending is looked at again.
	deposits := w.sandbox.Truth().Deposits
	open := slices.IndexFunc(deposits, func(d sandbox.Deposit) bool { return d.Status == "RECEIVED" })
	if err := w.sandbox.SetStatus(schema.Deposits, deposits[open].ID, "CONFIRMED"); err != nil {
		t.Fatal(err)
	}
	w.must(exitDone, "sync")
	if got, want := status(), fmt.Sprintf("%d\t%d\t2", pending-1, confirmed+1); got != want {
		t.Errorf("after a change the views show %q, want %q", got, want)
	}
	if remaps := w.rows("SELECT outcome, sum(changed) FROM remaps FINAL WHERE resource = 'deposits' GROUP BY ALL"); !slices.Equal(remaps, []string{fmt.Sprintf("done\t%d", pending+confirmed)}) {
		t.Errorf("remaps says %q", remaps)
	}
}

// TestRemapOfQuarantine corrects a definition that looked for amounts and instants where there are none, so that
// everything went to quarantine: all of it becomes what the partner's books say, without a request, and the next night
// proves that nothing is missing.
func TestRemapOfQuarantine(t *testing.T) {
	w, correct := newWorkplace(t, sandbox.Options{Seed: 72, Records: 700}, "").definitions(`resources:
  deposits:
    fields: {amount: value}
  trades:
    fields: {created_at: made}
  payments:
    fields: {payment_id: number}
`)
	w.must(exitPartial, "sync")
	truth := w.sandbox.Truth()
	all := truth.Count(schema.Deposits) + truth.Count(schema.Trades) + truth.Count(schema.Payments)
	quarantined := func() string { return w.rows("SELECT count() FROM quarantine")[0] }
	if got := quarantined(); got != fmt.Sprint(all) {
		t.Fatalf("%s records are in quarantine, want %d", got, all)
	}
	if status := w.must(exitDone, "status").stdout; !strings.Contains(status, fmt.Sprintf("coinut_main/deposits has %d records in quarantine: tieout sql ", truth.Count(schema.Deposits))) {
		t.Errorf("status does not speak of the quarantine:\n%s", status)
	}
	correct("resources:\n  deposits:\n    fields: {amount: value}\n")
	requests := w.sandbox.Requests()
	w.must(exitDone, "remap")
	if got := quarantined(); got != fmt.Sprint(truth.Count(schema.Deposits)) {
		t.Errorf("%s records are still in quarantine, want the %d deposits", got, truth.Count(schema.Deposits))
	}
	correct("")
	w.must(exitDone, "remap")
	if got := quarantined(); got != "0" || w.sandbox.Requests() != requests {
		t.Errorf("%s records are still in quarantine after %d requests", got, w.sandbox.Requests()-requests)
	}
	compareFigures(t, w)
	rows := w.physicalRows()
	w.must(exitDone, "remap")
	w.must(exitDone, "sync") // and it is proven
	if again := w.physicalRows(); !slices.Equal(rows, again) {
		t.Errorf("another remap and a night have turned %v into %v", rows, again)
	}
	compareFigures(t, w)
	if status := w.must(exitDone, "status").stdout; strings.Contains(status, "quarantine:") || strings.Contains(status, "never") {
		t.Errorf("status says\n%s", status)
	}
}

// TestRemapKeepsWhatItCannotRead: a definition that is worse than the one before takes nothing away, and says so.
func TestRemapKeepsWhatItCannotRead(t *testing.T) {
	w, correct := newWorkplace(t, sandbox.Options{Seed: 73, Records: 60}, "").definitions("")
	w.must(exitDone, "sync")
	rows := w.rows("SELECT * EXCEPT payload FROM payments ORDER BY payment_id")
	correct("resources:\n  payments:\n    fields: {amount: nothing}\n  trades:\n    fields: {trade_id: createTime}\n")
	f := w.must(exitPartial, "remap")
	payments, trades := w.sandbox.Truth().Count(schema.Payments), w.sandbox.Truth().Count(schema.Trades)
	for _, text := range []string{fmt.Sprintf("%d versions of coinut_main/payments cannot be read", payments), fmt.Sprintf("%d versions of coinut_main/trades cannot be read", trades)} {
		if !strings.Contains(f.stderr, text) {
			t.Errorf("it does not say %q: %s", text, f.stderr)
		}
	}
	for _, text := range []string{"stays as it is: amount is missing", "stays as it is: the identifier would be"} {
		if !strings.Contains(f.stdout, text) {
			t.Errorf("it does not say %q: %s", text, f.stdout)
		}
	}
	if again := w.rows("SELECT * EXCEPT payload FROM payments ORDER BY payment_id"); !slices.Equal(rows, again) {
		t.Error("the payments have changed")
	}
	compareFigures(t, w)
	// Records of another partner are not read at all.
	other := w.with("TIEOUT_COINUT_MAIN_BASE_URL=http://127.0.0.1:1")
	if f := other.must(exitConfiguration, "remap"); !strings.Contains(f.stderr, "now its address is 127.0.0.1:1") {
		t.Errorf("at another address it says %s", f.stderr)
	}
}
