package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// TestFifthWalks follows each of the three announcements of the next page, in both directions and with sizes that
// divide the list and that do not: each gives the truth, once.
func TestFifthWalks(t *testing.T) {
	for _, oldestFirst := range []bool{false, true} {
		a := askerOf(t, sandbox.Options{Partner: "fifth", Records: 100, RateLimits: unlimited, OldestFirst: oldestFirst})
		records := a.sandbox.Truth().List("/v2/transfers")
		if !oldestFirst {
			slices.Reverse(records)
		}
		var want []json.RawMessage
		for _, record := range records {
			want = append(want, record.Raw)
		}
		for _, path := range []string{"/v2/transfers", "/v2/transfers/by-link", "/v2/transfers/by-url"} {
			for _, size := range []int{1, 7, len(want) - 1, len(want), len(want) + 1} {
				if size > 200 {
					t.Fatalf("the world has grown: %d", size)
				}
				if got := a.walkList(t, path, size); !sameItems(got, want) {
					t.Errorf("%s by %d: %d items, want %d", path, size, len(got), len(want))
				}
			}
		}
	}
}

// TestFifthCursorsHold: records that appear or vanish while a client walks move nothing, the one too on which the
// cursor stands.
func TestFifthCursorsHold(t *testing.T) {
	for _, oldestFirst := range []bool{false, true} {
		a := askerOf(t, sandbox.Options{Partner: "fifth", Records: 30, OldestFirst: oldestFirst})
		before := a.sandbox.Truth()
		records := before.List("/v2/transfers")
		if !oldestFirst {
			slices.Reverse(records)
		}
		type page struct {
			Transfers []json.RawMessage `json:"transfers"`
			Next      string            `json:"next_cursor"`
		}
		first := success[page](t, a.get(t, "/v2/transfers?limit=10"))
		a.sandbox.Add(3)
		resource := schema.Deposits
		if slices.ContainsFunc(before.Payments, func(p sandbox.Payment) bool { return p.ID == records[9].ID }) {
			resource = schema.Payments
		}
		must(t, a.sandbox.Remove(resource, records[9].ID))
		second := success[page](t, a.get(t, "/v2/transfers?limit=10&cursor="+url.QueryEscape(first.Next)))
		var want []json.RawMessage
		for _, record := range records[10:20] {
			want = append(want, record.Raw)
		}
		if !sameItems(second.Transfers, want) {
			t.Errorf("oldest first %t: the second page does not follow the first", oldestFirst)
		}
	}
}

// TestFifthAnswers holds every answer that is not a page.
func TestFifthAnswers(t *testing.T) {
	tests := []struct {
		method, target, authorization string
		code                          int
		kind                          string
	}{
		{"GET", "/v2/transfers", "Bearer sandbox-key", 200, ""},
		{"GET", "/v2/transfers", "bearer sandbox-key", 200, ""},
		{"GET", "/v2/wallets", "Bearer sandbox-key", 200, ""},
		{"GET", "/v2/transfers", "", 401, "unauthorized"},
		{"GET", "/v2/transfers", "Bearer other", 401, "unauthorized"},
		{"GET", "/v2/transfers", "Basic sandbox-key", 401, "unauthorized"},
		{"GET", "/v2/nothing", "Bearer sandbox-key", 404, "not_found"},
		{"POST", "/v2/transfers", "Bearer sandbox-key", 405, "method_not_allowed"},
		{"GET", "/v2/transfers?limit=0", "Bearer sandbox-key", 400, "invalid_request"},
		{"GET", "/v2/transfers?limit=201", "Bearer sandbox-key", 400, "invalid_request"},
		{"GET", "/v2/transfers?limit=%zz", "Bearer sandbox-key", 400, "invalid_request"},
		{"GET", "/v2/transfers?cursor=", "Bearer sandbox-key", 400, "invalid_request"},
		{"GET", "/v2/transfers?cursor=MTI", "Bearer sandbox-key", 400, "invalid_request"},
		{"GET", "/v2/transfers?cursor=MTIz", "Bearer sandbox-key", 400, "invalid_request"},
	}
	for _, test := range tests {
		a := askerOf(t, sandbox.Options{Partner: "fifth", Records: 10})
		r := a.request(t, "/", "")
		r.Method = test.method
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(test.target, "?")
		r.Header.Set("Authorization", test.authorization)
		got := ask(t, a.sandbox, r)
		if got.code != test.code || (test.kind != "" && !strings.HasPrefix(got.text, `{"error":{"type":"`+test.kind+`","message":"`)) {
			t.Errorf("%s %s %s: HTTP %d: %s", test.method, test.target, test.authorization, got.code, got.text)
		}
	}
	a := askerOf(t, sandbox.Options{Partner: "fifth", Records: -1, RateLimits: []sandbox.Limit{{Requests: 1, Per: time.Minute}}})
	if got := a.get(t, "/v2/transfers"); got.text != `{"transfers":[],"next_cursor":null}` {
		t.Errorf("nothing: %s", got.text)
	}
	if got := a.get(t, "/v2/transfers"); got.code != 429 || got.header.Get("Retry-After") != "60" {
		t.Errorf("too many: HTTP %d, %v", got.code, got.header)
	}
}

// TestFifthAddressesAreTheClients: what is announced is at the host and below the prefix that the client used.
func TestFifthAddressesAreTheClients(t *testing.T) {
	a := askerOf(t, sandbox.Options{Partner: "fifth", Records: 10})
	server := httptest.NewServer(http.StripPrefix("/fifth", a.sandbox))
	defer server.Close()
	for _, path := range []string{"/v2/transfers/by-link", "/v2/transfers/by-url"} {
		r := a.request(t, "/fifth"+path+"?limit=5", "")
		r.URL.Scheme, r.URL.Host, r.Host = "http", strings.TrimPrefix(server.URL, "http://"), ""
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Next string }
		if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		next := body.Next
		if link := nextLink.FindStringSubmatch(response.Header.Get("Link")); link != nil {
			next = link[1]
		}
		if !strings.HasPrefix(next, server.URL+"/fifth"+path+"?limit=5&cursor=") {
			t.Errorf("%s announces %q", path, next)
		}
	}
}
