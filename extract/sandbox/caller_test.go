package sandbox_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// now is the clock of tests that want one that stands still.
var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func standing() time.Time { return now }

// open returns a sandbox; its clock stands still unless the options say otherwise.
func open(t testing.TB, options sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	if options.Now == nil {
		options.Now = standing
	}
	s, err := sandbox.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// caller signs requests as the partner's page says, in the shortest way and only for tests: the signing vectors
// show that the sandbox agrees with others, this only has to agree with the sandbox.
type caller struct {
	base        string
	key, secret string
	now         func() time.Time
	client      *http.Client
	nonces      *atomic.Int64
}

func callerOf(s *sandbox.Sandbox) caller {
	account := s.Accounts()[0]
	return caller{
		base: "https://ramp.example", key: account.Key, secret: account.Secret, now: standing,
		client: &http.Client{Transport: s.Transport()}, nonces: &atomic.Int64{},
	}
}

// request returns a signed GET of a path with its query.
func (c caller) request(t testing.TB, target string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	nonce := "nonce-" + strconv.FormatInt(c.nonces.Add(1), 10)
	c.sign(r, strconv.FormatInt(c.now().Unix(), 10), nonce)
	return r
}

func (c caller) sign(r *http.Request, timestamp, nonce string) {
	mac := hmac.New(sha256.New, []byte(c.secret))
	lines := []string{r.Method, r.URL.Host, r.URL.EscapedPath(), r.URL.RawQuery, "", timestamp, nonce}
	_, _ = io.WriteString(mac, strings.Join(lines, "\n"))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-API-Key", c.key)
	r.Header.Set("X-Timestamp", timestamp)
	r.Header.Set("X-Nonce", nonce)
	r.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
}

// answer is any answer of the partner, read to its end.
type answer struct {
	code   int
	header http.Header
	text   string
	envelope
}

type envelope struct {
	Status  string          `json:"status"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

// page is the data of a list.
type page struct {
	List     []json.RawMessage `json:"list"`
	PageNum  int               `json:"pageNum"`
	PageSize int               `json:"pageSize"`
	Total    int               `json:"total"`
}

func (c caller) do(t testing.TB, r *http.Request) answer {
	t.Helper()
	response, err := c.client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", r.URL.Path, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", r.URL.Path, err)
	}
	a := answer{code: response.StatusCode, header: response.Header, text: string(text)}
	if err := json.Unmarshal(text, &a.envelope); err != nil {
		t.Fatalf("%s: %v in %s", r.URL.Path, err, text)
	}
	return a
}

func (c caller) get(t testing.TB, target string) answer {
	t.Helper()
	return c.do(t, c.request(t, target))
}

// list gets a page that must be there.
func (c caller) list(t testing.TB, target string) page {
	t.Helper()
	a := c.get(t, target)
	if a.code != http.StatusOK || a.Status != "SUCCESS" {
		t.Fatalf("%s: HTTP %d: %s", target, a.code, a.text)
	}
	return decode[page](t, a.Data)
}

func decode[T any](t testing.TB, text []byte) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}

// idOf reads the id of an item.
func idOf(t testing.TB, item json.RawMessage) string {
	t.Helper()
	return decode[struct {
		ID string `json:"id"`
	}](t, item).ID
}
