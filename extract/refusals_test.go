package extract_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/schema"
)

// everyCode is what each HTTP code means where the definition says nothing: an independent table of classes and
// of the attempts that are made.
func everyCode(code int) (class schema.Class, attempts int) {
	switch {
	case code == 429, code == 502, code == 503, code == 504:
		return schema.ClassUnavailable, 5
	case code == 401, code == 403:
		return schema.ClassCredentials, 1
	case code >= 500, code == 408, code >= 200 && code < 300: // 2xx: not success by the body below
		return schema.ClassStream, 5
	}
	return schema.ClassStream, 1
}

// TestRefusalsByCode answers every HTTP code with a body that says neither success nor a known word. A 2xx whose
// body is no success is no success: here by a word that the rules repeat.
func TestRefusalsByCode(t *testing.T) {
	for code := 200; code <= 599; code++ {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, sandbox.Options{Records: -1}, coinut(t))
			body := `{"status":"STRANGE","message":"m"}`
			if code < 300 {
				body = `{"status":"FAILED","message":"m"}`
			}
			p.Inject(100, nil, sandbox.Answer(code, nil, body))
			_, err := p.client.Fetch(t.Context(), schema.Payments, "")
			class, attempts := everyCode(code)
			if schema.ClassOf(err) != class || p.Requests() != attempts {
				t.Errorf("%d: class %v after %d requests, want %v after %d: %v", code, schema.ClassOf(err), p.Requests(), class, attempts, err)
			}
			if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("the partner answered %d ", code)) {
				t.Errorf("%d: %v does not say so", code, err)
			}
		})
	}
}

// TestRefusalsWithoutRules reads the codes plainly where the definition has neither words nor rules; there every
// 2xx is an answer.
func TestRefusalsWithoutRules(t *testing.T) {
	definition := parsed(t, small[:strings.Index(small, "answers:")]+small[strings.Index(small, "times:"):])
	for code := 300; code <= 599; code++ {
		synctest.Test(t, func(t *testing.T) {
			attempts := 0
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				attempts++
				return answering(code, "no JSON")(r)
			})
			_, err := newClient(t, plainAccount(definition), transport, &logText{}).Fetch(t.Context(), schema.Deposits, "")
			if class, want := everyCode(code); schema.ClassOf(err) != class || attempts != want {
				t.Errorf("%d: class %v after %d attempts, want %v after %d", code, schema.ClassOf(err), attempts, class, want)
			}
		})
	}
}

// refusalCase is one way in which a partner says no.
type refusalCase struct {
	code     int
	body     string
	class    schema.Class
	attempts int
	says     []string
}

// TestRefusals tells the partner's words and what to do about each, by the rules of the built-in definition.
func TestRefusals(t *testing.T) {
	const html = "<html><body>\x1b[2J Forbidden by our edge</body></html>"
	tests := map[string]refusalCase{
		"401":                       {401, `{"status":"UNAUTHORISED","message":"bad key"}`, schema.ClassCredentials, 1, []string{"account coinut_main", "401 UNAUTHORISED \"bad key\"", "IP allow-list"}},
		"422 UNAUTHORISED":          {422, `{"status":"unauthorised","message":"old"}`, schema.ClassCredentials, 1, []string{"422 unauthorised \"old\""}},
		"200 UNAUTHORISED":          {200, `{"status":"UNAUTHORISED"}`, schema.ClassCredentials, 1, []string{"200 UNAUTHORISED"}},
		"403 with HTML":             {403, html, schema.ClassCredentials, 1, []string{"the partner answered 403 (", "check its key"}},
		"422 INVALID_PARAMETERS":    {422, `{"status":"INVALID_PARAMETERS","message":"pageSize must not exceed 100"}`, schema.ClassStream, 1, []string{`422 INVALID_PARAMETERS "pageSize must not exceed 100"`}},
		"200 INVALID_PARAMETERS":    {200, `{"status":"INVALID_PARAMETERS"}`, schema.ClassStream, 1, []string{"200 INVALID_PARAMETERS"}},
		"200 FAILED":                {200, `{"status":"FAILED","message":"try later"}`, schema.ClassStream, 5, []string{`200 FAILED "try later", 5 times in a row`}},
		"422 FAILED":                {422, `{"status":"FAILED"}`, schema.ClassStream, 5, []string{"422 FAILED, 5 times in a row"}},
		"500 without a body":        {500, ``, schema.ClassStream, 5, []string{"the partner answered 500, 5 times in a row"}},
		"502":                       {502, html, schema.ClassUnavailable, 5, []string{"the partner answered 502, 5 times in a row"}},
		"200 truncated":             {200, `{"status":"SUCCESS","data":{"list":[{"id":`, schema.ClassStream, 5, []string{"answered 200, but its body ends in the middle of a JSON value, 5 times"}},
		"200 HTML":                  {200, html, schema.ClassStream, 5, []string{"answered 200, but its body is not JSON at byte 0"}},
		"200 empty":                 {200, ``, schema.ClassStream, 5, []string{"its body ends in the middle of a JSON value"}},
		"200 two documents":         {200, `{"status":"SUCCESS","data":{"list":[],"total":0}}{}`, schema.ClassStream, 5, []string{"its body holds more than one JSON value"}},
		"200 name twice":            {200, `{"status":"FAILED","status":"SUCCESS"}`, schema.ClassStream, 5, []string{"its body has the name status twice"}},
		"200 too deep":              {200, strings.Repeat(`{"data":`, 33) + "1" + strings.Repeat("}", 33), schema.ClassStream, 5, []string{"nested more than 32 deep"}},
		"200 in another case":       {200, `{"status":"success","data":{"list":[],"total":0}}`, schema.ClassStream, 1, []string{"200 success"}},
		"200 without a status":      {200, `{"data":{"list":[],"total":0}}`, schema.ClassStream, 1, []string{"the partner answered 200"}},
		"a word that moves cursors": {422, `{"status":"A\u001b[2J\nB","message":"m\r\nn"}`, schema.ClassStream, 1, []string{`422 A [2J B "m  n"`}},
		"a long word":               {422, `{"status":"` + strings.Repeat("w", 100) + `"}`, schema.ClassStream, 1, []string{"422 " + strings.Repeat("w", 60) + "…"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.check(t) })
		})
	}
}

func (c refusalCase) check(t *testing.T) {
	t.Helper()
	p := open(t, sandbox.Options{Records: -1}, coinut(t))
	p.Inject(100, nil, sandbox.Answer(c.code, nil, c.body))
	_, err := p.client.Fetch(t.Context(), schema.Payments, "")
	if err == nil {
		t.Fatal("no error")
	}
	if class := schema.ClassOf(err); class != c.class || p.Requests() != c.attempts {
		t.Errorf("class %v after %d requests, want %v after %d", class, p.Requests(), c.class, c.attempts)
	}
	for _, part := range append(c.says, "fetch coinut_main/payments page 1: ") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	if i := strings.IndexFunc(err.Error()+p.log.String(), func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
		t.Errorf("a control character at %d of %q", i, err)
	}
}

// TestRefusalOfTheSecret signs with a wrong secret: the partner's own words come through, the account is named,
// and no clock is blamed.
func TestRefusalOfTheSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 10}, coinut(t))
		wrong := p.reopened(t, func(a *extract.Account) {
			a.Credentials = map[string]schema.Secret{"api_key": a.Credentials["api_key"], "api_secret": schema.NewSecret("wrong-canary")}
		})
		_, err := wrong.Fetch(t.Context(), schema.Balances, "")
		if schema.ClassOf(err) != schema.ClassCredentials || p.Requests() != 1 {
			t.Fatalf("%v after %d requests, want a credentials error after 1", err, p.Requests())
		}
		for _, part := range []string{"account coinut_main at Coinut Partner Ramp", `401 UNAUTHORISED "the signature does not match"`} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
		if strings.Contains(err.Error(), "clock is") || strings.Contains(err.Error()+p.log.String(), "canary") {
			t.Errorf("%q blames the clock or tells the secret", err)
		}
	})
}

// TestRefusalByClock tells how far the clocks are apart, and in which direction, when a signature is refused.
func TestRefusalByClock(t *testing.T) {
	tests := map[time.Duration]string{
		2 * time.Minute:  "this machine's clock is 2m0s behind the partner's",
		-2 * time.Minute: "this machine's clock is 2m0s ahead of the partner's",
	}
	for skew, want := range tests {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, sandbox.Options{Records: 10, Now: func() time.Time { return time.Now().Add(skew) }}, coinut(t))
			_, err := p.client.Fetch(t.Context(), schema.Balances, "")
			if schema.ClassOf(err) != schema.ClassCredentials || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", skew, err, want)
			}
		})
	}
	for _, skew := range []time.Duration{0, 30 * time.Second, -30 * time.Second} { // the partner bears it, doctor may not
		synctest.Test(t, func(t *testing.T) {
			p := open(t, sandbox.Options{Records: 10, Now: func() time.Time { return time.Now().Add(skew) }}, coinut(t))
			page, err := p.client.Fetch(t.Context(), schema.Balances, "")
			if err != nil || page.ClockSkew != skew {
				t.Errorf("skew %s (%v), want %s", page.ClockSkew, err, skew)
			}
		})
	}
}

// TestRedirectsAreRefused takes every redirect for an error and never follows it.
func TestRedirectsAreRefused(t *testing.T) {
	for _, code := range []int{301, 302, 303, 307, 308} {
		synctest.Test(t, func(t *testing.T) {
			asked := &requestLog{}
			p := open(t, sandbox.Options{Records: -1, BeforeRequest: asked.note}, coinut(t))
			p.Inject(1, nil, sandbox.Answer(code, http.Header{"Location": {"https://elsewhere.example/steal"}}, ""))
			_, err := p.client.Fetch(t.Context(), schema.Payments, "")
			if schema.ClassOf(err) != schema.ClassStream || !strings.Contains(err.Error(), fmt.Sprint("the partner answered ", code)) {
				t.Errorf("%d: %v, want a stream error", code, err)
			}
			if len(asked.targets) != 1 || slices.Contains(asked.targets, "/steal") {
				t.Errorf("%d: asked %v", code, asked.targets)
			}
		})
	}
}

// TestNewClientRefuses says what an account lacks before anything is sent.
func TestNewClientRefuses(t *testing.T) {
	tests := map[string]struct {
		change func(*extract.Account)
		want   string
	}{
		"no secret":  {func(a *extract.Account) { delete(a.Credentials, "api_secret") }, "account coinut_main: api_secret is missing"},
		"empty key":  {func(a *extract.Account) { a.Credentials["api_key"] = schema.NewSecret("") }, "account coinut_main: api_key is missing"},
		"no scheme":  {func(a *extract.Account) { a.BaseURL = "ramp.example" }, "account coinut_main: base URL: want an address like https://api.example.com/v1"},
		"other":      {func(a *extract.Account) { a.BaseURL = "ftp://ramp.example" }, "account coinut_main: base URL: want an address like"},
		"a password": {func(a *extract.Account) { a.BaseURL = "https://u:canary@ramp.example" }, "account coinut_main: base URL: must not hold a user"},
	}
	for name, test := range tests {
		account := plainAccount(coinut(t))
		test.change(&account)
		client, err := extract.NewClient(account, answering(200, "{}"), nil)
		if client != nil || schema.ClassOf(err) != schema.ClassConfiguration || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want a configuration error: %s", name, err, test.want)
		}
	}
}
