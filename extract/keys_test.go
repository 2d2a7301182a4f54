package extract_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/extract/sandbox"
	"tieout/schema"
)

// keyTable is a KeyStore in memory.
type keyTable struct {
	mu     sync.Mutex // guards the rest
	states map[string]string
	err    error
}

func (k *keyTable) LoadKey(_ context.Context, key string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.states[key], k.err
}

func (k *keyTable) SaveKey(_ context.Context, key, state string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.states[key] = state
	}
	return k.err
}

func (k *keyTable) HoldsKey(string) error { return nil }

const risingTop = `signing: {algorithm: hmac-sha384, key: api_secret, nonce: rising_milliseconds, parts: ["{request}","{nonce}","{body}"], empty_body: "{}", headers: {nonce: "{nonce}", signature: "{signature}"}}`

// TestRisingNoncesArrive asks with many goroutines, over restarts and repeats, and looks at what arrives at the
// partner: strictly rising, one request at a time. The store knows the key by a name that does not tell it.
func TestRisingNoncesArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := &keyTable{states: map[string]string{}}
		var last int64
		var inFlight, arrived int
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			nonce, err := strconv.ParseInt(r.Header.Get("nonce"), 10, 64)
			if inFlight++; err != nil || nonce <= last || inFlight != 1 {
				t.Errorf("nonce %s arrived behind %d, with %d requests under way", r.Header.Get("nonce"), last, inFlight)
			}
			last = nonce
			arrived++
			answer := answering(200, `{"d":[]}`)
			if arrived%5 == 0 {
				answer = answering(502, "")
			}
			pass(time.Millisecond)
			inFlight--
			return answer(r)
		})
		definition := dialect(t, one, "credentials: [api_key, api_secret]", risingTop)
		for range 4 {
			client := dialectClient(t, definition, transport, func(a *extract.Account) { a.Keyring = extract.NewKeyring(keys) })
			var group sync.WaitGroup
			for range 10 {
				group.Go(func() {
					if _, err := client.Fetch(t.Context(), schema.Deposits, ""); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		}
		if names := fmt.Sprint(slices.Collect(maps.Keys(keys.states))); len(keys.states) != 2 || strings.Contains(names, "a-key") || !strings.Contains(names, "nonce ") || !strings.Contains(names, "limit ") {
			t.Errorf("the store holds %s", names)
		}
	})
}

// TestRisingNoncesWithoutStore sends nothing while it is not sure that the nonce will be remembered, with the class
// that the store's error has.
func TestRisingNoncesWithoutStore(t *testing.T) {
	keys := &keyTable{err: &schema.Error{Class: schema.ClassUnavailable, Err: errors.New("ClickHouse is gone")}}
	s := &script{answer: func(*http.Request, map[string]any) string { return `{"d":[]}` }}
	client := dialectClient(t, dialect(t, one, "credentials: [api_key, api_secret]", risingTop), s, func(a *extract.Account) { a.Keyring = extract.NewKeyring(keys) })
	fetchFails(t, client, schema.ClassUnavailable, "ClickHouse is gone")
	keys.err = nil
	keys.states = map[string]string{}
	if _, err := client.Fetch(t.Context(), schema.Deposits, ""); err != nil || len(s.asked) != 1 {
		t.Errorf("afterwards: %v with %d requests, want 1", err, len(s.asked))
	}
}

// TestSerial lets the requests of a key go one after the other where the definition wants it so.
func TestSerial(t *testing.T) {
	for _, serial := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var inFlight, most int
			client := dialectClient(t, dialect(t, one, fmt.Sprint("serial: ", serial)), roundTrip(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				inFlight++
				most = max(most, inFlight)
				mu.Unlock()
				pass(time.Second)
				mu.Lock()
				inFlight--
				mu.Unlock()
				return answering(200, `{"d":[]}`)(r)
			}), func(a *extract.Account) { a.Keyring = extract.NewKeyring(&keyTable{states: map[string]string{}}) })
			var group sync.WaitGroup
			for range 12 {
				group.Go(func() {
					if _, err := client.Fetch(t.Context(), schema.Deposits, ""); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if serial != (most == 1) {
				t.Errorf("serial %v: %d requests were under way at once", serial, most)
			}
		})
	}
}

// TestLockout rests the key as long as the partner locks it after a refusal, and longer if the partner says so.
func TestLockout(t *testing.T) {
	for after, want := range map[string]time.Duration{"": 24 * time.Hour, "60": 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{}
			refused := false
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				if !refused {
					refused = true
					response, err := answering(429, "")(r)
					response.Header.Set("Retry-After", after)
					return response, err
				}
				return s.RoundTrip(r)
			})
			s.answer = func(*http.Request, map[string]any) string { return `{"d":[]}` }
			begun := time.Now()
			page, err := dialectClient(t, dialect(t, one, "lockout: 24h"), transport).Fetch(t.Context(), schema.Deposits, "")
			if took := time.Since(begun); err != nil || took < want || took > want+time.Second || page.Requests != 2 {
				t.Errorf("%q: %v after %s and %d requests, want %s", after, err, took, page.Requests, want)
			}
		})
	}
}

// TestConditions holds answers to conditions of every kind, all of which must hold.
func TestConditions(t *testing.T) {
	tests := map[string]struct {
		conditions string
		good, bad  []string
	}{
		"equals":   {`[{path: ok, equals: true}]`, []string{`"ok":true`, `"ok":"true"`}, []string{`"ok":false`, `"ok":"True"`, `"ok":null`, `"x":1`, `"ok":{"true":1}`}},
		"a number": {`[{path: code, equals: 0}]`, []string{`"code":0`, `"code":"0"`}, []string{`"code":1`, `"code":0.0`, `"code":"00"`, `"x":0`}},
		"not":      {`[{path: ok, not: false}]`, []string{`"ok":true`, `"x":1`, `"ok":null`, `"ok":"yes"`}, []string{`"ok":false`, `"ok":"false"`}},
		"absent":   {`[{path: error, absent: true}]`, []string{`"x":1`, `"error":null`}, []string{`"error":""`, `"error":false`, `"error":{}`}},
		"empty": {
			`[{path: error, empty: true}]`,
			[]string{`"x":1`, `"error":null`, `"error":""`, `"error":[ ]`, "\"error\":{\n}"},
			[]string{`"error":["E"]`, `"error":false`, `"error":0`, `"error":" "`, `"error":{"a":null}`, `"error":[null]`},
		},
		"in a list": {`[{path: errors.0, absent: true}]`, []string{`"errors":[]`, `"errors":[null]`}, []string{`"errors":["E"]`, `"errors":{"0":1}`}},
		"all of them": {
			`[{path: ok, not: "false"}, {path: success, not: "false"}, {path: error, absent: true}]`,
			[]string{`"ok":true`, `"success":true`, `"x":1`},
			[]string{`"ok":true,"success":false`, `"ok":false,"success":true`, `"ok":true,"error":"x"`},
		},
	}
	for name, test := range tests {
		definition := dialect(t, one, "answers: {success: "+test.conditions+", errors: [{http: [200], means: stream}]}")
		for _, good := range test.good {
			if _, err := dialectClient(t, definition, answering(200, `{`+good+`,"d":[]}`)).Fetch(t.Context(), schema.Deposits, ""); err != nil {
				t.Errorf("%s: %s is %v, want success", name, good, err)
			}
		}
		for _, bad := range test.bad {
			if _, err := dialectClient(t, definition, answering(200, `{`+bad+`,"d":[]}`)).Fetch(t.Context(), schema.Deposits, ""); schema.ClassOf(err) != schema.ClassStream || err == nil {
				t.Errorf("%s: %s is %v, want a refusal", name, bad, err)
			}
		}
	}
}

// TestAnswerWords finds the partner's words in any of several places, also in lists and in plain text, and acts by
// them: what a person must change is a matter of configuration and not repeated.
func TestAnswerWords(t *testing.T) {
	const answers = `answers: {word: [error.code, errors.0.code, error], message: [error.message, errors.0.message, error], errors: [{word: missing_scope, means: configuration}, {word: slow, means: retry}]}`
	tests := map[string]struct {
		code        int
		contentType string
		body        string
		class       schema.Class
		says        string
	}{
		"in an object":      {403, "application/json", `{"error":{"code":"MISSING_SCOPE","message":"ask for it"}}`, schema.ClassConfiguration, `the partner answered 403 MISSING_SCOPE "ask for it"`},
		"in a list":         {403, "application/json", `{"errors":[{"code":"missing_scope","message":"m"},{"code":"other"}]}`, schema.ClassConfiguration, `403 missing_scope "m"`},
		"as a text":         {400, "application/json", `{"error":"missing_scope"}`, schema.ClassConfiguration, `400 missing_scope "missing_scope"`},
		"an empty list":     {400, "application/json", `{"errors":[]}`, schema.ClassStream, "the partner answered 400"},
		"plain text":        {400, "text/plain; charset=utf-8", "  bad\tthing\n", schema.ClassStream, `the partner answered 400 "bad thing"`},
		"plain text, JSON":  {403, "text/plain", `{"error":{"code":"missing_scope"}}`, schema.ClassConfiguration, "403 missing_scope"},
		"HTML":              {400, "text/html", "<html>bad thing</html>", schema.ClassStream, "the partner answered 400"},
		"a long plain text": {401, "text/plain", strings.Repeat("long ", 100), schema.ClassCredentials, "…"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			asked := 0
			client := dialectClient(t, dialect(t, one, answers), roundTrip(func(r *http.Request) (*http.Response, error) {
				asked++
				response, err := answering(test.code, test.body)(r)
				response.Header.Set("Content-Type", test.contentType)
				return response, err
			}))
			fetchFails(t, client, test.class, test.says)
			if asked != 1 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// TestAccountsShareAKey gives two accounts of one process the same key: their nonces rise over both, because the
// partner counts by key, and they must agree about its limits.
func TestAccountsShareAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := sandbox.New(sandbox.Options{Partner: "kunapay", Records: 40, RateLimits: []sandbox.Limit{}})
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := extract.LoadCatalog(providers.Files)
		if err != nil {
			t.Fatal(err)
		}
		known, keyring := s.Accounts()[0], extract.NewKeyring(nil)
		account := func(name string) extract.Account {
			return extract.Account{
				Name: name, Definition: catalog["kunapay"], BaseURL: "http://kuna.test", Keyring: keyring,
				Credentials: map[string]schema.Secret{"api_key": schema.NewSecret(known.Key), "api_secret": schema.NewSecret(known.Secret)},
			}
		}
		var reading sync.WaitGroup
		for _, name := range []string{"one", "two", "three"} {
			client := newClient(t, account(name), s.Transport(), &logText{})
			for range 4 {
				reading.Go(func() {
					if _, err := client.Fetch(t.Context(), schema.Balances, ""); err != nil {
						t.Error(err)
					}
				})
			}
		}
		reading.Wait()
		other := account("four")
		other.Windows = []extract.Window{{Requests: 30, Per: time.Minute}}
		if _, err := extract.NewClient(other, s.Transport(), slog.Default()); schema.ClassOf(err) != schema.ClassConfiguration {
			t.Errorf("other limits for the same key: %v", err)
		}
	})
}
