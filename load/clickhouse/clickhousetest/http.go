package clickhousetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// connectionKey is under which a request's context has the number of its connection.
type connectionKey struct{}

// serveHTTP passes on requests until the listener is closed.
func (p *Proxy) serveHTTP() {
	server := &http.Server{
		Handler: http.HandlerFunc(p.request), ReadHeaderTimeout: time.Minute,
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, connectionKey{}, p.track(conn, true))
		},
	}
	if err := server.Serve(p.listener); !errors.Is(err, net.ErrClosed) {
		p.tb.Errorf("the proxy ended: %v", err)
	}
}

func (p *Proxy) request(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the program has gone
	}
	statement, rows := []byte(r.URL.Query().Get("query")), body
	if len(statement) == 0 {
		statement, rows = body, nil
	}
	table := tableIn(statement)
	if table == "" {
		p.pass(w, r, body, nil)
		return
	}
	connection, _ := r.Context().Value(connectionKey{}).(int)
	harm := p.begun(&Insert{Connection: connection, Table: table, Token: r.URL.Query().Get("insert_deduplication_token"), Rows: rows})
	switch {
	case harm == nil || harm.Moment == AfterCommit:
		p.pass(w, r, body, harm)
	case harm.Moment == BeforeSend:
		p.done(harm)
		answer(w, harm)
	case harm.Moment == WithinBlock:
		p.begin(r, body, len(body)/2, harm)
		hangUp(w)
	default:
		p.begin(r, body, len(body), harm)
		hangUp(w)
	}
}

// pass makes the request at the server. With a harm its answer is not passed on.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, body []byte, harm *Harm) {
	request, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+p.upstream+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		p.tb.Errorf("pass on a request: %v", err)
		return
	}
	request.Header = r.Header.Clone()
	response, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(request)
	if err != nil {
		hangUp(w) // the server has gone
		return
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		hangUp(w)
		return
	}
	if harm != nil {
		p.done(harm)
		answer(w, harm)
		return
	}
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = w.Write(content) // the program may have gone
}

// begin sends the request with the first bytes of its body, does the harm and hangs up.
func (p *Proxy) begin(r *http.Request, body []byte, count int, harm *Harm) {
	conn, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", p.upstream)
	if err != nil {
		p.tb.Errorf("pass on the beginning of a request: %v", err)
		return
	}
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, (&url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}).RequestURI(), p.upstream)
	header := r.Header.Clone()
	header.Set("Content-Length", strconv.Itoa(len(body)))
	_ = header.Write(conn) // the server may have gone, which is harm as well
	_, _ = conn.Write(append([]byte("\r\n"), body[:count]...))
	p.done(harm)
	p.forget(conn)
}

// answer is what the program gets instead of the server's answer.
func answer(w http.ResponseWriter, harm *Harm) {
	if harm.Code == 0 {
		hangUp(w)
		return
	}
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(int(harm.Code)))
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, "Code: %d. %s\n", harm.Code, message(harm.Code))
}

// hangUp ends the program's connection without an answer.
func hangUp(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what is under way is lost
	}
	_ = conn.Close() // it may be closed already
}
