package extract_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract"
	"tieout/schema"
)

// lookupList is a list with a way to ask for one of its records.
const lookupList = one + "\ndetail: {path: '/d/{id}', item: d}"

// TestRefusedLookups sends to quarantine what the partner refuses to give of one record for good, by the definition's
// words or by HTTP 400 and 422, with the partner's answer in the record's place; what speaks of more than this record is
// an error.
func TestRefusedLookups(t *testing.T) {
	const rules = "answers: {word: code, message: text, success: [{path: code, absent: true}], errors: [{http: [404], means: quarantine}, {word: POISON, means: quarantine}, {word: STOP, means: stream}]}"
	tests := map[string]struct {
		top    string
		code   int
		body   string
		class  schema.Class // of the error; none: the record goes to quarantine
		reason string
	}{
		"400":                       {"", 400, `{"x":1}`, 0, "the look-up was refused: the partner answered 400"},
		"422":                       {"", 422, `no JSON`, 0, "the look-up was refused: the partner answered 422"},
		"422 without a body":        {"", 422, ``, 0, "the partner answered 422"},
		"404":                       {"", 404, `{}`, schema.ClassStream, "the partner answered 404"},
		"401":                       {"", 401, `{}`, schema.ClassCredentials, "the partner answered 401"},
		"500":                       {"", 500, `{}`, schema.ClassStream, "the partner answered 500, 5 times in a row"},
		"404, by a rule":            {rules, 404, `{}`, 0, "the partner answered 404"},
		"200, by its word":          {rules, 200, `{"code":"poison","text":"no such thing"}`, 0, `the partner answered 200 poison "no such thing"`},
		"422, another word":         {rules, 422, `{"code":"STOP"}`, schema.ClassStream, "the partner answered 422 STOP"},
		"422, a word without rules": {rules, 422, `{"code":"X","text":"y"}`, 0, `the partner answered 422 X "y"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				definition := dialect(t, lookupList, test.top)
				begun := time.Now()
				row, rejected, err := dialectClient(t, definition, answering(test.code, test.body)).Lookup(t.Context(), schema.Deposits, "d-1")
				if test.class != 0 {
					if schema.ClassOf(err) != test.class || row != nil || rejected != nil || !strings.Contains(err.Error(), test.reason) {
						t.Errorf("%v, %+v, %v, want an error of class %s: %s", row, rejected, err, test.class, test.reason)
					}
					return
				}
				if err != nil || row != nil || rejected == nil {
					t.Fatalf("%v, %+v, %v, want a record in quarantine", row, rejected, err)
				}
				if rejected.RecordID != "d-1" || string(rejected.Payload) != test.body || rejected.PayloadHash == [32]byte{} || rejected.SeenAt.Before(begun) || !strings.Contains(rejected.Reason, test.reason) {
					t.Errorf("%+v, want the answer under d-1 with the reason %q", rejected, test.reason)
				}
			})
		})
	}
}

// TestRefusedPages stop a list: a page that the partner refuses is never skipped, whatever the definition says.
func TestRefusedPages(t *testing.T) {
	definition := dialect(t, "path: /d\npaging: {style: page, parameter: p, size: n, rows: 2, stop: empty}\nitems: d",
		"answers: {errors: [{http: [404], means: quarantine}]}")
	for _, code := range []int{400, 422, 404} {
		s := &script{answer: func(r *http.Request, _ map[string]any) string {
			if p := numberOf(r, "p"); p < 3 {
				return fmt.Sprintf(`{"d":[%s]}`, rows(2*p-1, 2*p))
			}
			return `{"d":[]}`
		}}
		requests := 0
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			requests++
			if requests == 2 {
				return answering(code, `{"d":[]}`)(r)
			}
			return s.RoundTrip(r)
		})
		client := dialectClient(t, definition, transport)
		first, err := client.Fetch(t.Context(), schema.Deposits, "")
		if err != nil {
			t.Fatal(err)
		}
		page, err := client.Fetch(t.Context(), schema.Deposits, first.Next)
		if schema.ClassOf(err) != schema.ClassStream || page.Last || page.Next != "" || len(page.Rejected) != 0 || requests != 2 {
			t.Fatalf("%d: %+v, %v after %d requests, want a stream error after 2", code, page, err, requests)
		}
		if !strings.Contains(err.Error(), "no page is skipped") {
			t.Errorf("%d: %v does not say that no page is skipped", code, err)
		}
		if got := idsOf(walk(t, client, schema.Deposits, first.Next)); got != ids(3, 4) {
			t.Errorf("%d: the list went on with %s, want %s", code, got, ids(3, 4))
		}
	}
}

// TestRefusedLookupsKeepNoSecret takes credentials and the signature out of what quarantine keeps.
func TestRefusedLookupsKeepNoSecret(t *testing.T) {
	definition := dialect(t, lookupList, "credentials: [api_key, api_secret]", "signing: "+cryptoixSigning)
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		return answering(422, fmt.Sprintf("refused %s of %s with canary-secret", r.Header.Get("X-API-Signature"), r.Header.Get("X-API-Key")))(r)
	})
	client := dialectClient(t, definition, transport, func(a *extract.Account) {
		a.Credentials["api_key"], a.Credentials["api_secret"] = schema.NewSecret("canary-key"), schema.NewSecret("canary-secret")
	})
	_, rejected, err := client.Lookup(t.Context(), schema.Deposits, "1")
	if err != nil || string(rejected.Payload) != "refused [redacted] of [redacted] with [redacted]" {
		t.Errorf("%+v, %v", rejected, err)
	}
}

// TestSignaturesStayInside lets a partner repeat the signature where it can be used again for a while, as at Aeterna,
// where it covers neither path nor body: it is in no error, no log and no record.
func TestSignaturesStayInside(t *testing.T) {
	definition := dialect(t, one, "credentials: [api_key, api_secret, email]", "signing: "+aeternaSigning, "answers: {word: code, message: text}")
	bodies := map[string]struct {
		code int
		body string
	}{
		"in a message":    {401, `{"text":"%s is not it"}`},
		"in a word":       {422, `{"code":"%s"}`},
		"where it is cut": {422, `{"text":"` + strings.Repeat("x", 40) + `%s"}`},
		"again and again": {500, `{"text":"%s"}`},
		"in a record":     {200, `{"d":[{"id":"1","amount":"1","sig":"%s"}]}`},
		"from the wire":   {0, "%s"},
	}
	for name, test := range bodies {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var signatures []string
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					signature := r.Header.Get("X-App-Access-Sig")
					signatures = append(signatures, signature)
					text := strings.ReplaceAll(test.body, "%s", signature)
					if test.code == 0 {
						return nil, fmt.Errorf("malformed answer %q", text)
					}
					response, err := answering(test.code, text)(r)
					response.Header.Set("X-Request-Id", signature)
					return response, err
				})
				log := &logText{}
				client := newClient(t, dialectClient(t, definition, transport).Account(), transport, log)
				page, err := client.Fetch(t.Context(), schema.Deposits, "")
				if test.code == 200 && (err != nil || len(page.Rejected) != 1 || !strings.Contains(string(page.Rejected[0].Payload), `"sig":"[redacted]"`)) {
					t.Errorf("%+v, %v, want the record in quarantine, without the signature", page, err)
				}
				for _, signature := range signatures {
					if told := fmt.Sprintf("%v %+v %s", err, page, log); len(signature) != 64 || strings.Contains(told, signature[:20]) {
						t.Errorf("the signature %s stands in %s", signature, told)
					}
				}
			})
		})
	}
}

// TestRequestNames repeats how the partner calls a request wherever it failed, in visible characters and not at length.
func TestRequestNames(t *testing.T) {
	tests := map[string]struct {
		top, header, value string
		code               int
		body, want         string
	}{
		"refused":           {"", "X-Request-Id", "req-7", 404, "", "[request req-7]"},
		"not understood":    {"", "x-request-id", "req-7", 200, `{"e":[]}`, "[request req-7]"},
		"no JSON":           {"", "X-Request-Id", "req-7", 200, "<html>", "5 times in a row [request req-7]"},
		"credentials":       {"", "X-Request-Id", "req-7", 401, "", "[request req-7] (check its key"},
		"another header":    {"answers: {request_id: CF-Ray}", "CF-Ray", "8f-FRA", 404, "", "[request 8f-FRA]"},
		"the usual one not": {"answers: {request_id: CF-Ray}", "X-Request-Id", "req-7", 404, "", "the partner answered 404"},
		"none":              {"", "X-Other", "req-7", 404, "", "the partner answered 404"},
		"not visible":       {"", "X-Request-Id", "a\x1b[2J\r\nb\u202eé", 404, "", "[request a?[2J??b??]"},
		"long":              {"", "X-Request-Id", strings.Repeat("r", 10_000), 404, "", "[request " + strings.Repeat("r", 80) + "]"},
		"a credential":      {"", "X-Request-Id", "a-secret", 404, "", "[request [redacted]]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logText{}
				transport := roundTrip(func(r *http.Request) (*http.Response, error) {
					response, err := answering(test.code, test.body)(r)
					response.Header.Set(test.header, test.value)
					return response, err
				})
				definition := dialect(t, one, test.top)
				_, err := newClient(t, dialectClient(t, definition, transport).Account(), transport, log).Fetch(t.Context(), schema.Deposits, "")
				if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "[request") != strings.Contains(test.want, "[request") {
					t.Errorf("%v, want %s", err, test.want)
				}
				if warned := strings.Count(log.String(), `"request_id":"req-7"`); test.body == "<html>" && warned != 4 {
					t.Errorf("%d of 4 warnings name the request: %s", warned, log)
				}
			})
		})
	}
}
