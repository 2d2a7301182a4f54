package clickhousetest

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"

	"github.com/ClickHouse/ch-go/proto"
)

// serveNative passes on connections until the listener is closed.
func (p *Proxy) serveNative() {
	var passing sync.WaitGroup
	defer passing.Wait()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // it is closed
		}
		number := p.track(client, true)
		server, err := net.Dial("tcp", p.upstream) //nolint:noctx // it ends with the test
		if err != nil {
			p.forget(client) // the server has gone
			continue
		}
		p.track(server, false)
		link := &nativeLink{proxy: p, client: client, server: server, number: number}
		passing.Go(link.requests)
		passing.Go(link.answers)
	}
}

// stage is how far an insert is.
type stage int

const (
	idle     stage = iota // there is none
	asked                 // the statement has gone to the server, which will answer with the header of the columns
	carrying              // the header is there: what comes from the program are rows
	awaiting              // an insert without rows of its own: what comes from the server is its answer
)

// nativeLink is one connection of the program with its connection to the server.
type nativeLink struct {
	proxy          *Proxy
	client, server net.Conn
	number         int

	mu     sync.Mutex // guards the rest
	stage  stage
	insert *Insert
	harm   *Harm // that the insert will suffer; nil: none
}

// requests passes on what the program sends.
func (l *nativeLink) requests() {
	defer l.proxy.forget(l.client, l.server)
	buffer := make([]byte, 1<<20)
	for {
		count, err := l.client.Read(buffer)
		if err != nil || !l.request(buffer[:count]) {
			return
		}
	}
}

// request passes on one piece, and reports whether the connection goes on.
func (l *nativeLink) request(piece []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	harm := l.harm
	if l.stage == carrying {
		l.proxy.took(l.insert, piece)
		if harm != nil && harm.Moment == WithinBlock {
			_, _ = l.server.Write(piece[:len(piece)/2]) // the server may have gone
			l.proxy.done(harm)
			return false
		}
	} else if table := tableIn(piece); table != "" {
		l.insert = &Insert{Connection: l.number, Table: table, Token: tokenIn(piece)}
		harm = l.proxy.begun(l.insert)
		l.harm = harm
		if l.stage = asked; selects(piece) {
			l.stage = awaiting
		}
		if harm != nil && harm.Moment == BeforeSend {
			l.stage = idle
			l.proxy.done(harm)
			return l.answer(harm)
		}
	}
	if _, err := l.server.Write(piece); err != nil {
		return false
	}
	if rows := l.stage == carrying || l.stage == awaiting; harm != nil && harm.Moment == AfterRows && rows {
		l.proxy.done(harm)
		return false
	}
	return true
}

// answers passes on what the server sends.
func (l *nativeLink) answers() {
	defer l.proxy.forget(l.client, l.server)
	buffer := make([]byte, 1<<20)
	for {
		count, err := l.server.Read(buffer)
		if err != nil || !l.answered(buffer[:count]) {
			return
		}
	}
}

// answered passes on one piece of an answer, and reports whether the connection goes on.
func (l *nativeLink) answered(piece []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.stage {
	case asked:
		l.stage = carrying
	case carrying, awaiting:
		l.stage = idle
		if harm := l.harm; harm != nil && harm.Moment == AfterCommit {
			l.harm = nil
			l.proxy.done(harm)
			return l.answer(harm)
		}
	}
	_, err := l.client.Write(piece)
	return err == nil
}

// answer says in the server's place what went wrong, or hangs up. The caller holds l.mu.
func (l *nativeLink) answer(harm *Harm) bool {
	if harm.Code == 0 {
		return false
	}
	var packet proto.Buffer
	proto.ServerCodeException.Encode(&packet)
	packet.PutInt32(harm.Code)
	packet.PutString("DB::Exception")
	packet.PutString(message(harm.Code))
	packet.PutString("")
	packet.PutBool(false)
	_, err := l.client.Write(packet.Buf)
	return err == nil
}

// tokenIn reads the deduplication token out of a statement's settings: the name, flags, and the value with its length.
func tokenIn(statement []byte) string {
	name := []byte("insert_deduplication_token")
	at := bytes.Index(statement, name)
	if at < 0 || at+len(name)+2 > len(statement) {
		return ""
	}
	rest := statement[at+len(name)+1:]
	length, size := binary.Uvarint(rest)
	if size <= 0 || uint64(len(rest)-size) < length {
		return ""
	}
	return string(rest[size : size+int(length)]) //nolint:gosec // it is no longer than the statement
}
