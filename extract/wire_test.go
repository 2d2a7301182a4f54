package extract_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"tieout/extract"
	"tieout/schema"
)

// The tests of this file use real sockets and the transport of the program: what they guard against happens below
// the level that the sandbox's transport has.

// served starts a partner on a socket and a client of it.
func served(t *testing.T, handler http.Handler) *extract.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	account := plainAccount(coinut(t))
	account.BaseURL = server.URL
	transport := extract.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return newClient(t, account, transport, &logText{})
}

const emptyPage = `{"status":"SUCCESS","data":{"list":[],"total":0}}`

// TestWireRedirect redirects to another host, to which net/http would carry our key and signature: the other host
// must never hear of us.
func TestWireRedirect(t *testing.T) {
	var met atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		met.Add(1)
		fmt.Fprint(w, emptyPage)
	}))
	t.Cleanup(other.Close)
	client := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/steal", http.StatusTemporaryRedirect)
	}))
	_, err := client.Fetch(t.Context(), schema.Payments, "")
	if schema.ClassOf(err) != schema.ClassStream || !strings.Contains(err.Error(), "the partner answered 307") {
		t.Errorf("%v, want a stream error", err)
	}
	if met.Load() != 0 {
		t.Errorf("the other host was asked %d times", met.Load())
	}
}

// TestWireNoSilentRepeat kills a connection on which a request was answered before, as soon as the next request
// has arrived on it. net/http would send that again by itself, with the same nonce; only our own attempts may
// arrive, each with a nonce of its own.
func TestWireNoSilentRepeat(t *testing.T) {
	nonces := map[string]int{}
	var requests atomic.Int64
	client := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nonces[r.Header.Get("X-Nonce")]++ // requests come one after the other
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, emptyPage)
	}))
	for fetch, want := range []int{1, 2} {
		page, err := client.Fetch(t.Context(), schema.Payments, "")
		if err != nil || page.Requests != want {
			t.Fatalf("fetch %d: %d attempts (%v), want %d", fetch+1, page.Requests, err, want)
		}
	}
	if len(nonces) != 3 || requests.Load() != 3 {
		t.Errorf("%d requests with the nonces %v arrived, want 3 with 3", requests.Load(), nonces)
	}
}

// wireBodyCase is a body with what must come of it: an error of a class that says something, after so many requests.
type wireBodyCase struct {
	gzip     bool
	write    func(io.Writer)
	class    schema.Class
	says     string
	requests int64
}

// TestWireBodies sends bodies that cost more than a page may: reading stops, and no further attempt is made.
func TestWireBodies(t *testing.T) {
	const large = schema.ClassStream
	spaces, noise := bytes.Repeat([]byte(" "), 1<<20), make([]byte, 1<<20)
	if _, err := rand.NewChaCha8([32]byte{}).Read(noise); err != nil {
		t.Fatal(err)
	}
	repeat := func(piece []byte, times int) func(io.Writer) {
		return func(w io.Writer) {
			for range times {
				if _, err := w.Write(piece); err != nil {
					return // the client has had enough
				}
			}
		}
	}
	page := []byte(emptyPage)
	for name, test := range map[string]wireBodyCase{
		"plain and too large":    {false, repeat(spaces, 33), large, "the answer is larger than 32 MiB", 1},
		"packed and too large":   {true, repeat(noise, 33), large, "the answer is larger than 32 MiB", 1},
		"a bomb":                 {true, repeat(spaces, 2), large, "the answer inflates to more than 200 times what was sent", 1},
		"packed":                 {true, func(w io.Writer) { _, _ = w.Write(page) }, 0, "", 1},
		"packed well":            {true, func(w io.Writer) { repeat(spaces[:1<<20-1000], 1)(w); _, _ = w.Write(page) }, 0, "", 1},
		"plain":                  {false, func(w io.Writer) { _, _ = w.Write(page) }, 0, "", 1},
		"plain and large enough": {false, func(w io.Writer) { repeat(spaces, 31)(w); _, _ = w.Write(page) }, 0, "", 1},
	} {
		t.Run(name, func(t *testing.T) { test.check(t) })
	}
}

func (c wireBodyCase) check(t *testing.T) {
	var requests atomic.Int64
	client := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("asked for %q, want gzip", r.Header.Get("Accept-Encoding"))
		}
		if !c.gzip {
			c.write(w)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		packed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			t.Error(err)
			return
		}
		c.write(packed)
		_ = packed.Close()
	}))
	_, err := client.Fetch(t.Context(), schema.Payments, "")
	if schema.ClassOf(err) != c.class || !strings.Contains(fmt.Sprint(err), c.says) || requests.Load() != c.requests || (c.says == "") != (err == nil) {
		t.Errorf("%v after %d requests, want %q after %d", err, requests.Load(), c.says, c.requests)
	}
}

// TestWireRequest looks at what really arrives: the bytes that are signed, no body, no cookie of ours, HTTP/1.1.
func TestWireRequest(t *testing.T) {
	var arrived *http.Request
	client := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived = r.Clone(r.Context())
		w.Header().Set("Set-Cookie", "a=b")
		fmt.Fprint(w, emptyPage)
	}))
	for range 2 {
		if _, err := client.Fetch(t.Context(), schema.Payments, ""); err != nil {
			t.Fatal(err)
		}
	}
	if arrived.Method != http.MethodGet || arrived.RequestURI != "/payment/list?pageNum=1&pageSize=100" || arrived.Proto != "HTTP/1.1" {
		t.Errorf("%s %s %s", arrived.Method, arrived.RequestURI, arrived.Proto)
	}
	if arrived.ContentLength > 0 || len(arrived.TransferEncoding) > 0 || arrived.Header.Get("Cookie") != "" || arrived.Header.Get("Content-Type") != "application/json" {
		t.Errorf("length %d, encoding %v, headers %v", arrived.ContentLength, arrived.TransferEncoding, arrived.Header)
	}
	text, headers := coinut(t).Signing.Sign(extract.SigningInput{
		Method: "GET", Host: arrived.Host, Path: "/payment/list", Query: "pageNum=1&pageSize=100",
		Timestamp: arrived.Header.Get("X-Timestamp"), Nonce: arrived.Header.Get("X-Nonce"), Credentials: plainAccount(coinut(t)).Credentials,
	})
	if headers.Get("X-Signature") != arrived.Header.Get("X-Signature") {
		t.Errorf("the signature is not that of %q", text)
	}
}

// TestWireRefusedConnection asks a port on which nobody listens: unreachable, with the host and without the path.
func TestWireRefusedConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+"/deposit/list?pageNum=1", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	transport := extract.NewTransport()
	response, refused := transport.RoundTrip(request)
	if refused == nil {
		response.Body.Close()
		t.Skip("somebody else listens on the port by now")
	}
	// What the socket says is given to the client again and again, which saves the real pauses between attempts.
	unreachable(t, refused, "connection refused")
}

// TestTransportIsOurs holds the settings that no request can show: no proxy from the environment, verified certificates,
// bounded headers.
func TestTransportIsOurs(t *testing.T) {
	transport := extract.NewTransport()
	if transport.Proxy != nil || transport.TLSClientConfig.InsecureSkipVerify || transport.MaxResponseHeaderBytes != 64<<10 {
		t.Errorf("%+v", transport)
	}
}

// TestWireSpeaksHTTP1 asks a partner that would rather speak HTTP/2, whose rules for repeating requests are not ours.
func TestWireSpeaksHTTP1(t *testing.T) {
	var spoken []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spoken = append(spoken, r.Proto+" "+r.TLS.NegotiatedProtocol)
		fmt.Fprint(w, emptyPage)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	account := plainAccount(coinut(t))
	account.BaseURL = server.URL
	transport := extract.NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	// Where anybody asks for HTTP/2 in a transport with a dialer of its own: it must stay off in spite of that.
	transport.ForceAttemptHTTP2 = true
	client := newClient(t, account, transport, &logText{})
	for range 2 {
		if _, err := client.Fetch(t.Context(), schema.Payments, ""); err != nil {
			t.Fatal(err)
		}
	}
	if response, err := server.Client().Get(server.URL); err != nil || response.Proto != "HTTP/2.0" { //nolint:noctx // of the test's own server
		t.Fatalf("the partner does not speak HTTP/2: %v", err)
	} else if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(spoken, ", "); got != "HTTP/1.1 , HTTP/1.1 , HTTP/2.0 h2" {
		t.Errorf("spoke %s", got)
	}
}
