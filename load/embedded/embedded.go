// Package embedded runs the ClickHouse engine inside the process: libchdb, loaded without cgo, behind the HTTP
// transport of clickhouse-go, so that the rest of the program sees an ordinary driver connection.
//
// Its one rule: a statement leaves nothing behind. The engine has a single session, so whatever a statement sets
// is taken back before the next one runs; where that is impossible the session is replaced.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"tieout/schema"
)

// LibraryVersion is the version of libchdb that `make libchdb` fetches and the tests run on.
const LibraryVersion = "26.7.3-stable.1"

// ErrClosed is the error of every statement that comes after Close. It has a class of its own because it comes
// through an HTTP client, where it would look like a lost connection and be tried again.
var ErrClosed error = &schema.Error{Class: schema.ClassUnclassified, Err: errors.New("the embedded ClickHouse is closed")}

// DefaultLibrary returns where `make libchdb` puts the library: a folder of this version in the user's cache. It
// returns an empty path where the system names no such cache, which Open explains.
func DefaultLibrary() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "tieout", "libchdb-"+LibraryVersion, "libchdb.so")
}

// process is what there can be only one of: libchdb keeps one engine in global variables.
var process struct {
	mu        sync.Mutex          // guards the rest, and is held while an engine opens
	open      *Engine             // nil if there is none
	libraries map[string]*library // by path; a library is never unloaded, its threads would lose their code
}

// Engine is an open ClickHouse engine with its tables in one folder. It runs one statement at a time, in the order
// in which they come; its methods may be called from any goroutine.
type Engine struct {
	path  string
	turn  chan struct{} // holds one token while a statement runs; guards session, failure and closed
	hello []byte        // the answer to the driver's first question
	base  settings      // what every session sets for good

	session *session
	failure error // why no further statement can run, nil if one can
	closed  bool
}

// Open loads the library and opens the folder path, which it creates with mode 0700 if it is absent. A process can
// have one Engine open at a time, and a folder can be open in one process at a time; after Close, or after the
// death of its process, it can be opened again and holds what was written.
//
// The program's signal handlers are its own again when Open returns. Versions of libchdb other than LibraryVersion
// take them for some microseconds: open early, before much else runs.
//
// Errors are of class ClassConfiguration (no library, no folder, a second engine) or ClassUnavailable (another
// process has the folder open, or the engine does not start).
func Open(library, path string) (*Engine, error) { return OpenWithin(library, path, 0) }

// OpenWithin is Open for an engine whose statements may take so many bytes of memory each; it runs one at a time. Beyond
// half of it what is sorted and grouped goes to the disk, where that can be, and a statement that needs more all the same
// fails with ClickHouse's error 241. Merges in the background come on top. Zero bytes: no limit.
func OpenWithin(library, path string, bytes uint64) (*Engine, error) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.open != nil {
		return nil, configuration(fmt.Errorf("this process has the embedded ClickHouse at %s open: it can open one at a time", process.open.path))
	}
	path, err := prepareFolder(path)
	if err != nil {
		return nil, err
	}
	lib, err := loadOnce(library)
	if err != nil {
		return nil, configuration(err)
	}
	base := baseline(bytes)
	session, err := lib.connect(path, base)
	if err != nil {
		if inUse := CheckFree(path); inUse != nil { // another process came in between
			return nil, inUse
		}
		return nil, &schema.Error{Class: schema.ClassUnavailable, Err: err}
	}
	// Not before the engine is ours: the rows of another process's insert may lie there.
	if err := emptyInserts(path); err != nil {
		session.close()
		return nil, configuration(err)
	}
	hello, err := session.hello()
	if err != nil {
		session.close()
		return nil, &schema.Error{Class: schema.ClassUnavailable, Op: "start the embedded ClickHouse at " + path, Err: err}
	}
	process.open = &Engine{path: path, turn: make(chan struct{}, 1), hello: hello, base: base, session: session}
	return process.open, nil
}

// prepareFolder creates the folder, makes sure that no other process has it open, and returns its absolute path.
func prepareFolder(path string) (string, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return "", configuration(fmt.Errorf("%q is no folder for the embedded ClickHouse", path))
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", configuration(fmt.Errorf("find the embedded ClickHouse's folder: %w", err))
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", configuration(fmt.Errorf("create the embedded ClickHouse's folder: %w", err))
	}
	if err := CheckFree(path); err != nil {
		return "", err
	}
	if err := checkWritable(path); err != nil {
		return "", configuration(fmt.Errorf("the embedded ClickHouse's folder cannot be written to: %w", err))
	}
	return path, nil
}

// CheckFree returns an error of class ClassUnavailable that names the process which has the folder open, and nil if
// none has.
func CheckFree(path string) error {
	if holder, held := holderOf(path); held {
		return &schema.Error{
			Class: schema.ClassUnavailable,
			Err:   fmt.Errorf("the embedded ClickHouse at %s is in use by %s: one process can open it at a time", path, holder),
		}
	}
	return nil
}

// remedy is what to do where the library is not to be had.
const remedy = "`make libchdb` fetches it, TIEOUT_LIBCHDB names another place"

// loadOnce returns the library at the path, which is loaded at most once a process. The caller holds process.mu.
func loadOnce(path string) (*library, error) {
	if lib := process.libraries[path]; lib != nil {
		return lib, nil
	}
	if path == "" {
		return nil, fmt.Errorf("no place for libchdb, the library of the embedded ClickHouse, is known: %s", remedy)
	}
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("libchdb, the library of the embedded ClickHouse, is not at %s: %s", path, remedy)
		}
		return nil, fmt.Errorf("find libchdb, the library of the embedded ClickHouse: %w: %s", err, remedy)
	}
	lib, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, remedy)
	}
	if process.libraries == nil {
		process.libraries = make(map[string]*library)
	}
	process.libraries[path] = lib
	return lib, nil
}

// Transport returns the round tripper that answers clickhouse-go's HTTP protocol. It is for one kind of client:
// clickhouse.Options{Protocol: clickhouse.HTTP, TransportFunc: …} without Compression.
func (e *Engine) Transport() http.RoundTripper { return transport{e} }

// Close waits for the statement that runs, closes the engine and frees its folder for other processes. Statements
// that wait or come later fail with ErrClosed; results that were returned before stay readable. Calling it again
// does nothing.
func (e *Engine) Close() error {
	e.turn <- struct{}{}
	defer func() { <-e.turn }()
	if e.closed {
		return nil
	}
	e.closed = true
	if e.session != nil {
		e.session.close()
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.open == e {
		process.open = nil
	}
	return nil
}

// take waits for the engine's turn, which the caller gives back by receiving from e.turn.
func (e *Engine) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err // select picks at random where both cases are ready
	}
	select {
	case e.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := e.failure
	if e.closed {
		err = ErrClosed
	}
	if err != nil {
		<-e.turn
	}
	return err
}

func configuration(err error) error {
	return &schema.Error{Class: schema.ClassConfiguration, Err: err}
}
