package clickhouse_test

import (
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"

	"tieout/load"
	"tieout/schema"
)

var balanceStream = schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Balances}

// balance is what the account held of a currency; it arrived some minutes after noon.
func balance(currency, total string, minutes int) *schema.Balance {
	payload := currency + total
	return &schema.Balance{
		Record: schema.Record{
			Account: balanceStream.Account, Provider: balanceStream.Provider, ID: currency, FirstSeenAt: noon.Add(time.Duration(minutes) * time.Minute),
			Payload: []byte(payload), PayloadHash: sha256.Sum256([]byte(payload)),
		},
		Total: amountOf(total),
	}
}

// balances is a batch that stands for an instant some minutes after noon.
func balances(asOf int, rows ...schema.Row) load.Batch {
	return load.Batch{Stream: balanceStream, RunID: "run", AsOf: noon.Add(time.Duration(asOf) * time.Minute), Rows: rows}
}

func (w *warehouse) wantBalances(t *testing.T, want ...string) {
	t.Helper()
	got := w.texts(t, `SELECT concat(currency, ' ', ifNull(toString(available), 'NULL'), ' ', toString(total)) AS text FROM {db}.balances ORDER BY currency`)
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("balances (-want +got):\n%s", difference)
	}
}

// testBalances: a snapshot that is taken again takes the same place, the next one its own.
func testBalances(t *testing.T, w *warehouse) {
	w.write(t, balances(0, balance("BTC", "1", 1), balance("EUR", "100", 1)), 2)
	w.write(t, balances(0, balance("BTC", "1", 1), balance("EUR", "100", 1)), 2)
	w.wantCounts(t, map[string]int{"balance_snapshots": 2})
	w.wantBalances(t, "BTC NULL 1", "EUR NULL 100")

	w.write(t, balances(0, balance("BTC", "1.5", 3), balance("EUR", "100", 3)), 2)
	w.wantCounts(t, map[string]int{"balance_snapshots FINAL": 2, "balances": 2})
	w.wantBalances(t, "BTC NULL 1.5", "EUR NULL 100")

	// Of two observations for one instant the later one stays, also if it is written first.
	w.write(t, balances(0, balance("BTC", "1.2", 2)), 1)
	w.wantBalances(t, "BTC NULL 1.5", "EUR NULL 100")

	// The next run no longer finds any BTC. A balance that is not listed is not known to be zero, and least of all
	// is it known to be what it was.
	w.write(t, balances(1440, balance("EUR", "90", 1441)), 1)
	w.wantCounts(t, map[string]int{"balance_snapshots FINAL": 3, "balances": 1})
	w.wantBalances(t, "EUR NULL 90")
}

// testBalancesOfAnotherInstant: two instants can be told the very same observation. Both have their row.
func testBalancesOfAnotherInstant(t *testing.T, w *warehouse) {
	w.write(t, balances(0, balance("BTC", "1", 1)), 1)
	w.write(t, balances(1, balance("BTC", "1", 1)), 1)
	w.wantCounts(t, map[string]int{"balance_snapshots": 2, "balances": 1})
}

func testBalancesAsOf(t *testing.T, w *warehouse) {
	w.write(t, balances(0, balance("BTC", "1", 1), balance("EUR", "100", 1)), 2)
	w.write(t, balances(10, balance("BTC", "2", 11)), 1)
	for minutes, want := range map[int][]string{0: {}, 1: {"BTC 1", "EUR 100"}, 10: {"BTC 1", "EUR 100"}, 11: {"BTC 2"}, 99: {"BTC 2"}} {
		got := w.texts(t, `SELECT concat(currency, ' ', toString(total)) AS text
			FROM {db}.balances_as_of(known_at = {known_at:DateTime64(6, 'UTC')}) ORDER BY currency`,
			driverpackage.DateNamed("known_at", noon.Add(time.Duration(minutes)*time.Minute), driverpackage.MicroSeconds))
		if !slices.Equal(got, want) {
			t.Errorf("after %d minutes: %q, want %q", minutes, got, want)
		}
	}
}

// testQuarantine: a record that no night can store is kept once, with the times between which it was met.
func testQuarantine(t *testing.T, w *warehouse) {
	batch := load.Batch{Stream: depositStream, RunID: "run", Rejected: []schema.Rejected{rejected("a", `{"id":"a"}`), rejected("", `[1]`)}}
	batch.Rejected[0].ListedUnder, batch.Rejected[0].Reason = `it's\listed`, "amount is\tmissing: \\N 'x'"
	w.write(t, batch, 0)
	w.write(t, batch, 0)
	w.wantCounts(t, map[string]int{"rejected_records": 2})
	for i := range batch.Rejected {
		batch.Rejected[i].SeenAt = noon.Add(time.Hour)
	}
	batch.RunID = "next run"
	w.write(t, batch, 0)
	batch.Rejected = []schema.Rejected{rejected("a", `{"id":"a","more":1}`)} // another content
	w.write(t, batch, 0)
	w.wantRows(t, columnTexts([]string{
		"account", "resource", "record_id", "provider", "reason", "listed_under", "first_seen_at", "last_seen_at", "payload",
		"payload_hash = unhex(hex(SHA256(payload)))",
	})+w.database+".rejected_records FINAL", [][]string{
		{"kuna_main", "deposits", "", "kuna", "amount is missing", "", "2026-07-01 12:00:00.123456", "2026-07-01 13:00:00.123456", "[1]", "1"},
		{"kuna_main", "deposits", "a", "kuna", "amount is\tmissing: \\N 'x'", `it's\listed`, "2026-07-01 12:00:00.123456", "2026-07-01 13:00:00.123456", `{"id":"a"}`, "1"},
		{"kuna_main", "deposits", "a", "kuna", "amount is missing", "", "2026-07-01 12:00:00.123456", "2026-07-01 12:00:00.123456", `{"id":"a","more":1}`, "1"},
	})
}

// testQuarantineOfTwoStreams: the same answer to two lists is two facts.
func testQuarantineOfTwoStreams(t *testing.T, w *warehouse) {
	for _, account := range []string{"kuna_main", "kuna_second"} {
		for _, resource := range schema.Resources() {
			stream := schema.Stream{Account: account, Provider: "kuna", Resource: resource}
			w.write(t, load.Batch{Stream: stream, RunID: "run", AsOf: noon, Rejected: []schema.Rejected{rejected("", "null")}}, 0)
		}
	}
	w.wantCounts(t, map[string]int{"rejected_records": 8, "rejected_records FINAL": 8})
}

// testCountIDs: every stored record counts once, however many versions it has; one that is in quarantine only is not
// stored, and of balances there are snapshots and no records.
func testCountIDs(t *testing.T, w *warehouse) {
	batch := deposits("run", deposit("a", schema.StatusPending, "1", 0), deposit("b", schema.StatusPending, "1", 0), deposit("a", schema.StatusFailed, "1", 1))
	batch.Rejected = []schema.Rejected{
		rejected("b", `{"id":"b"}`), rejected("c", `{"id":"c"}`), rejected("c", `{"id":"c","more":1}`),
		rejected("", `[1]`), rejected("", `[2]`),
	}
	w.write(t, batch, 3)
	second := deposit("z", schema.StatusPending, "1", 0)
	second.Account = "kuna_second"
	batch.Stream.Account, batch.Rows, batch.Rejected = "kuna_second", []schema.Row{second}, []schema.Rejected{rejected("y", "{}")}
	w.write(t, batch, 1)
	trades := schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Trades}
	w.write(t, load.Batch{Stream: trades, RunID: "run", Rejected: []schema.Rejected{rejected("x", "{}")}}, 0)
	w.write(t, balances(0, balance("BTC", "1", 0)), 1)
	for stream, want := range map[schema.Stream]uint64{depositStream: 2, batch.Stream: 1, trades: 0, balanceStream: 0} {
		if got, err := w.destination.CountIDs(t.Context(), stream, ""); err != nil || got != want {
			t.Errorf("%s has %d ids, want %d, %v", stream, got, want, err)
		}
	}
}
