package extract_test

import (
	"compress/gzip"
	"fmt"
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

// TestWireBomb sends 33 MiB of nothing in a few kilobytes: reading stops at 32 MiB, and no further attempt is
// made.
func TestWireBomb(t *testing.T) {
	var requests atomic.Int64
	client := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		space := []byte(strings.Repeat(" ", 1<<20))
		for range 33 {
			_, _ = packed.Write(space)
		}
		_ = packed.Close()
	}))
	_, err := client.Fetch(t.Context(), schema.Payments, "")
	if schema.ClassOf(err) != schema.ClassStream || !strings.Contains(err.Error(), "the answer is larger than 32 MiB") || requests.Load() != 1 {
		t.Errorf("%v after %d requests, want that it is too large after 1", err, requests.Load())
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

// TestTransportIsOurs holds the settings that no request can show: no proxy from the environment, no HTTP/2.
func TestTransportIsOurs(t *testing.T) {
	transport := extract.NewTransport()
	if transport.Proxy != nil || transport.TLSNextProto == nil || len(transport.TLSNextProto) != 0 || transport.ForceAttemptHTTP2 {
		t.Error("a proxy or HTTP/2 may be used")
	}
	if transport.TLSClientConfig.InsecureSkipVerify || transport.MaxResponseHeaderBytes != 64<<10 {
		t.Error("certificates are not verified, or headers not bounded")
	}
}
