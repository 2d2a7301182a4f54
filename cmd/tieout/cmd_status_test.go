package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tieout/checkpoints/tables"
)

// TestStatusTable: what is proven is never mixed up with what is stable, and the table fits into its terminal.
func TestStatusTable(t *testing.T) {
	at := func(hours int) *time.Time {
		instant := time.Date(2026, 7, 1, 2, 3, 4, 0, time.UTC).Add(time.Duration(hours) * time.Hour)
		return &instant
	}
	count := func(n uint64) *uint64 { return &n }
	a, stdout, _ := newApp()
	a.printStatus([]tables.StreamStatus{
		{Account: "kuna_main", Resource: "balances", Outcome: "running", StartedAt: *at(0)},
		{Account: "kuna_main", Resource: "deposits", Outcome: "interrupted", StartedAt: *at(0), Level: "C3", ProvenAt: at(1), Total: count(1_000_000), DistinctIDs: 1_000_000},
		{Account: "kuna_main", Resource: "trades", Outcome: "done", StartedAt: *at(0), Level: "stable", StableAt: at(2), DistinctIDs: 7, Reason: "the partner gives no total"},
		{Account: "kuna_main", Resource: "payments", Outcome: "failed", StartedAt: *at(0), Level: "unproven", ProvenAt: at(-24), Total: count(8), DistinctIDs: 7, Quarantine: 2, Error: "404\nGone", Reason: "PAID: one is missing"},
	})
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	wanted := [][]string{
		{"stream", "last run (UTC)", "proven complete as of"},
		{"kuna_main/balances", "2026-07-01 02:03", "running", "never"},
		{"kuna_main/deposits", "interrupted", "1000000 of 1000000", "2026-07-01 03:03:04"},
		{"kuna_main/trades", " 7 ", "never"},
		{"kuna_main/payments", "failed", "7 of 8, 2 unread", "2026-06-30 02:03:04"},
		{"kuna_main/balances is running since 2026-07-01 02:03:04 UTC, or was killed"},
		{"kuna_main/trades is stable as of 2026-07-01 04:03:04 UTC, and not proven: the partner gives no total"},
		{"kuna_main/payments failed: 404"},
		{"kuna_main/payments is not proven complete: PAID: one is missing"},
		{"kuna_main/payments has 2 records in quarantine: tieout sql \"SELECT record_id, reason FROM quarantine WHERE account = 'kuna_main' AND resource = 'payments'\""},
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "+") || strings.HasPrefix(line, "|") {
			if len(line) > tableWidth {
				t.Errorf("the table is %d wide: %s", len(line), line)
			}
		}
		if len(wanted) > 0 && !slices.ContainsFunc(wanted[0], func(text string) bool { return !strings.Contains(line, text) }) {
			wanted = wanted[1:]
		}
	}
	if len(wanted) > 0 {
		t.Errorf("%q is missing in\n%s", wanted[0], stdout)
	}
}
