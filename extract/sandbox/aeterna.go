package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"tieout/schema"
)

// Only Aeterna's authentication is documented, and that every call is a POST with JSON. The paths, the bodies and
// the items below are an example of what it might be: a definition for them proves nothing about the partner.
const (
	aeternaPayIns   = "/api/payin/list"
	aeternaPayOuts  = "/api/payout/list"
	aeternaBalances = "/api/balance"
)

// Made up, like the rest. Documented is only that the timestamp lives for a limited time.
const (
	aeternaLimitDefault = 50
	aeternaLimitMax     = 100
	aeternaTimestampAge = 60 * time.Second
)

// aeternaDialect is Aeterna: documented authentication in front of an example.
func aeternaDialect() dialect {
	return dialect{
		limits: []Limit{{Requests: 60, Per: time.Minute}}, // ours: no document says any
		words: lexicon{ // made up
			deposits: []word{
				{"paid", 92, schema.StatusCompleted, moves},
				{"waiting", 4, schema.StatusPending, nothing},
				{"expired", 2, schema.StatusFailed, nothing},
				{"declined", 2, schema.StatusFailed, nothing},
			},
			payments: []word{
				{"paid", 93, schema.StatusCompleted, moves},
				{"processing", 5, schema.StatusPending, locks},
				{"declined", 2, schema.StatusFailed, nothing},
			},
		},
		pages:   pageSizes{aeternaLimitDefault, aeternaLimitMax, OversizeRefuse},
		schemes: map[string]credentials{"": {secret: true, email: true}, SchemeSigned: {secret: true, email: true}},
		lists: []listing{
			{aeternaPayIns, []schema.Resource{schema.Deposits}},
			{aeternaPayOuts, []schema.Resource{schema.Payments}},
		},
		listOf: func(f fact) string {
			if resourceOf(f) == schema.Deposits {
				return aeternaPayIns
			}
			return aeternaPayOuts
		},
		render:  renderAeterna,
		handler: func(s *Sandbox) http.Handler { return &aeterna{s} },
	}
}

// aeterna answers for the partner: with JSON if it can, and with plain text if not.
type aeterna struct{ sandbox *Sandbox }

// aeternaFailure is an answer other than success. It is a text, as the documented Accept header suggests.
type aeternaFailure struct {
	code int
	text string
}

// ServeHTTP implements http.Handler.
func (a *aeterna) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	result, failure := a.answer(w, r)
	if failure != nil {
		sendText(w, failure.code, failure.text)
		return
	}
	send(w, http.StatusOK, []byte(`{"result":`), result, []byte(`}`))
}

func (a *aeterna) answer(w http.ResponseWriter, r *http.Request) ([]byte, *aeternaFailure) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &aeternaFailure{http.StatusMethodNotAllowed, "Method not allowed"}
	}
	member, failure := a.authenticate(r)
	if failure != nil {
		return nil, failure
	}
	if _, ok := a.sandbox.admit(member, r); !ok {
		return nil, &aeternaFailure{http.StatusTooManyRequests, "Too many requests"}
	}
	asked, failure := aeternaBody(r)
	if failure != nil {
		return nil, failure
	}
	switch {
	case r.URL.Path == aeternaBalances:
		return renderAeternaBalances(a.sandbox.world.balances()), nil
	case a.sandbox.world.lists[r.URL.Path] != nil:
		return a.page(r.URL.Path, asked)
	}
	return nil, &aeternaFailure{http.StatusNotFound, "Not found"}
}

// authenticate finds out who sent a request. The signature covers neither path nor body, as documented.
func (a *aeterna) authenticate(r *http.Request) (*member, *aeternaFailure) {
	refused := func(reason string) (*member, *aeternaFailure) {
		return nil, &aeternaFailure{http.StatusUnauthorized, "Unauthorized: " + reason}
	}
	member := a.sandbox.members[r.Header.Get("X-App-Token")]
	if member == nil {
		return refused("unknown token")
	}
	timestamp := r.Header.Get("X-App-Access-Ts")
	if reason := judgeSeconds(timestamp, a.sandbox.now(), aeternaTimestampAge); reason != "" {
		return refused(reason)
	}
	mac := hmac.New(sha256.New, []byte(member.Secret))
	_, _ = io.WriteString(mac, timestamp+member.Email)
	if !hmac.Equal([]byte(r.Header.Get("X-App-Access-Sig")), hex.AppendEncode(nil, mac.Sum(nil))) {
		return refused("bad signature")
	}
	return member, nil
}

// aeternaAsk is the body of a request for a list.
type aeternaAsk struct {
	Page  *int `json:"page"`
	Limit *int `json:"limit"`
}

// aeternaBody reads the body, which must be there, even if it says nothing, and the two documented headers.
func aeternaBody(r *http.Request) (asked aeternaAsk, failure *aeternaFailure) {
	if !isJSON(r) {
		return asked, &aeternaFailure{http.StatusUnsupportedMediaType, "Content-Type must be application/json"}
	}
	accept := r.Header.Get("Accept")
	if !strings.Contains(accept, "application/json") || !strings.Contains(accept, "text/plain") {
		return asked, &aeternaFailure{http.StatusNotAcceptable, "Accept must be application/json, text/plain"}
	}
	body, err := bodyOf(r)
	if err != nil {
		return asked, &aeternaFailure{http.StatusRequestEntityTooLarge, err.Error()}
	}
	if err := json.Unmarshal(body, &asked); err != nil || !strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		return asked, &aeternaFailure{http.StatusBadRequest, "Bad request: the body is no JSON object, or not of the right kind"}
	}
	return asked, nil
}

// page serves one page of a list; count is that of all rows. A page past the end is empty.
func (a *aeterna) page(list string, asked aeternaAsk) ([]byte, *aeternaFailure) {
	number, limit := 1, a.sandbox.pages.otherwise
	if asked.Page != nil {
		number = *asked.Page
	}
	if asked.Limit != nil {
		limit = *asked.Limit
	}
	limit, fits := a.sandbox.pages.fit(limit)
	if !fits || limit < 1 {
		return nil, &aeternaFailure{http.StatusBadRequest, fmt.Sprintf("Bad request: limit must be from 1 to %d", a.sandbox.pages.most)}
	}
	const pageMax = 1 << 31
	if number < 1 || number > pageMax {
		return nil, &aeternaFailure{http.StatusBadRequest, "Bad request: page must be from 1"}
	}
	items, total := a.sandbox.world.page(list, filter{}, (number-1)*limit, limit)
	return fmt.Appendf(nil, `{"items":%s,"count":%d}`, joined(items), total), nil
}
