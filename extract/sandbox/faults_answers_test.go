package sandbox_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract/sandbox"
)

// TestSpoiledAnswers: the partner has worked, with the nonce spent, and its answer is not what it was.
func TestSpoiledAnswers(t *testing.T) {
	whole := callerOf(open(t, sandbox.Options{Records: 10})).get(t, "/balance").text
	const gateway = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"
	tests := []struct {
		name  string
		fault sandbox.Fault
		code  int
		text  string
		spent bool
	}{
		{"cut short", sandbox.Truncate(40), 200, whole[:40], true},
		{"to nothing", sandbox.Truncate(0), 200, "", true},
		{"not at all", sandbox.Truncate(1 << 20), 200, whole, true},
		{"a second document", sandbox.Append(`{"status":"SUCCESS"}`), 200, whole + `{"status":"SUCCESS"}`, true},
		{"a gateway", sandbox.BadGateway(), 502, gateway, false},
		{"a redirect", sandbox.Redirect("https://elsewhere.example/balance"), 307, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, sandbox.Options{Records: 10})
			server := httptest.NewServer(s)
			defer server.Close()
			for _, base := range []string{"https://ramp.example", server.URL} {
				c := callerOf(s)
				c.base, c.client.Transport = base, &http.Transport{DisableCompression: true}
				if base != server.URL {
					c.client.Transport = s.Transport()
				}
				c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				s.Inject(1, nil, test.fault)
				r := c.request(t, "/balance")
				c.sign(r, "1767323045", base) // a nonce that only this case uses
				response, err := c.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil || response.StatusCode != test.code || string(text) != test.text {
					t.Errorf("HTTP %d, %v: %q", response.StatusCode, err, text)
				}
				if location := response.Header.Get("Location"); (test.code == 307) != (location == "https://elsewhere.example/balance") {
					t.Errorf("location %q", location)
				}
				if code := c.do(t, r.Clone(t.Context())).code; (code == http.StatusUnauthorized) != test.spent {
					t.Errorf("the same request again: HTTP %d", code)
				}
			}
		})
	}
}

// TestCut breaks the connection within the body and right behind it, over a socket and in the process alike.
func TestCut(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10})
	server := httptest.NewServer(s)
	defer server.Close()
	c := callerOf(s)
	whole := c.get(t, "/balance").text
	for _, transport := range []http.RoundTripper{s.Transport(), http.DefaultTransport} {
		if transport == http.DefaultTransport {
			c.base = server.URL
		}
		for _, n := range []int{0, 40, len(whole), 1 << 20} {
			s.Inject(1, nil, sandbox.Cut(n))
			response, err := transport.RoundTrip(c.request(t, "/balance"))
			if err != nil {
				t.Fatalf("cut at %d: %v", n, err)
			}
			text, err := io.ReadAll(response.Body)
			response.Body.Close()
			if !errors.Is(err, io.ErrUnexpectedEOF) || string(text) != whole[:min(n, len(whole))] {
				t.Errorf("cut at %d: %d bytes, %v", n, len(text), err)
			}
		}
	}
}

// TestGzipBomb: a few thousand bytes become many millions.
func TestGzipBomb(t *testing.T) {
	const inflatedBytes = 256 << 20
	s := open(t, sandbox.Options{Records: 10})
	s.Inject(1, nil, sandbox.GzipBomb(inflatedBytes))
	response, err := s.Transport().RoundTrip(callerOf(s).request(t, "/balance"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Encoding") != "gzip" || response.ContentLength > inflatedBytes/500 {
		t.Errorf("%v, %d bytes", response.Header, response.ContentLength)
	}
	reader, err := gzip.NewReader(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, reader); err != nil || n != inflatedBytes+1 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestSlowBody sends an answer piece by piece: over a socket each can be read before the next is sent, and in the
// process the client waits in virtual time until all have come.
func TestSlowBody(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10})
	server := httptest.NewServer(s)
	defer server.Close()
	c := callerOf(s)
	whole := c.get(t, "/balance").text
	c.base = server.URL
	next := make(chan struct{}, 1)
	s.Inject(1, nil, sandbox.SlowBody(100, func(ctx context.Context) {
		select {
		case <-next:
		case <-ctx.Done():
		}
	}))
	response, err := server.Client().Do(c.request(t, "/balance"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var read strings.Builder
	for read.Len() < len(whole) {
		next <- struct{}{}
		n, err := io.CopyN(&read, response.Body, int64(min(100, len(whole)-read.Len())))
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if read.String() != whole {
		t.Errorf("read %s", read.String())
	}
	synctest.Test(t, func(t *testing.T) {
		s, c := virtual(t, sandbox.Options{Records: 10})
		s.Inject(1, nil, sandbox.SlowBody(100, func(context.Context) { pass(time.Second) }))
		begin := time.Now()
		got := c.get(t, "/balance")
		if pieces := (len(got.text) + 99) / 100; got.text != whole || time.Since(begin) != time.Duration(pieces)*time.Second || pieces < 3 {
			t.Errorf("%d pieces after %s", pieces, time.Since(begin))
		}
	})
}

// TestClockOff: a partner whose clock is off dates its answers by it and refuses timestamps that are right.
func TestClockOff(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10, Now: func() time.Time { return now.Add(-2 * time.Minute) }})
	a := callerOf(s).get(t, "/balance")
	if a.code != http.StatusUnauthorized || a.header.Get("Date") != "Fri, 02 Jan 2026 03:02:05 GMT" || !json.Valid([]byte(a.text)) {
		t.Errorf("HTTP %d: %v", a.code, a.header)
	}
}
