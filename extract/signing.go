package extract

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tieout/schema"
)

// Signing says how a request proves who sent it. Parts and headers are templates with placeholders in braces:
// {method} {host} {path} {query} {request} {body} {body_sha256} {timestamp} {nonce} and the names of the credentials;
// {request} is the path with "?" and the query where there is one, and a header may also hold {signature}. {path} is the
// whole path, that of the base URL included; {path_below_base} and {request_below_base} leave that out. Everything is
// signed as the bytes that are sent.
type Signing struct {
	// hmac-sha256, hmac-sha384 or hmac-sha512. Left out: nothing is signed.
	Algorithm Algorithm `yaml:"algorithm"`
	// The credential that is the key.
	Key Credential `yaml:"key"`
	// Of the signature: hex in lower case, or base64 with padding. Left out: hex.
	Encoding Encoding `yaml:"encoding"`
	// Left out: there is none.
	Timestamp Stamp `yaml:"timestamp"`
	// uuid is random and new for each attempt; rising_milliseconds is the clock, always above the last one of the key,
	// over restarts as well. Left out: there is none.
	Nonce NonceKind `yaml:"nonce"`
	// Of the signed text: texts with {placeholders}, such as {method}, {path} with all of the path, {path_below_base} with
	// what follows the base URL's, {query}, {request} and {request_below_base} with path and query, {body}, {timestamp}.
	Parts []string `yaml:"parts"`
	// Between the parts.
	Separator string `yaml:"separator"`
	// What {body} is when there is no body, as {}.
	EmptyBody string `yaml:"empty_body"`
	// Whether that is sent, too.
	SendEmptyBody bool `yaml:"send_empty_body"`
	// What {body_sha256} is when there is no body: nothing (empty) or the hash of nothing (sha256). Left out: empty.
	EmptyBodyHash BodyHash `yaml:"empty_body_hash"`
	// Of every request.
	Headers map[string]string `yaml:"headers"`
	// Of requests with a body.
	BodyHeaders map[string]string `yaml:"body_headers"`
}

// SigningInput is one attempt to be signed. Timestamp and nonce are drawn anew for each attempt.
type SigningInput struct {
	Method, Host, Path, Query string                   // as sent; Query without "?"; Host with the port unless it is the default one
	BasePath                  string                   // with which Path begins: that of the base URL, as sent, without a slash at its end
	Body                      []byte                   // as sent; empty: there is none
	Timestamp, Nonce          string                   // of this attempt, as the definition writes them
	Credentials               map[string]schema.Secret // by the definition's names
}

var hashes = map[Algorithm]func() hash.Hash{"hmac-sha256": sha256.New, "hmac-sha384": sha512.New384, "hmac-sha512": sha512.New}

// Sign returns the text that was signed, which holds no secret unless a definition signs one, and the headers
// that the request must carry, which do. It cannot fail for a definition that ParseDefinition accepted.
func (s *Signing) Sign(input SigningInput) (text string, headers http.Header) {
	text, headers, _ = s.sign(input)
	return text, headers
}

// sign does what Sign promises, and returns the signature itself as well, none where nothing is signed.
func (s *Signing) sign(input SigningInput) (text string, headers http.Header, signature schema.Secret) {
	values := map[string]string{
		"method": input.Method, "host": input.Host, "path": input.Path, "query": input.Query, "request": input.Path,
		"body": string(input.Body), "body_sha256": s.bodyHash(input.Body),
		"timestamp": input.Timestamp, "nonce": input.Nonce,
	}
	values["path_below_base"] = strings.TrimPrefix(input.Path, input.BasePath)
	values["request_below_base"] = values["path_below_base"]
	if input.Query != "" {
		values["request"] += "?" + input.Query
		values["request_below_base"] += "?" + input.Query
	}
	if len(input.Body) == 0 {
		values["body"] = s.EmptyBody
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
		mac := hmac.New(newHash, []byte(input.Credentials[string(s.Key)].Reveal()))
		mac.Write([]byte(text))
		values["signature"] = s.encode(mac.Sum(nil))
		signature = schema.NewSecret(values["signature"])
	}
	headers = http.Header{}
	for name, template := range s.Headers {
		headers.Set(name, expand(template, values))
	}
	if len(input.Body) > 0 {
		for name, template := range s.BodyHeaders {
			headers.Set(name, expand(template, values))
		}
	}
	return text, headers, signature
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

// stamp writes the time of one attempt.
func (s *Signing) stamp(now time.Time) string {
	switch s.Timestamp {
	case "unix_seconds":
		return strconv.FormatInt(now.Unix(), 10)
	case "unix_milliseconds":
		return strconv.FormatInt(now.UnixMilli(), 10)
	}
	return ""
}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

func expand(template string, values map[string]string) string {
	return placeholder.ReplaceAllStringFunc(template, func(name string) string { return values[name[1:len(name)-1]] })
}

// signing checks the scheme of a definition.
func (c *definitionCheck) signing(d *Definition) {
	s := &d.Signing
	if s.Algorithm == "" && (s.Key != "" || len(s.Parts) > 0) {
		c.report([]string{"signing", "algorithm"}, "is missing: nothing would be signed")
	}
	if s.Algorithm != "" && !slices.Contains(d.Credentials, s.Key) {
		c.report([]string{"signing", "key"}, "%q is not one of the credentials", s.Key)
	}
	if s.Algorithm != "" && len(s.Parts) == 0 {
		c.report([]string{"signing", "parts"}, "is missing: nothing would be signed")
	}
	if s.SendEmptyBody && s.EmptyBody == "" {
		c.report([]string{"signing", "send_empty_body"}, "needs empty_body")
	}
	// A nonce that must rise can only rise if the requests of a key go one after the other.
	d.Serial = d.Serial || s.Nonce == NonceRising
	known := append([]string{"method", "host", "path", "query", "request", "path_below_base", "request_below_base", "body", "body_sha256"}, d.Needs()...)
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
	for place, headers := range map[string]map[string]string{"headers": s.Headers, "body_headers": s.BodyHeaders} {
		for name, template := range headers {
			c.placeholders([]string{"signing", place, name}, template, known)
		}
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
