package extract_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"tieout/extract"
	"tieout/schema"
)

// The partners of these tests are small handlers, asked without a socket. Each speaks one dialect of the definition
// language; what the definition leaves open is filled in by dialect.

// dialect returns a definition with one list of deposits of the given form, and further lines at its top.
func dialect(t testing.TB, listing string, top ...string) *extract.Definition {
	t.Helper()
	return parsed(t, dialectText(listing, top...))
}

func dialectText(listing string, top ...string) string {
	fields := "\n    fields: {deposit_id: id, currency: {paths: currency, constant: eur}, amount: amount, created_at: {paths: at, constant: \"2026-01-02T03:04:05Z\"}}\n"
	if strings.Contains(listing, "\nfields:") {
		fields = "\n"
	}
	return "name: dialect\ntitle: A dialect\nrate_limits: [100000/1s]\ntimes: {formats: [rfc3339]}\n" + strings.Join(append(top, ""), "\n") +
		"resources:\n  deposits:\n    " + strings.ReplaceAll(strings.TrimSpace(listing), "\n", "\n    ") + fields
}

// script is a partner made of one function, with all that it was asked.
type script struct {
	answer func(r *http.Request, body map[string]any) string // the body of a 200; other codes go through header
	header http.Header

	mu     sync.Mutex // guards the rest
	asked  []string   // method, path and query, and the body if there was one
	hosts  []string
	bodies []string
	heads  []http.Header
}

// RoundTrip implements http.RoundTripper.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var body map[string]any
	if len(data) > 0 {
		if err := json.Unmarshal(data, &body); err != nil {
			return nil, err
		}
	}
	line := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		line += "?" + r.URL.RawQuery
	}
	if len(data) > 0 {
		line += " " + string(data)
	}
	s.asked, s.hosts, s.bodies, s.heads = append(s.asked, line), append(s.hosts, r.URL.Host), append(s.bodies, string(data)), append(s.heads, r.Header)
	s.header = http.Header{}
	recorder := httptest.NewRecorder()
	text := s.answer(r, body)
	for name, values := range s.header {
		recorder.Header()[name] = values
	}
	if _, err := io.WriteString(recorder, text); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}

// dialectClient asks a script by a definition.
func dialectClient(t testing.TB, definition *extract.Definition, transport http.RoundTripper, changes ...func(*extract.Account)) *extract.Client {
	t.Helper()
	account := extract.Account{
		Name: "dialect_main", Definition: definition, BaseURL: "https://api.example/v1", Windows: fast,
		Credentials: map[string]schema.Secret{
			"api_key": schema.NewSecret("a-key"), "api_secret": schema.NewSecret("a-secret"), "email": schema.NewSecret("me@example.com"),
		},
	}
	for _, change := range changes {
		change(&account)
	}
	return newClient(t, account, transport, &logText{})
}

// rows returns deposits with the identifiers first to last, as JSON without brackets.
func rows(first, last int) string {
	var items []string
	for id := first; id <= last; id++ {
		items = append(items, fmt.Sprintf(`{"id":"%d","amount":"%d"}`, id, id))
	}
	return strings.Join(items, ",")
}

// idsOf returns the identifiers of the rows of pages, in their order.
func idsOf(pages []extract.Page) string {
	var ids []string
	for _, row := range rowsOf(pages) {
		ids = append(ids, row.Base().ID)
	}
	return strings.Join(ids, " ")
}

// ids returns what idsOf returns for the records first to last.
func ids(first, last int) string {
	var all []string
	for id := first; id <= last; id++ {
		all = append(all, fmt.Sprint(id))
	}
	return strings.Join(all, " ")
}

// wantAsked compares what a script was asked, line by line.
func (s *script) wantAsked(t *testing.T, want ...string) {
	t.Helper()
	if got := strings.Join(s.asked, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// number reads a parameter of the address; absent is 0.
func numberOf(r *http.Request, name string) int {
	n := 0
	_, _ = fmt.Sscan(r.URL.Query().Get(name), &n)
	return n
}

// fetchFails wants the beginning of the list to be refused by an error of a class that says something.
func fetchFails(t *testing.T, client *extract.Client, class schema.Class, says string) {
	t.Helper()
	_, err := client.Fetch(t.Context(), schema.Deposits, "")
	if schema.ClassOf(err) != class || !strings.Contains(fmt.Sprint(err), says) {
		t.Errorf("%v (class %s), want %s: %s", err, schema.ClassOf(err), class, says)
	}
}
