package sandbox

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tieout/schema"
)

// The paths of the fifth partner. The last two serve the same list and differ in how they announce the next page:
// in a Link header, and as a ready-made address in the body.
const (
	fifthWallets         = "/v2/wallets"
	fifthTransfers       = "/v2/transfers"
	fifthTransfersByLink = "/v2/transfers/by-link"
	fifthTransfersByURL  = "/v2/transfers/by-url"
)

const (
	fifthLimitDefault = 50
	fifthLimitMax     = 200
)

// fifthDialect is Examplepay, a partner that does not exist: for documents, and for tests of what the other four
// do not do.
func fifthDialect() dialect {
	return dialect{
		limits: []Limit{{Requests: 300, Per: time.Minute}},
		words: lexicon{
			deposits: []word{
				{"settled", 92, schema.StatusCompleted, moves},
				{"in_transit", 5, schema.StatusPending, nothing},
				{"returned", 2, schema.StatusFailed, nothing},
				{"withdrawn", 1, schema.StatusCancelled, nothing},
			},
			payments: []word{
				{"settled", 92, schema.StatusCompleted, moves},
				{"in_transit", 5, schema.StatusPending, locks},
				{"returned", 2, schema.StatusFailed, nothing},
				{"withdrawn", 1, schema.StatusCancelled, nothing},
			},
		},
		pages:   pageSizes{fifthLimitDefault, fifthLimitMax, OversizeRefuse},
		schemes: map[string]credentials{"": {}, SchemeBearer: {}},
		lists:   []listing{{fifthTransfers, []schema.Resource{schema.Deposits, schema.Payments}}},
		listOf:  func(fact) string { return fifthTransfers },
		render:  renderFifth,
		handler: func(s *Sandbox) http.Handler { return &fifth{s} },
		base:    "/v2",
	}
}

// fifth answers for the partner. It asks in this order: who, how often, for what.
type fifth struct{ sandbox *Sandbox }

// fifthFailure is an answer other than success.
type fifthFailure struct {
	code    int
	Type    string `json:"type"`
	Message string `json:"message"`
}

// ServeHTTP implements http.Handler.
func (f *fifth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, failure := f.answer(w, r)
	if failure != nil {
		send(w, failure.code, mustJSON(map[string]any{"error": failure}))
		return
	}
	send(w, http.StatusOK, body)
}

func (f *fifth) answer(w http.ResponseWriter, r *http.Request) ([]byte, *fifthFailure) {
	word, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	member := f.sandbox.members[key]
	if member == nil || !strings.EqualFold(word, "Bearer") {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return nil, &fifthFailure{http.StatusUnauthorized, "unauthorized", "no valid bearer token"}
	}
	if wait, ok := f.sandbox.admit(member, r); !ok {
		w.Header().Set("Retry-After", strconv.Itoa(wholeSeconds(wait)))
		return nil, &fifthFailure{http.StatusTooManyRequests, "rate_limited", "too many requests"}
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return nil, &fifthFailure{http.StatusMethodNotAllowed, "method_not_allowed", "only GET is allowed here"}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fifthInvalid("the query cannot be read")
	}
	switch r.URL.Path {
	case fifthWallets:
		return renderFifthWallets(f.sandbox.world.balances()), nil
	case fifthTransfers, fifthTransfersByLink, fifthTransfersByURL:
		return f.page(w, r, query)
	}
	return nil, &fifthFailure{http.StatusNotFound, "not_found", "no such endpoint"}
}

// page serves what follows the cursor. A cursor names a record, so that records which appear at the other end
// move nothing; it holds as long as the data do.
func (f *fifth) page(w http.ResponseWriter, r *http.Request, query url.Values) ([]byte, *fifthFailure) {
	asked := f.sandbox.pages.otherwise
	if query.Has("limit") {
		number, err := strconv.ParseUint(query.Get("limit"), 10, 31)
		if err != nil || number < 1 {
			return nil, fifthInvalid("limit must be a number from 1")
		}
		asked = int(number)
	}
	limit, fits := f.sandbox.pages.fit(asked)
	if !fits {
		return nil, fifthInvalid("limit must not exceed " + strconv.Itoa(limit))
	}
	var place *uint64
	if query.Has("cursor") {
		at, err := parseFifthCursor(query.Get("cursor"))
		if err != nil {
			return nil, fifthInvalid("the cursor is not one of ours")
		}
		place = &at
	}
	items, last, more := f.sandbox.world.after(fifthTransfers, place, limit)
	next := ""
	if more {
		next = fifthCursor(last)
	}
	switch r.URL.Path {
	case fifthTransfersByLink:
		fifthLink(w, r, limit, next)
		return fmt.Appendf(nil, `{"transfers":%s}`, joined(items)), nil
	case fifthTransfersByURL:
		address := ""
		if next != "" {
			address = fifthAddress(r, limit, next)
		}
		return fmt.Appendf(nil, `{"transfers":%s,"next":%s}`, joined(items), mustJSON(filled(address))), nil
	}
	return fmt.Appendf(nil, `{"transfers":%s,"next_cursor":%s}`, joined(items), mustJSON(filled(next))), nil
}

// fifthLink announces the next page, if there is one, behind another link that a client must not follow.
func fifthLink(w http.ResponseWriter, r *http.Request, limit int, next string) {
	links := "<" + fifthAddress(r, limit, "") + `>; rel="first"`
	if next != "" {
		links += ", <" + fifthAddress(r, limit, next) + `>; rel="next"`
	}
	w.Header().Set("Link", links)
}

// fifthAddress is the ready-made address of a page, at the host and below the prefix that the client used.
func fifthAddress(r *http.Request, limit int, cursor string) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	path, _ := targetOf(r)
	address := scheme + "://" + r.Host + path + "?limit=" + strconv.Itoa(limit)
	if cursor != "" {
		address += "&cursor=" + url.QueryEscape(cursor)
	}
	return address
}

const fifthCursorPrefix = "after="

// fifthCursor is a place in the list that looks like nothing. Its padding must be escaped in a query.
func fifthCursor(place uint64) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%d", fifthCursorPrefix, place))
}

func parseFifthCursor(cursor string) (uint64, error) {
	text, err := base64.StdEncoding.DecodeString(cursor)
	if err != nil {
		return 0, err
	}
	place, ours := strings.CutPrefix(string(text), fifthCursorPrefix)
	if !ours {
		return 0, errors.New("a cursor of somebody else")
	}
	return strconv.ParseUint(place, 10, 64)
}

func fifthInvalid(message string) *fifthFailure {
	return &fifthFailure{http.StatusBadRequest, "invalid_request", message}
}
