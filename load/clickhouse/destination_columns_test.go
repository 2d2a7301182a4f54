package clickhouse_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"

	"tieout/load"
	"tieout/schema"
)

var nines = strings.Repeat("9", 58) + "." + strings.Repeat("9", 18)

// Values with what the column must then show as text. An empty written amount is one that the partner did not give.
var (
	amountSamples = [][2]string{
		{nines, nines},
		{"-" + nines, "-" + nines},
		{"0", "0"},
		{"", "NULL"},
		{"-0.000000000000000001", "-0.000000000000000001"},
		{"1.500000000000000000000000000", "1.5"},
		{"1e57", "1" + strings.Repeat("0", 57)},
		{"-12.5e-3", "-0.0125"},
		{"9007199254740993.1", "9007199254740993.1"},
	}
	textSamples = []string{
		"plain", "it's", `C:\new\table`, "two\nlines\r\n", "tab\tbed", `\N`, `'`, `\`, `\'`, "'; DROP TABLE deposit_versions; --",
		"žluťoučký kůň 🐎", "nul\x00byte", "not \xff\xfe UTF-8", "{id:String}", "$1 ? @p %s", "[1,'2']", strings.Repeat("long ", 2000),
	}
	timeSamples = [][2]string{
		{"2026-07-01T12:30:00.123456Z", "2026-07-01 12:30:00.123456"},
		{"2026-07-01T23:30:00.000001-07:00", "2026-07-02 06:30:00.000001"},
		{"1969-12-31T23:59:59.999999Z", "1969-12-31 23:59:59.999999"},
		{"", "NULL"},
	}
)

// sampleRow fills the columns of a row with samples, another one in each column and for each variant, and returns
// the texts that the columns must then show.
func sampleRow(t *testing.T, stream schema.Stream, variant int) (row schema.Row, want []string) {
	t.Helper()
	row = schema.NewRow(stream.Resource)
	for i, column := range row.Columns() {
		n := i + variant
		switch field := column.Field.(type) {
		case *string:
			*field = textSamples[n%len(textSamples)]
			want = append(want, *field)
		case *schema.Amount:
			sample := amountSamples[n%len(amountSamples)]
			if sample[0] == "" && column.Required {
				sample = amountSamples[0]
			}
			if sample[0] != "" {
				*field = amountOf(sample[0])
			}
			want = append(want, sample[1])
		case *time.Time:
			sample := timeSamples[n%len(timeSamples)]
			if sample[0] == "" && column.Required {
				sample = timeSamples[0]
			}
			if sample[0] != "" {
				at, err := time.Parse(time.RFC3339Nano, sample[0])
				must(t, err)
				*field = at
			}
			want = append(want, sample[1])
		}
	}
	record := row.Base()
	record.ID = fmt.Sprintf("%s %d", record.ID, variant) // a record of its own
	want[0] = record.ID
	record.Account, record.Provider = stream.Account, stream.Provider
	record.Status = schema.Statuses()[variant%len(schema.Statuses())]
	record.ListedUnder = textSamples[(variant+1)%len(textSamples)]
	record.FirstSeenAt = noon.In(time.FixedZone("there", 5*60*60))
	record.Payload = []byte(textSamples[(variant+2)%len(textSamples)])
	record.PayloadHash = sha256.Sum256(fmt.Append(record.Payload, variant))
	return row, want
}

// texts makes the expression that shows columns as an array of texts, NULL as that word.
func columnTexts(names []string) string {
	var texts []string
	for _, name := range names {
		texts = append(texts, "ifNull(toString("+name+"), 'NULL')")
	}
	return "SELECT [" + strings.Join(texts, ", ") + "] AS texts FROM "
}

// testEveryColumn writes every sample into every column that takes it, and reads the columns back as text made by
// the server, from the table and from the view: neither a column nor a digit may get lost or change its place.
func testEveryColumn(t *testing.T, w *warehouse) {
	for resource, table := range map[schema.Resource]string{
		schema.Deposits: "deposit_versions", schema.Trades: "trade_versions", schema.Payments: "payment_versions", schema.Balances: "balance_snapshots",
	} {
		stream := schema.Stream{Account: `it's\me`, Provider: "some provider", Resource: resource}
		var names []string
		for _, column := range schema.NewRow(resource).Columns() {
			names = append(names, column.Name)
		}
		names = append(names, "account", "provider", "payload")
		ownNames := []string{"version", "hex(payload_hash)", "status", "listed_under", "first_seen_at", "run_id"}
		if resource == schema.Balances {
			ownNames = []string{"as_of", "observed_us", "observed_at", "run_id"}
		}
		batch := load.Batch{Stream: stream, RunID: `run's\1`, AsOf: noon}
		var stored, viewed [][]string
		for variant := range len(textSamples) * 2 {
			row, want := sampleRow(t, stream, variant)
			must(t, schema.Validate(row))
			batch.Rows = append(batch.Rows, row)
			record := row.Base()
			want = append(want, stream.Account, stream.Provider, string(record.Payload))
			viewed = append(viewed, want)
			own := []string{"1", strings.ToUpper(hex.EncodeToString(record.PayloadHash[:])), string(record.Status), record.ListedUnder, "2026-07-01 12:00:00.123456", `run's\1`}
			if resource == schema.Balances {
				own = []string{"2026-07-01 12:00:00.123456", "1782907200123456", "2026-07-01 12:00:00.123456", `run's\1`}
			}
			stored = append(stored, slices.Concat(want, own))
		}
		w.write(t, batch, len(batch.Rows))
		w.wantRows(t, columnTexts(slices.Concat(names, ownNames))+w.database+"."+table+" FINAL", stored)
		w.wantRows(t, columnTexts(names)+w.database+"."+string(resource), viewed)
	}
}

// wantRows compares the rows of a query, in any order.
func (w *warehouse) wantRows(t *testing.T, sql string, want [][]string) {
	t.Helper()
	var rows []struct {
		Texts []string `ch:"texts"`
	}
	must(t, w.Select(t.Context(), &rows, sql))
	got := make([][]string, 0, len(rows))
	for _, row := range rows {
		got = append(got, row.Texts)
	}
	slices.SortFunc(got, slices.Compare)
	want = slices.SortedFunc(slices.Values(want), slices.Compare)
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("%.60s… (-want +got):\n%s", sql, difference)
	}
}

// testRange stores the first and the last of everything that Validate lets through.
func testRange(t *testing.T, w *warehouse) {
	first, last := deposit("first", schema.StatusPending, "-"+nines, 0), deposit("last", schema.StatusPending, nines, 0)
	first.CreatedAt, first.UpdatedAt = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	last.CreatedAt, last.UpdatedAt = time.Date(2261, 12, 31, 23, 59, 59, 999_999_000, time.UTC), time.Date(2261, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	for _, row := range []schema.Row{first, last} {
		must(t, schema.Validate(row))
	}
	w.write(t, deposits("run", first, last), 2)
	w.wantRows(t, columnTexts([]string{"deposit_id", "amount", "fee", "created_at", "updated_at"})+w.database+".deposits", [][]string{
		{"first", "-" + nines, "NULL", "1900-01-01 00:00:00.000000", "1900-01-01 00:00:00.000000"},
		{"last", nines, "NULL", "2261-12-31 23:59:59.999999", "2261-12-31 23:59:59.999999"},
	})
}

// testSums: analysts add amounts up, over many rows and far apart in size. The truth is added up by math/big.
func testSums(t *testing.T, w *warehouse) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // test data
	sum := new(big.Rat)
	var rows []schema.Row
	for i := range 2000 {
		digits := make([]byte, 1+random.IntN(70))
		for at := range digits {
			digits[at] = byte('0' + random.IntN(10))
		}
		exponent := random.IntN(19)
		if len(digits)-exponent > 54 {
			continue // of numbers with more digits before the point a sum of 2000 could wrap
		}
		text := fmt.Sprintf("%se-%d", digits, exponent)
		if random.IntN(3) == 0 {
			text = "-" + text
		}
		amount := amountOf(text)
		if amount.Fits() != nil {
			continue
		}
		number, _ := new(big.Rat).SetString(text)
		sum.Add(sum, number)
		row := deposit(fmt.Sprint(i), schema.StatusCompleted, "0", 0)
		row.Amount = amount
		rows = append(rows, row)
	}
	w.write(t, deposits("run", rows...), len(rows))
	got, _ := new(big.Rat).SetString(ask[string](t, w, "SELECT toString(sum(amount)) FROM "+w.database+".deposits"))
	if got == nil || got.Cmp(sum) != 0 {
		t.Errorf("the sum of %d amounts is %s, want %s", len(rows), got.FloatString(18), sum.FloatString(18))
	}
}

// testManyAwkwardIDs: the look-up of what is stored finds ids whatever is in them and however many they are.
func testManyAwkwardIDs(t *testing.T, w *warehouse) {
	var rows []schema.Row
	for i := range 2500 {
		rows = append(rows, deposit(fmt.Sprintf("%.60s%d", textSamples[i%len(textSamples)], i), schema.StatusPending, "1", 0))
	}
	w.write(t, deposits("first", rows...), len(rows))
	w.write(t, deposits("second", rows...), 0)
	var changed []schema.Row
	for i, row := range rows {
		again := deposit(row.Base().ID, schema.StatusPending, "1", 5)
		if i%100 == 0 {
			again = deposit(row.Base().ID, schema.StatusCompleted, "1", 5)
		}
		changed = append(changed, again)
	}
	w.write(t, deposits("third", changed...), 25)
	w.wantCounts(t, map[string]int{"deposit_versions": 2525, "deposits": 2500, "deposits WHERE status = 'completed' AND version = 2": 25})
	if ids, err := w.destination.CountIDs(t.Context(), depositStream, ""); err != nil || ids != 2500 {
		t.Errorf("%d ids, %v", ids, err)
	}
	id := rows[2].Base().ID
	var payload string
	must(t, w.QueryRow(t.Context(), "SELECT payload FROM "+w.database+".deposits WHERE deposit_id = {id:String}", driverpackage.Named("id", id)).Scan(&payload))
	if !bytes.Equal([]byte(payload), rows[2].Base().Payload) {
		t.Errorf("the payload of %q is %q", id, payload)
	}
}
