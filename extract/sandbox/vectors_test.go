package sandbox_test

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// vector is a signature that two independent implementations agree on.
type vector struct {
	Name, Method, Host, Path, Query, Body, Timestamp, Key, Secret, Email string
	Headers                                                              map[string]string
	Options                                                              map[string]any // not nil: a variant
}

func vectors(t *testing.T, scheme string) []vector {
	t.Helper()
	text, err := os.ReadFile("../testdata/signing.json")
	if err != nil {
		t.Fatal(err)
	}
	file := decode[struct {
		Schemes []struct {
			Scheme  string
			Vectors []vector
		}
	}](t, text)
	for _, s := range file.Schemes {
		if s.Scheme == scheme {
			return s.Vectors
		}
	}
	t.Fatalf("no vectors of %s", scheme)
	return nil
}

// request is the request of a vector as a client would send it.
func (v vector) request(t *testing.T) *http.Request {
	t.Helper()
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
	return r
}

// variant names the option that distinguishes a vector from the default.
func (v vector) variant() string {
	return strings.Join(slices.Sorted(maps.Keys(v.Options)), " ")
}

// TestVectorsOfEveryPartner asks the sandbox itself about each vector under each scheme that an account may have:
// it lets in what is signed like that scheme, whatever comes after, and nothing else.
func TestVectorsOfEveryPartner(t *testing.T) {
	unsigned := func(v vector) bool { return v.Query == "" }
	tests := []struct {
		vectors, partner, scheme string
		want                     func(vector) bool
		accepted                 int
	}{
		{"cryptoix_bearer", "cryptoix", "", func(vector) bool { return true }, 8},
		{"cryptoix_bearer", "cryptoix", sandbox.SchemeBearer, func(v vector) bool { return v.Options == nil }, 6},
		{"cryptoix_bearer", "cryptoix", sandbox.SchemeKey, func(v vector) bool { return v.Options != nil }, 2},
		{"cryptoix_bearer", "cryptoix", sandbox.SchemeSigned, func(vector) bool { return false }, 0},
		{"cryptoix_hmac", "cryptoix", sandbox.SchemeSigned, func(v vector) bool { return v.Options == nil }, 8},
		{"cryptoix_hmac", "cryptoix", sandbox.SchemeSignedQuery, func(v vector) bool { return v.Options != nil || unsigned(v) }, 9},
		{"cryptoix_hmac", "cryptoix", sandbox.SchemeBearer, func(vector) bool { return false }, 0},
		{"kunapay", "kunapay", "", func(v vector) bool { return v.Options == nil }, 11},
		{"kunapay", "kunapay", sandbox.SchemeSigned, func(v vector) bool { return v.Options == nil }, 11},
		{"kunapay", "kunapay", sandbox.SchemeSignedPath, func(v vector) bool {
			return v.variant() == "sign_query" || (v.Options == nil && unsigned(v))
		}, 6},
		{"kunapay", "kunapay", sandbox.SchemeKey, func(v vector) bool { return v.variant() == "auth" }, 2},
		{"aeterna", "aeterna", "", func(vector) bool { return true }, 7},
		{"aeterna", "aeterna", sandbox.SchemeSigned, func(vector) bool { return true }, 7},
	}
	for _, test := range tests {
		t.Run(test.vectors+" as "+test.scheme, func(t *testing.T) {
			accepted := 0
			for _, v := range vectors(t, test.vectors) {
				seconds, err := strconv.ParseInt("0"+v.Timestamp, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				secret := v.Secret
				if secret == "" {
					secret = "not used"
				}
				s := open(t, sandbox.Options{
					Partner: test.partner, Records: -1, Now: func() time.Time { return time.Unix(seconds, 0) },
					Accounts: []sandbox.Account{{Key: v.Key, Secret: secret, Email: v.Email, Scheme: test.scheme}},
				})
				got := ask(t, s, v.request(t))
				if let := got.code != http.StatusUnauthorized; let != test.want(v) {
					t.Errorf("%s: HTTP %d: %s", v.Name, got.code, got.text)
				} else if let {
					accepted++
				}
			}
			if accepted != test.accepted {
				t.Errorf("%d vectors were let in, want %d", accepted, test.accepted)
			}
		})
	}
}
