package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// ErrAborted is what a client sees when a fault cuts the connection: over a real socket, an unexpected EOF.
var ErrAborted = fmt.Errorf("sandbox: connection aborted: %w", io.ErrUnexpectedEOF)

// Transport returns a client's end of the sandbox without sockets: every request is handed to the handler as the
// net/http server would hand it, in a goroutine of its own, and its answer is kept in memory. So it works in a
// testing/synctest bubble, where a socket would keep virtual time from passing. A request whose context ends
// returns at once with the context's error; the handler sees the same context. Redirects, cookies and
// compression do not happen. An answer is handed out when it is whole or cut off. The host is whatever the request says, so any partner's address can be used.
func (s *Sandbox) Transport() http.RoundTripper { return transport{s} }

type transport struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		defer func() { _ = request.Body.Close() }()
	}
	ctx := request.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	arrived, err := asReceived(request)
	if err != nil {
		return nil, err
	}
	answer := newRecorder()
	ended := make(chan any, 1) // what the handler panicked with, or nil
	go func() {
		defer func() { ended <- recover() }()
		t.handler.ServeHTTP(answer, arrived)
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case cause := <-ended:
		if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			if answer.code == 0 {
				return nil, ErrAborted
			}
			broken := answer.response(request)
			broken.Body = &answerBody{ctx: ctx, rest: &answer.body, end: ErrAborted}
			broken.ContentLength = -1
			return broken, nil
		}
		if cause != nil {
			panic(cause) // a bug of the sandbox, or of a test's hook: not to be mistaken for a broken connection
		}
		return answer.response(request), nil
	}
}

// asReceived is the request as a server reads it from the wire: a path without host, the host beside it, and
// nothing shared with the client, which may use its request again while a cancelled handler still looks at this.
func asReceived(request *http.Request) (*http.Request, error) {
	target := request.URL.RequestURI()
	address, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, fmt.Errorf("sandbox: read the request's address: %w", err)
	}
	body := []byte(nil)
	if request.Body != nil {
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, fmt.Errorf("sandbox: read the request's body: %w", err)
		}
	}
	arrived := &http.Request{
		Method:        cmp.Or(request.Method, http.MethodGet),
		URL:           address,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        request.Header.Clone(),
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Host:          cmp.Or(request.Host, request.URL.Host),
		RequestURI:    target,
		RemoteAddr:    "in-process",
	}
	if arrived.Header == nil {
		arrived.Header = make(http.Header)
	}
	if request.URL.Scheme == "https" {
		arrived.TLS = &tls.ConnectionState{HandshakeComplete: true}
	}
	return arrived.WithContext(request.Context()), nil
}

// recorder keeps an answer. Only the handler's goroutine uses it until the handler has ended.
type recorder struct {
	header http.Header
	sent   http.Header // as it was when the answer began
	code   int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: make(http.Header)} }

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code, r.sent = code, r.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(body []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(body)
}

func (r *recorder) response(request *http.Request) *http.Response {
	r.WriteHeader(http.StatusOK)
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", r.code, http.StatusText(r.code)),
		StatusCode:    r.code,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        r.sent,
		Body:          &answerBody{ctx: request.Context(), rest: &r.body, end: io.EOF},
		ContentLength: int64(r.body.Len()),
		Request:       request,
	}
}

// answerBody ends with the context's error once that is done, as the body of a real connection does.
type answerBody struct {
	ctx  context.Context
	rest *bytes.Buffer
	end  error // what follows the rest
}

// Read implements io.Reader.
func (b *answerBody) Read(into []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.rest.Len() == 0 && len(into) > 0 {
		return 0, b.end
	}
	return b.rest.Read(into)
}

// Close implements io.Closer.
func (b *answerBody) Close() error { return nil }
