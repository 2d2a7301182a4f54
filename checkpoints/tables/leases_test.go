package tables_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/checkpoints"
	"tieout/checkpoints/checkpointstest"
	"tieout/checkpoints/tables"
	"tieout/load/clickhouse"
)

// place is both halves in one database.
type place struct {
	*tables.Leases
	*tables.Store
}

func leaseSuite(t *testing.T, conn driver.Conn) {
	checkpointstest.LeaseSuite(t, func(t *testing.T) checkpointstest.LeaseStore {
		store, database := newStore(t, conn)
		return place{tables.NewLeases(&clickhouse.Connection{Conn: &pausingConn{conn, 500 * time.Millisecond}}, database, nil), store}
	})
	t.Run("steps", func(t *testing.T) { testSteps(t, conn) })
	t.Run("ended holders", func(t *testing.T) { testEnded(t, conn) })
}

// pausingConn is the connection of a process that is held up between and within its steps, where "rivals" contend.
type pausingConn struct {
	driver.Conn
	term time.Duration
}

func (c *pausingConn) rest(ctx context.Context, args []any) {
	for _, arg := range args {
		if named, ok := arg.(driver.NamedValue); ok && named.Name == "run_id" && strings.HasPrefix(fmt.Sprint(named.Value), "rival ") {
			checkpointstest.Pauses(ctx, c.term)
		}
	}
}

func (c *pausingConn) Exec(ctx context.Context, query string, args ...any) error {
	c.rest(ctx, args)
	defer c.rest(ctx, args)
	return c.Conn.Exec(ctx, query, args...)
}

// testEnded: the lease of a process that is known to have ended can be taken at once, and only such a lease.
func testEnded(t *testing.T, conn driver.Conn) {
	_, database := newStore(t, conn)
	dead := checkpoints.Holder{Host: "h", PID: 1, Process: "dead", RunID: "a"}
	alive := checkpoints.Holder{Host: "h", PID: 2, Process: "alive", RunID: "b"}
	leases := tables.NewLeases(&clickhouse.Connection{Conn: conn}, database, func(h checkpoints.Holder) bool { return h == dead })
	take := func(holder checkpoints.Holder) (checkpoints.Lease, error) {
		return leases.Take(t.Context(), checkpoints.Claim{Scope: "key k", Holder: holder, Term: time.Hour})
	}
	first, err := take(dead)
	must(t, err)
	second, err := take(alive)
	must(t, err)
	if second.Fence != first.Fence+1 {
		t.Errorf("lease %d came after %d", second.Fence, first.Fence)
	}
	if _, err := take(dead); err == nil || !strings.Contains(err.Error(), "key k is held by another run: run b, process 2 on h, since ") {
		t.Errorf("the lease of a process that is alive: %v", err)
	}
	if _, err := leases.Extend(t.Context(), second); err != nil {
		t.Errorf("beside the lease of a dead process: %v", err)
	}
}

// What makes the test binary a rival of its own: the DSN of the server and the database.
const rivalVariable = "TIEOUT_TEST_LEASE_RIVAL"

const rivalTerm = 600 * time.Millisecond

// rival contends for a lease in a process of its own and prints when it had it.
func rival(setting string) int {
	dsn, database, _ := strings.Cut(setting, " ")
	target, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	connection, err := clickhouse.Open(context.Background(), target, clickhouse.Options{Version: "test"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Second)
	defer cancel()
	leases := tables.NewLeases(&clickhouse.Connection{Conn: &pausingConn{connection, rivalTerm}}, database, nil)
	reigns, err := checkpointstest.Contend(ctx, leases, checkpoints.Claim{
		Scope: "account kuna_main", Term: rivalTerm, Holder: checkpoints.Holder{Host: "h", PID: int64(os.Getpid()), RunID: "rival " + fmt.Sprint(os.Getpid())},
	}, nil)
	for _, reign := range reigns {
		fmt.Println(reign.Fence, reign.Begin, reign.End) //nolint:forbidigo // the parent reads it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestRivalProcessesServer lets processes contend for one lease on a server. One of them is stopped and let go on all
// the time, as a machine does that is out of memory. At no time two of them believe that they have it.
func TestRivalProcessesServer(t *testing.T) {
	texts := strings.Fields(os.Getenv("TIEOUT_TEST_CLICKHOUSE_DSN"))
	if len(texts) == 0 {
		t.Skip("TIEOUT_TEST_CLICKHOUSE_DSN names no server")
	}
	target, err := clickhouse.ParseDSN(texts[0])
	must(t, err)
	connection, err := clickhouse.Open(t.Context(), target, clickhouse.Options{Version: "test"})
	must(t, err)
	t.Cleanup(func() { connection.Close() })
	_, database := newStore(t, connection)

	type process struct {
		command        *exec.Cmd
		stdout, stderr bytes.Buffer
	}
	var processes []*process
	for range 5 {
		p := &process{command: exec.CommandContext(t.Context(), os.Args[0])}
		p.command.Env = append(os.Environ(), rivalVariable+"="+texts[0]+" "+database)
		p.command.Stdout, p.command.Stderr = &p.stdout, &p.stderr
		must(t, p.command.Start())
		processes = append(processes, p)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		holdUp(t, processes[0].command)
	}()
	var reigns []checkpointstest.Reign
	for i, p := range processes {
		if err := p.command.Wait(); err != nil {
			t.Errorf("rival %d: %v: %s", i, err, &p.stderr)
		}
		own := 0
		for lines := bufio.NewScanner(&p.stdout); lines.Scan(); own++ {
			var reign checkpointstest.Reign
			_, err := fmt.Sscan(lines.Text(), &reign.Fence, &reign.Begin, &reign.End)
			must(t, err)
			reigns = append(reigns, reign)
		}
		t.Logf("rival %d had the lease %d times", i, own)
	}
	<-stopped
	checkpointstest.CheckReigns(t, reigns, 2)
}
