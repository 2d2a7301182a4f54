package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is libchdb: those functions of its C interface (chdb.h) that are used here. A query takes connection,
// statement, format and parameters, each text as pointer and length.
type library struct {
	connectTo  func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	disconnect func(handle unsafe.Pointer)
	signals    func(enabled int32)
	query      func(connection, sql unsafe.Pointer, sqlLength uintptr, format unsafe.Pointer, formatLength uintptr,
		names, nameLengths, values, valueLengths unsafe.Pointer, count uintptr) unsafe.Pointer
	destroy     func(result unsafe.Pointer)
	buffer      func(result unsafe.Pointer) unsafe.Pointer
	length      func(result unsafe.Pointer) uintptr
	resultError func(result unsafe.Pointer) string
}

// load binds the functions. It takes some 0.1 s, more when the file is not in the page cache.
func load(path string) (lib *library, err error) {
	lib = &library{}
	preservingSignals(func() {
		var handle uintptr
		handle, err = purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err != nil {
			err = fmt.Errorf("load libchdb: %w", err)
			return
		}
		if err = lib.bind(handle); err != nil {
			err = fmt.Errorf("%s is not libchdb %s: %w", path, LibraryVersion, err)
			return
		}
		lib.signals(0)
	})
	if err != nil {
		return nil, err
	}
	return lib, nil
}

func (l *library) bind(handle uintptr) error {
	for name, function := range map[string]any{
		"chdb_connect":                     &l.connectTo,
		"chdb_close_conn":                  &l.disconnect,
		"chdb_set_signal_handlers_enabled": &l.signals,
		"chdb_query_with_params_n":         &l.query,
		"chdb_destroy_query_result":        &l.destroy,
		"chdb_result_buffer":               &l.buffer,
		"chdb_result_length":               &l.length,
		"chdb_result_error":                &l.resultError,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return err
		}
		purego.RegisterFunc(function, symbol)
	}
	return nil
}

// session is one connection to the engine. It runs one statement at a time: the caller sees to that.
type session struct {
	lib        *library
	handle     unsafe.Pointer // what connectTo returned and disconnect takes back: the very pointer, no copy
	connection unsafe.Pointer // what the handle points to, for everything else
	inserts    string         // folder for the rows of an insert that runs
}

// connect starts the engine on the folder, or opens a further session if it runs there already. Base is what the
// session sets for good.
func (l *library) connect(path string, base settings) (*session, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	arguments, _ := pinTexts(&pin, []string{"clickhouse", "--path=" + path})
	var handle unsafe.Pointer
	preservingSignals(func() { handle = l.connectTo(2, arguments) })
	if handle == nil {
		return nil, fmt.Errorf("the embedded ClickHouse does not start at %s: "+
			"another process may have just opened it, or it is damaged, not writable or written by a newer version", path)
	}
	s := &session{lib: l, handle: handle, connection: *(*unsafe.Pointer)(handle), inserts: filepath.Join(path, insertsFolder)}
	if err := s.exec(base.assign()); err != nil {
		s.close()
		return nil, fmt.Errorf("set up the embedded ClickHouse at %s: %w", path, err)
	}
	return s, nil
}

// close ends the session; closing the last one stops the engine and frees the folder.
func (s *session) close() {
	preservingSignals(func() { s.lib.disconnect(s.handle) })
}

// query runs a statement whose rows, if it inserts any, are in its own text. The caller closes the result.
func (s *session) query(sql, format string, parameters map[string]string) (*result, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	names, values := split(parameters)
	nameTexts, nameLengths := pinTexts(&pin, names)
	valueTexts, valueLengths := pinTexts(&pin, values)
	pointer := s.lib.query(s.connection, text(sql), uintptr(len(sql)), text(format), uintptr(len(format)),
		nameTexts, nameLengths, valueTexts, valueLengths, uintptr(len(names)))
	runtime.KeepAlive(sql)
	runtime.KeepAlive(format)
	return s.lib.take(pointer)
}

// exec runs a statement that has no result.
func (s *session) exec(sql string) error {
	rows, err := s.query(sql, "Null", nil)
	if err != nil {
		return err
	}
	return rows.Close()
}

// insert runs an INSERT without FORMAT clause on rows in that format. They pass through a file: rows inside the
// statement would have to be escaped, and the engine's own insert stream leaves a pointer behind in the thread,
// about which it complains on a terminal. Nothing is stored unless all rows have come.
func (s *session) insert(sql, format string, rows io.Reader) error {
	file, err := os.CreateTemp(s.inserts, "rows-*")
	if err != nil {
		return fmt.Errorf("create a file for the rows to insert: %w", err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // what stays is removed at the next opening
	size, err := io.Copy(file, rows)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("read the rows to insert: %w", err)
	}
	if size == 0 {
		// The driver never sends an empty batch, but it closes the stream as if it were complete when it cannot
		// encode one. To accept that would be to report rows as stored that never came.
		return &exception{code: 108, text: "Code: 108. DB::Exception: No data to insert: the batch arrived empty. (NO_DATA_TO_INSERT)"}
	}
	return s.exec(sql + " FROM INFILE " + quote(file.Name()) + " FORMAT " + format)
}

// take turns what a statement returned into its result or its error.
func (l *library) take(pointer unsafe.Pointer) (*result, error) {
	if pointer == nil {
		return nil, newException("the engine returned no result")
	}
	if message := l.resultError(pointer); message != "" {
		l.destroy(pointer)
		return nil, newException(message)
	}
	r := &result{lib: l, pointer: pointer}
	if length := l.length(pointer); length > 0 {
		r.rest = bytes.NewReader(unsafe.Slice((*byte)(l.buffer(pointer)), length))
	} else {
		r.rest = bytes.NewReader(nil)
	}
	return r, nil
}

// result reads a statement's answer from the engine's memory, without a copy on the heap. It outlives the session.
type result struct {
	lib     *library
	mu      sync.Mutex     // guards the rest
	pointer unsafe.Pointer // nil after Close
	rest    *bytes.Reader  // over memory of the engine: not to be touched after Close
}

// Read implements io.Reader.
func (r *result) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pointer == nil {
		return 0, errResultClosed
	}
	return r.rest.Read(p)
}

// Close implements io.Closer: it frees the memory, once.
func (r *result) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pointer != nil {
		r.lib.destroy(r.pointer)
		r.pointer = nil
	}
	return nil
}

var errResultClosed = errors.New("read of a closed result")

// text returns the bytes of a text for as long as the caller keeps it alive.
func text(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

// pinTexts returns the texts as C has them: an array of pointers to zero-terminated texts, and one of their lengths.
func pinTexts(pin *runtime.Pinner, texts []string) (pointers, lengths unsafe.Pointer) {
	if len(texts) == 0 {
		return nil, nil
	}
	starts, counts := make([]*byte, len(texts)), make([]uintptr, len(texts))
	for i, one := range texts {
		terminated := append([]byte(one), 0)
		pin.Pin(&terminated[0])
		starts[i], counts[i] = &terminated[0], uintptr(len(one))
	}
	pin.Pin(&starts[0])
	pin.Pin(&counts[0])
	return unsafe.Pointer(&starts[0]), unsafe.Pointer(&counts[0])
}
