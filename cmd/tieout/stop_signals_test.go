package main

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// TestStopUnderLoad stops a run that reads and writes as fast as it can, on the embedded engine and by each protocol,
// again and again, until one comes to its end: no stop takes ten seconds, every one leaves a run that is interrupted
// and leases that are free, and nothing is lost or there twice in the end.
func TestStopUnderLoad(t *testing.T) { stopUnderLoad(t, "") }

// TestServerStopUnderLoad does the same on a server.
func TestServerStopUnderLoad(t *testing.T) { stopUnderLoad(t, serverDSN(t)) }

func stopUnderLoad(t *testing.T, dsn string) {
	w, pages := watchedWorkplace(t, sandbox.Options{Seed: 43, Records: 6_000}, dsn)
	w.must(exitDone, "migrate")
	for stops, end := 0, false; !end; stops++ {
		want, received := exitTerminated, syscall.SIGTERM
		if stops%2 == 1 {
			want, received = exitInterrupted, syscall.SIGINT
		}
		run := w.begin(pages, "sync")
		signalled := time.Now()
		if err := run.Process.Signal(received); err != nil {
			t.Fatal(err)
		}
		code := run.end()
		if took := time.Since(signalled); took > 10*time.Second {
			t.Errorf("stop %d took %s", stops, took)
		}
		if end = code == exitDone || stops == 7; code != want && !end {
			t.Fatalf("stop %d ended with %d, want %d: %s", stops, code, want, run.stderr)
		}
		if open := w.rows("SELECT outcome FROM sync_runs FINAL WHERE outcome = 'running'"); len(open) > 0 {
			t.Errorf("after stop %d: %v", stops, open)
		}
		if held := w.rows("SELECT scope FROM sync_leases FINAL WHERE released_at < '1971-01-01 00:00:00'"); len(held) > 0 {
			t.Errorf("after stop %d these are held: %v", stops, held)
		}
		for len(pages) > 0 {
			<-pages
		}
	}
	w.must(exitDone, "sync")
	compareFigures(t, w)
	if twice := w.rows("SELECT deposit_id FROM deposit_versions FINAL GROUP BY deposit_id HAVING count() > 1"); len(twice) > 0 {
		t.Errorf("records that never changed have several versions: %v", twice)
	}
}

// TestStopFinishesTheBatch: what was read when the signal came is stored, with its checkpoint, and is not asked for
// again.
func TestStopFinishesTheBatch(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	w, pages := newRecordingWorkplace(t, &mu, &asked)
	run := w.with("TIEOUT_COINUT_MAIN_RATE_LIMITS=20/1s").begin(pages, "sync", "--resource", "payments")
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := run.end(); code != exitTerminated {
		t.Fatalf("ended with %d: %s", code, run.stderr)
	}
	stored := w.rows("SELECT count() FROM payments")[0]
	records := w.rows("SELECT records FROM sync_runs FINAL")[0]
	if stored != records || stored == "0" {
		t.Errorf("%s records were read, and %s are stored", records, stored)
	}
	mu.Lock()
	first := len(asked)
	mu.Unlock()
	w.must(exitDone, "sync", "--resource", "payments")
	mu.Lock()
	defer mu.Unlock()
	if next := asked[first]; slices.Contains(asked[:first-1], next) {
		t.Errorf("the next run began with %s, which was read already", next)
	}
}

// newRecordingWorkplace notes which pages are asked for.
func newRecordingWorkplace(t *testing.T, mu *sync.Mutex, asked *[]string) (*workplace, <-chan struct{}) {
	t.Helper()
	pages := make(chan struct{}, 100_000)
	return newWorkplace(t, sandbox.Options{Seed: 44, Records: 5000, BeforeRequest: func(r *http.Request) {
		mu.Lock()
		*asked = append(*asked, r.URL.Path+"?"+pageOf(r.URL.Query()))
		mu.Unlock()
		pages <- struct{}{}
	}}, ""), pages
}

func pageOf(query url.Values) string { return query.Get("status") + " " + query.Get("pageNum") }

// TestServerStopWithoutAnswer: a ClickHouse that accepts everything and answers nothing any more keeps nobody longer
// than ten seconds.
func TestServerStopWithoutAnswer(t *testing.T) {
	w, run, proxy := stalledRun(t)
	signalled := time.Now()
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := run.end(); code != exitTerminated {
		t.Errorf("ended with %d: %s", code, run.stderr)
	}
	if took := time.Since(signalled); took > 10*time.Second {
		t.Errorf("took %s to stop", took)
	}
	proxy.stalled.Store(false)
	w.must(exitDone, "sync")
	compareFigures(t, w)
}

// TestServerStopFinishesTheWrite: the signal comes in the middle of a write. It is finished, and what was read is stored.
func TestServerStopFinishesTheWrite(t *testing.T) {
	w, run, proxy := stalledRun(t, "--resource", "payments")
	<-time.After(2500 * time.Millisecond) // pages are written after a second
	if err := run.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second)
	proxy.stalled.Store(false)
	if code := run.end(); code != exitTerminated {
		t.Errorf("ended with %d: %s", code, run.stderr)
	}
	for query, want := range map[string]string{
		"SELECT records FROM sync_runs FINAL":              w.rows("SELECT count() FROM payments")[0],
		"SELECT sum(batch_rows) FROM sync_checkpoints":     w.rows("SELECT count() FROM payments")[0],
		"SELECT outcome, records > 0 FROM sync_runs FINAL": "interrupted\t1",
	} {
		if got := w.rows(query); len(got) != 1 || strings.ReplaceAll(got[0], "true", "1") != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	w.must(exitDone, "sync")
	compareFigures(t, w)
}

// TestServerSecondSignal: whoever cannot wait for that signals again, and the process ends at once.
func TestServerSecondSignal(t *testing.T) {
	for _, received := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		_, run, _ := stalledRun(t)
		if err := run.Process.Signal(received); err != nil {
			t.Fatal(err)
		}
		<-time.After(500 * time.Millisecond) // two signals of one kind that wait are one
		signalled := time.Now()
		if err := run.Process.Signal(received); err != nil {
			t.Fatal(err)
		}
		run.end()
		took := time.Since(signalled)
		status, ok := run.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || status.Signal() != received || took > time.Second {
			t.Errorf("after the second %s it ended with %v, in %s: %s", received, run.ProcessState, took, run.stderr)
		}
	}
}

// stalledRun is a run whose ClickHouse has stopped to answer.
func stalledRun(t *testing.T, arguments ...string) (*workplace, begun, *stallingProxy) {
	t.Helper()
	dsn := serverDSN(t)
	address := dsn[strings.LastIndexByte(dsn[:strings.LastIndexByte(dsn, '/')], '@')+1 : strings.LastIndexByte(dsn, '/')]
	proxy := newStallingProxy(t, address)
	w, pages := watchedWorkplace(t, sandbox.Options{Seed: 46, Records: 5000}, strings.Replace(dsn, address, proxy.address, 1))
	run := w.with("TIEOUT_COINUT_MAIN_RATE_LIMITS=100/1s").begin(pages, append([]string{"sync"}, arguments...)...)
	proxy.stalled.Store(true)
	return w, run, proxy
}

// stallingProxy stands before a server and can keep back what the server says.
type stallingProxy struct {
	address string
	stalled atomic.Bool
}

func newStallingProxy(t *testing.T, server string) *stallingProxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() }) // ends accept
	p := &stallingProxy{address: listener.Addr().String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(t, client, server)
		}
	}()
	return p
}

func (p *stallingProxy) serve(t *testing.T, client net.Conn, server string) {
	defer func() { _ = client.Close() }()
	upstream, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server)
	if err != nil {
		return
	}
	defer func() { _ = upstream.Close() }()
	go func() {
		_, _ = io.Copy(upstream, client) // ends when either side does
		_ = upstream.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := upstream.Read(buffer)
		for p.stalled.Load() {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-t.Context().Done():
				return
			}
		}
		if _, failed := client.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}
