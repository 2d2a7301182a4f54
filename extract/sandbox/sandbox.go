// Package sandbox speaks the partners' APIs without the partners: one http.Handler with a year of made-up money
// behind it, for `tieout sandbox`, the demo and the tests.
//
// Its one rule: it shares no code with the client. It checks signatures, nonces and limits by itself, and it
// knows the truth of its data from having made them, so that a test which compares with Truth compares with
// something that our own code cannot have bent.
//
// What every partner needs is in sandbox.go (the handler), world.go, table.go, generate.go and truth.go (the
// data), request.go, limit.go, nonces.go, faults.go, counters.go and transport.go. What distinguishes one partner
// from another is a dialect, in files of its own: coinut.go with its coinut_*.go, and so on; dialect.go lists them.
package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Options says which partner a Sandbox plays, with which data and for whom. The zero value is a Coinut with a
// thousand deposits in the year 2025 and one account.
type Options struct {
	// Partner is who to play, one of Partners; empty: "coinut".
	Partner string
	// Seed chooses the data: the same seed, span and Records give the same bytes. Zero is a seed like any other.
	Seed uint64
	// Records is about how many deposits there are in a year; there are a few per cent fewer trades, and fewer
	// payments than trades; where the partner has no trades, deposits are paid out as they are. Zero: 1,000. Negative: none at all, only what Add adds.
	Records int
	// Since and Until bound the time of every generated record, Since <= created < Until, in whole seconds. Zero Until:
	// 2026-01-01 00:00 UTC, whatever the clock says, so that runs can be repeated; zero Since: a year before
	// Until.
	Since, Until time.Time
	// Now is the partner's clock, by which it dates its answers, judges timestamps and limits requests; nil:
	// time.Now. It has nothing to do with the time of the data.
	Now func() time.Time
	// RateLimits hold all at once, for each key apart. Nil: what the partner documents, or our guess where it
	// documents nothing. Empty, but not nil: no limit.
	RateLimits []Limit
	// Accounts may call the API. All of them see the same data, as several keys of one business would; for two
	// businesses take two sandboxes with different seeds. Empty: one account, see Sandbox.Accounts.
	Accounts []Account
	// OldestFirst turns the order of all lists around. The partners do not document their order.
	OldestFirst bool
	// PageSizeMax is how many items a page may have; zero: what the partner documents, or our guess.
	PageSizeMax int
	// Oversize is the answer to who asks for a larger page: OversizeCut or OversizeRefuse; empty: what the
	// partner does, which for most of them is our guess, too.
	Oversize string
	// BeforeRequest is called for every request before it is looked at, with no lock held, so that a test can
	// change the data while a client pages through them. Requests at once call it at once. May be nil.
	BeforeRequest func(*http.Request)
}

// Account is one set of made-up credentials. Never give it real ones: nothing here hides them.
type Account struct {
	Name   string // for people only
	Key    string // unique; public, where there is a secret
	Secret string // shared with the client, never sent; not every scheme has one
	Email  string // for partners who sign it
	// Scheme is how the account proves who it is, one of the Scheme constants, if the partner has several; empty:
	// the partner's default.
	Scheme string
}

// recordsDefault is the size of a world that opens in milliseconds and still has every kind of record in it.
const recordsDefault = 1_000

// untilDefault is where the data end unless told otherwise.
var untilDefault = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Sandbox is one partner with its data. It is an http.Handler, to be mounted at the root of a host or below a
// prefix with http.StripPrefix; all its methods may be called at the same time.
type Sandbox struct {
	base     string
	now      func() time.Time
	world    *world
	pages    pageSizes
	accounts []Account
	members  map[string]*member // by key
	counters counters
	faults   faults
	handler  http.Handler
}

// member is an account with what the partner remembers about it.
type member struct {
	Account
	limiter *limiter
	nonces  *nonces
	rising  *risingNonce
}

// New makes the data and opens the API. It takes about 10 µs a record. The error says which option cannot be.
func New(options Options) (*Sandbox, error) {
	dialect, err := dialectOf(options.Partner)
	if err != nil {
		return nil, err
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.RateLimits == nil {
		options.RateLimits = dialect.limits
	}
	pages, err := sizesOf(dialect.pages, options)
	if err != nil {
		return nil, err
	}
	accounts, err := accountsOf(dialect, options)
	if err != nil {
		return nil, err
	}
	members, err := membersOf(accounts, options.RateLimits)
	if err != nil {
		return nil, err
	}
	since, until, err := spanOf(options)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{now: options.Now, base: dialect.base, members: members, accounts: accounts, pages: pages}
	s.world = newWorld(dialect, options.Seed, options.OldestFirst)
	s.world.populate(recordsBetween(options.Records, since, until), since, until)
	s.handler = s.dated(s.counted(hooked(options.BeforeRequest, s.faulty(dialect.handler(s)))))
	return s, nil
}

func membersOf(accounts []Account, limits []Limit) (map[string]*member, error) {
	for _, limit := range limits {
		if limit.Requests < 1 || limit.Per <= 0 {
			return nil, fmt.Errorf("rate limit %d per %s lets nothing through", limit.Requests, limit.Per)
		}
	}
	members := make(map[string]*member, len(accounts))
	for _, account := range accounts {
		if members[account.Key] != nil {
			return nil, fmt.Errorf("account %q has the key of another account", account.Name)
		}
		members[account.Key] = &member{Account: account, limiter: newLimiter(limits), nonces: &nonces{}, rising: &risingNonce{}}
	}
	return members, nil
}

func spanOf(options Options) (since, until time.Time, err error) {
	until = options.Until
	if until.IsZero() {
		until = untilDefault
	}
	since = options.Since
	if since.IsZero() {
		since = until.AddDate(-1, 0, 0)
	}
	if !since.Before(until) {
		return since, until, errors.New("the data must begin (Since) before they end (Until)")
	}
	return since.UTC().Truncate(time.Second), until.UTC().Truncate(time.Second), nil
}

// recordsBetween turns a number a year into a number for the span, by whole hours.
func recordsBetween(perYear int, since, until time.Time) int {
	const hoursPerYear = 365 * 24
	return max(0, cmp.Or(perYear, recordsDefault)) * int(until.Sub(since)/time.Hour) / hoursPerYear
}

// ServeHTTP implements http.Handler.
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Accounts returns the accounts that may call the API, the default one included.
func (s *Sandbox) Accounts() []Account { return slices.Clone(s.accounts) }

// BasePath returns the path that belongs to the base URL of an account, as /v1; empty where there is none.
func (s *Sandbox) BasePath() string { return s.base }

// hooked calls the hook, if there is one, before the request goes on.
func hooked(hook func(*http.Request), next http.Handler) http.Handler {
	if hook == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hook(r)
		next.ServeHTTP(w, r)
	})
}

// dated puts the partner's own time on every answer, at the moment when the answer begins: a client measures
// clock skew by it. An answer that brings its own Date keeps it.
func (s *Sandbox) dated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&datedWriter{ResponseWriter: w, now: s.now}, r)
	})
}

type datedWriter struct {
	http.ResponseWriter
	now   func() time.Time
	begun bool
}

// WriteHeader implements http.ResponseWriter.
func (w *datedWriter) WriteHeader(code int) {
	if !w.begun {
		w.begun = true
		if w.Header().Get("Date") == "" {
			w.Header().Set("Date", w.now().UTC().Format(http.TimeFormat))
		}
	}
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap lets a fault of a test flush what it has written, through http.ResponseController.
func (w *datedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write implements http.ResponseWriter.
func (w *datedWriter) Write(body []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(body)
}
