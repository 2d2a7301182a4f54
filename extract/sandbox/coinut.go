package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tieout/schema"
)

// The words of Coinut's answers (facts: documented by the partner's overview page).
const (
	coinutSuccess           = "SUCCESS"
	coinutInvalidParameters = "INVALID_PARAMETERS"
	coinutUnauthorised      = "UNAUTHORISED"
	coinutFailed            = "FAILED"
)

// Pages (facts: documented by the partner's overview page). What happens beyond coinutPageSizeMax is not
// documented: the sandbox refuses rather than cuts, so that a client which asks for more is found out.
const (
	coinutPageSizeDefault = 10
	coinutPageSizeMax     = 100
)

// coinutHealth is neither signed nor limited.
const coinutHealth = "/health"

// coinutDialect is the Coinut Partner Ramp in its new generation (camelCase, HTTP 200 or 422).
func coinutDialect() dialect {
	return dialect{
		limits: []Limit{{Requests: 100, Per: time.Minute}}, // documented by the partner's overview page
		words: lexicon{
			depositDone: "CONFIRMED",
			tradeDone:   "SETTLED",
			tradeOpen:   "CREATED",
			paymentDone: "CONFIRMED",
			// Words of the status filters: documented. Their shares are ours.
			deposits: []share{{"CONFIRMED", 92}, {"RECEIVED", 3}, {"ACTION_REQUIRED", 3}, {"REJECTED", 2}},
			trades:   []share{{"SETTLED", 95}, {"CREATED", 3}, {"CANCELED", 2}},
			// Of payments only CONFIRMED is known; PROCESSING is made up, for a client must live with a word
			// that it does not know.
			paid: []share{{"CONFIRMED", 95}, {"PROCESSING", 5}},
		},
		render:  renderCoinut,
		handler: newCoinut,
	}
}

// coinut answers for the partner. It asks in this order: who, how often, for what.
type coinut struct {
	sandbox *Sandbox
	routes  map[string]coinutRoute
}

// coinutRoute returns the data of an answer as JSON.
type coinutRoute func(url.Values) ([]byte, *coinutFailure)

// coinutFailure is an answer other than success.
type coinutFailure struct {
	code    int
	Status  string `json:"status"`
	Message string `json:"message"`
}

func newCoinut(s *Sandbox) http.Handler {
	c := &coinut{sandbox: s}
	c.routes = map[string]coinutRoute{
		"/deposit/list":   c.list(schema.Deposits),
		"/deposit/detail": c.detail(schema.Deposits),
		"/trade/list":     c.list(schema.Trades),
		"/trade/detail":   c.detail(schema.Trades),
		"/payment/list":   c.list(schema.Payments),
		"/payment/detail": c.detail(schema.Payments),
		"/balance":        c.balance,
		coinutHealth:      func(url.Values) ([]byte, *coinutFailure) { return []byte(`{}`), nil },
	}
	return c
}

// ServeHTTP implements http.Handler.
func (c *coinut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, failure := c.answer(w, r)
	if failure != nil {
		body, err := json.Marshal(failure)
		if err != nil {
			panic(err) // two strings
		}
		send(w, failure.code, body)
		return
	}
	send(w, http.StatusOK, []byte(`{"status":"`+coinutSuccess+`","data":`), data, []byte(`}`))
}

// answer finds the data or the reason why there are none. Of the headers it sets only those that belong to a
// refusal.
func (c *coinut) answer(w http.ResponseWriter, r *http.Request) ([]byte, *coinutFailure) {
	if r.URL.Path != coinutHealth {
		if failure := c.admit(w, r); failure != nil {
			return nil, failure
		}
	}
	route, known := c.routes[r.URL.Path]
	if !known {
		return nil, &coinutFailure{http.StatusNotFound, coinutFailed, "no such endpoint"}
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return nil, &coinutFailure{http.StatusMethodNotAllowed, coinutFailed, "only GET is allowed here"}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, coinutInvalid("the query cannot be read")
	}
	return route(query)
}

// admit lets a request in that is signed and within the limit. Only who has proven to own a key may spend its
// budget, so the signature comes first.
func (c *coinut) admit(w http.ResponseWriter, r *http.Request) *coinutFailure {
	member, failure := c.authenticate(r)
	if failure != nil {
		return failure
	}
	wait, ok := member.limiter.admit(c.sandbox.now())
	if ok {
		return nil
	}
	c.sandbox.counters.add(r.URL.Path, Count{Refused: 1})
	w.Header().Set("Retry-After", strconv.Itoa(wholeSeconds(wait)))
	return &coinutFailure{http.StatusTooManyRequests, coinutFailed, "the rate limit is reached"}
}

// send answers with JSON that is ready in parts. A client that has gone is its own loss.
func send(w http.ResponseWriter, code int, parts ...[]byte) {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(code)
	for _, part := range parts {
		_, _ = w.Write(part)
	}
}

func coinutInvalid(format string, arguments ...any) *coinutFailure {
	return &coinutFailure{http.StatusUnprocessableEntity, coinutInvalidParameters, fmt.Sprintf(format, arguments...)}
}

// list serves pages. total counts all rows that match, and a page past the end is empty; the first is documented
// by the partner's overview page, the second is not. A parameter that it does not know is ignored.
func (c *coinut) list(resource schema.Resource) coinutRoute {
	return func(query url.Values) ([]byte, *coinutFailure) {
		number, failure := coinutNumber(query, "pageNum", 1, 0)
		if failure != nil {
			return nil, failure
		}
		size, failure := coinutNumber(query, "pageSize", coinutPageSizeDefault, coinutPageSizeMax)
		if failure != nil {
			return nil, failure
		}
		chosen := filter{status: query.Get("status")}
		if chosen.status != "" && !c.sandbox.world.hasStatus(resource, chosen.status) {
			return nil, coinutInvalid("status is unknown")
		}
		if resource == schema.Deposits {
			chosen.customer = query.Get("customerId")
		}
		items, total := c.sandbox.world.page(resource, chosen, (number-1)*size, size)
		return coinutPage(items, number, size, total), nil
	}
}

// coinutNumber reads a parameter from 1 to limit; limit 0 means any that fits into 31 bits.
func coinutNumber(query url.Values, name string, otherwise, limit int) (int, *coinutFailure) {
	if !query.Has(name) {
		return otherwise, nil
	}
	number, err := strconv.ParseUint(query.Get(name), 10, 31)
	if err != nil || number < 1 {
		return 0, coinutInvalid("%s must be a number from 1", name)
	}
	if limit > 0 && number > uint64(limit) {
		return 0, coinutInvalid("%s must not exceed %d", name, limit)
	}
	return int(number), nil
}

// coinutPage puts items that are JSON already into an envelope: nothing is encoded twice.
func coinutPage(items [][]byte, number, size, total int) []byte {
	const envelopeBytes = 128
	bytes := envelopeBytes
	for _, item := range items {
		bytes += len(item) + 1
	}
	page := append(make([]byte, 0, bytes), `{"list":[`...)
	for i, item := range items {
		if i > 0 {
			page = append(page, ',')
		}
		page = append(page, item...)
	}
	return fmt.Appendf(page, `],"pageNum":%d,"pageSize":%d,"total":%d}`, number, size, total)
}

func (c *coinut) detail(resource schema.Resource) coinutRoute {
	return func(query url.Values) ([]byte, *coinutFailure) {
		if !query.Has("id") {
			return nil, coinutInvalid("id is missing")
		}
		item := c.sandbox.world.item(resource, query.Get("id"))
		if item == nil {
			return nil, coinutInvalid("there is no such record")
		}
		return item, nil
	}
}

func (c *coinut) balance(url.Values) ([]byte, *coinutFailure) {
	return renderCoinutBalances(c.sandbox.world.balances()), nil
}
