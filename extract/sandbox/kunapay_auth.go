package sandbox

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
)

func kunapayRefusal(word, message string) *kunapayFailure {
	return &kunapayFailure{code: http.StatusUnauthorized, word: word, message: message}
}

// authenticate finds out who sent a request. An unknown key is refused in silence, which is made up. The nonce is
// spent only once the signature has shown that its owner sent it, and then whatever the answer will be. How far a
// nonce may be from the partner's clock is not known: here it may be anywhere.
func (k *kunapay) authenticate(r *http.Request) (*member, *kunapayFailure) {
	if !isJSON(r) || !strings.Contains(r.Header.Get("Accept"), "application/json") {
		return nil, kunapayInvalid("headers accept and content-type must be application/json")
	}
	single, public := r.Header.Get("api-key"), r.Header.Get("public-key")
	if single != "" && public != "" {
		return nil, kunapayRefusal("UNAUTHORIZED", "either api-key or public-key must be there, not both")
	}
	member := k.sandbox.members[single+public]
	if member == nil || (member.Scheme == SchemeKey) != (single != "") {
		return nil, &kunapayFailure{code: http.StatusUnauthorized, form: kunapaySilence}
	}
	if member.Scheme == SchemeKey {
		return member, nil
	}
	nonce, err := strconv.ParseUint(r.Header.Get("nonce"), 10, 63)
	if err != nil {
		return nil, kunapayRefusal(kunapayInvalidNonce, "the nonce is not in Unix milliseconds")
	}
	body, err := bodyOf(r)
	if err != nil {
		return nil, kunapayInvalid(err.Error())
	}
	if !hmac.Equal([]byte(r.Header.Get("signature")), kunapaySignature(r, body, member)) {
		return nil, kunapayRefusal(kunapayInvalidSignature, "the signature does not match")
	}
	if !member.rising.use(nonce) {
		return nil, kunapayRefusal(kunapayInvalidNonce, "the nonce is not higher than the previous one")
	}
	return member, nil
}

// kunapaySignature is what the request must carry: documented, but for the query, which a third party's client and
// the exchange sign. No body is signed like an empty object, whether that is sent or not.
func kunapaySignature(r *http.Request, body []byte, m *member) []byte {
	path, query := targetOf(r)
	if query != "" && m.Scheme != SchemeSignedPath {
		path += "?" + query
	}
	if len(body) == 0 {
		body = []byte("{}")
	}
	mac := hmac.New(sha512.New384, []byte(m.Secret))
	_, _ = io.WriteString(mac, path+r.Header.Get("nonce")+string(body))
	return hex.AppendEncode(nil, mac.Sum(nil))
}
