package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/extract/sandbox"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// failingConn is the connection of a process that dies at a statement that writes: at the one with that number, before
// or after its effect. Leases are spared: what a process leaves behind of them has tests of its own.
type failingConn struct {
	driver.Conn
	at    int // from 1; 0: it lives
	after bool
	seen  int
}

var leases = regexp.MustCompile("^INSERT INTO `[^`]+`\\.sync_leases\\b")

var errDied = errors.New("the process has died")

// dies counts a statement that writes.
func (c *failingConn) dies(do func() error) error {
	switch c.seen++; {
	case c.at == 0 || c.seen < c.at:
		return do()
	case c.seen == c.at && c.after:
		return errors.Join(errDied, do())
	}
	return errDied
}

func (c *failingConn) Exec(ctx context.Context, query string, args ...any) error {
	if !strings.HasPrefix(query, "INSERT") || leases.MatchString(query) {
		return c.Conn.Exec(ctx, query, args...)
	}
	return c.dies(func() error { return c.Conn.Exec(ctx, query, args...) })
}

func (c *failingConn) PrepareBatch(ctx context.Context, query string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	batch, err := c.Conn.PrepareBatch(ctx, query, options...)
	return &failingBatch{batch, c}, err
}

type failingBatch struct {
	driver.Batch
	conn *failingConn
}

func (b *failingBatch) Send() error { return b.conn.dies(b.Batch.Send) }

// remapWorld is a partner, and a database that was filled by definitions with mistakes.
type remapWorld struct {
	t        *testing.T
	conn     driver.Conn
	partner  *sandbox.Sandbox
	database string
}

// What was wrong: the zone of the partner's times, and what its words mean; for a while also where an amount is.
const (
	wrongWords  = "times: {zone: Pacific/Honolulu}\nresources:\n  deposits:\n    statuses: {CONFIRMED: failed}\n"
	wrongAmount = "  payments:\n    fields: {amount: nowhere}\n"
)

// as returns the program with a definition, on a connection to one of the databases.
func (r *remapWorld) as(definition, database string, conn driver.Conn) (*app, *warehouse) {
	r.t.Helper()
	a, _, _ := newApp()
	var err error
	a.catalog, err = extract.LoadCatalog(providers.Files, fstest.MapFS{"coinut.yaml": {Data: []byte("name: coinut\nextends: coinut\n" + definition)}})
	if err != nil {
		r.t.Fatal(err)
	}
	return a, &warehouse{Connection: &clickhouse.Connection{Conn: conn}, target: clickhouse.Target{Database: database}}
}

func (r *remapWorld) sync(definition string) {
	r.t.Helper()
	a, w := r.as(definition, r.database, r.conn)
	if err := a.sync(r.t.Context(), w, sandboxClients(r.t, a, r.partner), nil, syncOptions{full: true}); err != nil && !errors.Is(err, errPartial) {
		r.t.Fatal(err)
	}
}

// remap reads again what a database holds, by a definition without mistakes.
func (r *remapWorld) remap(database string, conn driver.Conn) error {
	a, w := r.as("", database, conn)
	return a.remap(r.t.Context(), w, sandboxClients(r.t, a, r.partner))
}

// newRemapWorld lets some nights pass. Among the payments are some that never were readable, some that changed while
// they were not, and one that changed and changed back.
func newRemapWorld(t *testing.T) *remapWorld {
	t.Helper()
	conn := embeddedtest.Connect(t)
	r := &remapWorld{t: t, conn: conn.Conn, database: embeddedtest.Database(t, conn)}
	var err error
	until := time.Date(2025, 7, 15, 0, 0, 0, 0, time.UTC)
	r.partner, err = sandbox.New(sandbox.Options{
		Seed: 74, Records: 500, Since: until.AddDate(0, -1, 0), Until: until, RateLimits: []sandbox.Limit{{Requests: 60_000, Per: time.Minute}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.sync(wrongWords)
	payments := r.partner.Truth().Payments
	words := map[string]string{}
	for i, payment := range payments[:4] {
		words[payment.ID] = payment.Status
		other := payments[slices.IndexFunc(payments, func(p sandbox.Payment) bool { return p.Status != payment.Status })].Status
		if err := r.partner.SetStatus(schema.Payments, payments[i].ID, other); err != nil {
			t.Fatal(err)
		}
	}
	r.partner.Add(6)
	r.sync(wrongWords + wrongAmount)
	back := payments[0].ID
	if err := r.partner.SetStatus(schema.Payments, back, words[back]); err != nil {
		t.Fatal(err)
	}
	r.partner.Add(2)
	r.sync(wrongWords) // of what is listed now, most can be read
	r.partner.Add(6)
	r.sync(wrongWords + wrongAmount)
	return r
}

var recordTables = []string{
	"deposit_versions", "trade_versions", "payment_versions", "balance_snapshots", "rejected_records", "record_sightings", "sync_checkpoints", "sync_leases",
}

// copied returns a database with the same records.
func (r *remapWorld) copied() string {
	r.t.Helper()
	database := embeddedtest.Database(r.t, r.conn)
	if _, err := schema.Migrate(r.t.Context(), r.conn, database, schema.Layout{}); err != nil {
		r.t.Fatal(err)
	}
	for _, table := range recordTables {
		if err := r.conn.Exec(r.t.Context(), fmt.Sprintf("INSERT INTO %s.%s SELECT * FROM %s.%[2]s", database, table, r.database)); err != nil {
			r.t.Fatal(err)
		}
	}
	return database
}

// texts returns rows of a database as texts.
func (r *remapWorld) texts(database, query string) []string {
	r.t.Helper()
	var rows []struct {
		Text string `ch:"text"`
	}
	if err := r.conn.Select(r.t.Context(), &rows, strings.ReplaceAll(query, "{db}", database)); err != nil {
		r.t.Fatal(err)
	}
	texts := []string{}
	for _, row := range rows {
		texts = append(texts, row.Text)
	}
	return texts
}

// state is all that a remap may change, as it can be seen: the views and what is proven by, not when it was read.
func (r *remapWorld) state(database string) map[string][]string {
	r.t.Helper()
	state := map[string][]string{}
	for view, key := range map[string]string{"deposits": "deposit_id", "trades": "trade_id", "payments": "payment_id"} {
		state[view] = r.texts(database, "SELECT toString(tuple(* EXCEPT payload)) AS text FROM {db}."+view+" ORDER BY "+key)
		state[view+" history"] = r.texts(database, "SELECT DISTINCT concat("+key+", ' ', toString(version), ' ', hex(payload_hash), ' ', toString(first_seen_at)) AS text FROM {db}."+
			strings.TrimSuffix(view, "s")+"_versions FINAL ORDER BY text")
	}
	state["balances"] = r.texts(database, "SELECT toString(tuple(*)) AS text FROM {db}.balances ORDER BY currency")
	state["quarantine"] = r.texts(database, "SELECT toString(tuple(*)) AS text FROM {db}.quarantine ORDER BY text")
	state["sightings"] = r.texts(database, "SELECT toString(tuple(*)) AS text FROM {db}.record_sightings FINAL ORDER BY text")
	return state
}

// asOf is what was known at an instant.
func (r *remapWorld) asOf(database string, at time.Time) map[string][]string {
	r.t.Helper()
	known := map[string][]string{}
	for _, view := range []string{"deposits", "trades", "payments", "balances"} {
		known[view] = r.texts(database, fmt.Sprintf("SELECT toString(tuple(*)) AS text FROM {db}.%s_as_of(known_at = '%s') ORDER BY text",
			view, at.UTC().Format("2006-01-02 15:04:05.000000")))
	}
	return known
}

// TestSimRemapDies breaks a remap off at statements that write (in a simulation at each of them), before and after their
// effect, and starts it again: the result is that of one that nothing disturbed. What was known before is as it was, and
// what comes out is what the partner's books say.
func TestSimRemapDies(t *testing.T) {
	r := newRemapWorld(t)
	undisturbed := r.copied()
	before := time.Now()
	known := r.asOf(undisturbed, before)
	statements := &failingConn{Conn: r.conn}
	if err := r.remap(undisturbed, statements); err != nil {
		t.Fatal(err)
	}
	want := r.state(undisturbed)
	r.compare(undisturbed)
	if difference := cmp.Diff(known, r.asOf(undisturbed, before)); difference != "" {
		t.Errorf("what was known before has changed (-before +after):\n%s", difference)
	}
	if err := r.remap(undisturbed, r.conn); err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(want, r.state(undisturbed)); difference != "" {
		t.Errorf("a second remap changed (-once +twice):\n%s", difference)
	}
	t.Logf("a remap writes %d times", statements.seen)
	deaths := 2 * statements.seen
	for _, death := range rand.Perm(deaths)[:deathsOf(deaths)] {
		at, after := 1+death/2, death%2 == 1
		database := r.copied()
		if err := r.remap(database, &failingConn{Conn: r.conn, at: at, after: after}); !errors.Is(err, errDied) {
			t.Fatalf("it did not die at %d: %v", at, err)
		}
		if err := r.remap(database, r.conn); err != nil {
			t.Fatal(err)
		}
		if difference := cmp.Diff(want, r.state(database)); difference != "" {
			t.Errorf("after it died at %d (after its effect: %t) (-undisturbed +resumed):\n%s", at, after, difference)
		}
		if difference := cmp.Diff(known, r.asOf(database, before)); difference != "" {
			t.Errorf("after it died at %d what was known before has changed:\n%s", at, difference)
		}
	}
}

// deathsOf is how many of the deaths a test dies: all of them in a simulation.
func deathsOf(all int) int {
	if os.Getenv("TIEOUT_TEST_SIM_SCALE") != "" {
		return all
	}
	return min(all, 6)
}

// compare holds the views to the partner's books.
func (r *remapWorld) compare(database string) {
	r.t.Helper()
	truth := r.partner.Truth()
	for resource, key := range map[schema.Resource]string{schema.Deposits: "deposit_id", schema.Trades: "trade_id", schema.Payments: "payment_id"} {
		var want []string
		for _, record := range truth.Records(resource) {
			want = append(want, fmt.Sprintf("%s %s %s %s", record.ID, record.Status, record.Reading, record.CreatedAt.Format("2006-01-02 15:04:05.000000")))
		}
		slices.Sort(want)
		got := r.texts(database, fmt.Sprintf("SELECT concat(%s, ' ', provider_status, ' ', status, ' ', toString(created_at)) AS text FROM {db}.%s ORDER BY text", key, resource))
		if difference := cmp.Diff(want, got); difference != "" {
			r.t.Errorf("%s (-books +views):\n%s", resource, difference)
		}
	}
	if left := r.texts(database, "SELECT record_id AS text FROM {db}.quarantine"); len(left) > 0 {
		r.t.Errorf("in quarantine are still %q", left)
	}
	if several := r.texts(database, "SELECT payment_id AS text FROM {db}.payments WHERE version = 3"); len(several) != 1 {
		r.t.Errorf("of these payments there are three versions: %q", several)
	}
	if moved := r.texts(database, "SELECT DISTINCT trade_id AS text FROM {db}.trade_versions GROUP BY trade_id HAVING uniqExact(toYYYYMM(created_at)) > 1"); len(moved) == 0 {
		r.t.Error("no trade has gone to another partition: nothing was shown of that")
	}
}
