package extract_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"tieout/extract"
	"tieout/schema"
)

// The canaries: one is the beginning of the other, and both hold what a quoted text would write differently.
const (
	canaryKey    = `canary"7f3a`
	canarySecret = `canary"7f3a\9b1c`
)

// canaryAccount has credentials that must be seen nowhere but in the headers that carry them.
func canaryAccount(t testing.TB) extract.Account {
	account := plainAccount(coinut(t))
	account.Credentials = map[string]schema.Secret{"api_key": schema.NewSecret(canaryKey), "api_secret": schema.NewSecret(canarySecret)}
	return account
}

// TestSecretsStayInside lets a hostile partner repeat our credentials in every place that ends in an error or in
// the log, also where a text is cut, quoted or nested.
func TestSecretsStayInside(t *testing.T) {
	quoted := func(text string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) }
	replies := map[string]struct {
		code int
		body string
	}{
		"in the message":  {401, `{"status":"UNAUTHORISED","message":"bad key %s"}`},
		"in the word":     {422, `{"status":"%s"}`},
		"in a repeated":   {500, `{"status":"E","message":"%s"}`},
		"as a limit":      {429, `{"status":"%s","message":"%s"}`},
		"where it is cut": {422, `{"status":"E","message":"` + strings.Repeat("x", 50) + `%s"}`},
		"twice":           {422, `{"status":"E","message":"%s%s"}`},
		"as the total":    {200, `{"status":"SUCCESS","data":{"list":[],"total":"%s"}}`},
		"as the list":     {200, `{"status":"SUCCESS","data":{"list":"%s","total":1}}`},
		"as no JSON":      {200, `%s`},
		"as a name":       {200, `{"%s":1,"%s":2}`},
	}
	everyLetter := func(text string) string { return units(text, `\u%04x`, func(rune) bool { return true }) }
	for name, reply := range replies {
		for _, canary := range []string{canaryKey, canarySecret} {
			for _, spelled := range []string{quoted(canary), everyLetter(canary), quoted(quoted(canary))} {
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						body := strings.ReplaceAll(reply.body, "%s", spelled)
						log := &logText{}
						client := newClient(t, canaryAccount(t), answering(reply.code, body), log)
						_, err := client.Fetch(t.Context(), schema.Payments, "")
						if err == nil {
							t.Fatal("no error")
						}
						text := fmt.Sprintf("%v\n%+v\n%#v\n%s\n%s", err, err, err, log, client.Account().Credentials)
						noCanary(t, text)
						noSpelledCanary(t, text)
					})
				})
			}
		}
	}
}

// noCanary looks for any piece of a credential, as it is, escaped or encoded.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, piece := range []string{"canary", "7f3a", "9b1c", base64.StdEncoding.EncodeToString([]byte(canarySecret))} {
		if strings.Contains(text, piece) {
			t.Errorf("%q stands in: %s", piece, text)
		}
	}
}

// TestSecretsInTransportErrors takes credentials out of what the network and net/http say: addresses, locations
// that cannot be parsed, host names.
func TestSecretsInTransportErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logText{}
		broken := roundTrip(func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("proxy said: %s and %s", r.Header.Get("X-API-Key"), canarySecret)
		})
		_, err := newClient(t, canaryAccount(t), broken, log).Fetch(t.Context(), schema.Payments, "")
		if schema.ClassOf(err) != schema.ClassUnavailable {
			t.Errorf("%v, want unavailable", err)
		}
		noCanary(t, err.Error()+log.String())
		moved := roundTrip(func(r *http.Request) (*http.Response, error) {
			recorder := httptest.NewRecorder()
			recorder.Header().Set("Location", "http://%zz/"+r.Header.Get("X-API-Key"))
			recorder.WriteHeader(http.StatusFound)
			return recorder.Result(), nil
		})
		if _, err = newClient(t, canaryAccount(t), moved, log).Fetch(t.Context(), schema.Payments, ""); err == nil {
			t.Error("a redirect that cannot be parsed is no error")
		}
		noCanary(t, err.Error()+log.String())
	})
}

// TestSecretsAreSentOnlyWhereMeant looks at the request: the key in its header, the secret nowhere.
func TestSecretsAreSentOnlyWhereMeant(t *testing.T) {
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		for name, values := range r.Header {
			if text := strings.Join(values, " "); strings.Contains(text, "9b1c") || (strings.Contains(text, "canary") && name != "X-Api-Key") {
				t.Errorf("header %s holds %s", name, text)
			}
		}
		noCanary(t, r.URL.String())
		return answering(200, emptyPage)(r)
	})
	if _, err := newClient(t, canaryAccount(t), transport, &logText{}).Fetch(t.Context(), schema.Payments, ""); err != nil {
		t.Fatal(err)
	}
}

// TestHostIsSignedAsSent leaves the default port out of both and keeps any other, with a path before the lists.
func TestHostIsSignedAsSent(t *testing.T) {
	tests := map[string]struct{ host, path string }{
		"https://ramp.example":          {"ramp.example", "/payment/list"},
		"https://ramp.example:443":      {"ramp.example", "/payment/list"},
		"https://ramp.example/":         {"ramp.example", "/payment/list"},
		"https://ramp.example:8443/v1/": {"ramp.example:8443", "/v1/payment/list"},
		"http://127.0.0.1:80/api":       {"127.0.0.1", "/api/payment/list"},
		"http://127.0.0.1:443":          {"127.0.0.1:443", "/payment/list"},
		"https://[::1]:443":             {"[::1]", "/payment/list"},
	}
	for base, want := range tests {
		account := plainAccount(coinut(t))
		account.BaseURL = base
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			_, headers := account.Definition.Signing.Sign(extract.SigningInput{
				Method: "GET", Host: want.host, Path: want.path, Query: r.URL.RawQuery,
				Timestamp: r.Header.Get("X-Timestamp"), Nonce: r.Header.Get("X-Nonce"), Credentials: account.Credentials,
			})
			if r.URL.Host != want.host || r.Host != want.host || r.URL.Path != want.path || r.Header.Get("X-Signature") != headers.Get("X-Signature") {
				t.Errorf("%s: asks %s%s (host header %s), want %s%s and its signature", base, r.URL.Host, r.URL.Path, r.Host, want.host, want.path)
			}
			return answering(200, emptyPage)(r)
		})
		if _, err := newClient(t, account, transport, &logText{}).Fetch(t.Context(), schema.Payments, ""); err != nil {
			t.Error(err)
		}
	}
}
