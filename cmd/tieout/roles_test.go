package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// roleStatements returns the statements of a file of deploy/clickhouse, without comments.
func roleStatements(t *testing.T, name string) []string {
	t.Helper()
	root, _ := moduleRoot(t)
	text, err := os.ReadFile(filepath.Join(root, "deploy", "clickhouse", name))
	if err != nil {
		t.Fatal(err)
	}
	var statements []string
	for statement := range strings.SplitSeq(regexp.MustCompile(`(?m)^--.*\n`).ReplaceAllString(string(text), ""), ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

// TestRolesParse: every statement is one that ClickHouse understands, its privileges and settings included.
func TestRolesParse(t *testing.T) {
	conn := embeddedtest.Connect(t)
	for _, name := range []string{"roles.sql", "roles_cluster.sql"} {
		statements := roleStatements(t, name)
		if len(statements) < 6 {
			t.Fatalf("%s has %d statements", name, len(statements))
		}
		for _, statement := range statements {
			if err := conn.Exec(t.Context(), "EXPLAIN AST "+statement); err != nil {
				t.Errorf("%s: %v\n%s", name, err, statement)
			}
		}
	}
	for _, setting := range regexp.MustCompile(`(?m)\b(\w+) = \S+( CONST| CHANGEABLE_IN_READONLY| MAX \d+)?[,;]`).FindAllStringSubmatch(strings.Join(roleStatements(t, "roles.sql"), ";\n"), -1) {
		var known []struct {
			Count uint64 `ch:"count"`
		}
		if err := conn.Select(t.Context(), &known, "SELECT count() AS count FROM system.settings WHERE name = $1", setting[1]); err != nil {
			t.Fatal(err)
		}
		if known[0].Count != 1 && setting[1] != "queries" {
			t.Errorf("there is no setting %s", setting[1])
		}
	}
}

// grants is what a role may do: privileges by place.
type grants map[string][]string

// granted reads the grants of a role.
func granted(t *testing.T, role string) grants {
	t.Helper()
	all := grants{}
	grant := regexp.MustCompile(`^GRANT (.+) ON (\S+) TO (\w+)$`)
	for _, statement := range roleStatements(t, "roles.sql") {
		if parts := grant.FindStringSubmatch(statement); parts != nil && parts[3] == role {
			all[parts[2]] = append(all[parts[2]], strings.Split(parts[1], ", ")...)
		}
	}
	if len(all) == 0 {
		t.Fatalf("nothing is granted to %s", role)
	}
	return all
}

// recordingConn notes every statement that is sent.
type recordingConn struct {
	driver.Conn
	mu         sync.Mutex // guards statements
	statements []string
}

func (c *recordingConn) note(statement string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements = append(c.statements, statement)
}

func (c *recordingConn) Exec(ctx context.Context, query string, args ...any) error {
	c.note(query)
	return c.Conn.Exec(ctx, query, args...)
}

func (c *recordingConn) Select(ctx context.Context, destination any, query string, args ...any) error {
	c.note(query)
	return c.Conn.Select(ctx, destination, query, args...)
}

func (c *recordingConn) Query(ctx context.Context, query string, args ...any) (driver.Rows, error) {
	c.note(query)
	return c.Conn.Query(ctx, query, args...) //nolint:rowserrcheck // who asked reads them
}

func (c *recordingConn) QueryRow(ctx context.Context, query string, args ...any) driver.Row {
	c.note(query)
	return c.Conn.QueryRow(ctx, query, args...)
}

func (c *recordingConn) PrepareBatch(ctx context.Context, query string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	c.note(query)
	return c.Conn.PrepareBatch(ctx, query, options...)
}

// taken returns what was sent since the last call.
func (c *recordingConn) taken() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.statements = nil }()
	return c.statements
}

// TestRolesSuffice runs migrate, sync and status in this process, and holds every statement that is really sent to
// what its role has: the writer only reads and inserts, and the rest is the migrator's.
func TestRolesSuffice(t *testing.T) {
	conn := embeddedtest.Connect(t)
	database := embeddedtest.Database(t, conn)
	recording := &recordingConn{Conn: conn.Conn}
	w := &warehouse{Connection: &clickhouse.Connection{Conn: recording}, target: clickhouse.Target{Database: database}}
	partner, err := sandbox.New(sandbox.Options{Records: 150, RateLimits: []sandbox.Limit{{Requests: 60_000, Per: time.Minute}}})
	if err != nil {
		t.Fatal(err)
	}
	a, _, stderr := newApp()
	if _, err := a.providers(""); err != nil {
		t.Fatal(err)
	}
	sync := func() {
		t.Helper()
		if err := a.sync(t.Context(), w, sandboxClients(t, a, partner), nil, syncOptions{full: true}); err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
	}
	if w.layout, err = schema.DetectLayout(t.Context(), w, database, ""); err != nil {
		t.Fatal(err)
	}
	if err := a.migrate(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	checkRole(t, "tieout_migrator", database, recording.taken())

	defer func() {
		recording.taken()
		if err := a.printCompacted(t.Context(), w, time.Minute); err != nil {
			t.Error(err)
		}
		sent := recording.taken()
		checkRole(t, "tieout_migrator", database, sent)
		if len(sent) < 10 {
			t.Errorf("only %d statements for a year of months: %q", len(sent), sent)
		}
	}()

	partner.Inject(1, sandbox.OnPath("/payment/list"), sandbox.Answer(http.StatusOK, nil,
		`{"status":"SUCCESS","data":{"list":[{"id":"bad","status":"CONFIRMED"}],"pageNum":1,"pageSize":100,"total":1}}`))
	_ = a.sync(t.Context(), w, sandboxClients(t, a, partner), nil, syncOptions{}) // with a record for the quarantine
	partner.Add(5)
	sync()
	if _, err := w.ledger().Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.remap(t.Context(), w, sandboxClients(t, a, partner)); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if err := w.ledger().AppendKey(t.Context(), checkpoints.KeyState{Name: "limit k", Fence: 1, Seq: 1, State: "s"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ledger().LoadKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	sent := recording.taken()
	checkRole(t, "tieout_writer", database, sent)
	for _, table := range []string{
		"deposit_versions", "trade_versions", "payment_versions", "balance_snapshots", "rejected_records",
		"sync_runs", "sync_checkpoints", "sync_certificates", "sync_leases", "key_states", "remaps",
	} {
		if !slices.ContainsFunc(sent, func(s string) bool { return strings.HasPrefix(s, "INSERT INTO `"+database+"`."+table) }) {
			t.Errorf("nothing was written to %s: the test shows less than it seems", table)
		}
	}
}

func sandboxClients(t *testing.T, a *app, partner *sandbox.Sandbox) []client {
	t.Helper()
	known := partner.Accounts()[0]
	clients, err := a.clients(Config{Accounts: []Account{{
		Name: "coinut_main", Provider: "coinut", BaseURL: "http://127.0.0.1",
		Credentials: map[string]schema.Secret{"api_key": schema.NewSecret(known.Key), "api_secret": schema.NewSecret(known.Secret)},
		RateLimits:  []extract.Window{{Requests: 60_000, Per: time.Minute}},
	}}}, partner.Transport(), extract.NewKeyring(nil))
	if err != nil {
		t.Fatal(err)
	}
	return clients
}

var (
	namedTable = regexp.MustCompile("(?:\\b(?:FROM|JOIN|INTO|TABLE IF NOT EXISTS|VIEW IF NOT EXISTS|TABLE)\\s+)(`[^`]+`\\.\\w+|system\\.\\w+|[a-z_.]+\\()")
	statement  = regexp.MustCompile(`^\s*(SELECT|INSERT INTO|CREATE DATABASE|CREATE TABLE|CREATE VIEW|ALTER TABLE|OPTIMIZE TABLE)\b`)
)

// checkRole holds statements to what a role may do. A table that is read or written in a form that is not understood
// is a failure, too.
func checkRole(t *testing.T, role, database string, statements []string) {
	t.Helper()
	may := granted(t, role)
	if len(statements) == 0 {
		t.Fatalf("%s has sent nothing", role)
	}
	for _, text := range statements {
		kind := statement.FindStringSubmatch(text)
		if kind == nil {
			t.Errorf("%s: neither read nor insert nor known DDL: %s", role, text)
			continue
		}
		tables := namedTable.FindAllStringSubmatch(text, -1)
		if len(tables) == 0 && kind[1] != "CREATE DATABASE" && strings.Contains(text, "FROM") {
			t.Errorf("%s: which tables? %s", role, text)
		}
		for i, name := range tables {
			place, privilege := strings.Replace(name[1], "`"+database+"`.", "tieout.", 1), "SELECT"
			if i == 0 && kind[1] != "SELECT" {
				privilege = strings.TrimSuffix(kind[1], " INTO")
				if kind[1] == "OPTIMIZE TABLE" {
					privilege = "OPTIMIZE"
				}
			}
			if strings.HasPrefix(place, "tieout.") {
				place = "tieout.*"
			}
			if !slices.Contains(may[place], privilege) {
				t.Errorf("%s has no %s on %s: %.200s", role, privilege, place, text)
			}
		}
	}
}
