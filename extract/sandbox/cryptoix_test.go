package sandbox_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tieout/extract/sandbox"
)

// TestCryptoixRefusals changes one thing of a good request at a time, for the three ways to prove who one is.
func TestCryptoixRefusals(t *testing.T) {
	const list = "/v1/transactions?page=1&per_page=2"
	set := func(name, value string) func(*asker, *http.Request) {
		return func(_ *asker, r *http.Request) { r.Header.Set(name, value) }
	}
	at := func(offset time.Duration) func(*asker, *http.Request) {
		return func(a *asker, r *http.Request) {
			a.signCryptoix(r, r.URL.EscapedPath(), strconv.FormatInt(now.Add(offset).Unix(), 10), "")
		}
	}
	tests := []struct {
		name, scheme string
		change       func(*asker, *http.Request)
		code         int
		word         string
	}{
		{"bearer", sandbox.SchemeBearer, func(*asker, *http.Request) {}, 200, ""},
		{"key", sandbox.SchemeKey, func(*asker, *http.Request) {}, 200, ""},
		{"either", "", func(_ *asker, r *http.Request) { r.Header = http.Header{"X-Api-Key": {"sandbox-key"}} }, 200, ""},
		{"both", "", set("X-API-Key", "sandbox-key"), 401, "ambiguous_credentials"},
		{"both, one of them empty", "", set("X-API-Key", ""), 401, "ambiguous_credentials"},
		{"twice", "", func(_ *asker, r *http.Request) { r.Header.Add("Authorization", "Bearer sandbox-key") }, 401, "ambiguous_credentials"},
		{"nothing", "", func(_ *asker, r *http.Request) { r.Header = http.Header{} }, 401, "missing_api_key"},
		{"unknown", "", set("Authorization", "Bearer other"), 401, "invalid_api_key"},
		{"basic", "", set("Authorization", "Basic sandbox-key"), 401, "invalid_api_key"},
		{"the wrong header", sandbox.SchemeKey, func(_ *asker, r *http.Request) {
			r.Header = http.Header{"Authorization": {"Bearer sandbox-key"}}
		}, 401, "invalid_api_key"},
		{"key in the query", "", func(_ *asker, r *http.Request) { r.URL.RawQuery += "&api_key=x" }, 400, "api_key_in_query"},
		{"key by another name", "", func(_ *asker, r *http.Request) { r.URL.RawQuery += "&q=sandbox-key" }, 400, "api_key_in_query"},
		{"signed", sandbox.SchemeSigned, func(*asker, *http.Request) {}, 200, ""},
		{"signed with query", sandbox.SchemeSignedQuery, func(*asker, *http.Request) {}, 200, ""},
		{"query not signed", sandbox.SchemeSigned, func(_ *asker, r *http.Request) { r.URL.RawQuery = "page=2" }, 200, ""},
		{"query signed", sandbox.SchemeSignedQuery, func(_ *asker, r *http.Request) { r.URL.RawQuery = "page=2" }, 401, "invalid_signature"},
		{"signed below v1", sandbox.SchemeSignedBelow, func(*asker, *http.Request) {}, 200, ""},
		{"signed with v1 in spite", sandbox.SchemeSignedBelow, at(0), 401, "invalid_signature"},
		{"another path", sandbox.SchemeSigned, func(_ *asker, r *http.Request) { r.URL.Path = "/v1/refunds" }, 401, "invalid_signature"},
		{"another method", sandbox.SchemeSigned, func(_ *asker, r *http.Request) { r.Method = http.MethodDelete }, 401, "invalid_signature"},
		{"a body", sandbox.SchemeSigned, func(_ *asker, r *http.Request) { r.Body = readerOf("{}") }, 401, "invalid_signature"},
		{"no signature", sandbox.SchemeSigned, func(_ *asker, r *http.Request) { r.Header.Del("X-API-Signature") }, 401, "invalid_signature"},
		{"no timestamp", sandbox.SchemeSigned, func(_ *asker, r *http.Request) { r.Header.Del("X-API-Timestamp") }, 401, "invalid_timestamp"},
		{"5 minutes old", sandbox.SchemeSigned, at(-5 * time.Minute), 200, ""},
		{"older", sandbox.SchemeSigned, at(-5*time.Minute - time.Second), 401, "invalid_timestamp"},
		{"5 minutes ahead", sandbox.SchemeSigned, at(5 * time.Minute), 200, ""},
		{"further ahead", sandbox.SchemeSigned, at(5*time.Minute + time.Second), 401, "invalid_timestamp"},
		{"public key as bearer", sandbox.SchemeSigned, func(_ *asker, r *http.Request) {
			r.Header = http.Header{"Authorization": {"Bearer sandbox-key"}}
		}, 401, "invalid_api_key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := askerOf(t, sandbox.Options{Partner: "cryptoix", Records: 10, Accounts: []sandbox.Account{
				{Key: "sandbox-key", Secret: "sandbox-secret", Scheme: test.scheme},
			}})
			r := a.request(t, list, "")
			test.change(a, r)
			got := ask(t, a.sandbox, r)
			if got.code != test.code || strings.Contains(got.text, `"code":"`+test.word) != (test.word != "") {
				t.Errorf("HTTP %d: %s", got.code, got.text)
			}
			if strings.Contains(got.text, a.account.Secret) {
				t.Errorf("the answer gives away a secret: %s", got.text)
			}
		})
	}
}

// TestCryptoixShapes holds every answer that is not a page: the three forms of a failure all occur.
func TestCryptoixShapes(t *testing.T) {
	a := askerOf(t, sandbox.Options{Partner: "cryptoix", Records: 50, RateLimits: []sandbox.Limit{{Requests: 13, Per: time.Hour}}})
	truth := a.sandbox.Truth()
	item := truth.List("/v1/refunds")[0]
	full := func(word, message string, number int) string {
		return fmt.Sprintf(`{"error":{"code":%q,"details":null,"message":%q,"request_id":"req_%08d"},"ok":false}`, word, message, number)
	}
	steps := []struct {
		method, target string
		code           int
		text           string
	}{
		{"GET", "/v1/refunds/" + item.ID, 200, `{"ok":true,"data":` + string(item.Raw) + `,"meta":{"request_id":"req_00000001"}}`},
		{"GET", "/v1/payouts/" + item.ID, 404, `{"error":"there is no such record","success":false}`},
		{"GET", "/v1/withdrawals/" + item.ID, 404, full("not_found", "there is no such record", 3)},
		{"GET", "/v1/payouts?page=0", 422, `{"error":"page must be a number from 1","success":false}`},
		{"GET", "/v1/refunds?page=0", 422, full("validation_error", "page must be a number from 1", 5)},
		{"GET", "/v1/refunds?per_page=ten", 422, full("validation_error", "per_page must be a number from 1", 6)},
		{"GET", "/v1/nothing", 404, full("not_found", "no such endpoint", 7)},
		{"GET", "/v1/balances/EUR", 404, full("not_found", "no such endpoint", 8)},
		{"GET", "/transactions", 404, full("not_found", "no such endpoint", 9)},
		{"GET", "/v1/refunds/", 404, full("not_found", "no such endpoint", 10)},
		{"POST", "/v1/refunds", 405, full("method_not_allowed", "only GET is allowed here", 11)},
		{"GET", "/v1/refunds?page=99&unknown=1", 200, fmt.Sprintf(
			`{"ok":true,"data":[],"meta":{"request_id":"req_00000012","page":99,"per_page":25,"total":%d,"total_pages":1}}`, len(truth.List("/v1/refunds")),
		)},
		{"GET", "/v1/refunds?per_page=%zz", 422, full("validation_error", "the query cannot be read", 13)},
		{"GET", "/v1/balance", 200, ""},
		{"GET", "/v1/refunds", 429, `{"error":{"code":"rate_limit_exceeded","message":"too many requests"}}`},
	}
	for i, step := range steps {
		r := a.request(t, "/", "")
		r.Method = step.method
		path, query, _ := strings.Cut(step.target, "?")
		r.URL.Path, r.URL.RawQuery = path, query
		got := ask(t, a.sandbox, r)
		if got.code != step.code || (step.text != "" && got.text != step.text) {
			t.Errorf("%s: HTTP %d: %s, want %s", step.target, got.code, got.text, step.text)
		}
		if id := fmt.Sprintf("req_%08d", i+1); got.header.Get("X-Request-Id") != id {
			t.Errorf("%s: X-Request-Id %q, want %s", step.target, got.header.Get("X-Request-Id"), id)
		}
	}
}

// TestCryptoixCutsLargePages: who asks for a thousand gets a hundred, and only meta tells.
func TestCryptoixCutsLargePages(t *testing.T) {
	a := askerOf(t, sandbox.Options{Partner: "cryptoix", Records: 150})
	for target, want := range map[string]int{"/v1/transactions": 25, "/v1/transactions?per_page=1000": 100} {
		p := success[cryptoixPage](t, a.get(t, target))
		if len(p.Data) != want || p.Meta.PerPage != want || p.Meta.Total != 150 || p.Meta.TotalPages != (149+want)/want {
			t.Errorf("%s: %d items, %+v", target, len(p.Data), p.Meta)
		}
	}
}

// TestCryptoixLimits: both limits hold in virtual time, and every answer says what is left of the one that is
// nearest to its end.
func TestCryptoixLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := askerOf(t, sandbox.Options{
			Partner: "cryptoix", Records: 10, Now: time.Now,
			RateLimits: []sandbox.Limit{{Requests: 3, Per: time.Minute}, {Requests: 5, Per: time.Hour}},
		})
		begin := time.Now()
		steps := []struct {
			wait             time.Duration
			code             int
			limit, remaining string
			reset            time.Duration // after the begin
			retryAfter       string
		}{
			{0, 200, "3", "2", time.Minute, ""},
			{10 * time.Second, 200, "3", "1", time.Minute, ""},
			{10 * time.Second, 200, "3", "0", time.Minute, ""},
			{10*time.Second + time.Millisecond, 429, "3", "0", time.Minute, "30"},
			{30*time.Second - time.Millisecond, 200, "3", "0", 70 * time.Second, ""},
			{time.Minute, 200, "5", "0", time.Hour, ""},
			{0, 429, "5", "0", time.Hour, "3480"},
			{58 * time.Minute, 200, "5", "0", time.Hour + 10*time.Second, ""},
		}
		for i, step := range steps {
			pass(step.wait)
			got := a.get(t, "/v1/balances")
			have := []string{
				got.header.Get("X-RateLimit-Limit"), got.header.Get("X-RateLimit-Remaining"),
				got.header.Get("X-RateLimit-Reset"), got.header.Get("Retry-After"),
			}
			want := []string{step.limit, step.remaining, strconv.FormatInt(begin.Add(step.reset).Unix(), 10), step.retryAfter}
			if diff := cmp.Diff(want, have); diff != "" || got.code != step.code {
				t.Errorf("step %d: HTTP %d, limit, remaining, reset, Retry-After (-want +got):\n%s", i, got.code, diff)
			}
		}
	})
}

// TestCryptoixDocumentedLimits: sixty a minute are let through for an hour, until a thousand are spent.
func TestCryptoixDocumentedLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := askerOf(t, sandbox.Options{Partner: "cryptoix", Records: 10, Now: time.Now})
		accepted := 0
		for range 59 * 60 {
			if a.get(t, "/v1/balances").code == http.StatusOK {
				accepted++
			}
			pass(time.Second)
		}
		if accepted != 1000 {
			t.Errorf("%d requests were let through within an hour", accepted)
		}
	})
}
