package sandbox

import (
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

// coinutLists are the lists with their detail pages.
var coinutLists = map[schema.Resource]struct{ list, detail string }{
	schema.Deposits: {"/deposit/list", "/deposit/detail"},
	schema.Trades:   {"/trade/list", "/trade/detail"},
	schema.Payments: {"/payment/list", "/payment/detail"},
}

// coinutHealth is neither signed nor limited.
const coinutHealth = "/health"

// coinutDialect is the Coinut Partner Ramp in its new generation (camelCase, HTTP 200 or 422).
func coinutDialect() dialect {
	d := dialect{
		limits: []Limit{{Requests: 100, Per: time.Minute}}, // documented by the partner's overview page
		words: lexicon{
			// Words of the status filters: documented. Their shares are ours.
			deposits: []word{
				{"CONFIRMED", 92, schema.StatusCompleted, moves},
				{"RECEIVED", 3, schema.StatusPending, nothing},
				{"ACTION_REQUIRED", 3, schema.StatusPending, nothing},
				{"REJECTED", 2, schema.StatusFailed, nothing},
			},
			trades: []word{
				{"SETTLED", 95, schema.StatusCompleted, moves},
				{"CREATED", 3, schema.StatusPending, locks},
				{"CANCELED", 2, schema.StatusCancelled, nothing},
			},
			// Of payments only CONFIRMED is known, and not whether it is final; PROCESSING is made up, for a client
			// must live with a word that it does not know.
			payments: []word{
				{"CONFIRMED", 95, schema.StatusUnknown, moves},
				{"PROCESSING", 5, schema.StatusUnknown, moves},
			},
		},
		pages:   pageSizes{coinutPageSizeDefault, coinutPageSizeMax, OversizeRefuse},
		schemes: map[string]credentials{"": {secret: true}, SchemeSigned: {secret: true}},
		listOf:  func(f fact) string { return coinutLists[resourceOf(f)].list },
		render:  renderCoinut,
		handler: newCoinut,
	}
	for resource, paths := range coinutLists {
		d.lists = append(d.lists, listing{paths.list, []schema.Resource{resource}})
	}
	return d
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
		"/balance":   c.balance,
		coinutHealth: func(url.Values) ([]byte, *coinutFailure) { return []byte(`{}`), nil },
	}
	for resource, paths := range coinutLists {
		c.routes[paths.list] = c.list(resource)
		c.routes[paths.detail] = c.detail(paths.list)
	}
	return c
}

// ServeHTTP implements http.Handler.
func (c *coinut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, failure := c.answer(w, r)
	if failure != nil {
		send(w, failure.code, mustJSON(failure))
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
	wait, ok := c.sandbox.admit(member, r)
	if ok {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(wholeSeconds(wait)))
	return &coinutFailure{http.StatusTooManyRequests, coinutFailed, "the rate limit is reached"}
}

func coinutInvalid(format string, arguments ...any) *coinutFailure {
	return &coinutFailure{http.StatusUnprocessableEntity, coinutInvalidParameters, fmt.Sprintf(format, arguments...)}
}

// list serves pages. total counts all rows that match, and a page past the end is empty; the first is documented
// by the partner's overview page, the second is not. A parameter that it does not know is ignored.
func (c *coinut) list(resource schema.Resource) coinutRoute {
	return func(query url.Values) ([]byte, *coinutFailure) {
		number, failure := coinutNumber(query, "pageNum", 1)
		if failure != nil {
			return nil, failure
		}
		asked, failure := coinutNumber(query, "pageSize", c.sandbox.pages.otherwise)
		if failure != nil {
			return nil, failure
		}
		size, fits := c.sandbox.pages.fit(asked)
		if !fits {
			return nil, coinutInvalid("pageSize must not exceed %d", size)
		}
		chosen := filter{status: query.Get("status")}
		if chosen.status != "" && !c.sandbox.world.hasStatus(resource, chosen.status) {
			return nil, coinutInvalid("status is unknown")
		}
		if resource == schema.Deposits {
			chosen.customer = query.Get("customerId")
		}
		items, total := c.sandbox.world.page(coinutLists[resource].list, chosen, (number-1)*size, size)
		return fmt.Appendf(nil, `{"list":%s,"pageNum":%d,"pageSize":%d,"total":%d}`, joined(items), number, size, total), nil
	}
}

// coinutNumber reads a parameter from 1 to any that fits into 31 bits.
func coinutNumber(query url.Values, name string, otherwise int) (int, *coinutFailure) {
	if !query.Has(name) {
		return otherwise, nil
	}
	number, err := strconv.ParseUint(query.Get(name), 10, 31)
	if err != nil || number < 1 {
		return 0, coinutInvalid("%s must be a number from 1", name)
	}
	return int(number), nil
}

func (c *coinut) detail(list string) coinutRoute {
	return func(query url.Values) ([]byte, *coinutFailure) {
		if !query.Has("id") {
			return nil, coinutInvalid("id is missing")
		}
		item := c.sandbox.world.item(list, query.Get("id"))
		if item == nil {
			return nil, coinutInvalid("there is no such record")
		}
		return item, nil
	}
}

func (c *coinut) balance(url.Values) ([]byte, *coinutFailure) {
	return renderCoinutBalances(c.sandbox.world.balances()), nil
}
