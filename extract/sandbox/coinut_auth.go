package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"
)

// coinutTimestampAge is how old a timestamp may be (facts: documented by the partner's authentication page). How
// far ahead a clock may be is not documented; the same is assumed, so a nonce must be remembered for both.
const (
	coinutTimestampAge = 60 * time.Second
	coinutNonceLife    = 2 * coinutTimestampAge
)

func coinutRefusal(message string) *coinutFailure {
	return &coinutFailure{http.StatusUnauthorized, coinutUnauthorised, message}
}

// authenticate finds out who sent a request, or why that cannot be believed. No message holds anything that is
// secret, and a nonce is spent only once the signature has shown that its owner sent it.
func (c *coinut) authenticate(r *http.Request) (*member, *coinutFailure) {
	for _, name := range []string{"X-API-Key", "X-Timestamp", "X-Nonce", "X-Signature"} {
		if r.Header.Get(name) == "" {
			return nil, coinutRefusal("header " + name + " is missing")
		}
	}
	if !isJSON(r) {
		return nil, coinutInvalid("header Content-Type must be application/json")
	}
	member := c.sandbox.members[r.Header.Get("X-API-Key")]
	if member == nil {
		return nil, coinutRefusal("the API key is unknown")
	}
	now := c.sandbox.now()
	if reason := judgeSeconds(r.Header.Get("X-Timestamp"), now, coinutTimestampAge); reason != "" {
		return nil, coinutRefusal(reason)
	}
	body, err := bodyOf(r)
	if err != nil {
		return nil, coinutInvalid("%v", err)
	}
	if !hmac.Equal([]byte(r.Header.Get("X-Signature")), coinutSignature(r, body, member.Secret)) {
		return nil, coinutRefusal("the signature does not match")
	}
	if !member.nonces.use(r.Header.Get("X-Nonce"), now, coinutNonceLife) {
		return nil, coinutRefusal("the nonce has been used before")
	}
	return member, nil
}

// coinutSignature is what the request must carry (facts: documented by the partner's authentication page): seven
// lines, of which query and body hash may be empty, all as they were sent.
func coinutSignature(r *http.Request, body []byte, secret string) []byte {
	path, query := targetOf(r)
	bodyHash := ""
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		bodyHash = hex.EncodeToString(sum[:])
	}
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, strings.Join([]string{
		r.Method,
		hostOf(r),
		path,
		query,
		bodyHash,
		r.Header.Get("X-Timestamp"),
		r.Header.Get("X-Nonce"),
	}, "\n"))
	return hex.AppendEncode(nil, mac.Sum(nil))
}

// hostOf is the host that was asked, with its port unless that is the default one.
func hostOf(r *http.Request) string {
	port := ":80"
	if r.TLS != nil {
		port = ":443"
	}
	return strings.TrimSuffix(r.Host, port)
}
