package tables_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"tieout/checkpoints"
	"tieout/checkpoints/tables"
	"tieout/schema"
)

const (
	january  = "2026-01-01T00:00:00Z/2026-02-01T00:00:00Z"
	february = "2026-02-01T00:00:00Z/2026-03-01T00:00:00Z"
	winter   = "2025-12-01T00:00:00Z/2026-03-01T00:00:00Z"
)

// certificate is what a run said on a night of one of its lists; the number is what is stored, and what the partner
// counts unless the level says that it does not.
func certificate(night int, list, window, level string, ids uint64) checkpoints.Certificate {
	c := checkpoints.Certificate{RunID: fmt.Sprint("run ", night), List: list, Window: window, Level: level, ProvenAt: evening.AddDate(0, 0, night), DistinctIDs: ids}
	switch level {
	case checkpoints.LevelStable:
		c.Reason = "no total"
	case checkpoints.LevelUnproven:
		total := ids + 1
		c.Total, c.Reason = &total, "one is missing"
	default:
		c.Total = &ids
	}
	return c
}

// The certificates of one stream each, in the order in which they were recorded, and what its status must say: level,
// nights as of which it is proven and stable, stored of counted, and why not.
var listCases = map[string]struct {
	certificates []checkpoints.Certificate
	want         string
}{
	"never certified":  {nil, " proven never stable never 0 of ? "},
	"proven":           {[]checkpoints.Certificate{certificate(1, "", "", "C3n", 5)}, "C3n proven 1 stable never 5 of 5 "},
	"proven at last":   {[]checkpoints.Certificate{certificate(1, "", "", "unproven", 5), certificate(2, "", "", "C3", 6)}, "C3 proven 2 stable never 6 of 6 "},
	"no more":          {[]checkpoints.Certificate{certificate(1, "", "", "C3n", 5), certificate(2, "", "", "unproven", 6)}, "unproven proven 1 stable never 6 of 7 one is missing"},
	"an odd level":     {[]checkpoints.Certificate{certificate(1, "", "", "C9", 5), certificate(1, "A", "", "unproven", 5)}, "C9 proven never stable never 10 of 11 A: one is missing"},
	"one answer":       {[]checkpoints.Certificate{certificate(1, "", "", "snapshot", 5)}, "snapshot proven 1 stable never 5 of 5 "},
	"two lists":        {[]checkpoints.Certificate{certificate(1, "A", "", "C3", 5), certificate(1, "B", "", "C3n", 6), certificate(2, "B", "", "C3n", 7)}, "C3n proven 1 stable never 12 of 12 "},
	"one list is left": {[]checkpoints.Certificate{certificate(2, "A", "", "C3", 5), certificate(2, "B", "", "unproven", 6)}, "unproven proven never stable never 11 of 12 B: one is missing"},
	"stable":           {[]checkpoints.Certificate{certificate(1, "", "", "stable", 5), certificate(2, "", "", "stable", 6)}, "stable proven never stable 2 6 of ? no total"},
	"stable lists":     {[]checkpoints.Certificate{certificate(1, "A", "", "C3", 5), certificate(2, "B", "", "stable", 6)}, "stable proven never stable 1 11 of ? B: no total"},
	"not yet stable":   {[]checkpoints.Certificate{certificate(1, "A", "", "unproven", 5), certificate(2, "B", "", "stable", 6)}, "unproven proven never stable never 11 of ? A: one is missing; B: no total"},
	"stable by now":    {[]checkpoints.Certificate{certificate(1, "", "", "C3n", 5), certificate(2, "", "", "stable", 6)}, "stable proven 1 stable 2 6 of ? no total"},
	"better by now":    {[]checkpoints.Certificate{certificate(1, "", "", "stable", 5), certificate(2, "", "", "C3n", 6)}, "C3n proven 2 stable never 6 of 6 "},
	"two windows":      {[]checkpoints.Certificate{certificate(2, "", january, "C3", 5), certificate(1, "", february, "C3", 6)}, "C3 proven 1 stable never 11 of 11 "},
	"a window is left": {[]checkpoints.Certificate{certificate(2, "", january, "C3", 5), certificate(2, "", february, "unproven", 6)}, "unproven proven never stable never 11 of 12 " + february + ": one is missing"},
	"a wider window":   {[]checkpoints.Certificate{certificate(1, "", january, "unproven", 5), certificate(1, "", february, "unproven", 5), certificate(2, "", winter, "C3", 12)}, "C3 proven 2 stable never 12 of 12 "},
	"the whole list":   {[]checkpoints.Certificate{certificate(1, "A", january, "unproven", 5), certificate(2, "A", "", "C3", 12)}, "C3 proven 2 stable never 12 of 12 "},
	"of another list":  {[]checkpoints.Certificate{certificate(1, "A", january, "unproven", 5), certificate(2, "B", "", "C3", 12)}, "unproven proven never stable never 17 of 18 A " + january + ": one is missing"},
	"a window since":   {[]checkpoints.Certificate{certificate(1, "", "", "C3", 12), certificate(2, "", january, "C3", 5)}, "C3 proven 1 stable never 17 of 17 "},
	"odd windows":      {[]checkpoints.Certificate{certificate(1, "", "a/b", "unproven", 5), certificate(2, "", winter, "C3", 12), certificate(2, "", "a", "C3", 1)}, "unproven proven never stable never 18 of 19 a/b: one is missing"},
}

func testStatusOfLists(t *testing.T, conn driver.Conn) {
	store, _ := newStore(t, conn)
	want := map[string]string{}
	for name, test := range listCases {
		stream := streamOf(name, schema.Deposits)
		record(t, store, checkpoints.StreamRun{RunID: "run", Stream: stream, Outcome: checkpoints.Done, StartedAt: evening})
		for _, c := range test.certificates {
			c.Stream = stream
			certify(t, store, c)
		}
		want[name] = test.want
	}
	streams, err := store.Status(t.Context())
	must(t, err)
	got := map[string]string{}
	for _, s := range streams {
		total := "?"
		if s.Total != nil {
			total = fmt.Sprint(*s.Total)
		}
		got[s.Account] = fmt.Sprintf("%s proven %s stable %s %d of %s %s", s.Level, nightOf(s.ProvenAt), nightOf(s.StableAt), s.DistinctIDs, total, s.Reason)
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("status (-want +got):\n%s", difference)
	}
}

// nightOf is the number of the night of an instant.
func nightOf(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return fmt.Sprint(at.Sub(evening).Hours() / 24)
}

// testListFields: each list shows its last certificate in every field, and when the last ones held.
func testListFields(t *testing.T, conn driver.Conn) {
	store, _ := newStore(t, conn)
	stream := streamOf("kuna", schema.Deposits)
	record(t, store, checkpoints.StreamRun{RunID: "run", Stream: stream, Outcome: checkpoints.Done, StartedAt: evening})
	seven := uint64(7)
	last := checkpoints.Certificate{
		Stream: stream, List: "PAID", Window: january, RunID: "5", Level: checkpoints.LevelC3, ProvenAt: night(5), Total: &seven, DistinctIDs: 8,
		IDsSHA256: strings.Repeat("0f", 32), Passes: 9, Requests: 10, Assumptions: "A1 A2", Reason: "for completeness",
	}
	for _, c := range []checkpoints.Certificate{certificate(1, "PAID", january, "stable", 1), certificate(2, "OPEN", "", "unproven", 3)} {
		c.Stream = stream
		certify(t, store, c)
	}
	certify(t, store, last)
	streams, err := store.Status(t.Context())
	must(t, err)
	first, proven, four := night(1), night(5), uint64(4)
	want := []tables.ListStatus{
		{
			Account: "kuna", Resource: "deposits", List: "OPEN", RunID: "run 2", Level: "unproven", CertifiedAt: night(2), Total: &four,
			DistinctIDs: 3, Reason: "one is missing",
		},
		{
			Account: "kuna", Resource: "deposits", List: "PAID", Window: january, RunID: "5", Level: "C3", CertifiedAt: night(5), Total: &seven,
			DistinctIDs: 8, IDsSHA256: strings.Repeat("0f", 32), Passes: 9, Requests: 10, Assumptions: "A1 A2", Reason: "for completeness",
			ProvenAt: &proven, StableAt: &first,
		},
	}
	if difference := cmp.Diff(want, streams[0].Lists); difference != "" {
		t.Errorf("lists (-want +got):\n%s", difference)
	}
}
