package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tieout/extract/sandbox"
)

// TestSigningVectors asks the sandbox itself: what is signed as the partner documents is let in, whatever comes
// after that, and the two undocumented variants are not.
func TestSigningVectors(t *testing.T) {
	accepted := 0
	for _, v := range vectors(t, "coinut") {
		t.Run(v.Name, func(t *testing.T) {
			seconds, err := strconv.ParseInt(v.Timestamp, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, sandbox.Options{
				Records:  -1,
				Accounts: []sandbox.Account{{Key: v.Key, Secret: v.Secret}},
				Now:      func() time.Time { return time.Unix(seconds, 0) },
			})
			address := "https://" + v.Host + v.Path
			if v.Query != "" {
				address += "?" + v.Query
			}
			r, err := http.NewRequestWithContext(t.Context(), v.Method, address, strings.NewReader(v.Body))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range v.Headers {
				r.Header.Set(name, value)
			}
			a := callerOf(s).do(t, r)
			if unauthorised := a.code == http.StatusUnauthorized; unauthorised != (v.Options != nil) {
				t.Errorf("HTTP %d: %s", a.code, a.text)
			}
			if a.code != http.StatusUnauthorized {
				accepted++
			}
		})
	}
	if accepted != 13 {
		t.Errorf("%d vectors were let in, want the 13 without options", accepted)
	}
}

// TestRefusals changes one thing of a good request at a time. Each refusal says something else, and none says
// anything that only the owner of the key knows.
func TestRefusals(t *testing.T) {
	seconds := func(offset time.Duration) string { return strconv.FormatInt(now.Add(offset).Unix(), 10) }
	tests := []struct {
		name   string
		change func(caller, *http.Request)
		code   int
		want   string // part of the message; empty: accepted
	}{
		{"nothing changed", func(caller, *http.Request) {}, 200, ""},
		{"no key", func(_ caller, r *http.Request) { r.Header.Del("X-API-Key") }, 401, "X-API-Key is missing"},
		{"no timestamp", func(_ caller, r *http.Request) { r.Header.Del("X-Timestamp") }, 401, "X-Timestamp is missing"},
		{"no nonce", func(_ caller, r *http.Request) { r.Header.Del("X-Nonce") }, 401, "X-Nonce is missing"},
		{"no signature", func(_ caller, r *http.Request) { r.Header.Del("X-Signature") }, 401, "X-Signature is missing"},
		{"unknown key", func(_ caller, r *http.Request) { r.Header.Set("X-API-Key", "other") }, 401, "key is unknown"},
		{"60 s old", func(c caller, r *http.Request) { c.sign(r, seconds(-60*time.Second), "a") }, 200, ""},
		{"61 s old", func(c caller, r *http.Request) { c.sign(r, seconds(-61*time.Second), "a") }, 401, "too old"},
		{"60 s ahead", func(c caller, r *http.Request) { c.sign(r, seconds(60*time.Second), "a") }, 200, ""},
		{"61 s ahead", func(c caller, r *http.Request) { c.sign(r, seconds(61*time.Second), "a") }, 401, "future"},
		{"milliseconds", func(c caller, r *http.Request) { c.sign(r, seconds(0)+"000", "a") }, 401, "in Unix seconds"},
		{"words as time", func(c caller, r *http.Request) { c.sign(r, "noon", "a") }, 401, "not in Unix seconds"},
		{"another nonce", func(_ caller, r *http.Request) { r.Header.Set("X-Nonce", "b") }, 401, "signature"},
		{"another time", func(_ caller, r *http.Request) { r.Header.Set("X-Timestamp", seconds(time.Second)) }, 401, "signature"},
		{"another path", func(_ caller, r *http.Request) { r.URL.Path = "/trade/list" }, 401, "signature"},
		{"another query", func(_ caller, r *http.Request) { r.URL.RawQuery = "pageNum=2" }, 401, "signature"},
		{"another order", func(_ caller, r *http.Request) { r.URL.RawQuery = "pageSize=2&pageNum=1" }, 401, "signature"},
		{"another host", func(_ caller, r *http.Request) { r.Host = "other.example" }, 401, "signature"},
		{"another method", func(_ caller, r *http.Request) { r.Method = http.MethodDelete }, 401, "signature"},
		{"another secret", func(c caller, r *http.Request) { c.secret = "guess"; c.sign(r, seconds(0), "a") }, 401, "signature"},
		{"upper case", func(_ caller, r *http.Request) {
			r.Header.Set("X-Signature", strings.ToUpper(r.Header.Get("X-Signature")))
		}, 401, "signature"},
		{"a body", func(_ caller, r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{}")) }, 401, "signature"},
		{"an endless body", func(_ caller, r *http.Request) {
			r.Body = io.NopCloser(bytes.NewReader(make([]byte, 1<<21)))
		}, 422, "too long"},
		{"content type", func(_ caller, r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 422, "Content-Type"},
		{"no content type", func(_ caller, r *http.Request) { r.Header.Del("Content-Type") }, 422, "Content-Type"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := callerOf(open(t, sandbox.Options{Records: 10}))
			r := c.request(t, "/deposit/list?pageNum=1&pageSize=2")
			expected := r.Header.Get("X-Signature")
			test.change(c, r)
			a := c.do(t, r)
			if a.code != test.code || !strings.Contains(a.Message, test.want) || (test.want != "") == (a.Message == "") {
				t.Errorf("HTTP %d: %s", a.code, a.text)
			}
			words := map[int]string{200: "SUCCESS", 401: "UNAUTHORISED", 422: "INVALID_PARAMETERS"}
			if a.Status != words[test.code] {
				t.Errorf("status %q with HTTP %d", a.Status, a.code)
			}
			if strings.Contains(a.text, c.secret) || strings.Contains(a.text, expected) {
				t.Errorf("the answer gives away a secret: %s", a.text)
			}
		})
	}
}

// TestReplay sends one signed request again and again: it works once, and is refused as a replay until its
// timestamp is too old anyway. A forged request does not use up the nonce of its victim.
func TestReplay(t *testing.T) {
	clock := now
	s := open(t, sandbox.Options{Records: 10, Now: func() time.Time { return clock }})
	c := callerOf(s)
	again := func(signature string) answer {
		r := c.request(t, "/balance")
		c.sign(r, strconv.FormatInt(now.Add(time.Minute).Unix(), 10), "once")
		if signature != "" {
			r.Header.Set("X-Signature", signature)
		}
		return c.do(t, r)
	}
	clock = now.Add(-time.Minute) // another nonce first, so that ours does not begin what is remembered together
	early := c.request(t, "/balance")
	c.sign(early, strconv.FormatInt(clock.Unix(), 10), "early")
	if a := c.do(t, early); a.code != http.StatusOK {
		t.Fatalf("early: %s", a.text)
	}
	clock = now
	if a := again("forged"); a.code != http.StatusUnauthorized {
		t.Fatalf("forged: HTTP %d", a.code)
	}
	if a := again(""); a.code != http.StatusOK {
		t.Fatalf("first: HTTP %d: %s", a.code, a.text)
	}
	for _, after := range []time.Duration{0, time.Second, 59 * time.Second, 62 * time.Second, 119 * time.Second, 120 * time.Second} {
		clock = now.Add(after)
		other := c.request(t, "/balance") // keeps the memory of nonces busy
		c.sign(other, strconv.FormatInt(clock.Unix(), 10), "other-"+after.String())
		if a := c.do(t, other); a.code != http.StatusOK {
			t.Fatalf("another nonce after %s: %s", after, a.text)
		}
		if a := again(""); a.code != http.StatusUnauthorized || !strings.Contains(a.Message, "nonce has been used") {
			t.Errorf("after %s: HTTP %d: %s", after, a.code, a.text)
		}
	}
	clock = now.Add(121 * time.Second)
	if a := again(""); !strings.Contains(a.Message, "too old") {
		t.Errorf("after its life: %s", a.text)
	}
}

// TestNoncesBelongToTheirKey lets two accounts use the same nonce.
func TestNoncesBelongToTheirKey(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10, Accounts: []sandbox.Account{
		{Name: "a", Key: "key-a", Secret: "secret-a"}, {Name: "b", Key: "key-b", Secret: "secret-b"},
	}})
	for _, account := range s.Accounts() {
		c := callerOf(s)
		c.key, c.secret = account.Key, account.Secret
		if a := c.get(t, "/balance"); a.code != http.StatusOK {
			t.Errorf("account %s: %s", account.Name, a.text)
		}
	}
}

// TestHostAndPort signs what the client calls the host: without a default port, with any other, and below a
// prefix that the server cuts off.
func TestHostAndPort(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10})
	server := httptest.NewServer(http.StripPrefix("/coinut", s))
	defer server.Close()
	c := callerOf(s)
	c.client, c.base = server.Client(), server.URL+"/coinut"
	if a := c.get(t, "/deposit/list?pageNum=1"); a.code != http.StatusOK {
		t.Errorf("over a socket, with a port and a prefix: %s", a.text)
	}
	c.client = &http.Client{Transport: s.Transport()}
	c.base = "https://ramp.example"
	wants := map[string]int{
		"https://ramp.example:443": http.StatusOK,
		"http://ramp.example:80":   http.StatusOK,
		"https://ramp.example:80":  http.StatusUnauthorized, // not the default port of https
	}
	for address, want := range wants {
		r := c.request(t, "/balance") // signed for the host without a port
		r.URL.Scheme, r.URL.Host, _ = strings.Cut(address, "://")
		r.Host = r.URL.Host
		if a := c.do(t, r); a.code != want {
			t.Errorf("%s: HTTP %d: %s", address, a.code, a.text)
		}
	}
}

// TestAnswers holds every answer that is not a page of a list.
func TestAnswers(t *testing.T) {
	tests := []struct {
		method, target string
		code           int
		status         string
	}{
		{"GET", "/deposit/list?pageSize=100", 200, "SUCCESS"},
		{"GET", "/deposit/list?pageSize=101", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?pageSize=0", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?pageSize=-1", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?pageSize=ten", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?pageSize=", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?pageNum=0", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?pageNum=1.5", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?pageNum=99999999999999999999", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?pageNum=2147483647", 200, "SUCCESS"},
		{"GET", "/deposit/list?pageNum=%zz", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/list?status=SETTLED", 422, "INVALID_PARAMETERS"},
		{"GET", "/trade/list?status=SETTLED", 200, "SUCCESS"},
		{"GET", "/deposit/list?unknown=1", 200, "SUCCESS"},
		{"GET", "/deposit/detail", 422, "INVALID_PARAMETERS"},
		{"GET", "/deposit/detail?id=none", 422, "INVALID_PARAMETERS"},
		{"GET", "/balance", 200, "SUCCESS"},
		{"GET", "/health", 200, "SUCCESS"},
		{"POST", "/health", 405, "FAILED"},
		{"POST", "/balance", 405, "FAILED"},
		{"DELETE", "/nothing", 404, "FAILED"},
		{"GET", "/nothing", 404, "FAILED"},
		{"GET", "/", 404, "FAILED"},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			c := callerOf(open(t, sandbox.Options{Records: 10}))
			r := c.request(t, "/")
			r.Method = test.method
			path, query, _ := strings.Cut(test.target, "?")
			r.URL.Path, r.URL.RawQuery = path, query
			c.sign(r, strconv.FormatInt(now.Unix(), 10), "a")
			a := c.do(t, r)
			if a.code != test.code || a.Status != test.status {
				t.Errorf("HTTP %d: %s", a.code, a.text)
			}
			if (a.Message == "") != (test.code == 200) || (a.Data == nil) == (test.code == 200) {
				t.Errorf("message or data missing, or there without reason: %s", a.text)
			}
			if a.header.Get("Date") != "Fri, 02 Jan 2026 03:04:05 GMT" || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", a.header)
			}
		})
	}
}

// TestHealthNeedsNothing asks without any header.
func TestHealthNeedsNothing(t *testing.T) {
	s := open(t, sandbox.Options{Records: -1, RateLimits: []sandbox.Limit{{Requests: 1, Per: time.Hour}}})
	for range 3 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://ramp.example/health", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if a := callerOf(s).do(t, r); a.code != http.StatusOK || a.Status != "SUCCESS" {
			t.Errorf("HTTP %d: %s", a.code, a.text)
		}
	}
}

// TestBalances compares the answer with the books, amounts as exact texts.
func TestBalances(t *testing.T) {
	s := open(t, sandbox.Options{Records: 500})
	a := callerOf(s).get(t, "/balance")
	type line struct{ Currency, Available, Locked, Total string }
	var want []line
	for _, b := range s.Truth().Balances {
		want = append(want, line{b.Currency, b.Available.String(), b.Locked.String(), b.Total.String()})
	}
	if diff := cmp.Diff(want, decode[[]line](t, a.Data)); diff != "" || len(want) != 7 {
		t.Errorf("balances (-truth +served):\n%s", diff)
	}
}

// TestEmptyListIsAList reads pages that hold nothing: a null would be another thing.
func TestEmptyListIsAList(t *testing.T) {
	c := callerOf(open(t, sandbox.Options{Records: -1}))
	for _, path := range []string{"/deposit/list", "/trade/list", "/payment/list", "/deposit/list?customerId=x&status=RECEIVED"} {
		a := c.get(t, path)
		if want := `{"status":"SUCCESS","data":{"list":[],"pageNum":1,"pageSize":10,"total":0}}`; a.text != want {
			t.Errorf("%s: %s", path, a.text)
		}
	}
	if !json.Valid([]byte(c.get(t, "/balance").text)) {
		t.Error("no balances")
	}
}
