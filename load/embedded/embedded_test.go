package embedded_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/load/clickhouse"
	"tieout/load/embedded"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// The tests here open and close engines, so none of them uses the shared one, and none runs in parallel. What a
// connection can do is the suite of load/clickhouse, which runs on the engine as it runs on servers.

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openEngine opens an engine on the folder and closes it after the test.
func openEngine(t *testing.T, folder string) *embedded.Engine {
	t.Helper()
	engine, err := embedded.Open(embeddedtest.Library(t), folder)
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	return engine
}

// already is an opener that returns an engine which is open, and stays so.
func already(engine *embedded.Engine) clickhouse.EmbeddedOpener {
	return func(string) (http.RoundTripper, io.Closer, error) {
		return engine.Transport(), io.NopCloser(nil), nil
	}
}

// connectTo returns a driver's connection to the engine, which its Close leaves open.
func connectTo(t *testing.T, engine *embedded.Engine) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(context.Background(), clickhouse.Target{Path: "open"}, clickhouse.Options{
		Embedded: already(engine),
	})
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close()) })
	return conn
}

func count(t *testing.T, conn driver.Conn, table string) uint64 {
	t.Helper()
	var rows uint64
	must(t, conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&rows))
	return rows
}

func TestOpenWithoutLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent", "libchdb.so")
	folder := t.TempDir()
	_, err := embedded.Open(path, folder)
	if schema.ClassOf(err) != schema.ClassConfiguration {
		t.Fatalf("class %s of %v", schema.ClassOf(err), err)
	}
	want := "libchdb, the library of the embedded ClickHouse, is not at " + path + ": `make libchdb` fetches it, TIEOUT_LIBCHDB names another place"
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if _, err := embedded.Open("", folder); schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), "make libchdb") {
		t.Errorf("without a path: %v", err)
	}
}

func TestOpenOfAnotherLibrary(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libchdb.so")
	must(t, os.WriteFile(path, []byte("<html>not found</html>"), 0o600))
	for _, other := range []string{path, "/etc/passwd"} {
		_, err := embedded.Open(other, t.TempDir())
		if schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), "`make libchdb` fetches it") {
			t.Errorf("class %s of %v", schema.ClassOf(err), err)
		}
	}
}

func TestOpenOfBadFolders(t *testing.T) {
	library := embeddedtest.Library(t)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for name, folder := range map[string]string{"a file": file, "below a file": filepath.Join(file, "x"), "nothing": "", "a zero byte": "a\x00b"} {
		if _, err := embedded.Open(library, folder); schema.ClassOf(err) != schema.ClassConfiguration {
			t.Errorf("%s: class %s of %v", name, schema.ClassOf(err), err)
		}
	}
}

func TestOpenCreatesThePrivateFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "it's \\ new", "data")
	engine := openEngine(t, folder)
	if got := count(t, connectTo(t, engine), "system.one"); got != 1 {
		t.Errorf("system.one has %d rows", got)
	}
	info, err := os.Stat(folder)
	must(t, err)
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("the folder has mode %o, want 700", mode)
	}
}

func TestSecondEngineIsRefused(t *testing.T) {
	first := filepath.Join(t.TempDir(), "first")
	engine := openEngine(t, first)
	for _, folder := range []string{first, t.TempDir()} {
		_, err := embedded.Open(embeddedtest.Library(t), folder)
		if schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), first) {
			t.Errorf("a second engine at %s: class %s of %v", folder, schema.ClassOf(err), err)
		}
	}
	must(t, engine.Close())
	other := openEngine(t, t.TempDir())
	if got := count(t, connectTo(t, other), "system.one"); got != 1 {
		t.Errorf("system.one has %d rows", got)
	}
}

func TestReopenKeepsTheData(t *testing.T) {
	folder := t.TempDir()
	engine := openEngine(t, folder)
	must(t, connectTo(t, engine).Exec(t.Context(), "CREATE TABLE default.t ENGINE = MergeTree ORDER BY n AS SELECT number AS n FROM numbers(1000)"))
	for range 5 {
		must(t, engine.Close())
		engine = openEngine(t, folder)
		if got := count(t, connectTo(t, engine), "default.t"); got != 1000 {
			t.Fatalf("%d rows, want 1000", got)
		}
	}
}

func TestClose(t *testing.T) {
	engine := openEngine(t, t.TempDir())
	conn := connectTo(t, engine)
	rows, err := conn.Query(t.Context(), "SELECT number FROM numbers(1000000)")
	must(t, err)
	if !rows.Next() {
		t.Fatal("no row")
	}

	// Statements of other goroutines either succeed or say that the engine is closed; nothing crashes.
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for {
				err := conn.Exec(context.Background(), "SELECT 1")
				if errors.Is(err, embedded.ErrClosed) {
					return
				}
				if err != nil {
					t.Errorf("a statement beside Close: %v", err)
					return
				}
			}
		})
	}
	time.Sleep(20 * time.Millisecond) //nolint:forbidigo // the engine is real, and so is its time
	for range 4 {
		group.Go(func() {
			if err := engine.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	group.Wait()

	// The result that was open stays readable.
	seen := 1
	for rows.Next() {
		seen++
	}
	must(t, rows.Err())
	if seen != 1_000_000 {
		t.Errorf("%d rows, want 1000000", seen)
	}
	must(t, rows.Close())
	must(t, engine.Close())
	if err := conn.Exec(t.Context(), "SELECT 1"); !errors.Is(err, embedded.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestCloseWaitsForTheStatement(t *testing.T) {
	engine := openEngine(t, t.TempDir())
	conn := connectTo(t, engine)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- conn.Exec(ctx, "SELECT sleep(0.5)") }()
	time.Sleep(100 * time.Millisecond) //nolint:forbidigo // the engine is real, and so is its time
	cancel()
	start := time.Now()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the statement that was left alone: %v", err)
	}
	if waited := time.Since(start); waited > 200*time.Millisecond {
		t.Errorf("it took %s to leave it", waited)
	}
	must(t, engine.Close())
	if waited := time.Since(start); waited < 200*time.Millisecond {
		t.Errorf("Close came back after %s, while the statement was running", waited)
	}
}

func TestServerVersion(t *testing.T) {
	version, err := connectTo(t, openEngine(t, t.TempDir())).ServerVersion()
	must(t, err)
	if version.Timezone.String() != "UTC" || version.Version.Major < 26 {
		t.Errorf("server version is %s", version)
	}
}

func TestDefaultLibrary(t *testing.T) {
	t.Setenv("HOME", "/home/someone")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	path := embedded.DefaultLibrary()
	if want := filepath.Join("tieout", "libchdb-"+embedded.LibraryVersion, "libchdb.so"); !strings.HasSuffix(path, want) {
		t.Errorf("default library is %q, want …/%s", path, want)
	}
}
