package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

func readerOf(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// TestKunapayAnswers changes one thing of a good request at a time. A failure may come without a body, or as a
// page of HTML.
func TestKunapayAnswers(t *testing.T) {
	const list = "/v1/transaction?take=100&skip=0"
	code := func(word string) string { return `{"errors":[{"code":"` + word + `",` }
	to := func(target string) func(*asker, *http.Request) {
		return func(a *asker, r *http.Request) {
			r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
			a.sign(r, "")
		}
	}
	tests := []struct {
		name   string
		change func(*asker, *http.Request)
		code   int
		begin  string
	}{
		{"nothing changed", func(*asker, *http.Request) {}, 200, `{"data":[{`},
		{"{} as body", func(_ *asker, r *http.Request) { r.Body = readerOf("{}") }, 200, `{"data":[{`},
		{"another body", func(_ *asker, r *http.Request) { r.Body = readerOf("[]") }, 401, code("INVALID_SIGNATURE")},
		{"unknown key", func(_ *asker, r *http.Request) { r.Header.Set("public-key", "other") }, 401, "-"},
		{"no key", func(_ *asker, r *http.Request) { r.Header.Del("public-key") }, 401, "-"},
		{"both keys", func(_ *asker, r *http.Request) { r.Header.Set("api-key", "sandbox-key") }, 401, code("UNAUTHORIZED")},
		{"public key alone", func(_ *asker, r *http.Request) {
			r.Header.Set("api-key", r.Header.Get("public-key"))
			r.Header.Del("public-key")
		}, 401, "-"},
		{"no nonce", func(_ *asker, r *http.Request) { r.Header.Del("nonce") }, 401, code("INVALID_NONCE")},
		{"nonce in words", func(a *asker, r *http.Request) { a.signKunapay(r, "soon") }, 401, code("INVALID_NONCE")},
		{"another nonce", func(_ *asker, r *http.Request) { r.Header.Set("nonce", "9767225600000") }, 401, code("INVALID_SIGNATURE")},
		{"another query", func(_ *asker, r *http.Request) { r.URL.RawQuery = "take=100&skip=1" }, 401, code("INVALID_SIGNATURE")},
		{"no accept", func(_ *asker, r *http.Request) { r.Header.Del("accept") }, 400, code("BAD_REQUEST")},
		{"no content type", func(_ *asker, r *http.Request) { r.Header.Del("content-type") }, 400, code("BAD_REQUEST")},
		{"take 0", to("/v1/transaction?take=0"), 400, code("BAD_REQUEST")},
		{"take 101", to("/v1/transaction?take=101"), 400, code("BAD_REQUEST")},
		{"skip -1", to("/v1/transaction?skip=-1"), 400, code("BAD_REQUEST")},
		{"from words", to("/v1/transaction?createdFrom=yesterday"), 400, code("BAD_REQUEST")},
		{"order by type", to("/v1/transaction?orderBy=type"), 400, code("BAD_REQUEST")},
		{"order by time", to("/v1/transaction?orderBy=createdAt"), 200, `{"data":[{`},
		{"behind the end", to("/v1/transaction?skip=100000"), 200, `{"data":[]}`},
		{"broken query", to("/v1/transaction?take=%zz"), 400, code("BAD_REQUEST")},
		{"nothing there", to("/v1/invoice"), 404, "<html>"},
		{"no such record", to("/v1/transaction/none"), 404, code("NOT_FOUND")},
		{"two balances", to("/v1/asset/balance?assetCodes=EUR,BTC,UAH"), 200, `{"data":[{"code":"BTC",`},
		{"another method", func(_ *asker, r *http.Request) { r.Method = http.MethodPut }, 405, "-"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := askerOf(t, sandbox.Options{Partner: "kunapay", Records: 50})
			r := a.request(t, list, "")
			test.change(a, r)
			got := ask(t, a.sandbox, r)
			if got.code != test.code || (test.begin != "-" && !strings.HasPrefix(got.text, test.begin)) || (test.begin == "-" && got.text != "") {
				t.Errorf("HTTP %d: %q", got.code, got.text)
			}
			if strings.Contains(got.text, a.account.Secret) {
				t.Errorf("the answer gives away a secret: %s", got.text)
			}
		})
	}
}

// TestKunapayNoncesRise: the same or a lower one is refused, for each key apart and whatever the answer was, and
// a forged request does not spend its victim's nonces.
func TestKunapayNoncesRise(t *testing.T) {
	a := askerOf(t, sandbox.Options{Partner: "kunapay", Records: 10, Accounts: []sandbox.Account{
		{Name: "a", Key: "a", Secret: "s"}, {Name: "b", Key: "b", Secret: "t"},
	}})
	steps := []struct {
		account int
		path    string
		nonce   int64
		forged  bool
		code    int
	}{
		{0, "/v1/asset/balance", 1000, false, 200},
		{0, "/v1/asset/balance", 1000, false, 401},
		{0, "/v1/asset/balance", 999, false, 401},
		{0, "/v1/asset/balance", 5000, true, 401},
		{0, "/v1/asset/balance", 1001, false, 200},
		{0, "/v1/nothing", 1002, false, 404},
		{0, "/v1/asset/balance", 1002, false, 401},
		{1, "/v1/asset/balance", 1000, false, 200},
		{0, "/v1/asset/balance", 1003, false, 200},
	}
	for i, step := range steps {
		a.account = a.sandbox.Accounts()[step.account]
		r := a.request(t, step.path, "")
		a.signKunapay(r, strconv.FormatInt(step.nonce, 10))
		if step.forged {
			r.Header.Set("signature", "forged")
		}
		got := ask(t, a.sandbox, r)
		if told := strings.Contains(got.text, "INVALID_NONCE"); got.code != step.code || told != (step.code == 401 && !step.forged) {
			t.Errorf("step %d: HTTP %d: %s", i, got.code, got.text)
		}
	}
}

// TestKunapayNoncesAtOnce sends the same nonces from several sides: each is taken at most once, and the highest of
// all for certain.
func TestKunapayNoncesAtOnce(t *testing.T) {
	const workers, rounds = 8, 200
	a := askerOf(t, sandbox.Options{Partner: "kunapay", Records: -1, RateLimits: unlimited})
	var group sync.WaitGroup
	var taken [rounds]atomic.Int32
	for range workers {
		group.Go(func() {
			for i := range rounds {
				r := a.request(t, "/v1/asset/balance", "")
				a.signKunapay(r, strconv.Itoa(1+i))
				if ask(t, a.sandbox, r).code == http.StatusOK {
					taken[i].Add(1)
				}
			}
		})
	}
	group.Wait()
	for i := range taken {
		if count := taken[i].Load(); count > 1 || (count == 0 && i == rounds-1) {
			t.Errorf("nonce %d was taken %d times", 1+i, count)
		}
	}
}

// TestKunapayFilters chooses by asset and by time, with the first bound inside and the second outside.
func TestKunapayFilters(t *testing.T) {
	a := askerOf(t, sandbox.Options{Partner: "kunapay", Records: 300, RateLimits: unlimited})
	all := a.sandbox.Truth().List("/v1/transaction")
	since, until := all[40].CreatedAt, all[120].CreatedAt
	for _, asset := range []string{"", "EUR", "UAH"} {
		var want []json.RawMessage
		for _, record := range slices.Backward(all) {
			if !record.CreatedAt.Before(since) && record.CreatedAt.Before(until) && bytes.Contains(record.Raw, []byte(`"asset":"`+asset)) {
				want = append(want, record.Raw)
			}
		}
		var got []json.RawMessage
		for skip := 0; ; skip += 30 {
			// Other offsets of the same instants: a bound is an instant, not a text.
			target := "/v1/transaction?take=30&skip=" + strconv.Itoa(skip) + "&asset=" + asset +
				"&createdFrom=" + since.Format("2006-01-02T15:04:05Z") + "&createdTo=" +
				until.In(time.FixedZone("", -3600)).Format("2006-01-02T15:04:05Z07:00")
			items := success[map[string][]json.RawMessage](t, a.get(t, target))["data"]
			got = append(got, items...)
			if len(items) == 0 {
				break
			}
		}
		if !sameItems(got, want) || (asset == "EUR" && len(got) < 5) {
			t.Errorf("%q: %d items, want %d", asset, len(got), len(want))
		}
	}
	if items := success[map[string][]json.RawMessage](t, a.get(t, "/v1/transaction"))["data"]; len(items) != 20 {
		t.Errorf("the usual page has %d items", len(items))
	}
	item := all[7]
	if got := a.get(t, "/v1/transaction/"+item.ID); got.text != `{"data":`+string(item.Raw)+`}` {
		t.Errorf("detail: %s", got.text)
	}
}

// TestKunapaySaysNothingOfTheLimit: no document promises a Retry-After.
func TestKunapaySaysNothingOfTheLimit(t *testing.T) {
	a := askerOf(t, sandbox.Options{Partner: "kunapay", Records: -1, RateLimits: []sandbox.Limit{{Requests: 1, Per: time.Minute}}})
	a.get(t, "/v1/asset/balance")
	got := a.get(t, "/v1/asset/balance")
	if got.code != http.StatusTooManyRequests || got.header.Get("Retry-After") != "" || !strings.Contains(got.text, "TOO_MANY_REQUESTS") {
		t.Errorf("HTTP %d: %v %s", got.code, got.header, got.text)
	}
}
