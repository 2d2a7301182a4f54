package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tieout/checkpoints"
	"tieout/schema"
	"tieout/sync"
)

// TestVerdictOfUnproven: every unproven stream has its line, and only a count that the partner never gives is
// forgiven.
func TestVerdictOfUnproven(t *testing.T) {
	total := uint64(7)
	for name, test := range map[string]struct {
		resource schema.Resource
		total    *uint64
		rejected uint64
		reason   string
		code     int
	}{
		"the counts differ":           {schema.Deposits, &total, 0, "the partner counts 7 records, 6 are stored", exitPartial},
		"the partner gives no total":  {schema.Deposits, nil, 0, "the partner gives no total", exitDone},
		"quarantine, and no total":    {schema.Deposits, nil, 3, "3 records went to quarantine", exitPartial},
		"quarantine, though complete": {schema.Trades, &total, 1, "1 records went to quarantine", exitPartial},
		"balances in quarantine":      {schema.Balances, nil, 0, "2 balances are in quarantine", exitPartial},
		"nobody said why":             {schema.Payments, &total, 0, "", exitPartial},
	} {
		for _, allow := range []bool{false, true} {
			a, _, stderr := newApp()
			stream := schema.Stream{Account: "kuna", Resource: test.resource}
			err := a.verdict([]sync.Result{{
				Stream: stream, Outcome: checkpoints.Unproven, Counts: checkpoints.Counts{Rejected: test.rejected},
				Certificate: checkpoints.Certificate{Level: checkpoints.LevelUnproven, Total: test.total, Reason: test.reason},
			}}, syncOptions{allowUnproven: allow})
			want, prefix := test.code, "tieout: "
			if allow {
				want = exitDone
			}
			if want == exitDone {
				prefix = "warning: "
			}
			if code := exitCode(t.Context(), err); code != want {
				t.Errorf("%s, allowed %t: exit code %d, want %d", name, allow, code, want)
			}
			line := stderr.String()
			if !strings.HasPrefix(line, prefix+stream.String()+" is not proven complete: ") || !strings.Contains(line, test.reason) || strings.HasSuffix(line, ": \n") {
				t.Errorf("%s, allowed %t: says %q", name, allow, line)
			}
		}
	}
}

// TestVerdictOfRefusedKey says once what all lists of an account met, though each met it in a request of its own.
func TestVerdictOfRefusedKey(t *testing.T) {
	var results []sync.Result
	for _, resource := range schema.Resources() {
		results = append(results, sync.Result{
			Stream: schema.Stream{Account: "kuna", Resource: resource},
			Err: fmt.Errorf("fetch kuna/%s page 1: %w", resource, &schema.Error{
				Class: schema.ClassCredentials, Op: "account kuna", Request: "r-" + string(resource), Err: errors.New("the partner answered 401"),
			}),
		})
	}
	a, _, stderr := newApp()
	if code := exitCode(t.Context(), a.verdict(results, syncOptions{})); code != exitCredentials {
		t.Errorf("exit code %d", code)
	}
	if got, want := stderr.String(), "tieout: fetch kuna/deposits page 1: account kuna: the partner answered 401 [request r-deposits]\n"; got != want {
		t.Errorf("says %q, want %q", got, want)
	}
}
