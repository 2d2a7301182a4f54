package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// cryptoixTimestampAge is how far a timestamp may be off, either way (facts: the overview says "e.g. 5 minutes").
const cryptoixTimestampAge = 5 * time.Minute

func cryptoixRefusal(word, message string) *cryptoixFailure {
	return &cryptoixFailure{http.StatusUnauthorized, word, message}
}

// authenticate finds out who sent a request. A key stands in exactly one of two headers, the same of which holds
// the public key of the signed form: the account's scheme says which of them it is.
func (c *cryptoix) authenticate(r *http.Request) (*member, *cryptoixFailure) {
	bearer, keys := r.Header.Values("Authorization"), r.Header.Values("X-API-Key")
	switch len(bearer) + len(keys) {
	case 0:
		return nil, cryptoixRefusal("missing_api_key", "neither Authorization nor X-API-Key is there")
	case 1:
	default:
		return nil, cryptoixRefusal("ambiguous_credentials", "exactly one of Authorization and X-API-Key must be there")
	}
	scheme, key := SchemeKey, strings.Join(keys, "")
	if len(bearer) == 1 {
		word, rest, _ := strings.Cut(bearer[0], " ")
		if !strings.EqualFold(word, "Bearer") {
			return nil, cryptoixRefusal("invalid_api_key", "Authorization is not of the form Bearer KEY")
		}
		scheme, key = SchemeBearer, rest
	}
	member := c.sandbox.members[key]
	if member == nil {
		return nil, cryptoixRefusal("invalid_api_key", "the key is unknown")
	}
	signed := slices.Contains([]string{SchemeSigned, SchemeSignedQuery, SchemeSignedBelow}, member.Scheme)
	switch {
	case signed && scheme == SchemeKey:
		return member, c.judgeSignature(r, member)
	case member.Scheme == "" || member.Scheme == scheme:
		return member, nil
	}
	return nil, cryptoixRefusal("invalid_api_key", "this key is not used like that")
}

// judgeSignature holds a request to the signed form of the overview page.
func (c *cryptoix) judgeSignature(r *http.Request, m *member) *cryptoixFailure {
	timestamp := r.Header.Get("X-API-Timestamp")
	if reason := judgeSeconds(timestamp, c.sandbox.now(), cryptoixTimestampAge); reason != "" {
		return cryptoixRefusal("invalid_timestamp", reason)
	}
	body, err := bodyOf(r)
	if err != nil {
		return cryptoixInvalid(err.Error())
	}
	path, query := targetOf(r)
	if m.Scheme == SchemeSignedQuery && query != "" {
		path += "?" + query
	}
	if m.Scheme == SchemeSignedBelow {
		path = strings.TrimPrefix(path, "/v1")
	}
	mac := hmac.New(sha256.New, []byte(m.Secret))
	_, _ = io.WriteString(mac, r.Method+path+timestamp+string(body))
	want := base64.StdEncoding.AppendEncode(nil, mac.Sum(nil))
	if !hmac.Equal([]byte(r.Header.Get("X-API-Signature")), want) {
		return cryptoixRefusal("invalid_signature", "the signature does not match")
	}
	return nil
}
