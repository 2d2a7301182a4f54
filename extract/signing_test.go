package extract_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/extract/sandbox"
	"tieout/schema"
)

// vector is one request of testdata/signing.json with the signature that independent implementations gave it.
type vector struct {
	Name      string            `json:"name"`
	Method    string            `json:"method"`
	Host      string            `json:"host"`
	Path      string            `json:"path"`
	Query     string            `json:"query"`
	Body      string            `json:"body"`
	Timestamp string            `json:"timestamp"`
	Nonce     string            `json:"nonce"`
	Key       string            `json:"key"`
	Secret    string            `json:"secret"`
	Email     string            `json:"email"`
	Options   map[string]any    `json:"options"`
	Signed    string            `json:"signed"`
	Headers   map[string]string `json:"headers"`
}

func vectors(t *testing.T, scheme string) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/signing.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Schemes []struct {
			Scheme  string   `json:"scheme"`
			Vectors []vector `json:"vectors"`
		} `json:"schemes"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, s := range file.Schemes {
		if s.Scheme == scheme {
			return s.Vectors
		}
	}
	t.Fatalf("no vectors for %s", scheme)
	return nil
}

// check signs a vector's request and compares the signed text and every header with the vector's.
func (v vector) check(t *testing.T, definition *extract.Definition) {
	t.Helper()
	text, headers := definition.Signing.Sign(extract.SigningInput{
		Method: v.Method, Host: v.Host, Path: v.Path, Query: v.Query, Body: []byte(v.Body),
		Timestamp: v.Timestamp, Nonce: v.Nonce,
		Credentials: map[string]schema.Secret{
			"api_key": schema.NewSecret(v.Key), "api_secret": schema.NewSecret(v.Secret), "email": schema.NewSecret(v.Email),
		},
	})
	if text != v.Signed {
		t.Errorf("signed %q, want %q", text, v.Signed)
	}
	want := http.Header{}
	for name, value := range v.Headers {
		want.Set(name, value)
	}
	for name := range want {
		if headers.Get(name) != want.Get(name) {
			t.Errorf("header %s is %q, want %q", name, headers.Get(name), want.Get(name))
		}
	}
	for name := range headers {
		if want[name] == nil {
			t.Errorf("header %s is sent, but not wanted", name)
		}
	}
}

// TestSigningCoinut holds the built-in definition, and its two documented variants, to every vector.
func TestSigningCoinut(t *testing.T) {
	variants := map[string][]string{ // option -> edits of the definition
		"":                       nil,
		"empty_body_hash:sha256": {"empty_body_hash: empty", "empty_body_hash: sha256"},
		"separator:literal":      {`separator: "\n"`, `separator: '\n'`},
	}
	seen := map[string]int{}
	for _, v := range vectors(t, "coinut") {
		t.Run(v.Name, func(t *testing.T) {
			variant := optionText(v.Options)
			edits, known := variants[variant]
			if !known {
				t.Fatalf("no definition for the options %q", variant)
			}
			seen[variant]++
			v.check(t, coinut(t, edits...))
		})
	}
	if len(seen) != len(variants) {
		t.Errorf("the vectors cover the variants %v, want all of %d", seen, len(variants))
	}
}

// optionText returns an option as name:value; the vectors have one at most.
func optionText(options map[string]any) string {
	var all []string
	for name, value := range options {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // decoded from JSON a moment ago
		}
		all = append(all, name+":"+strings.Trim(string(text), `"`))
	}
	return strings.Join(all, " ")
}

// signingOnly is a definition that lists nothing worth listing: its signing is what is tested.
func signingOnly(t testing.TB, credentials, signing string) *extract.Definition {
	t.Helper()
	return parsed(t, `name: other
title: Another partner
credentials: [`+credentials+`]
signing: `+signing+`
rate_limits: [60/1m]
resources:
  balances: {path: /balances, paging: {style: none}, items: data, fields: {currency: code}}
`)
}

// otherScheme is a partner whose scheme is data alone, one text a variant.
type otherScheme struct {
	credentials string
	variants    map[string]string // option -> the definition's signing
}

const (
	cryptoixSigning = `{algorithm: hmac-sha256, key: api_secret, encoding: base64, timestamp: unix_seconds, parts: ["{method}", "{path}", "{timestamp}", "{body}"],
  headers: {X-API-Key: "{api_key}", X-API-Timestamp: "{timestamp}", X-API-Signature: "{signature}"}, body_headers: {Content-Type: application/json}}`
	kunapaySigning = `{algorithm: hmac-sha384, key: api_secret, encoding: hex, nonce: rising_milliseconds, parts: ["{request}","{nonce}","{body}"], empty_body: "{}",
  headers: {accept: application/json, content-type: application/json, public-key: "{api_key}", nonce: "{nonce}", signature: "{signature}"}}`
	aeternaSigning = `{algorithm: hmac-sha256, key: api_secret, encoding: hex, timestamp: unix_seconds, parts: ["{timestamp}", "{email}"],
  headers: {Content-Type: application/json, Accept: "application/json, text/plain", X-App-Token: "{api_key}", X-App-Access-Ts: "{timestamp}", X-App-Access-Sig: "{signature}"}}`
)

func otherSchemes() map[string]otherScheme {
	return map[string]otherScheme{
		"cryptoix_hmac": {"api_key, api_secret", map[string]string{
			"":                cryptoixSigning,
			"sign_query:true": strings.Replace(cryptoixSigning, "{path}", "{request}", 1),
		}},
		"cryptoix_bearer": {"api_key", map[string]string{
			"":                 `{headers: {Authorization: "Bearer {api_key}", Accept: application/json}, body_headers: {Content-Type: application/json}}`,
			"header:X-API-Key": `{headers: {X-API-Key: "{api_key}", Accept: application/json}}`,
		}},
		"kunapay": {"api_key, api_secret", map[string]string{
			"":                 kunapaySigning,
			"sign_query:false": strings.Replace(kunapaySigning, "{request}", "{path}", 1),
			"auth:api_key":     `{headers: {accept: application/json, content-type: application/json, api-key: "{api_key}"}}`,
		}},
		"aeterna": {"api_key, api_secret, email", map[string]string{"": aeternaSigning}},
	}
}

// TestSigningOfOtherPartners runs every vector of every partner whose requests are signed, through definitions.
func TestSigningOfOtherPartners(t *testing.T) {
	for name, scheme := range otherSchemes() {
		seen := map[string]bool{}
		for _, v := range vectors(t, name) {
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				signing, known := scheme.variants[optionText(v.Options)]
				if !known {
					t.Fatalf("no definition for the options %v", v.Options)
				}
				seen[optionText(v.Options)] = true
				v.check(t, signingOnly(t, scheme.credentials, signing))
			})
		}
		if len(seen) != len(scheme.variants) {
			t.Errorf("%s: the vectors cover the variants %v, want all of %d", name, seen, len(scheme.variants))
		}
	}
}

// TestSigningCryptoixPaths asks a partner that wants one of three texts signed, by the built-in definition and by each of
// the readings that its comment offers: only the right one is let in.
func TestSigningCryptoixPaths(t *testing.T) {
	const file = "name: cryptoix_signed\nextends: cryptoix_signed\nsigning: {parts: [\"{method}\", \"%s\", \"{timestamp}\", \"{body}\"]}\n"
	wanted := map[string]string{ // what is signed of the address -> the partner's scheme; none of the three signs this one
		"": sandbox.SchemeSigned, "{path}": sandbox.SchemeSigned, "{request}": sandbox.SchemeSignedQuery,
		"{path_below_base}": sandbox.SchemeSignedBelow, "{request_below_base}": "",
	}
	for part, scheme := range wanted {
		catalog, err := extract.LoadCatalog(providers.Files, folderOf(map[string]string{"mine.yaml": fmt.Sprintf(file, part)}))
		if part == "" {
			catalog, err = extract.LoadCatalog(providers.Files)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range []string{sandbox.SchemeSigned, sandbox.SchemeSignedQuery, sandbox.SchemeSignedBelow} {
			p := open(t, sandbox.Options{Partner: "cryptoix", Records: 10, Accounts: []sandbox.Account{{Key: "the-key", Secret: "the-secret", Scheme: asked}}}, catalog["cryptoix_signed"])
			client := p.reopened(t, func(a *extract.Account) { a.BaseURL = "https://api.example/v1" })
			if _, err := client.Fetch(t.Context(), schema.Deposits, ""); (err == nil) != (asked == scheme) {
				t.Errorf("%q at a partner that wants %s: %v", part, asked, err)
			}
		}
	}
}

// TestSigningBelowBase leaves out the path of the base URL, however that is written, and nothing else.
func TestSigningBelowBase(t *testing.T) {
	definition := dialect(t, "path: /v1/d\nquery: {a: b c}\npaging: {style: none}\nitems: d", "credentials: [api_key]",
		`signing: {algorithm: hmac-sha256, key: api_key, parts: ["{path_below_base} {request_below_base}"], headers: {P: "{path_below_base}", R: "{request_below_base}", W: "{path}"}}`)
	for base, whole := range map[string]string{
		"https://api.example": "/v1/d", "https://api.example/": "/v1/d", "https://api.example/v1": "/v1/v1/d",
		"https://api.example/v1/": "/v1/v1/d", "https://api.example/a%2Fb": "/a%2Fb/v1/d",
	} {
		s := &script{answer: func(*http.Request, map[string]any) string { return `{"d":[]}` }}
		client := dialectClient(t, definition, s, func(a *extract.Account) { a.BaseURL = base })
		if _, err := client.Fetch(t.Context(), schema.Deposits, ""); err != nil {
			t.Fatal(err)
		}
		if head := s.heads[0]; head.Get("P") != "/v1/d" || head.Get("R") != "/v1/d?a=b+c" || head.Get("W") != whole {
			t.Errorf("%s: below it %s and %s, in all %s, want %s", base, head.Get("P"), head.Get("R"), head.Get("W"), whole)
		}
	}
}

// TestSigningBracesInTemplates refuses braces without a name in them, which would silently be left out: {} is what
// empty_body is for.
func TestSigningBracesInTemplates(t *testing.T) {
	_, err := extract.ParseDefinition("test.yaml", []byte(`name: other
credentials: [api_key]
signing: {algorithm: hmac-sha256, key: api_key, parts: ["{path}{}"]}
rate_limits: [60/1m]
resources:
  balances: {path: /balances, paging: {style: none}, items: data, fields: {currency: code}}
`))
	if err == nil || !strings.Contains(linesOnly(err), "line 3: signing.parts.0: {} is not one of") {
		t.Errorf("parsing gave %v, want a mistake in line 3", err)
	}
}

// TestSigningBodies sends and signs the bodies that a definition wants: none, one that stands for none, or the
// request's own; headers of bodies only with one.
func TestSigningBodies(t *testing.T) {
	const signing = `{algorithm: hmac-sha256, key: api_secret, parts: ["{body}", "{body_sha256}"], EMPTY, headers: {S: "{signature}"}, body_headers: {Content-Type: application/json}}`
	tests := map[string]struct{ empty, method, sent, contentType, signed string }{
		"nothing":                 {"encoding: hex", "GET", "", "", ""},
		"signed, not sent":        {`empty_body: "{}"`, "GET", "", "", "{}"},
		"signed and sent":         {`empty_body: "{}", send_empty_body: true`, "GET", "{}", "application/json", "{}44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
		"hash of nothing":         {"empty_body_hash: sha256", "GET", "", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		"a body of parameters":    {`empty_body: "{}", send_empty_body: true`, "POST", `{"kind":7}`, "application/json", ""},
		"a body without anything": {`empty_body: "x"`, "POST", "{}", "application/json", "{}44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			query := ""
			if strings.Contains(test.sent, "kind") {
				query = "query: {kind: 7}\n"
			}
			definition := dialect(t, "method: "+test.method+"\npath: /d\n"+query+"paging: {style: none}\nitems: d",
				"credentials: [api_key, api_secret]", "signing: "+strings.Replace(signing, "EMPTY", test.empty, 1))
			s := &script{answer: func(*http.Request, map[string]any) string { return `{"d":[]}` }}
			if _, err := dialectClient(t, definition, s).Fetch(t.Context(), schema.Deposits, ""); err != nil {
				t.Fatal(err)
			}
			if s.bodies[0] != test.sent || s.heads[0].Get("Content-Type") != test.contentType {
				t.Errorf("sent %q as %q, want %q as %q", s.bodies[0], s.heads[0].Get("Content-Type"), test.sent, test.contentType)
			}
			signed := test.signed
			if query != "" {
				sum := sha256.Sum256([]byte(test.sent))
				signed = test.sent + hex.EncodeToString(sum[:])
			}
			mac := hmac.New(sha256.New, []byte("a-secret"))
			mac.Write([]byte(signed))
			if got := s.heads[0].Get("S"); got != hex.EncodeToString(mac.Sum(nil)) {
				t.Errorf("the signature is not that of %q", signed)
			}
		})
	}
}
