package loadtest_test

import (
	"strconv"
	"testing"
	"time"

	"tieout/load"
	"tieout/load/loadtest"
	"tieout/schema"
)

// TestMemory runs the suite many times: its lives are random, and cost nothing here.
func TestMemory(t *testing.T) {
	for range 50 {
		loadtest.Suite(t, func(*testing.T) (loadtest.Store, loadtest.History) {
			memory := &loadtest.Memory{}
			return memory, loadtest.HistoryOf(memory)
		})
	}
}

// BenchmarkMemory writes pages of 100 records, of which half are known: what is stored must not matter.
func BenchmarkMemory(b *testing.B) {
	memory := &loadtest.Memory{}
	stream := schema.Stream{Account: "kuna_main", Resource: schema.Deposits}
	dawn := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	page := 0
	for b.Loop() {
		rows := make([]schema.Row, 0, 100)
		for i := range 100 {
			rows = append(rows, &schema.Deposit{Record: schema.Record{ID: strconv.Itoa(page*50 + i), FirstSeenAt: dawn.Add(time.Duration(page) * time.Second), CreatedAt: dawn}})
		}
		page++
		if _, err := memory.Write(b.Context(), load.Batch{Stream: stream, RunID: "run", Rows: rows}); err != nil {
			b.Fatal(err)
		}
	}
}
