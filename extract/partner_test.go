package extract_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/extract/sandbox"
	"tieout/schema"
)

// coinut returns the built-in definition with parts of its text replaced: pairs of old and new. An old text that
// is not there fails the test, so that a changed definition cannot turn a case into nothing.
func coinut(t testing.TB, edits ...string) *extract.Definition {
	t.Helper()
	data, err := providers.Files.ReadFile("coinut.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, edited(t, string(data), edits...))
}

func edited(t testing.TB, text string, edits ...string) string {
	t.Helper()
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the text to edit does not hold %q", edits[i])
		}
		text = strings.ReplaceAll(text, edits[i], edits[i+1])
	}
	return text
}

func parsed(t testing.TB, text string) *extract.Definition {
	t.Helper()
	definition, err := extract.ParseDefinition("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return definition
}

// partner is one simulated partner with a client of it, for one test.
type partner struct {
	*sandbox.Sandbox
	account extract.Account
	client  *extract.Client
	log     *logText
}

// fast is a rate limit that a test of something else never notices.
var fast = []extract.Window{{Requests: 100_000, Per: time.Second}}

// open makes a sandbox without limits and a client with the definition. Inside a bubble both live in virtual time.
func open(t testing.TB, options sandbox.Options, definition *extract.Definition) *partner {
	t.Helper()
	if options.RateLimits == nil {
		options.RateLimits = []sandbox.Limit{}
	}
	s, err := sandbox.New(options)
	if err != nil {
		t.Fatal(err)
	}
	p := &partner{Sandbox: s, log: &logText{}}
	p.account = extract.Account{
		Name: "coinut_main", Definition: definition, BaseURL: "https://ramp.example", Windows: fast,
		Credentials: map[string]schema.Secret{
			"api_key":    schema.NewSecret(s.Accounts()[0].Key),
			"api_secret": schema.NewSecret(s.Accounts()[0].Secret),
		},
	}
	p.client = newClient(t, p.account, s.Transport(), p.log)
	return p
}

// reopened returns a new client of the same partner, as after a restart, with the account changed.
func (p *partner) reopened(t testing.TB, change func(*extract.Account)) *extract.Client {
	t.Helper()
	account := p.account
	change(&account)
	return newClient(t, account, p.Transport(), p.log)
}

func newClient(t testing.TB, account extract.Account, transport http.RoundTripper, log *logText) *extract.Client {
	t.Helper()
	client, err := extract.NewClient(account, transport, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// logText keeps all that was logged.
type logText struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logText) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// roundTrip is a transport made of one function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answering replies with one body to every request.
func answering(code int, body string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
		}, nil
	}
}

// plainAccount is an account for tests that bring their own transport.
func plainAccount(definition *extract.Definition) extract.Account {
	return extract.Account{
		Name: "coinut_main", Definition: definition, BaseURL: "https://ramp.example", Windows: fast,
		Credentials: map[string]schema.Secret{"api_key": schema.NewSecret("a-key"), "api_secret": schema.NewSecret("a-secret")},
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) { <-time.After(d) }

// walk reads a list from a position to its end.
func walk(t testing.TB, client *extract.Client, resource schema.Resource, from extract.Position) []extract.Page {
	t.Helper()
	const pagesMax = 10_000
	var pages []extract.Page
	for position := from; ; {
		page, err := client.Fetch(t.Context(), resource, position)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page)
		if page.Last {
			return pages
		}
		if len(pages) == pagesMax {
			t.Fatalf("%s did not end after %d pages", resource, pagesMax)
		}
		position = page.Next
	}
}

func rowsOf(pages []extract.Page) []schema.Row {
	var rows []schema.Row
	for _, page := range pages {
		rows = append(rows, page.Rows...)
	}
	return rows
}
