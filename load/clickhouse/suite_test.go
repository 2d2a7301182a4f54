package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tieout/load/embedded/embeddedtest"
)

// suite is what the rest of the program takes for granted of a connection, whatever is behind it: the embedded
// engine, or a server by either protocol.
func suite(t *testing.T, conn driver.Conn) {
	t.Run("columns", func(t *testing.T) { testColumns(t, conn) })
	t.Run("parameters", func(t *testing.T) { testParameters(t, conn) })
	t.Run("awkward parameters", func(t *testing.T) { testAwkwardParameters(t, conn) })
	t.Run("empty results", func(t *testing.T) { testEmptyResults(t, conn) })
	t.Run("error codes", func(t *testing.T) { testErrorCodes(t, conn) })
	t.Run("deduplication token", func(t *testing.T) { testDeduplicationToken(t, conn) })
	t.Run("settings end with their statement", func(t *testing.T) { testSettings(t, conn) })
	t.Run("parameterised view", func(t *testing.T) { testParameterisedView(t, conn) })
	t.Run("big result", func(t *testing.T) { testBigResult(t, conn) })
	t.Run("big insert is one part", func(t *testing.T) { testBigInsert(t, conn) })
	t.Run("goroutines", func(t *testing.T) { testGoroutines(t, conn) })
	t.Run("rows while another statement runs", func(t *testing.T) { testNestedStatements(t, conn) })
	t.Run("people's statements", func(t *testing.T) { testPeoplesStatements(t, conn) })
	t.Run("cancelled context", func(t *testing.T) { testCancelledContext(t, conn) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exec(t *testing.T, conn driver.Conn, sql string) {
	t.Helper()
	must(t, conn.Exec(t.Context(), sql))
}

// ask returns the single value of a query.
func ask[T any](t *testing.T, conn driver.Conn, sql string, arguments ...any) T {
	t.Helper()
	var value T
	must(t, conn.QueryRow(t.Context(), sql, arguments...).Scan(&value))
	return value
}

// inserting is the context of every insert of ours.
func inserting(ctx context.Context, token string) context.Context {
	return driverpackage.Context(ctx, driverpackage.WithSettings(driverpackage.Settings{
		"async_insert": 0, "insert_deduplicate": 1, "max_insert_threads": 1,
		"max_partitions_per_insert_block": 1, "insert_deduplication_token": token,
	}))
}

// money is a row with every type that our tables use.
type money struct {
	Account     string
	ID          uint64
	PayloadHash string
	CreatedAt   time.Time
	Amount      decimal.Decimal
	Fee         *decimal.Decimal
	Status      string
	Total       decimal.Decimal
	Payload     string
	FirstSeenAt time.Time
	LastSeenAt  time.Time
}

const moneyTable = `CREATE TABLE %s.money (
	account LowCardinality(String), id UInt64, payload_hash FixedString(32), created_at DateTime64(6, 'UTC'),
	amount Decimal(76, 18), fee Nullable(Decimal(76, 18)),
	status SimpleAggregateFunction(any, LowCardinality(String)),
	total SimpleAggregateFunction(any, Decimal(76, 18)),
	payload SimpleAggregateFunction(any, String) CODEC(ZSTD(3)),
	first_seen_at SimpleAggregateFunction(min, DateTime64(6, 'UTC')),
	last_seen_at SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
) ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(created_at)
ORDER BY (account, id, payload_hash, created_at, amount, fee)
SETTINGS non_replicated_deduplication_window = 100, allow_nullable_key = 1`

func exampleMoney() []money {
	at := time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC)
	fee := decimal.RequireFromString("0.000000000000000001")
	huge := decimal.RequireFromString(strings.Repeat("9", 58) + "." + strings.Repeat("9", 18))
	return []money{
		{"kuna", 1, strings.Repeat("a", 32), at, huge, nil, "completed", huge.Neg(), `{"it's":"\\ \n"}`, at, at.Add(time.Microsecond)},
		{"kuna", 1<<64 - 1, "\x00\xff" + strings.Repeat("\\", 30), at.Add(time.Microsecond), decimal.RequireFromString("-0.1"), &fee, "", decimal.Zero, "", at, at},
	}
}

func testColumns(t *testing.T, conn driver.Conn) {
	database := embeddedtest.Database(t, conn)
	exec(t, conn, fmt.Sprintf(moneyTable, database))
	want := exampleMoney()
	batch, err := conn.PrepareBatch(inserting(t.Context(), "columns"), "INSERT INTO "+database+
		".money (account, id, payload_hash, created_at, amount, fee, status, total, payload, first_seen_at, last_seen_at)")
	must(t, err)
	for _, m := range want {
		must(t, batch.Append(m.Account, m.ID, m.PayloadHash, m.CreatedAt, m.Amount, m.Fee, m.Status, m.Total, m.Payload, m.FirstSeenAt, m.LastSeenAt))
	}
	must(t, batch.Send())

	rows, err := conn.Query(t.Context(), "SELECT account, id, payload_hash, created_at, amount, fee, status, total, payload, first_seen_at, last_seen_at FROM "+
		database+".money FINAL ORDER BY id")
	must(t, err)
	defer rows.Close()
	var got []money
	for rows.Next() {
		var m money
		must(t, rows.Scan(&m.Account, &m.ID, &m.PayloadHash, &m.CreatedAt, &m.Amount, &m.Fee, &m.Status, &m.Total, &m.Payload, &m.FirstSeenAt, &m.LastSeenAt))
		got = append(got, m)
	}
	must(t, rows.Err())
	equal := cmp.Comparer(func(a, b decimal.Decimal) bool { return a.Equal(b) })
	if difference := cmp.Diff(want, got, equal); difference != "" {
		t.Errorf("rows differ (-want +got):\n%s", difference)
	}
}

func testParameters(t *testing.T, conn driver.Conn) {
	at := time.Date(2026, 3, 14, 15, 9, 26, 535897000, time.UTC)
	var (
		word    string
		number  uint64
		words   []string
		instant time.Time
		amount  decimal.Decimal
	)
	err := conn.QueryRow(t.Context(),
		"SELECT {word:String}, {number:UInt64}, {words:Array(String)}, {instant:DateTime64(6, 'UTC')}, {amount:Decimal(76, 18)}",
		driverpackage.Named("word", `it's a "word" \ {word:String}`),
		driverpackage.Named("number", uint64(1<<64-1)),
		driverpackage.Named("words", []string{"plain", "it's", "", "a,b"}),
		driverpackage.DateNamed("instant", at, driverpackage.MicroSeconds),
		driverpackage.Named("amount", "-12345678901234567890.000000000000000001"),
	).Scan(&word, &number, &words, &instant, &amount)
	must(t, err)
	if want := `it's a "word" \ {word:String}`; word != want {
		t.Errorf("word is %q, want %q", word, want)
	}
	if number != 1<<64-1 {
		t.Errorf("number is %d", number)
	}
	if difference := cmp.Diff([]string{"plain", "it's", "", "a,b"}, words); difference != "" {
		t.Errorf("words differ (-want +got):\n%s", difference)
	}
	if !instant.Equal(at) {
		t.Errorf("instant is %s, want %s", instant, at)
	}
	if amount.String() != "-12345678901234567890.000000000000000001" {
		t.Errorf("amount is %s", amount)
	}
}

func testAwkwardParameters(t *testing.T, conn driver.Conn) {
	for _, word := range []string{"", "two\nlines", "tab\tbed", "'; DROP TABLE t; --", `\N`, "žluťoučký kůň 🐎", strings.Repeat("x", 100_000)} {
		if got := ask[string](t, conn, "SELECT {word:String}", driverpackage.Named("word", word)); got != word {
			t.Errorf("%.40q came back as %.40q", word, got)
		}
	}
}

func testEmptyResults(t *testing.T, conn driver.Conn) {
	rows, err := conn.Query(t.Context(), "SELECT number FROM system.numbers WHERE 0 LIMIT 1")
	must(t, err)
	if rows.Next() {
		t.Error("a row came out of nothing")
	}
	must(t, rows.Err())
	must(t, rows.Close())
	var number uint64
	if err := conn.QueryRow(t.Context(), "SELECT toUInt64(1) WHERE 0").Scan(&number); err == nil {
		t.Error("a scan of no row succeeded")
	}
	// The statement after an empty one finds its connection in order.
	if got := ask[uint64](t, conn, "SELECT toUInt64(7)"); got != 7 {
		t.Errorf("7 came back as %d", got)
	}
}

func testErrorCodes(t *testing.T, conn driver.Conn) {
	for sql, code := range map[string]int32{
		"SELECT nope":                      47,
		"SELECT 1 FROM no_such_database.t": 81,
		"SELECT throwIf(1, 'on purpose')":  395,
		"SELEC 1":                          62,
	} {
		err := conn.Exec(t.Context(), sql)
		exception, ok := errors.AsType[*driverpackage.Exception](err)
		if !ok || exception.Code != code {
			t.Errorf("%s: %v, want code %d", sql, err, code)
		}
	}
	database := embeddedtest.Database(t, conn)
	_, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+database+".absent (a)")
	if exception, ok := errors.AsType[*driverpackage.Exception](err); !ok || exception.Code != 60 {
		t.Errorf("batch into an absent table: %v, want code 60", err)
	}
	// max_partitions_per_insert_block is our assertion that a batch lies in one partition.
	exec(t, conn, "CREATE TABLE "+database+".months (at DateTime64(6, 'UTC')) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY at")
	batch, err := conn.PrepareBatch(inserting(t.Context(), "months"), "INSERT INTO "+database+".months (at)")
	must(t, err)
	must(t, batch.Append(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	must(t, batch.Append(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)))
	if exception, ok := errors.AsType[*driverpackage.Exception](batch.Send()); !ok || exception.Code != 252 {
		t.Errorf("batch over two partitions: %v, want code 252", exception)
	}
	if rows := ask[uint64](t, conn, "SELECT count() FROM "+database+".months"); rows != 0 {
		t.Errorf("a refused batch left %d rows", rows)
	}
}

// insertNumbers writes the numbers from first to before end in one batch.
func insertNumbers(ctx context.Context, conn driver.Conn, table string, first, end uint64) error {
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table+" (n)")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer batch.Abort()
	for n := first; n < end; n++ {
		if err := batch.Append(n); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	return batch.Send()
}

func testDeduplicationToken(t *testing.T, conn driver.Conn) {
	table := embeddedtest.Database(t, conn) + ".numbers"
	exec(t, conn, "CREATE TABLE "+table+" (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
	for _, step := range []struct {
		token string
		first uint64
		want  uint64
	}{
		{"one", 0, 10},
		{"one", 0, 10},   // repeated: nothing new
		{"two", 0, 20},   // the token decides, not the content
		{"three", 5, 30}, // a token that stayed in the session would swallow this
		{"one", 0, 30},
	} {
		must(t, insertNumbers(inserting(t.Context(), step.token), conn, table, step.first, step.first+10))
		if got := ask[uint64](t, conn, "SELECT count() FROM "+table); got != step.want {
			t.Errorf("after token %s: %d rows, want %d", step.token, got, step.want)
		}
	}
}

func testSettings(t *testing.T, conn driver.Conn) {
	const question = "SELECT toString(getSetting('max_result_rows')) || '/' || toString(getSetting('log_comment'))"
	before := ask[string](t, conn, question)
	ctx := driverpackage.Context(t.Context(), driverpackage.WithSettings(driverpackage.Settings{"max_result_rows": 77, "log_comment": `it's \ a run`}))
	var during string
	must(t, conn.QueryRow(ctx, question).Scan(&during))
	if during != `77/it's \ a run` {
		t.Errorf("settings of the statement are %q", during)
	}
	bad := driverpackage.Context(t.Context(), driverpackage.WithSettings(driverpackage.Settings{"max_result_rows": 88, "no_such_setting": 1}))
	if exception, ok := errors.AsType[*driverpackage.Exception](conn.Exec(bad, "SELECT 1")); !ok || exception.Code != 115 {
		t.Errorf("unknown setting: %v, want code 115", exception)
	}
	failing := driverpackage.Context(t.Context(), driverpackage.WithSettings(driverpackage.Settings{"max_result_rows": 99}))
	if err := conn.Exec(failing, "SELECT throwIf(1)"); err == nil {
		t.Error("throwIf did not throw")
	}
	if after := ask[string](t, conn, question); after != before {
		t.Errorf("settings were %q and are now %q", before, after)
	}
}

func testParameterisedView(t *testing.T, conn driver.Conn) {
	database := embeddedtest.Database(t, conn)
	exec(t, conn, "CREATE TABLE "+database+".seen (n UInt64, at DateTime64(6, 'UTC')) ENGINE = MergeTree ORDER BY n")
	exec(t, conn, "INSERT INTO "+database+".seen VALUES (1, '2026-01-01 00:00:00.000001'), (2, '2026-01-01 00:00:00.000002')")
	exec(t, conn, "CREATE VIEW "+database+".seen_as_of AS SELECT n FROM "+database+".seen WHERE at <= {known_at:DateTime64(6, 'UTC')} ORDER BY n")
	got := ask[uint64](t, conn, "SELECT count() FROM "+database+".seen_as_of(known_at = '2026-01-01 00:00:00.000001')")
	if got != 1 {
		t.Errorf("by literal: %d rows, want 1", got)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 1000, time.UTC)
	got = ask[uint64](t, conn, "SELECT count() FROM "+database+".seen_as_of(known_at = {known_at:DateTime64(6, 'UTC')})",
		driverpackage.DateNamed("known_at", at, driverpackage.MicroSeconds))
	if got != 1 {
		t.Errorf("by parameter: %d rows, want 1", got)
	}
}

func testBigResult(t *testing.T, conn driver.Conn) {
	const count = 1_000_000
	rows, err := conn.Query(t.Context(), "SELECT number, toString(number), toDecimal256(number, 18) FROM numbers(1000000) ORDER BY number")
	must(t, err)
	defer rows.Close()
	next := uint64(0)
	for rows.Next() {
		var (
			number uint64
			word   string
			amount decimal.Decimal
		)
		if err := rows.Scan(&number, &word, &amount); err != nil {
			t.Fatal(err)
		}
		if number != next || word != amount.String() {
			t.Fatalf("row %d is %d, %q, %s", next, number, word, amount)
		}
		next++
	}
	must(t, rows.Err())
	if next != count {
		t.Errorf("%d rows, want %d", next, count)
	}
}

func testBigInsert(t *testing.T, conn driver.Conn) {
	const count = 500_000 // the largest batch that we write
	database := embeddedtest.Database(t, conn)
	exec(t, conn, "CREATE TABLE "+database+".numbers (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
	exec(t, conn, "SYSTEM STOP MERGES "+database+".numbers")
	must(t, insertNumbers(inserting(t.Context(), "big"), conn, database+".numbers", 0, count))
	if sum := ask[uint64](t, conn, "SELECT sum(n) FROM "+database+".numbers"); sum != count*(count-1)/2 {
		t.Errorf("sum is %d, want %d", sum, uint64(count*(count-1)/2))
	}
	// More than one part would mean that a kill in the middle can leave half of the batch.
	parts := ask[uint64](t, conn, "SELECT count() FROM system.parts WHERE database = {database:String} AND active", driverpackage.Named("database", database))
	if parts != 1 {
		t.Errorf("the batch became %d parts, want 1", parts)
	}
}

func testGoroutines(t *testing.T, conn driver.Conn) {
	const writers, batches, rows = 12, 8, 25
	table := embeddedtest.Database(t, conn) + ".numbers"
	exec(t, conn, "CREATE TABLE "+table+" (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 1000")
	var group sync.WaitGroup
	for writer := range uint64(writers) {
		group.Go(func() {
			for batch := range uint64(batches) {
				first := (writer*batches + batch) * rows
				if err := insertNumbers(inserting(t.Context(), fmt.Sprint(writer, batch)), conn, table, first, first+rows); err != nil {
					t.Errorf("writer %d: %v", writer, err)
				}
				var mine uint64
				err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table+" WHERE intDiv(n, {size:UInt64}) = {writer:UInt64}",
					driverpackage.Named("size", uint64(batches*rows)), driverpackage.Named("writer", writer)).Scan(&mine)
				if err != nil || mine != (batch+1)*rows {
					t.Errorf("writer %d sees %d of its %d rows: %v", writer, mine, (batch+1)*rows, err)
				}
			}
		})
	}
	group.Wait()
	if got := ask[uint64](t, conn, "SELECT uniqExact(n) FROM "+table); got != writers*batches*rows {
		t.Errorf("%d rows, want %d", got, writers*batches*rows)
	}
}

func testNestedStatements(t *testing.T, conn driver.Conn) {
	rows, err := conn.Query(t.Context(), "SELECT number FROM numbers(300000)")
	must(t, err)
	defer rows.Close()
	for range 3 {
		if !rows.Next() {
			t.Fatal("no row")
		}
		if got := ask[uint64](t, conn, "SELECT toUInt64(5)"); got != 5 {
			t.Errorf("5 came back as %d", got)
		}
	}
	must(t, rows.Err())
}

func testCancelledContext(t *testing.T, conn driver.Conn) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := conn.Exec(cancelled, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	start := time.Now()
	err := conn.Exec(ctx, "SELECT sleepEachRow(0.1) FROM numbers(30) SETTINGS max_block_size = 1")
	if err == nil {
		t.Error("a cancelled statement succeeded")
	}
	if waited := time.Since(start); waited > 2*time.Second {
		t.Errorf("it took %s to give up", waited)
	}
	if got := ask[uint64](t, conn, "SELECT toUInt64(9)"); got != 9 {
		t.Errorf("9 came back as %d", got)
	}
}
