package sandbox_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// TestAeternaAnswers changes one thing of a good request at a time; what went wrong is told in plain text.
func TestAeternaAnswers(t *testing.T) {
	at := func(offset time.Duration) func(*asker, *http.Request) {
		return func(a *asker, r *http.Request) {
			a.signAeterna(r, strconv.FormatInt(now.Add(offset).Unix(), 10))
		}
	}
	body := func(text string) func(*asker, *http.Request) {
		return func(_ *asker, r *http.Request) { r.Body = readerOf(text) }
	}
	without := func(header string) func(*asker, *http.Request) {
		return func(_ *asker, r *http.Request) { r.Header.Del(header) }
	}
	tests := []struct {
		name   string
		change func(*asker, *http.Request)
		code   int
		begin  string
	}{
		{"nothing changed", func(*asker, *http.Request) {}, 200, `{"result":{"items":[{`},
		{"GET", func(_ *asker, r *http.Request) { r.Method = http.MethodGet }, 405, "Method not allowed"},
		{"no token", without("X-App-Token"), 401, "Unauthorized: unknown token"},
		{"no time", without("X-App-Access-Ts"), 401, "Unauthorized: the timestamp is not"},
		{"no signature", without("X-App-Access-Sig"), 401, "Unauthorized: bad signature"},
		{"upper case", func(_ *asker, r *http.Request) {
			r.Header.Set("X-App-Access-Sig", strings.ToUpper(r.Header.Get("X-App-Access-Sig")))
		}, 401, "Unauthorized: bad signature"},
		{"another email", func(a *asker, r *http.Request) {
			a.account.Email = "Merchant@sandbox.example"
			a.sign(r, "")
		}, 401, "Unauthorized: bad signature"},
		{"60 s old", at(-60 * time.Second), 200, `{"result":{`},
		{"61 s old", at(-61 * time.Second), 401, "Unauthorized: the timestamp is too old"},
		{"61 s ahead", at(61 * time.Second), 401, "Unauthorized: the timestamp lies in the future"},
		{"no content type", without("Content-Type"), 415, "Content-Type"},
		{"accepts JSON only", func(_ *asker, r *http.Request) { r.Header.Set("Accept", "application/json") }, 406, "Accept"},
		{"no body", body(""), 400, "Bad request"},
		{"no object", body("null"), 400, "Bad request"},
		{"two objects", body("{}{}"), 400, "Bad request"},
		{"words", body(`{"page":"one"}`), 400, "Bad request"},
		{"page 0", body(`{"page":0}`), 400, "Bad request: page"},
		{"page 9 * 10^18", body(`{"page":9000000000000000000}`), 400, "Bad request: page"},
		{"limit 0", body(`{"limit":0}`), 400, "Bad request: limit"},
		{"limit 101", body(`{"limit":101}`), 400, "Bad request: limit must be from 1 to 100"},
		{"behind the end", body(`{"page":4000000}`), 200, `{"result":{"items":[],"count":70}}`},
		{"too long", body(`{"page":` + strings.Repeat(" ", 1<<20) + `1}`), 413, "the body"},
		{"another path, as the path is not signed", func(_ *asker, r *http.Request) { r.URL.Path = "/api/nothing" }, 404, "Not found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := askerOf(t, sandbox.Options{Partner: "aeterna", Records: 70})
			r := a.request(t, "/api/payin/list", "{}")
			test.change(a, r)
			got := ask(t, a.sandbox, r)
			kind := "text/plain; charset=utf-8"
			if test.code == http.StatusOK {
				kind = "application/json"
			}
			if got.code != test.code || !strings.HasPrefix(got.text, test.begin) || got.header.Get("Content-Type") != kind {
				t.Errorf("HTTP %d %s: %.100q", got.code, got.header.Get("Content-Type"), got.text)
			}
			if strings.Contains(got.text, a.account.Secret) {
				t.Errorf("the answer gives away a secret: %s", got.text)
			}
		})
	}
}

// TestAeternaUsualPage asks for nothing in particular.
func TestAeternaUsualPage(t *testing.T) {
	a := askerOf(t, sandbox.Options{Partner: "aeterna", Records: 70, RateLimits: []sandbox.Limit{{Requests: 1, Per: time.Minute}}})
	if p := success[aeternaPage](t, a.post(t, "/api/payin/list", "{}")); len(p.Result.Items) != 50 || p.Result.Count != 70 {
		t.Errorf("%d items of %d", len(p.Result.Items), p.Result.Count)
	}
	if got := a.post(t, "/api/payin/list", "{}"); got.code != http.StatusTooManyRequests || got.text != "Too many requests" {
		t.Errorf("HTTP %d: %s", got.code, got.text)
	}
}
