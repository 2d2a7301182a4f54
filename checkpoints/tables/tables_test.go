package tables_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/checkpoints"
	"tieout/checkpoints/checkpointstest"
	"tieout/checkpoints/tables"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

func TestMain(m *testing.M) {
	if setting := os.Getenv(rivalVariable); setting != "" {
		os.Exit(rival(setting))
	}
	os.Exit(embeddedtest.Main(m))
}

func TestTables(t *testing.T) { suite(t, embeddedtest.Connect(t)) }

// TestTablesServer runs the same against servers.
func TestTablesServer(t *testing.T) {
	embeddedtest.Servers(t, func(t *testing.T, connection *clickhouse.Connection) { suite(t, connection) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func suite(t *testing.T, conn driver.Conn) {
	t.Run("store", func(t *testing.T) {
		checkpointstest.Suite(t, func(t *testing.T) checkpoints.Store {
			store, _ := newStore(t, conn)
			return store
		})
	})
	t.Run("leases", func(t *testing.T) { leaseSuite(t, conn) })
	t.Run("run", func(t *testing.T) { testRun(t, conn) })
	t.Run("certificate", func(t *testing.T) { testCertificate(t, conn) })
	t.Run("cuts", func(t *testing.T) { testCuts(t, conn) })
	t.Run("status of nothing", func(t *testing.T) { testStatusOfNothing(t, conn) })
	t.Run("status", func(t *testing.T) { testStatus(t, conn) })
	t.Run("status of lists", func(t *testing.T) { testStatusOfLists(t, conn) })
	t.Run("every field of a list", func(t *testing.T) { testListFields(t, conn) })
	t.Run("status of a killed run", func(t *testing.T) { testStatusOfKilledRun(t, conn) })
	t.Run("status of quarantine", func(t *testing.T) { testStatusOfQuarantine(t, conn) })
	t.Run("keys", func(t *testing.T) { testKeys(t, conn) })
	t.Run("stale keys", func(t *testing.T) { testStaleKeys(t, conn) })
	t.Run("not migrated", func(t *testing.T) { testNotMigrated(t, conn) })
}

// newStore returns a store on a database of its own, and the name of that.
func newStore(t *testing.T, conn driver.Conn) (*tables.Store, string) {
	t.Helper()
	database := embeddedtest.Database(t, conn)
	_, err := schema.Migrate(t.Context(), conn, database, schema.Layout{})
	must(t, err)
	return tables.NewStore(&clickhouse.Connection{Conn: conn}, database), database
}

// testNotMigrated: each ability reports which stream it was about, and keeps the class that its connection gave.
func testNotMigrated(t *testing.T, conn driver.Conn) {
	store := tables.NewStore(&clickhouse.Connection{Conn: conn}, embeddedtest.Database(t, conn))
	ctx, stream := context.WithoutCancel(t.Context()), streamOf("kuna_main", schema.Deposits)
	_, latest := store.Latest(ctx, stream)
	_, status := store.Status(ctx)
	_, key := store.LoadKey(ctx, "nonce a")
	_, keys := store.KeyStates(ctx, "limit ")
	for name, err := range map[string]error{
		"load keys": keys, "load key": key, "save key": store.AppendKey(ctx, checkpoints.KeyState{Name: "nonce a", State: "1"}),
		"latest": latest, "append": store.Append(ctx, checkpoints.Checkpoint{Stream: stream, WrittenAt: evening}),
		"run":         store.RecordRun(ctx, checkpoints.StreamRun{Stream: stream, StartedAt: evening}),
		"certificate": store.RecordCertificate(ctx, checkpoints.Certificate{Stream: stream, ProvenAt: evening}),
		"cuts":        store.RecordCuts(ctx, []checkpoints.Cut{{Account: "kuna_main/deposits", BeforeAt: evening, AfterAt: evening}}),
		"status":      status,
	} {
		if schema.ClassOf(err) != schema.ClassConfiguration || !slices.Contains([]string{"status", "load key", "load keys", "save key"}, name) && !strings.Contains(err.Error(), "kuna_main/deposits") {
			t.Errorf("%s: class %s of %v", name, schema.ClassOf(err), err)
		}
	}
}
