package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load/clickhouse"
)

// killPlan tells the program, where it is the test binary, at which of its statements it dies: "before insert versions|2"
// is before the second statement of that name. Nothing of this is in the program that people run: the tests wrap the
// connection that it opens.
const killPlan = "TIEOUT_TEST_KILL"

// When a process dies: before the statement has left it; a moment after that, so that it dies while rows travel or the
// server works; after ClickHouse has committed and before the program knows.
var moments = []string{"before", "during", "after"}

// The statements have names by what they are for. Those of the first list write.
var (
	writing = []string{
		"migration statement", "migration journal", "take lease", "renew lease", "release lease", "key ledger",
		"insert quarantine", "insert versions", "insert tombstones", "insert sightings", "insert balances",
		"append checkpoint", "record certificate", "record run", "record cut",
	}
	reading = []string{"look up", "verify"}
)

// fetches are the points at the partner, where the test itself kills: when a request has come, and when its answer has left.
var fetches = []string{"before fetch", "after fetch"}

// points names every moment at which a process is killed.
func points() []string {
	all := append([]string{}, fetches...)
	for _, name := range writing {
		for _, moment := range moments {
			all = append(all, moment+" "+name)
		}
	}
	for _, name := range reading {
		all = append(all, "before "+name, "after "+name)
	}
	return all
}

// reaper counts the statements of a process and ends it at one of them.
type reaper struct {
	moment, name string

	mu     sync.Mutex // guards the rest
	left   int        // statements of that name until the one at which it dies
	graves map[string]bool
	leases map[string]bool
}

// dieBy makes this process die by a plan.
func dieBy(plan string) {
	point, count, _ := strings.Cut(plan, "|")
	moment, name, _ := strings.Cut(point, " ")
	left, err := strconv.Atoi(count)
	if err != nil {
		panic(err)
	}
	r := &reaper{moment: moment, name: name, left: left, graves: map[string]bool{}, leases: map[string]bool{}}
	connect = func(ctx context.Context, target clickhouse.Target, options clickhouse.Options) (*clickhouse.Connection, error) {
		connection, err := clickhouse.Open(ctx, target, options)
		if err == nil {
			connection.Conn = &mortalConn{connection.Conn, r}
		}
		return connection, err
	}
	if name == "renew lease" {
		leaseTerm, embeddedLeaseTerm = 1200*time.Millisecond, 1200*time.Millisecond // they are renewed six times in it
	}
}

// die ends the process as nobody can hinder.
func die() {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {}
}

// do makes a statement, or dies at it.
func (r *reaper) do(name string, statement func() error) error {
	if name != r.name || !r.due() {
		return statement()
	}
	switch r.moment {
	case "before":
		die()
	case "during":
		time.AfterFunc(rand.N(4*time.Millisecond), die)
	}
	_ = statement() // whatever came of it, nobody learns it
	die()
	return nil
}

func (r *reaper) due() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left--
	return r.left == 0
}

var tableNames = map[string]string{
	"rejected_records": "insert quarantine", "record_sightings": "insert sightings", "balance_snapshots": "insert balances",
	"sync_checkpoints": "append checkpoint", "sync_certificates": "record certificate", "sync_runs": "record run",
	"balance_cuts": "record cut", "key_states": "key ledger", "schema_migrations": "migration journal",
}

// nameOf names a statement; empty: it is none at which anybody dies.
func (r *reaper) nameOf(query string, args []any) string {
	into, insert := strings.CutPrefix(strings.TrimSpace(query), "INSERT INTO ")
	switch {
	case insert:
		return r.nameOfInsert(into, args)
	case strings.HasPrefix(strings.TrimSpace(query), "CREATE ") || strings.HasPrefix(query, "ALTER ") || strings.HasPrefix(query, "DROP "):
		return "migration statement"
	case strings.Contains(query, "cityHash64("):
		return "verify"
	case strings.Contains(query, "AS own"):
		return "look up"
	case strings.Contains(query, "deleted_at, evidence, payload") && strings.Contains(query, "LIMIT 1 BY"):
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, table := range []string{"deposit_versions", "trade_versions", "payment_versions"} {
			if strings.Contains(query, "."+table) {
				r.graves[table] = true // what is inserted there next are tombstones
			}
		}
	}
	return ""
}

func (r *reaper) nameOfInsert(into string, args []any) string {
	name, _, _ := strings.Cut(into, "(")
	table := strings.TrimSpace(name[strings.LastIndexByte(name, '.')+1:])
	r.mu.Lock()
	defer r.mu.Unlock()
	if table == "sync_leases" {
		return r.nameOfLease(args)
	}
	if strings.HasSuffix(table, "_versions") {
		if r.graves[table] {
			r.graves[table] = false
			return "insert tombstones"
		}
		return "insert versions"
	}
	return tableNames[table]
}

// nameOfLease tells the first row of a claim from the next ones and from the last. The caller holds r.mu.
func (r *reaper) nameOfLease(args []any) string {
	claim := ""
	for _, arg := range args {
		switch arg := arg.(type) {
		case driver.NamedValue:
			if arg.Name == "claim_id" {
				claim = fmt.Sprint(arg.Value)
			}
		case driver.NamedDateValue:
			if arg.Name == "released_at" && arg.Value.Unix() > 0 {
				return "release lease"
			}
		}
	}
	if r.leases[claim] {
		return "renew lease"
	}
	r.leases[claim] = true
	return "take lease"
}

// mortalConn is a connection at whose statements the process may die.
type mortalConn struct {
	driver.Conn
	reaper *reaper
}

var _ driverpackage.Conn = (*mortalConn)(nil)

func (c *mortalConn) Exec(ctx context.Context, query string, args ...any) error {
	return c.reaper.do(c.reaper.nameOf(query, args), func() error { return c.Conn.Exec(ctx, query, args...) })
}

func (c *mortalConn) Select(ctx context.Context, destination any, query string, args ...any) error {
	return c.reaper.do(c.reaper.nameOf(query, args), func() error { return c.Conn.Select(ctx, destination, query, args...) })
}

func (c *mortalConn) Query(ctx context.Context, query string, args ...any) (rows driver.Rows, err error) {
	err = c.reaper.do(c.reaper.nameOf(query, args), func() error {
		rows, err = c.Conn.Query(ctx, query, args...) //nolint:rowserrcheck // the caller reading them
		return err
	})
	return rows, err
}

func (c *mortalConn) PrepareBatch(ctx context.Context, query string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	batch, err := c.Conn.PrepareBatch(ctx, query, options...)
	if err != nil {
		return nil, err
	}
	return &mortalBatch{batch, c.reaper, c.reaper.nameOf(query, nil)}, nil
}

type mortalBatch struct {
	driver.Batch
	reaper *reaper
	name   string
}

func (b *mortalBatch) Send() error { return b.reaper.do(b.name, b.Batch.Send) }
