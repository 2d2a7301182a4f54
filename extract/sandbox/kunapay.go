package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tieout/schema"
)

// The paths of KunaPay (facts: the first by a third party's client, the second documented).
const (
	kunapayTransactions = "/v1/transaction"
	kunapayBalances     = "/v1/asset/balance"
)

// Pages: both numbers are those of the exchange of the same house. At KunaPay neither is known, nor what happens
// beyond the second.
const (
	kunapayTakeDefault = 20
	kunapayTakeMax     = 100
)

// The words of KunaPay's failures. BAD_REQUEST is documented by example, the rest is made up.
const (
	kunapayBadRequest       = "BAD_REQUEST"
	kunapayInvalidNonce     = "INVALID_NONCE"
	kunapayInvalidSignature = "INVALID_SIGNATURE"
	kunapayTooManyRequests  = "TOO_MANY_REQUESTS"
)

// kunapayDialect is KunaPay: one list for everything that moves, without a count, and a nonce that must rise.
func kunapayDialect() dialect {
	return dialect{
		limits: []Limit{{Requests: 60, Per: time.Minute}}, // ours: no document says any
		words: lexicon{
			// The words by a third party's client; the shares are ours. What PartiallyProcessed has done to the balance
			// nobody says: here it waits like Processing.
			deposits: []word{
				{"Processed", 92, schema.StatusCompleted, moves},
				{"Created", 2, schema.StatusPending, nothing},
				{"Processing", 2, schema.StatusPending, nothing},
				{"Canceled", 2, schema.StatusCancelled, nothing},
				{"PartiallyProcessed", 2, schema.StatusUnknown, nothing},
			},
			payments: []word{
				{"Processed", 92, schema.StatusCompleted, moves},
				{"Created", 2, schema.StatusPending, locks},
				{"Processing", 2, schema.StatusPending, locks},
				{"Canceled", 2, schema.StatusCancelled, nothing},
				{"PartiallyProcessed", 2, schema.StatusUnknown, locks},
			},
		},
		pages: pageSizes{kunapayTakeDefault, kunapayTakeMax, OversizeRefuse},
		schemes: map[string]credentials{
			"": {secret: true}, SchemeSigned: {secret: true}, SchemeSignedPath: {secret: true}, SchemeKey: {},
		},
		lists:   []listing{{kunapayTransactions, []schema.Resource{schema.Deposits, schema.Payments}}},
		listOf:  func(fact) string { return kunapayTransactions },
		render:  renderKunapay,
		handler: func(s *Sandbox) http.Handler { return &kunapay{s} },
	}
}

// kunapay answers for the partner. It asks in this order: who, how often, for what.
type kunapay struct{ sandbox *Sandbox }

// kunapayFailure is an answer other than success.
type kunapayFailure struct {
	code          int
	word, message string
	form          kunapayForm
}

// kunapayForm is how a failure is told: a third party's client knows that the body may be empty or no JSON.
// Which failure is told how is made up.
type kunapayForm int

const (
	kunapayEnvelope kunapayForm = iota // {"errors":[{"code":...,"message":...}]}
	kunapaySilence                     // no body at all
	kunapayPage                        // HTML, as a gateway answers
)

// ServeHTTP implements http.Handler.
func (k *kunapay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, failure := k.answer(w, r)
	if failure == nil {
		send(w, http.StatusOK, []byte(`{"data":`), data, []byte(`}`))
		return
	}
	switch failure.form {
	case kunapaySilence:
		sendAs(w, failure.code, "")
	case kunapayPage:
		sendAs(w, failure.code, "text/html", []byte("<html><body><h1>"+failure.message+"</h1></body></html>\n"))
	default:
		send(w, failure.code, mustJSON(map[string]any{
			"errors": []map[string]string{{"code": failure.word, "message": failure.message}},
		}))
	}
}

func (k *kunapay) answer(w http.ResponseWriter, r *http.Request) ([]byte, *kunapayFailure) {
	member, failure := k.authenticate(r)
	if failure != nil {
		return nil, failure
	}
	// How long to wait is not told: no document says that it would be.
	if _, ok := k.sandbox.admit(member, r); !ok {
		return nil, &kunapayFailure{code: http.StatusTooManyRequests, word: kunapayTooManyRequests, message: "Too many requests"}
	}
	id, one := strings.CutPrefix(r.URL.Path, kunapayTransactions+"/")
	if r.URL.Path != kunapayBalances && r.URL.Path != kunapayTransactions && !one {
		return nil, &kunapayFailure{code: http.StatusNotFound, message: "Cannot find this page", form: kunapayPage}
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return nil, &kunapayFailure{code: http.StatusMethodNotAllowed, form: kunapaySilence}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, kunapayInvalid("the query cannot be read")
	}
	switch {
	case r.URL.Path == kunapayBalances:
		return k.balances(query), nil
	case !one:
		return k.page(query)
	}
	if item := k.sandbox.world.item(kunapayTransactions, id); item != nil {
		return item, nil
	}
	return nil, &kunapayFailure{code: http.StatusNotFound, word: "NOT_FOUND", message: "There is no such transaction"}
}

// page serves a part of the list, and says neither how many there are nor whether this was the last.
func (k *kunapay) page(query url.Values) ([]byte, *kunapayFailure) {
	asked, failure := kunapayNumber(query, "take", k.sandbox.pages.otherwise)
	if failure != nil {
		return nil, failure
	}
	take, fits := k.sandbox.pages.fit(asked)
	if !fits || take < 1 {
		return nil, kunapayInvalid("take must be from 1 to " + strconv.Itoa(k.sandbox.pages.most))
	}
	skip, failure := kunapayNumber(query, "skip", 0)
	if failure != nil {
		return nil, failure
	}
	chosen, failure := kunapayFilter(query)
	if failure != nil {
		return nil, failure
	}
	items, _ := k.sandbox.world.page(kunapayTransactions, chosen, skip, take)
	return joined(items), nil
}

// kunapayFilter reads the filters that are known. Whether createdFrom and createdTo include themselves is not
// known: here the first does and the second does not. The direction of orderBy is not known either: here it is
// that of the list.
func kunapayFilter(query url.Values) (filter, *kunapayFailure) {
	chosen := filter{currency: query.Get("asset")}
	for name, bound := range map[string]*time.Time{"createdFrom": &chosen.since, "createdTo": &chosen.until} {
		if !query.Has(name) {
			continue
		}
		at, err := time.Parse(time.RFC3339, query.Get(name))
		if err != nil {
			return chosen, kunapayInvalid(name + " is not a time")
		}
		*bound = at
	}
	if order := query.Get("orderBy"); order != "" && order != "createdAt" {
		return chosen, kunapayInvalid("orderBy must be createdAt")
	}
	return chosen, nil
}

// kunapayNumber reads a parameter from 0 on.
func kunapayNumber(query url.Values, name string, otherwise int) (int, *kunapayFailure) {
	if !query.Has(name) {
		return otherwise, nil
	}
	number, err := strconv.ParseUint(query.Get(name), 10, 31)
	if err != nil {
		return 0, kunapayInvalid(name + " must be a number from 0")
	}
	return int(number), nil
}

// balances lists all currencies, or those that are asked for.
func (k *kunapay) balances(query url.Values) []byte {
	balances := k.sandbox.world.balances()
	if codes := query.Get("assetCodes"); codes != "" {
		wanted := strings.Split(codes, ",")
		balances = slices.DeleteFunc(balances, func(b Balance) bool { return !slices.Contains(wanted, b.Currency) })
	}
	return renderKunapayBalances(balances)
}

func kunapayInvalid(message string) *kunapayFailure {
	return &kunapayFailure{code: http.StatusBadRequest, word: kunapayBadRequest, message: message}
}
