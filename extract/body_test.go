package extract_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/schema"
)

// pacedReader sends pieces of a body, each after a wait.
type pacedReader struct {
	ctx   context.Context
	rest  []byte
	piece int
	each  time.Duration
	ready int // bytes of the piece that is under way
}

// Read implements io.Reader.
func (p *pacedReader) Read(into []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	if p.ready == 0 {
		select {
		case <-time.After(p.each):
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		}
		p.ready = min(p.piece, len(p.rest))
	}
	n := copy(into, p.rest[:p.ready])
	p.rest, p.ready = p.rest[n:], p.ready-n
	return n, nil
}

// TestSlowBodies gives up a body that trickles long before the deadline of its request, and waits for one that pauses
// or is merely slow.
func TestSlowBodies(t *testing.T) {
	page := strings.Replace(emptyPage, "{", "{"+strings.Repeat(" ", 50_000), 1)
	const slow = "the body of its answer comes slower than 1024 bytes a second"
	tests := map[string]struct {
		piece int
		each  time.Duration
		says  string        // empty: the page is read
		took  time.Duration // of one attempt
	}{
		"a byte a second":              {1, time.Second, slow, 20 * time.Second},
		"half of the pace":             {512, time.Second, slow, 20 * time.Second},
		"just fast enough":             {1200, time.Second, "", 42 * time.Second},
		"a good beginning and a pause": {40_000, 15 * time.Second, "", 30 * time.Second},
		"a good beginning and no more": {len(page), 15 * time.Second, slow, 40 * time.Second},
		"a pause before all":           {len(page), 15 * time.Second, "", 15 * time.Second},
		"too long a pause before it":   {len(page), 25 * time.Second, slow, 20 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts []time.Time
				var failed time.Duration
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					if len(attempts) == 1 {
						return answering(401, "")(r) // one look is enough
					}
					attempts = append(attempts, time.Now())
					response, err := answering(200, "")(r)
					response.ContentLength = -1
					var body io.Reader = &pacedReader{r.Context(), []byte(page), test.piece, test.each, 0}
					if strings.HasSuffix(name, "no more") {
						body = io.MultiReader(body, stalledReader{r.Context()})
					}
					response.Body = &closing{body, func() { failed = time.Since(attempts[0]) }}
					return response, err
				})
				log := &logText{}
				_, err := newClient(t, plainAccount(coinut(t)), transport, log).Fetch(t.Context(), schema.Payments, "")
				if (err == nil) != (test.says == "") || !strings.Contains(log.String(), test.says) || failed != test.took {
					t.Errorf("%v after %s, want %q after %s\n%s", err, failed, test.says, test.took, log)
				}
			})
		})
	}
}

// closing tells when a body is closed.
type closing struct {
	io.Reader
	closed func()
}

// Close implements io.Closer.
func (c *closing) Close() error {
	c.closed()
	return nil
}

// TestPackedBodies inflates what says that it is gzip, and takes what is not for a fault of this one answer.
func TestPackedBodies(t *testing.T) {
	whole := gzipped(t, emptyPage)
	for name, test := range map[string]struct{ encoding, body, says string }{
		"gzip":           {"gzip", whole, ""},
		"GZIP":           {"GZIP", whole, ""},
		"in two members": {"x-gzip", gzipped(t, emptyPage[:10]) + gzipped(t, emptyPage[10:]), ""},
		"truncated":      {"gzip", whole[:len(whole)-9], "the answer's compression is broken"},
		"not packed":     {"gzip", emptyPage, "the answer's compression is broken"},
		"wrong sum":      {"gzip", whole[:len(whole)-8] + "12345678", "the answer's compression is broken"},
		"nothing":        {"gzip", "", "its body ends in the middle of a JSON value"},
		"said of none":   {"", whole, "its body is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					requests++
					response, err := answering(200, test.body)(r)
					response.Header.Set("Content-Encoding", test.encoding)
					return response, err
				})
				_, err := newClient(t, plainAccount(coinut(t)), transport, &logText{}).Fetch(t.Context(), schema.Payments, "")
				switch {
				case test.says == "" && err != nil:
					t.Error(err)
				case test.says != "" && (schema.ClassOf(err) != schema.ClassStream || !strings.Contains(fmt.Sprint(err), test.says) || requests != 5):
					t.Errorf("%v after %d requests, want a stream error that says %q after 5", err, requests, test.says)
				}
			})
		})
	}
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := io.WriteString(writer, text); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.String()
}
