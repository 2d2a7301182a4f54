package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"tieout/schema"
)

// The lists of Cryptoix (facts: documented by the partner's SDK). A deposit is a transaction; there are no trades.
const (
	cryptoixTransactions = "/v1/transactions"
	cryptoixWithdrawals  = "/v1/withdrawals"
	cryptoixPayouts      = "/v1/payouts"
	cryptoixRefunds      = "/v1/refunds"
)

// Pages. The SDK asks for 25; the largest page is not known, so 100 is ours. To cut without a word is the worst
// that a partner can do to who takes a short page for the last one, so that is what the sandbox does.
const (
	cryptoixPageSizeDefault = 25
	cryptoixPageSizeMax     = 100
)

// cryptoixDialect is Cryptoix as its SDKs show it, with the signed form of its overview page as a scheme.
func cryptoixDialect() dialect {
	return dialect{
		limits: []Limit{{Requests: 60, Per: time.Minute}, {Requests: 1000, Per: time.Hour}}, // documented: the strictest of several
		words: lexicon{
			// completed is documented for transactions, pending and expired for invoices; the rest is made up.
			deposits: []word{
				{"completed", 92, schema.StatusCompleted, moves},
				{"pending", 4, schema.StatusPending, nothing},
				{"expired", 2, schema.StatusFailed, nothing},
				{"failed", 2, schema.StatusFailed, nothing},
			},
			payments: []word{
				{"completed", 93, schema.StatusCompleted, moves},
				{"pending", 5, schema.StatusPending, locks},
				{"failed", 2, schema.StatusFailed, nothing},
			},
		},
		pages: pageSizes{cryptoixPageSizeDefault, cryptoixPageSizeMax, OversizeCut},
		// The default takes the key in either header, as the documents say; the other two insist on one of them.
		schemes: map[string]credentials{
			"": {}, SchemeBearer: {}, SchemeKey: {}, SchemeSigned: {secret: true}, SchemeSignedQuery: {secret: true},
			SchemeSignedBelow: {secret: true},
		},
		lists: []listing{
			{cryptoixTransactions, []schema.Resource{schema.Deposits}},
			{cryptoixWithdrawals, []schema.Resource{schema.Payments}},
			{cryptoixPayouts, []schema.Resource{schema.Payments}},
			{cryptoixRefunds, []schema.Resource{schema.Payments}},
		},
		listOf:  cryptoixListOf,
		render:  renderCryptoix,
		handler: func(s *Sandbox) http.Handler { return &cryptoix{sandbox: s} },
		base:    "/v1",
	}
}

// cryptoixListOf spreads the payments over three lists by their identifiers: about an eighth are refunds, a
// quarter payouts and the rest withdrawals.
func cryptoixListOf(f fact) string {
	if resourceOf(f) == schema.Deposits {
		return cryptoixTransactions
	}
	switch digit := madeUp(f.base().ID); {
	case digit < 2:
		return cryptoixRefunds
	case digit < 6:
		return cryptoixPayouts
	}
	return cryptoixWithdrawals
}

// cryptoix answers for the partner. It asks in this order: who, how often, for what.
type cryptoix struct {
	sandbox *Sandbox
	asked   atomic.Uint64 // requests so far, for their identifiers
}

// cryptoixMeta is the meta of an answer; only pages of lists have more than the identifier.
type cryptoixMeta struct {
	RequestID  string `json:"request_id"`
	Page       int    `json:"page,omitempty"`
	PerPage    int    `json:"per_page,omitempty"`
	Total      *int   `json:"total,omitempty"` // not nil: a page of a list, of one without rows, too
	TotalPages *int   `json:"total_pages,omitempty"`
}

// cryptoixFailure is an answer other than success.
type cryptoixFailure struct {
	code          int
	word, message string
}

// ServeHTTP implements http.Handler.
func (c *cryptoix) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	meta := &cryptoixMeta{RequestID: fmt.Sprintf("req_%08d", c.asked.Add(1))}
	w.Header().Set("X-Request-Id", meta.RequestID)
	data, failure := c.answer(w, r, meta)
	if failure != nil {
		send(w, failure.code, mustJSON(failure.shape(r.URL.Path, meta.RequestID)))
		return
	}
	send(w, http.StatusOK, []byte(`{"ok":true,"data":`), data, []byte(`,"meta":`), mustJSON(meta), []byte(`}`))
}

// shape puts a failure into one of the three forms that the documents show: the bare one of the overview for
// what a gateway refuses, the older one for payouts, and the newest for everything else. Which of them belongs to
// what is made up.
func (f *cryptoixFailure) shape(path, requestID string) any {
	switch {
	case f.code == http.StatusTooManyRequests:
		return map[string]any{"error": map[string]any{"code": f.word, "message": f.message}}
	case path == cryptoixPayouts || strings.HasPrefix(path, cryptoixPayouts+"/"):
		return map[string]any{"success": false, "error": f.message}
	}
	return map[string]any{"ok": false, "error": map[string]any{
		"code": f.word, "message": f.message, "details": nil, "request_id": requestID,
	}}
}

func (c *cryptoix) answer(w http.ResponseWriter, r *http.Request, meta *cryptoixMeta) ([]byte, *cryptoixFailure) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, cryptoixInvalid("the query cannot be read")
	}
	if c.namesKey(query) {
		return nil, &cryptoixFailure{http.StatusBadRequest, "api_key_in_query", "the key belongs into a header"}
	}
	member, failure := c.authenticate(r)
	if failure != nil {
		return nil, failure
	}
	if failure := c.admit(w, r, member); failure != nil {
		return nil, failure
	}
	return c.route(w, r, query, meta)
}

// namesKey reports whether a query carries a key, by its name or by what it is.
func (c *cryptoix) namesKey(query url.Values) bool {
	for name, values := range query {
		switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name)) {
		case "apikey", "key", "accesstoken", "token":
			return true
		}
		for _, value := range values {
			if c.sandbox.members[value] != nil {
				return true
			}
		}
	}
	return false
}

// admit spends one request of the budget and tells what is left of it. The names of the headers are documented,
// but not what they say: here the limit nearest to its end, and in X-RateLimit-Reset the Unix second at which a
// further request has room.
func (c *cryptoix) admit(w http.ResponseWriter, r *http.Request, m *member) *cryptoixFailure {
	wait, ok := c.sandbox.admit(m, r)
	if least, limited := m.limiter.headroom(c.sandbox.now()); limited {
		reset := least.reset.Add(time.Second - 1).Unix()
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(least.limit))
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(least.remaining))
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(reset, 10))
	}
	if ok {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(wholeSeconds(wait)))
	return &cryptoixFailure{http.StatusTooManyRequests, "rate_limit_exceeded", "too many requests"}
}

// route finds a list, one of its records, or the balances. The overview calls the latter /v1/balance.
func (c *cryptoix) route(w http.ResponseWriter, r *http.Request, query url.Values, meta *cryptoixMeta) ([]byte, *cryptoixFailure) {
	path, id := r.URL.Path, ""
	balances := path == "/v1/balances" || path == "/v1/balance"
	if at := strings.LastIndex(path, "/"); c.sandbox.world.lists[path] == nil && at >= 0 {
		path, id = path[:at], path[at+1:]
	}
	if !balances && (c.sandbox.world.lists[path] == nil || strings.HasSuffix(r.URL.Path, "/")) {
		return nil, &cryptoixFailure{http.StatusNotFound, "not_found", "no such endpoint"}
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return nil, &cryptoixFailure{http.StatusMethodNotAllowed, "method_not_allowed", "only GET is allowed here"}
	}
	switch {
	case balances:
		return renderCryptoixBalances(c.sandbox.world.balances()), nil
	case id == "":
		return c.page(path, query, meta)
	}
	if item := c.sandbox.world.item(path, id); item != nil {
		return item, nil
	}
	return nil, &cryptoixFailure{http.StatusNotFound, "not_found", "there is no such record"}
}

// page serves one page of a list. A page past the end is empty, and parameters that are unknown are ignored:
// neither is documented.
func (c *cryptoix) page(list string, query url.Values, meta *cryptoixMeta) ([]byte, *cryptoixFailure) {
	number, failure := cryptoixNumber(query, "page", 1)
	if failure != nil {
		return nil, failure
	}
	asked, failure := cryptoixNumber(query, "per_page", c.sandbox.pages.otherwise)
	if failure != nil {
		return nil, failure
	}
	size, fits := c.sandbox.pages.fit(asked)
	if !fits {
		return nil, cryptoixInvalid("per_page is too large")
	}
	items, total := c.sandbox.world.page(list, filter{}, (number-1)*size, size)
	pages := (total + size - 1) / size
	meta.Page, meta.PerPage, meta.Total, meta.TotalPages = number, size, &total, &pages
	return joined(items), nil
}

func cryptoixNumber(query url.Values, name string, otherwise int) (int, *cryptoixFailure) {
	if !query.Has(name) {
		return otherwise, nil
	}
	number, err := strconv.ParseUint(query.Get(name), 10, 31)
	if err != nil || number < 1 {
		return 0, cryptoixInvalid(name + " must be a number from 1")
	}
	return int(number), nil
}

func cryptoixInvalid(message string) *cryptoixFailure {
	return &cryptoixFailure{http.StatusUnprocessableEntity, "validation_error", message}
}
