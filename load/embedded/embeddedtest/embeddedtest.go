// Package embeddedtest gives tests a real ClickHouse: the embedded engine, one for each test process, on a
// temporary folder, and a database of its own for every test that asks.
//
// A test package that uses it calls Main from its TestMain, so that the folder is removed:
//
//	func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }
package embeddedtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load/clickhouse"
	"tieout/load/embedded"
)

// Library returns where the engine's library is: TIEOUT_LIBCHDB, or where `make libchdb` puts it. Where there is
// none it skips the test, or fails it if TIEOUT_TEST_REQUIRE_ENGINE is set, as make does: a suite that silently
// tests nothing would be green by accident.
func Library(tb testing.TB) string {
	tb.Helper()
	path := os.Getenv("TIEOUT_LIBCHDB")
	if path == "" {
		path = embedded.DefaultLibrary()
	}
	if _, err := os.Stat(path); err != nil {
		const message = "no embedded ClickHouse at %q: `make libchdb` fetches it, TIEOUT_LIBCHDB names another place"
		if os.Getenv("TIEOUT_TEST_REQUIRE_ENGINE") != "" {
			tb.Fatalf(message, path)
		}
		tb.Skipf(message, path)
	}
	return path
}

// Opener returns the opener of the embedded engine with the library at the path.
func Opener(library string) clickhouse.EmbeddedOpener {
	return func(path string) (http.RoundTripper, io.Closer, error) {
		engine, err := embedded.Open(library, path)
		if err != nil {
			return nil, nil, err
		}
		return engine.Transport(), engine, nil
	}
}

// shared is the engine of this process.
var shared struct {
	mu         sync.Mutex // guards the rest
	connection *clickhouse.Connection
	folder     string
	err        error
}

// Connect returns a connection to the engine that all tests of the process share. The first call opens it; nobody
// but Main closes it, and Close of the connection does nothing.
func Connect(tb testing.TB) *clickhouse.Connection {
	tb.Helper()
	library := Library(tb)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.connection == nil && shared.err == nil {
		shared.err = open(library)
	}
	if shared.err != nil {
		tb.Fatalf("open the embedded ClickHouse: %v", shared.err)
	}
	return &clickhouse.Connection{Conn: unclosable{shared.connection.Conn}}
}

// Servers runs a test against each of the servers that TIEOUT_TEST_CLICKHOUSE_DSN names, separated by spaces, and
// skips it where that names none. `make test-server` runs the tests with Server in their names.
func Servers(t *testing.T, run func(t *testing.T, connection *clickhouse.Connection)) {
	t.Helper()
	texts := strings.Fields(os.Getenv("TIEOUT_TEST_CLICKHOUSE_DSN"))
	if len(texts) == 0 {
		t.Skip("TIEOUT_TEST_CLICKHOUSE_DSN names no server")
	}
	for _, text := range texts {
		target, err := clickhouse.ParseDSN(text)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(target.Protocol.String(), func(t *testing.T) {
			connection, err := clickhouse.Open(t.Context(), target, clickhouse.Options{Version: "test"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = connection.Close() }() // the test is over
			run(t, connection)
		})
	}
}

// open opens the shared engine. The caller holds shared.mu.
func open(library string) error {
	sweep()
	folder, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return fmt.Errorf("create a folder: %w", err)
	}
	shared.folder = folder
	target := clickhouse.Target{Database: clickhouse.DefaultDatabase, Path: folder}
	shared.connection, err = clickhouse.Open(context.Background(), target, clickhouse.Options{Embedded: Opener(library)})
	return err
}

// unclosable outlives the test that closes it out of habit.
type unclosable struct{ driver.Conn }

// Close implements driver.Conn and does nothing.
func (unclosable) Close() error { return nil }

var (
	databases  atomic.Int64 // how many Database has named
	notInAName = regexp.MustCompile(`[^a-z0-9]+`)
)

// nameLength is how much of a test's name is in its database's name, in bytes: file systems limit names.
const nameLength = 40

// Database creates an empty database with a name that nobody else uses, drops it after the test and returns its
// name. It works on servers as well.
func Database(tb testing.TB, conn driver.Conn) string {
	tb.Helper()
	test := notInAName.ReplaceAllString(strings.ToLower(tb.Name()), "_")
	name := fmt.Sprintf("%.*s_%d_%d", nameLength, test, os.Getpid(), databases.Add(1))
	if err := conn.Exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("create database %s: %v", name, err)
	}
	tb.Cleanup(func() {
		// Not the test's context: that one has ended.
		if err := conn.Exec(context.Background(), "DROP DATABASE "+name+" SYNC"); err != nil {
			tb.Errorf("drop database %s: %v", name, err)
		}
	})
	return name
}

// Main runs the tests, then closes the engine and removes its folder. It returns the exit code for os.Exit.
func Main(m *testing.M) int {
	code := m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.connection != nil {
		// What is left of a failure here, the next process sweeps.
		_ = shared.connection.Close()
	}
	if shared.folder != "" {
		_ = os.RemoveAll(shared.folder)
	}
	return code
}

const prefix = "tieout-embedded-"

// sweep removes folders whose process is gone: a test that panics or is killed never comes to the end of Main.
func sweep() {
	leftovers, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return // the pattern is at fault, and only tidiness is lost
	}
	for _, leftover := range leftovers {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(leftover), prefix), "-")
		id, err := strconv.Atoi(owner)
		if err != nil || id <= 0 {
			continue
		}
		if errors.Is(syscall.Kill(id, 0), syscall.ESRCH) {
			_ = os.RemoveAll(leftover) // may belong to another user
		}
	}
}
