package extract_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"tieout/extract"
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

// otherScheme is a partner that has no built-in definition yet: its scheme is data alone, one text a variant.
type otherScheme struct {
	credentials   string
	variants      map[string]string // option -> the definition's signing
	inexpressible map[string]string // name of a vector -> what the data cannot say
}

const (
	cryptoixSigning = `{algorithm: hmac-sha256, key: api_secret, encoding: base64, timestamp: unix_seconds, parts: [PARTS],
  headers: {X-API-Key: "{api_key}", X-API-Timestamp: "{timestamp}", X-API-Signature: "{signature}"}}`
	kunapaySigning = `{algorithm: hmac-sha384, key: api_secret, encoding: hex, timestamp: unix_milliseconds,
  parts: ["{path}", "{timestamp}", "{body}"],
  headers: {accept: application/json, content-type: application/json, public-key: "{api_key}", nonce: "{timestamp}", signature: "{signature}"}}`
	aeternaSigning = `{algorithm: hmac-sha256, key: api_secret, encoding: hex, timestamp: unix_seconds, parts: ["{timestamp}", "{email}"],
  headers: {Content-Type: application/json, Accept: "application/json, text/plain", X-App-Token: "{api_key}", X-App-Access-Ts: "{timestamp}", X-App-Access-Sig: "{signature}"}}`
)

// What a definition cannot say yet. Each is a sentence for whoever writes that partner's definition.
const (
	noLiteralBraces = "the two characters {} cannot stand in a template"
	noOptionalPart  = "a part cannot be there only if there is a query, or {} only if there is no body"
	noHeaderByBody  = "a header cannot depend on whether there is a body"
)

func otherSchemes() map[string]otherScheme {
	const withoutQuery, withQuery = `"{method}", "{path}", "{timestamp}", "{body}"`, `"{method}", "{path}", "?{query}", "{timestamp}", "{body}"`
	return map[string]otherScheme{
		"cryptoix_hmac": {
			credentials: "api_key, api_secret",
			variants: map[string]string{
				"":                strings.Replace(cryptoixSigning, "PARTS", withoutQuery, 1),
				"sign_query:true": strings.Replace(cryptoixSigning, "PARTS", withQuery, 1),
			},
			inexpressible: map[string]string{
				"documented example string": noHeaderByBody, "post, body not ASCII": noHeaderByBody,
			},
		},
		"cryptoix_bearer": {
			credentials: "api_key",
			variants: map[string]string{
				"":                 `{headers: {Authorization: "Bearer {api_key}", Accept: application/json}}`,
				"header:X-API-Key": `{headers: {X-API-Key: "{api_key}", Accept: application/json}}`,
			},
		},
		"kunapay": {
			credentials: "api_key, api_secret",
			variants: map[string]string{
				"":             kunapaySigning,
				"auth:api_key": `{headers: {accept: application/json, content-type: application/json, api-key: "{api_key}"}}`,
			},
			inexpressible: map[string]string{
				"balance, no body sent": noLiteralBraces, "transaction by id": noLiteralBraces,
				"nonce one millisecond higher": noLiteralBraces, "variant: query not signed": noLiteralBraces,
				"balance of two assets": noOptionalPart, "transactions, first page": noOptionalPart,
				"transactions, time window with escapes":      noOptionalPart,
				"transactions, time window with plain colons": noOptionalPart,
				"invoices": noOptionalPart, "exchange v4, history of a pair": noOptionalPart,
			},
		},
		"aeterna": {credentials: "api_key, api_secret, email", variants: map[string]string{"": aeternaSigning}},
	}
}

// TestSigningOfOtherPartners runs the vectors of the partners without a built-in definition, as far as a
// definition can say what they want. What it cannot say is listed, and must go from the list when it can.
func TestSigningOfOtherPartners(t *testing.T) {
	for name, scheme := range otherSchemes() {
		named := 0
		for _, v := range vectors(t, name) {
			if scheme.inexpressible[v.Name] != "" {
				named++
				continue
			}
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				signing, known := scheme.variants[optionText(v.Options)]
				if !known {
					t.Fatalf("no definition for the options %v", v.Options)
				}
				if name == "kunapay" { // its nonce is the time in milliseconds
					v.Timestamp, v.Nonce = v.Nonce, ""
				}
				v.check(t, signingOnly(t, scheme.credentials, signing))
			})
		}
		if named != len(scheme.inexpressible) {
			t.Errorf("%s: %d vectors are listed as not to be expressed, %d of them exist", name, len(scheme.inexpressible), named)
		}
	}
}

// TestSigningBracesInTemplates shows why KunaPay's {} is on the list: it is refused, not silently left out.
func TestSigningBracesInTemplates(t *testing.T) {
	_, err := extract.ParseDefinition("test.yaml", []byte(`name: other
credentials: [api_key]
signing: {algorithm: hmac-sha256, key: api_key, parts: ["{path}{}"]}
rate_limits: [60/1m]
resources:
  balances: {path: /balances, paging: {style: none}, items: data, fields: {currency: code}}
`))
	if err == nil || !strings.Contains(err.Error(), "line 3: signing.parts.0: {} is not one of") {
		t.Errorf("parsing gave %v, want a mistake in line 3", err)
	}
}
