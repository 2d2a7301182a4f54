package main

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"tieout/extract/sandbox"
)

// TestPartnerDiesHalfWay takes the partner away in the middle of a list: the run ends with 75 and keeps what it has read
// and how far it has come; it neither ends with 0 nor goes on for ever. When the partner is back the next run goes on there.
func TestPartnerDiesHalfWay(t *testing.T) {
	t.Parallel()
	const pages = 6
	var asked atomic.Int64
	var gone atomic.Bool
	w := newWorkplace(t, sandbox.Options{Seed: 5, Records: 1200, BeforeRequest: func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/payment/list") && asked.Add(1) == pages {
			gone.Store(true)
		}
	}}, "")
	w.sandbox.Inject(100, func(*http.Request) bool { return gone.Load() }, sandbox.BadGateway())
	f := w.must(exitTemporary, "sync", "--resource", "payments")
	if !strings.Contains(f.stderr, "502") {
		t.Errorf("the reason is missing: %s", f.stderr)
	}
	// A checkpoint speaks of what is stored, and says where to go on.
	if rows := w.rows("SELECT (SELECT count() FROM payments) > 0, position != '' FROM sync_checkpoints ORDER BY epoch DESC, seq DESC LIMIT 1"); !slices.Equal(rows, []string{"1\ttrue"}) && !slices.Equal(rows, []string{"true\ttrue"}) && !slices.Equal(rows, []string{"1\t1"}) {
		t.Errorf("payments and checkpoint are %q", rows)
	}
	if rows := w.rows("SELECT outcome, error_class FROM sync_runs FINAL"); !slices.Equal(rows, []string{"failed\tunavailable"}) {
		t.Errorf("sync_runs says %q", rows)
	}
	gone.Store(false)
	w.must(exitDone, "sync")
	compareFigures(t, w)
	if rows := w.rows("SELECT count() = uniqExact(payment_id) FROM payment_versions FINAL"); !slices.Equal(rows, []string{"true"}) && !slices.Equal(rows, []string{"1"}) {
		t.Errorf("a payment has two versions: %q", rows)
	}
}
