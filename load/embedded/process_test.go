package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tieout/load/clickhouse"
	"tieout/load/embedded"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// Some promises concern whole processes. Their tests run this binary again, in one of these roles: each opens the
// engine on a folder, does its part and writes what came of it to standard output.
var roles = map[string]func(engine *embedded.Engine) error{
	"write":         roleWrite,
	"count":         roleCount,
	"hold":          roleHold,
	"recover":       roleRecover,
	"notify":        roleNotify,
	"be terminated": roleHold,
	"fill the pipe": roleFillThePipe,
	"tell the hour": roleTellTheHour,
}

const (
	roleVariable    = "TIEOUT_TEST_ROLE"
	libraryVariable = "TIEOUT_TEST_ROLE_LIBRARY"
	folderVariable  = "TIEOUT_TEST_ROLE_FOLDER"
)

func TestMain(m *testing.M) {
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		os.Exit(play(role))
	}
	os.Exit(embeddedtest.Main(m))
}

func play(role func(*embedded.Engine) error) int {
	engine, err := embedded.Open(os.Getenv(libraryVariable), os.Getenv(folderVariable))
	if err == nil {
		err = errors.Join(role(engine), engine.Close())
	}
	if err != nil {
		say(schema.ClassOf(err), err)
		return 1
	}
	return 0
}

func say(words ...any) { _, _ = fmt.Fprintln(os.Stdout, words...) }

// process is this binary in a role.
type process struct {
	*exec.Cmd
	output *bufio.Reader
	closer io.Closer
}

func start(t *testing.T, role, folder string) *process {
	t.Helper()
	// A handler of the engine that holds on to a fault sleeps for minutes: such a process is killed, and says less
	// than it should.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, os.Args[0])
	command.Env = append(os.Environ(), roleVariable+"="+role, libraryVariable+"="+embeddedtest.Library(t), folderVariable+"="+folder)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	return &process{command, bufio.NewReader(output), output}
}

// line returns the next line of the output, empty at its end.
func (p *process) line() string {
	text, _ := p.output.ReadString('\n')
	return strings.TrimSpace(text)
}

func dial(engine *embedded.Engine) (*clickhouse.Connection, error) {
	return clickhouse.Open(context.Background(), clickhouse.Target{Path: "open"}, clickhouse.Options{Embedded: already(engine)})
}

func query(engine *embedded.Engine, sql string) (value uint64, err error) {
	conn, err := dial(engine)
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(context.Background(), sql).Scan(&value)
	return value, errors.Join(err, conn.Close())
}

func roleWrite(engine *embedded.Engine) error {
	conn, err := dial(engine)
	if err != nil {
		return err
	}
	err = errors.Join(
		conn.Exec(context.Background(), "CREATE TABLE default.t (n UInt64) ENGINE = MergeTree ORDER BY n"),
		conn.Exec(context.Background(), "INSERT INTO default.t SELECT number FROM numbers(12345)"),
		conn.Close(),
	)
	if err != nil {
		return err
	}
	say("written")
	return nil
}

func roleCount(engine *embedded.Engine) error {
	rows, err := query(engine, "SELECT count() FROM default.t")
	say(rows)
	return err
}

// roleHold keeps the folder open until it is killed.
func roleHold(engine *embedded.Engine) error {
	if err := roleWrite(engine); err != nil {
		return err
	}
	time.Sleep(time.Minute) //nolint:forbidigo // until somebody kills this process
	return errors.New("nobody ended it")
}

// roleRecover uses what Go does with signals: a nil dereference is a panic, and a goroutine that never calls
// anything is interrupted.
func roleRecover(engine *embedded.Engine) error {
	if err := roleWrite(engine); err != nil {
		return err
	}
	for range 100 {
		func() {
			defer func() { _ = recover() }()
			var nothing *int
			*nothing = 1 //nolint:govet // the fault is what is tested
		}()
	}
	say("recovered")
	runtime.GOMAXPROCS(1)
	var stopped atomic.Bool
	go func() {
		for n := 0; !stopped.Load(); n++ {
			_ = n
		}
	}()
	time.Sleep(50 * time.Millisecond) //nolint:forbidigo // so that the other goroutine runs
	runtime.GC()
	stopped.Store(true)
	say("interrupted")
	return nil
}

// roleNotify is told to stop while the engine works, and ends by itself.
func roleNotify(engine *embedded.Engine) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := roleWrite(engine); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if _, err := query(engine, "SELECT sum(n) FROM default.t"); err != nil {
			return err
		}
	}
	say("stopped cleanly")
	return nil
}

// roleFillThePipe writes to a reader that has gone, as in `tieout report | head`.
func roleFillThePipe(engine *embedded.Engine) error {
	if err := roleWrite(engine); err != nil {
		return err
	}
	runtime.LockOSThread()
	for range 1000 {
		say(strings.Repeat("x", 1000))
		time.Sleep(time.Millisecond) //nolint:forbidigo // until the reader of the pipe is gone
	}
	return errors.New("the pipe took it all")
}

// roleTellTheHour says what time it is at the epoch.
func roleTellTheHour(engine *embedded.Engine) error {
	hour, err := query(engine, "SELECT toUInt64(toHour(toDateTime(0)))")
	say(hour)
	return err
}

// TestTimeZoneIsNotTheMachines shows that a report made again elsewhere sees the same times.
func TestTimeZoneIsNotTheMachines(t *testing.T) {
	t.Setenv("TZ", "Asia/Tokyo")
	p := start(t, "tell the hour", t.TempDir())
	if line := p.line(); line != "0" {
		t.Errorf("in Tokyo the epoch is at hour %s, want 0", line)
	}
	must(t, p.Wait())
}

func TestAnotherProcessFindsTheData(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	writer := start(t, "write", folder)
	if line := writer.line(); line != "written" {
		t.Fatal(line)
	}
	must(t, writer.Wait())
	reader := start(t, "count", folder)
	if line := reader.line(); line != "12345" {
		t.Errorf("the other process counts %s", line)
	}
	must(t, reader.Wait())
}

func TestSecondProcessIsRefused(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	holder := start(t, "hold", folder)
	if line := holder.line(); line != "written" {
		t.Fatal(line)
	}
	second := start(t, "count", folder)
	want := fmt.Sprintf("unavailable the embedded ClickHouse at %s is in use by process %d: one process can open it at a time", folder, holder.Process.Pid)
	if line := second.line(); line != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
	// A kill frees the folder and loses nothing that was acknowledged.
	must(t, holder.Process.Kill())
	_ = holder.Wait() // says that it was killed
	third := start(t, "count", folder)
	if line := third.line(); line != "12345" {
		t.Errorf("after the kill: %s", line)
	}
	must(t, third.Wait())
}

func TestGoKeepsItsSignals(t *testing.T) {
	p := start(t, "recover", t.TempDir())
	for _, want := range []string{"written", "recovered", "interrupted"} {
		if line := p.line(); line != want {
			t.Fatalf("%q, want %q", line, want)
		}
	}
	must(t, p.Wait())
}

func TestSignalsStopTheProgram(t *testing.T) {
	for _, sent := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := start(t, "notify", t.TempDir())
		if line := p.line(); line != "written" {
			t.Fatal(line)
		}
		must(t, p.Process.Signal(sent))
		if line := p.line(); line != "stopped cleanly" {
			t.Errorf("%s: %q", sent, line)
		}
		must(t, p.Wait())

		p = start(t, "be terminated", t.TempDir())
		if line := p.line(); line != "written" {
			t.Fatal(line)
		}
		must(t, p.Process.Signal(sent))
		if status := waitStatus(t, p); !status.Signaled() || status.Signal() != sent {
			t.Errorf("%s without a handler: status %#x", sent, status)
		}
	}
}

func TestBrokenPipeEndsTheProgram(t *testing.T) {
	p := start(t, "fill the pipe", t.TempDir())
	if line := p.line(); line != "written" {
		t.Fatal(line)
	}
	must(t, p.closer.Close())
	if status := waitStatus(t, p); !status.Signaled() || status.Signal() != syscall.SIGPIPE {
		t.Errorf("status %#x, want an end by SIGPIPE", status)
	}
}

func waitStatus(t *testing.T, p *process) syscall.WaitStatus {
	t.Helper()
	err := p.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatalf("process %s ended with %v", strconv.Itoa(p.Process.Pid), err)
	}
	return exit.Sys().(syscall.WaitStatus)
}
