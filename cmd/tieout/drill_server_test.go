package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tieout/load/embedded/embeddedtest"
)

// serverSetting names a program that is a ClickHouse server, for tests that kill one: `PROGRAM -lib LIBRARY -path FOLDER -tcp
// ADDRESS -http ADDRESS`, which prints "ready native=ADDRESS http=ADDRESS". Without it the tests look for its source.
const serverSetting = "TIEOUT_TEST_CLICKHOUSE_SERVER"

// serverSource is where the source of such a server may lie, from this folder.
const serverSource = "../../../shared/clickhouse-server"

// serverProcess is a ClickHouse of its own for a test, which may kill it and start it again on the same data.
type serverProcess struct {
	t            *testing.T
	program      string
	data         string
	native, http string // addresses, the same after each start
	command      *exec.Cmd
}

// startServer starts a server, or returns nil where there is none to start, and says so.
func startServer(t *testing.T) *serverProcess {
	t.Helper()
	program := os.Getenv(serverSetting)
	if program == "" {
		if _, err := os.Stat(filepath.Join(serverSource, "go.mod")); err != nil {
			t.Logf("%s names no server, and there is no source of one at %s: this part is left out", serverSetting, serverSource)
			return nil
		}
		program = filepath.Join(t.TempDir(), "clickhouse-server")
		if text, err := exec.CommandContext(t.Context(), "go", "build", "-C", serverSource, "-mod=readonly", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
			t.Fatalf("build the server: %v\n%s", err, text)
		}
	}
	s := &serverProcess{t: t, program: program, data: quickFolder(t), native: "127.0.0.1:0", http: "127.0.0.1:0"}
	t.Cleanup(s.kill)
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	return s
}

// quickFolder returns a folder of the test in memory, where there is room, and else on disk: a process that is killed
// loses nothing that it has written to either, and the tables wait for the disk at every insert.
func quickFolder(t *testing.T) string {
	t.Helper()
	const memory, room = "/dev/shm", 2 << 30
	var space syscall.Statfs_t
	if err := syscall.Statfs(memory, &space); err != nil || space.Bavail < room/uint64(space.Bsize) { //nolint:gosec // a size is positive
		return t.TempDir()
	}
	folder, err := os.MkdirTemp(memory, "tieout-drill-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// needServer starts a server, or skips the test.
func needServer(t *testing.T) *serverProcess {
	t.Helper()
	s := startServer(t)
	if s == nil {
		t.Skipf("%s names no server", serverSetting)
	}
	return s
}

// start starts the process and waits until it is ready.
func (s *serverProcess) start() error {
	s.command = exec.CommandContext(context.Background(), s.program, "-lib", embeddedtest.Library(s.t), "-path", s.data, "-tcp", s.native, "-http", s.http)
	out, err := s.command.StdoutPipe()
	if err == nil {
		err = s.command.Start()
	}
	if err != nil {
		return err
	}
	timer := time.AfterFunc(time.Minute, func() { _ = s.command.Process.Kill() }) // it may have ended
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), "ready native=%s http=%s", &s.native, &s.http); err == nil {
			return nil
		}
	}
	return fmt.Errorf("the server did not start: %w", cmp.Or(lines.Err(), io.EOF))
}

// kill ends the process with SIGKILL and waits until it is gone.
func (s *serverProcess) kill() {
	_ = s.command.Process.Kill() // it may have ended
	_ = s.command.Wait()         // it was killed
}

// dsn returns a DSN with a database of its own, by one of the protocols.
func (s *serverProcess) dsn(protocol string) string {
	return dsnAt(protocol, map[string]string{"http": s.http, "native": s.native}[protocol])
}

// dsnAt is the same for an address.
func dsnAt(protocol, address string) string {
	scheme := map[string]string{"http": "http", "native": "clickhouse"}[protocol]
	return fmt.Sprintf("%s://default@%s/drill_%d", scheme, address, databases.Add(1))
}
