package sync_test

import (
	"math/rand/v2"
	"testing"

	"tieout/extract"
	"tieout/schema"
)

// forwardScan is how lists are usually read: page after page, until one is shorter than asked for.
func forwardScan(m *model) (map[string]bool, error) {
	seen := map[string]bool{}
	position := extract.Position("")
	for {
		page, err := m.Fetch(nil, schema.Deposits, position) //nolint:staticcheck // the model looks at no context
		if err != nil {
			return seen, err
		}
		for _, row := range page.Rows {
			seen[row.Base().ID] = true
		}
		if page.Items < m.rows {
			return seen, nil
		}
		position = page.Next
		if position == "" {
			return seen, nil
		}
	}
}

// TestSimForwardScan shows what the proofs are for: it reads lists that change by a forward scan that stops at the
// first short page, and counts the records that were listed all the time and never seen.
func TestSimForwardScan(t *testing.T) {
	for _, h := range []habit{
		{order: extract.OrderNewest},
		{order: extract.OrderNewest, leave: true},
		{order: extract.OrderNewest, move: true},
		{order: extract.OrderOldest, leave: true},
		{order: extract.OrderUnknown, leave: true, move: true},
	} {
		lives, scans, lost, listed := min(livesSimulated(t, 3000)/5, 10_000), 0, 0, 0
		for seed := range lives {
			m := newModel(rand.New(rand.NewPCG(seed, 0xf0)), h, 40)
			m.restless = 0.15
			begin := map[string]bool{}
			for _, record := range m.records {
				begin[idText(record.id)] = true
			}
			seen, err := forwardScan(m)
			if err != nil {
				t.Fatal(err)
			}
			missed := 0
			for _, record := range m.records {
				if id := idText(record.id); begin[id] {
					listed++
					if !seen[id] {
						missed++
					}
				}
			}
			lost += missed
			if missed > 0 {
				scans++
			}
		}
		t.Logf("%s: %d of %d scans lost records without a word, %d of %d in all", h, scans, lives, lost, listed)
		if loses := h.leave || h.move; loses != (lost > 0) {
			t.Errorf("%s: %d records were lost", h, lost)
		}
	}
}
