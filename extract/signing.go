package extract

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tieout/schema"
)

// Signing says how a request proves who sent it. Parts and headers are templates with placeholders in braces:
// {method} {host} {path} {query} {body} {body_sha256} {timestamp} {nonce} and the names of the credentials; a
// header may also hold {signature}. Everything is signed as the bytes that are sent.
type Signing struct {
	Algorithm     string            `yaml:"algorithm"`       // hmac-sha256, hmac-sha384; empty: nothing is signed
	Key           string            `yaml:"key"`             // the credential that is the key
	Encoding      string            `yaml:"encoding"`        // of the signature: hex (lower case), base64 (padded)
	Timestamp     string            `yaml:"timestamp"`       // unix_seconds, unix_milliseconds; empty: none
	Nonce         string            `yaml:"nonce"`           // uuid: random, new for each attempt; empty: none
	Parts         []string          `yaml:"parts"`           // of the signed text
	Separator     string            `yaml:"separator"`       // between the parts
	EmptyBodyHash string            `yaml:"empty_body_hash"` // {body_sha256} of an empty body: empty (nothing) or sha256 (the hash of nothing)
	Headers       map[string]string `yaml:"headers"`         // of every request
}

// SigningInput is one attempt to be signed. Timestamp and nonce are drawn anew for each attempt.
type SigningInput struct {
	Method, Host, Path, Query string // as sent; Query without "?"; Host with the port unless it is the default one
	Body                      []byte
	Timestamp, Nonce          string
	Credentials               map[string]schema.Secret
}

// credentialNames are what an account can be asked for; the environment's variables end in the same words.
var credentialNames = []string{"api_key", "api_secret", "email"}

var hashes = map[string]func() hash.Hash{"hmac-sha256": sha256.New, "hmac-sha384": sha512.New384}

// Sign returns the text that was signed, which holds no secret unless a definition signs one, and the headers
// that the request must carry, which do. It cannot fail for a definition that ParseDefinition accepted.
func (s *Signing) Sign(input SigningInput) (text string, headers http.Header) {
	values := map[string]string{
		"method": input.Method, "host": input.Host, "path": input.Path, "query": input.Query,
		"body": string(input.Body), "body_sha256": s.bodyHash(input.Body),
		"timestamp": input.Timestamp, "nonce": input.Nonce,
	}
	for name, secret := range input.Credentials {
		values[name] = secret.Reveal()
	}
	if newHash := hashes[s.Algorithm]; newHash != nil {
		parts := make([]string, len(s.Parts))
		for i, part := range s.Parts {
			parts[i] = expand(part, values)
		}
		text = strings.Join(parts, s.Separator)
		mac := hmac.New(newHash, []byte(input.Credentials[s.Key].Reveal()))
		mac.Write([]byte(text))
		values["signature"] = s.encode(mac.Sum(nil))
	}
	headers = http.Header{}
	for name, template := range s.Headers {
		headers.Set(name, expand(template, values))
	}
	return text, headers
}

func (s *Signing) bodyHash(body []byte) string {
	if len(body) == 0 && s.EmptyBodyHash != "sha256" {
		return ""
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func (s *Signing) encode(signature []byte) string {
	if s.Encoding == "base64" {
		return base64.StdEncoding.EncodeToString(signature)
	}
	return hex.EncodeToString(signature)
}

// stamp draws the timestamp and the nonce of one attempt.
func (s *Signing) stamp(now time.Time) (timestamp, nonce string) {
	switch s.Timestamp {
	case "unix_seconds":
		timestamp = strconv.FormatInt(now.Unix(), 10)
	case "unix_milliseconds":
		timestamp = strconv.FormatInt(now.UnixMilli(), 10)
	}
	if s.Nonce == "uuid" {
		nonce = uuid.NewString()
	}
	return timestamp, nonce
}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

func expand(template string, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(template, func(name string) string { return values[name[1:len(name)-1]] })
}

// signing checks the scheme of a definition.
func (c *definitionCheck) signing(d *Definition) {
	s := &d.Signing
	oneOf := func(key, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			c.report([]string{"signing", key}, "%q is not one of %s", value, strings.Join(allowed, ", "))
		}
	}
	oneOf("algorithm", s.Algorithm, slices.Sorted(maps.Keys(hashes))...)
	oneOf("encoding", s.Encoding, "hex", "base64")
	oneOf("timestamp", s.Timestamp, "unix_seconds", "unix_milliseconds")
	oneOf("nonce", s.Nonce, "uuid")
	oneOf("empty_body_hash", s.EmptyBodyHash, "empty", "sha256")
	if s.Algorithm != "" && !slices.Contains(d.Credentials, s.Key) {
		c.report([]string{"signing", "key"}, "%q is not one of the credentials", s.Key)
	}
	if s.Algorithm != "" && len(s.Parts) == 0 {
		c.report([]string{"signing", "parts"}, "is missing: nothing would be signed")
	}
	known := append([]string{"method", "host", "path", "query", "body", "body_sha256"}, d.Credentials...)
	if s.Timestamp != "" {
		known = append(known, "timestamp")
	}
	if s.Nonce != "" {
		known = append(known, "nonce")
	}
	for i, part := range s.Parts {
		c.placeholders([]string{"signing", "parts", strconv.Itoa(i)}, part, known)
	}
	if s.Algorithm != "" {
		known = append(known, "signature")
	}
	for name, template := range s.Headers {
		c.placeholders([]string{"signing", "headers", name}, template, known)
	}
}

func (c *definitionCheck) placeholders(place []string, template string, known []string) {
	for _, match := range placeholder.FindAllStringSubmatch(template, -1) {
		if !slices.Contains(known, match[1]) {
			c.report(place, "{%s} is not one of {%s}", match[1], strings.Join(known, "} {"))
		}
	}
}

// checkBaseURL returns an error unless the text is an absolute address without query, fragment and user.
func checkBaseURL(text string) error {
	request, err := http.NewRequest(http.MethodGet, text, nil) //nolint:noctx // only parsed, never sent
	if err != nil || request.URL.Host == "" || (request.URL.Scheme != "https" && request.URL.Scheme != "http") {
		return fmt.Errorf("want an address like https://api.example.com/v1")
	}
	if request.URL.RawQuery != "" || request.URL.Fragment != "" || request.URL.User != nil {
		return fmt.Errorf("must not hold a user, a query or a fragment")
	}
	return nil
}
