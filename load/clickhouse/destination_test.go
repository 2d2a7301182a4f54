package clickhouse_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

func TestDestination(t *testing.T) { destinationSuite(t, embeddedtest.Connect(t)) }

// TestDestinationServer runs the same against servers.
func TestDestinationServer(t *testing.T) {
	embeddedtest.Servers(t, func(t *testing.T, connection *clickhouse.Connection) { destinationSuite(t, connection) })
}

// destinationSuite is the contract of load.Destination, and what the tables must hold after it.
func destinationSuite(t *testing.T, conn driver.Conn) {
	for name, test := range map[string]func(*testing.T, *warehouse){
		"columns":                         testEveryColumn,
		"range of amounts and times":      testRange,
		"sums are exact":                  testSums,
		"amounts are exact":               testAmounts,
		"an archive in parts":             testArchiveParts,
		"several readings":                testReadings,
		"balances read again":             testReadBalances,
		"same batch twice":                testSameBatchTwice,
		"there and back":                  testThereAndBack,
		"moved to another month":          testMoved,
		"one day of many months":          testPruned,
		"compaction":                      testCompact,
		"there and back in one batch":     testThereAndBackAtOnce,
		"months":                          testMonths,
		"many awkward ids":                testManyAwkwardIDs,
		"accounts share nothing":          testAccountsShareNothing,
		"failure between two blocks":      testFailureBetweenBlocks,
		"lost answer":                     testLostAnswer,
		"lost sighting":                   testLostSighting,
		"lost answer, forgotten token":    testForgottenToken,
		"connection lost before the send": testLostBeforeSend,
		"quarantine":                      testQuarantine,
		"quarantine of two streams":       testQuarantineOfTwoStreams,
		"ids are counted once":            testCountIDs,
		"balances":                        testBalances,
		"balances of another instant":     testBalancesOfAnotherInstant,
		"as of an instant":                testAsOf,
		"balances as of an instant":       testBalancesAsOf,
		"swallowed":                       testSwallowed,
		"swallowed in a retry":            testSwallowedInRetry,
		"swallowed balances":              testSwallowedBalances,
		"acknowledged and never there":    testNeverThere,
		"interleaved blocks":              testInterleaved,
		"unsorted quarantine":             testUnsortedRejects,
		"nothing to write":                testNothing,
		"not migrated":                    testNotMigrated,
	} {
		t.Run(name, func(t *testing.T) { test(t, newWarehouse(t, conn)) })
	}
}

// warehouse is a migrated database with a destination on it.
type warehouse struct {
	driver.Conn
	database    string
	destination *clickhouse.Destination
}

func newWarehouse(t *testing.T, conn driver.Conn) *warehouse {
	t.Helper()
	database := embeddedtest.Database(t, conn)
	_, err := schema.Migrate(t.Context(), conn, database, schema.Layout{})
	must(t, err)
	return &warehouse{conn, database, clickhouse.NewDestination(&clickhouse.Connection{Conn: conn}, database)}
}

// through returns the same warehouse, written to by way of another connection.
func (w *warehouse) through(conn driver.Conn) *warehouse {
	return &warehouse{w.Conn, w.database, clickhouse.NewDestination(&clickhouse.Connection{Conn: conn}, w.database)}
}

// write writes a batch and holds its receipt to what must have been stored.
func (w *warehouse) write(t *testing.T, batch load.Batch, versions int) load.Receipt {
	t.Helper()
	receipt, err := w.destination.Write(t.Context(), batch)
	must(t, err)
	if receipt.Versions != versions || len(receipt.BatchID) != 64 {
		t.Errorf("the receipt is %+v, want %d versions", receipt, versions)
	}
	return receipt
}

// count returns the rows of a table as they lie there, not yet merged, or of anything else that follows FROM.
func (w *warehouse) count(t *testing.T, from string) int {
	t.Helper()
	return int(ask[uint64](t, w, "SELECT count() FROM "+w.database+"."+from))
}

func (w *warehouse) wantCounts(t *testing.T, want map[string]int) {
	t.Helper()
	for from, rows := range want {
		if got := w.count(t, from); got != rows {
			t.Errorf("%s has %d rows, want %d", from, got, rows)
		}
	}
}

// texts returns the rows of a query whose columns are joined to one text.
func (w *warehouse) texts(t *testing.T, sql string, arguments ...any) []string {
	t.Helper()
	var rows []struct {
		Text string `ch:"text"`
	}
	must(t, w.Select(t.Context(), &rows, strings.ReplaceAll(sql, "{db}", w.database), arguments...))
	texts := []string{}
	for _, row := range rows {
		texts = append(texts, row.Text)
	}
	return texts
}

var noon = time.Date(2026, 7, 1, 12, 0, 0, 123456000, time.UTC)

var depositStream = schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Deposits}

// deposit is a valid record. Its content is its status and amount; it arrived some minutes after noon.
func deposit(id string, status schema.Status, amount string, minutes int) *schema.Deposit {
	payload := fmt.Sprintf(`{"id":%q,"state":%q,"sum":%s}`, id, status, amount)
	return &schema.Deposit{
		Record: schema.Record{
			Account: depositStream.Account, Provider: depositStream.Provider, ID: id, Status: status, ProviderStatus: string(status),
			CreatedAt: noon.Add(-time.Hour), FirstSeenAt: noon.Add(time.Duration(minutes) * time.Minute),
			Payload: []byte(payload), PayloadHash: sha256.Sum256([]byte(payload)),
		},
		Currency: "EUR", Amount: amountOf(amount),
	}
}

func amountOf(text string) schema.Amount {
	amount, err := schema.ParseAmount(text)
	if err != nil {
		panic(err) // the test has written it
	}
	return amount
}

func deposits(runID string, rows ...schema.Row) load.Batch {
	return load.Batch{Stream: depositStream, RunID: runID, AsOf: noon, Rows: rows}
}

func rejected(id, payload string) schema.Rejected {
	return schema.Rejected{
		RecordID: id, Reason: "amount is missing", Payload: []byte(payload), PayloadHash: sha256.Sum256([]byte(payload)),
		SeenAt: noon,
	}
}

func testNothing(t *testing.T, w *warehouse) {
	w.write(t, deposits("run"), 0)
	w.wantCounts(t, map[string]int{"deposit_versions": 0, "rejected_records": 0})
	if count, err := w.destination.CountIDs(t.Context(), depositStream, ""); err != nil || count != 0 {
		t.Errorf("an empty table has %d ids, %v", count, err)
	}
}

// testNotMigrated: a person must act, and is told how.
func testNotMigrated(t *testing.T, w *warehouse) {
	for name, database := range map[string]string{"empty database": embeddedtest.Database(t, w), "no database": "no_such_database"} {
		destination := clickhouse.NewDestination(&clickhouse.Connection{Conn: w}, database)
		_, write := destination.Write(t.Context(), deposits("run", deposit("1", schema.StatusPending, "1", 0)))
		_, quarantine := destination.Write(t.Context(), load.Batch{Stream: depositStream, Rejected: []schema.Rejected{rejected("1", "{}")}})
		_, count := destination.CountIDs(t.Context(), depositStream, "")
		for step, err := range map[string]error{"write": write, "quarantine": quarantine, "count": count} {
			if schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), "tieout migrate") {
				t.Errorf("%s, %s: class %s of %v", name, step, schema.ClassOf(err), err)
			}
		}
	}
}
