// Package clickhousetest stands between a program and a ClickHouse server and does harm to an insert at a chosen moment:
// it cuts the connection, or answers in the server's place with one of its errors.
//
// It understands as much of both protocols as that needs, and of the native one as much as our inserts use: a statement and
// its settings come in one piece, and the first answer to an insert with rows is the header of its columns.
package clickhousetest

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
)

// Moment is when an insert is harmed.
type Moment int

// The moments.
const (
	BeforeSend  Moment = iota // the server never hears of it
	WithinBlock               // the server has half of the rows
	AfterRows                 // the server has rows, and nobody knows whether all, or whether it has stored them
	AfterCommit               // the server has stored it and has said so
)

// Harm is what happens to one insert.
type Harm struct {
	Table  string // into which the insert goes
	Number int    // of that insert, from 1
	Moment Moment // when it happens
	Code   int32  // of the error that answers it, at BeforeSend and AfterCommit; 0: the connection is cut
	Do     func() // is called at the moment; nil: nothing more
}

// Insert is an insert as it came, whatever became of it.
type Insert struct {
	Connection int    // number of the connection that it came by
	Table      string // into which it goes
	Token      string // its insert_deduplication_token
	Rows       []byte // as they were sent
}

// Proxy passes everything on to one server, but for what is harmed.
type Proxy struct {
	tb       testing.TB
	upstream string
	listener net.Listener

	mu          sync.Mutex // guards the rest
	harm        *Harm      // that is to be done; nil: none, or done
	met         int        // inserts into its table since it was ordered
	harmed      int
	inserts     []*Insert
	connections map[net.Conn]bool
	accepted    int
	closed      bool
}

// New starts a proxy for a server's protocol, which ends with the test.
func New(tb testing.TB, protocol driverpackage.Protocol, upstream string) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends with the test
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{tb: tb, upstream: upstream, listener: listener, connections: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	if protocol == driverpackage.HTTP {
		serving.Go(p.serveHTTP)
	} else {
		serving.Go(p.serveNative)
	}
	tb.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		for conn := range p.connections {
			_ = conn.Close() // nobody listens any more
		}
		p.mu.Unlock()
		_ = listener.Close() // as above
		serving.Wait()
	})
	return p
}

// Address is where the program connects to.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Order orders a harm. The one before is forgotten.
func (p *Proxy) Order(harm Harm) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.harm, p.met = &harm, 0
}

// Harmed returns how often harm was done.
func (p *Proxy) Harmed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.harmed
}

// Inserts returns the inserts into a table, in their order.
func (p *Proxy) Inserts(table string) []Insert {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Insert
	for _, insert := range p.inserts {
		if insert.Table == table {
			found = append(found, *insert)
		}
	}
	return found
}

var intoTable = regexp.MustCompile("INSERT INTO (?:`[^`]*`|\\w+)\\.(\\w+)")

// begun notes an insert and returns what is to be done to it; nil: nothing.
func (p *Proxy) begun(insert *Insert) *Harm {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inserts = append(p.inserts, insert)
	if p.harm == nil || p.harm.Table != insert.Table {
		return nil
	}
	if p.met++; p.met < p.harm.Number {
		return nil
	}
	harm := p.harm
	p.harm = nil
	return harm
}

// done counts a harm and does what else was ordered.
func (p *Proxy) done(harm *Harm) {
	p.mu.Lock()
	p.harmed++
	p.mu.Unlock()
	if harm.Do != nil {
		harm.Do()
	}
}

// took notes rows of an insert.
func (p *Proxy) took(insert *Insert, rows []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	insert.Rows = append(insert.Rows, rows...)
}

// track numbers a connection, and closes it with the proxy.
func (p *Proxy) track(conn net.Conn, counted bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = conn.Close() // nobody listens any more
	}
	p.connections[conn] = true
	if counted {
		p.accepted++
	}
	return p.accepted
}

// forget ends a connection without a farewell.
func (p *Proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what is under way is lost
		}
		_ = conn.Close() // it may be closed already
		delete(p.connections, conn)
	}
}

// message is the text of an error that the proxy answers with.
func message(code int32) string {
	return fmt.Sprintf("DB::Exception: answered in the server's place, code %d", code)
}

// selects reports whether an insert brings no rows of its own.
func selects(statement []byte) bool { return bytes.Contains(statement, []byte("SELECT")) }

// tableIn returns the table of an insert; empty: it is none.
func tableIn(statement []byte) string {
	match := intoTable.FindSubmatch(statement)
	if match == nil {
		return ""
	}
	return strings.ToLower(string(match[1]))
}
