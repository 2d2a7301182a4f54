package sandbox_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract/sandbox"
)

// TestFaultsHappenInOrder: each request meets the first fault that fits it, as often as was asked for.
func TestFaultsHappenInOrder(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10})
	c := callerOf(s)
	s.Inject(1, sandbox.OnPath("/balance"), sandbox.Answer(503, http.Header{"Retry-After": {"7"}, "Date": {"made up"}}, `{"status":"FAILED"}`))
	s.Inject(2, nil, sandbox.Answer(500, nil, `{}`))
	steps := []struct {
		path string
		code int
	}{{"/trade/list", 500}, {"/balance", 503}, {"/balance", 500}, {"/balance", 200}, {"/trade/list", 200}}
	for i, step := range steps {
		a := c.get(t, step.path)
		if a.code != step.code {
			t.Errorf("step %d: HTTP %d, want %d", i, a.code, step.code)
		}
		if a.code == 503 && (a.header.Get("Retry-After") != "7" || a.header.Get("Date") != "made up") {
			t.Errorf("headers %v", a.header)
		}
	}
	if s.Requests() != len(steps) || s.Refused() != 0 {
		t.Errorf("counted %d requests, %d refused", s.Requests(), s.Refused())
	}
}

// TestAbort cuts the connection, before the partner has worked and after: only in the second case the nonce is
// spent. Over a socket and in the process alike.
func TestAbort(t *testing.T) {
	for name, fault := range map[string]sandbox.Fault{"before": sandbox.Abort(), "after": sandbox.LoseAnswer()} {
		t.Run(name, func(t *testing.T) {
			s := open(t, sandbox.Options{Records: 10})
			server := httptest.NewServer(s)
			defer server.Close()
			server.Client().Transport.(*http.Transport).DisableKeepAlives = true // else the client repeats by itself
			c := callerOf(s)
			for _, client := range []*http.Client{c.client, server.Client()} {
				if client == server.Client() {
					c.base = server.URL
				}
				s.Inject(1, nil, fault)
				r := c.request(t, "/balance")
				response, err := client.Do(r)
				if err == nil {
					_ = response.Body.Close()
					t.Fatalf("answered with HTTP %d", response.StatusCode)
				}
				if client == c.client && (!errors.Is(err, sandbox.ErrAborted) || !errors.Is(err, io.ErrUnexpectedEOF)) {
					t.Errorf("error %v", err)
				}
				again, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = again.Body.Close()
				want := map[string]int{"before": http.StatusOK, "after": http.StatusUnauthorized}[name]
				if again.StatusCode != want {
					t.Errorf("the same request again: HTTP %d, want %d", again.StatusCode, want)
				}
			}
		})
	}
}

// TestDelay holds a request up in virtual time; the answer is dated when it is given.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := virtual(t, sandbox.Options{Records: 10})
		s.Inject(1, nil, sandbox.Delay(func(ctx context.Context) {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Second):
			}
		}))
		begin := time.Now()
		a := c.get(t, "/balance")
		if took := time.Since(begin); took != 20*time.Second || a.code != http.StatusOK {
			t.Errorf("HTTP %d after %s", a.code, took)
		}
		if date, err := http.ParseTime(a.header.Get("Date")); err != nil || date.Sub(begin.Truncate(time.Second)) != 20*time.Second {
			t.Errorf("dated %q, %v", a.header.Get("Date"), err)
		}
	})
}

// TestTransportCancellation: a request ends when its context does, whatever the partner is at, with the
// context's error; and the handler gets to know.
func TestTransportCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := virtual(t, sandbox.Options{Records: 10})
		noticed := make(chan time.Duration, 1)
		begin := time.Now()
		s.Inject(1, nil, sandbox.Delay(func(ctx context.Context) {
			<-ctx.Done()
			noticed <- time.Since(begin)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		response, err := c.client.Do(c.request(t, "/balance").WithContext(ctx))
		if err == nil {
			_ = response.Body.Close()
		}
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != 3*time.Second {
			t.Errorf("%v after %s", err, took)
		}
		if took := <-noticed; took != 3*time.Second {
			t.Errorf("the handler noticed after %s", took)
		}
		before := s.Requests()
		if response, err = s.Transport().RoundTrip(c.request(t, "/balance").WithContext(ctx)); err == nil {
			_ = response.Body.Close()
		}
		synctest.Wait() // had it begun, it would have been counted by now
		if !errors.Is(err, context.DeadlineExceeded) || s.Requests() != before {
			t.Errorf("a request that was over before it began: %v, %d requests", err, s.Requests()-before)
		}
	})
}

// TestTransportBodyEndsWithItsContext: an answer that has come is lost when the client gives up while reading.
func TestTransportBodyEndsWithItsContext(t *testing.T) {
	s := open(t, sandbox.Options{Records: 100})
	c := callerOf(s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	response, err := c.client.Do(c.request(t, "/deposit/list?pageSize=100").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.ReadFull(response.Body, make([]byte, 1000)); err != nil {
		t.Errorf("the first thousand bytes: %v", err)
	}
	cancel()
	if _, err := io.ReadAll(response.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("the rest: %v", err)
	}
}

// closeCounter is a request's body that knows how often it was closed.
type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error { c.closed++; return nil }

// TestTransportIsARoundTripper keeps the contract of http.RoundTripper: it closes the body, leaves the request
// as it was, and hands on what the handler wrote.
func TestTransportIsARoundTripper(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10, BeforeRequest: func(r *http.Request) { r.Header.Set("X-Seen", "yes") }})
	body := &closeCounter{Reader: strings.NewReader("{}")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://ramp.example/health?a=b", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Method, r.Header = "", nil // as a client may
	response, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil || response.Body.Close() != nil {
		t.Errorf("body %v", err)
	}
	if response.StatusCode != 200 || response.Status != "200 OK" || response.ContentLength != int64(len(text)) || response.Request != r {
		t.Errorf("response %+v", response)
	}
	if body.closed != 1 || r.Method != "" || r.Header != nil || r.URL.Host != "ramp.example" {
		t.Errorf("body closed %d times, request %+v", body.closed, r)
	}
}

// TestTransportDoesNotHideBugs: what panics in the partner's place is no broken connection.
func TestTransportDoesNotHideBugs(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10})
	s.Inject(1, nil, sandbox.Delay(func(context.Context) { panic("a bug of the test") }))
	defer func() {
		if cause := recover(); cause != "a bug of the test" {
			t.Errorf("recovered %v", cause)
		}
	}()
	callerOf(s).get(t, "/balance")
}

// TestCountsAreBounded: a client that invents paths is counted, but not path by path for ever.
func TestCountsAreBounded(t *testing.T) {
	s := open(t, sandbox.Options{Records: -1})
	c := callerOf(s)
	for i := range 200 {
		r := c.request(t, "/"+strconv.Itoa(i))
		r.Header.Del("X-API-Key")
		c.do(t, r)
	}
	counts := s.Counts()
	if s.Requests() != 200 || len(counts) > 65 || counts["other"].Requests != 200-64 || counts["/7"].Requests != 1 {
		t.Errorf("%d requests on %d paths, %d on others", s.Requests(), len(counts), counts["other"].Requests)
	}
}
