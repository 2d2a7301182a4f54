package sandbox

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"tieout/schema"
)

// The ways in which an account proves who it is, see Account.Scheme.
const (
	SchemeBearer      = "bearer"       // Authorization: Bearer KEY
	SchemeKey         = "key"          // the whole key in a header of its own
	SchemeSigned      = "signed"       // a signature, over the query or not as the partner's documents suggest
	SchemeSignedQuery = "signed_query" // Cryptoix: the query is signed, too
	SchemeSignedBelow = "signed_below" // Cryptoix: the path is signed without its /v1, and the query is not
	SchemeSignedPath  = "signed_path"  // KunaPay: the query is not signed
)

// The answers to a page that is larger than allowed, see Options.Oversize.
const (
	OversizeCut    = "cut"    // as many as are allowed, without a word
	OversizeRefuse = "refuse" // the partner's error for a bad parameter
)

// dialect is all that distinguishes one partner from another.
type dialect struct {
	limits  []Limit                     // as documented
	words   lexicon                     // what its statuses are called
	pages   pageSizes                   // how much it gives at once
	schemes map[string]credentials      // what each scheme asks of an account; "" is the default
	lists   []listing                   // its lists
	listOf  func(fact) string           // the path of the list that shows a record
	render  func(fact) []byte           // the JSON of one item of a list
	handler func(*Sandbox) http.Handler // its API
	base    string                      // path that its documents count to the base URL; empty: none
}

// listing is one list of the partner and what it shows.
type listing struct {
	path string
	of   []schema.Resource
}

// credentials says what an account needs beside its key.
type credentials struct{ secret, email bool }

// pageSizes says how many items a page has, and what happens to who asks for more.
type pageSizes struct {
	otherwise, most int
	oversize        string
}

// fit returns how many items a page gets whose size was asked for, or false if the partner refuses.
func (p pageSizes) fit(asked int) (int, bool) {
	if asked <= p.most {
		return asked, true
	}
	return p.most, p.oversize == OversizeCut
}

// sizesOf are the partner's page sizes as far as the options leave them alone.
func sizesOf(pages pageSizes, options Options) (pageSizes, error) {
	if options.PageSizeMax < 0 {
		return pages, fmt.Errorf("a page of %d items has no room for anything", options.PageSizeMax)
	}
	switch options.Oversize {
	case "", OversizeCut, OversizeRefuse:
	default:
		return pages, fmt.Errorf("%q is no answer to a page that is too large: want cut or refuse", options.Oversize)
	}
	most := cmp.Or(options.PageSizeMax, pages.most)
	return pageSizes{min(pages.otherwise, most), most, cmp.Or(options.Oversize, pages.oversize)}, nil
}

// partnerDefault is who is played unless told otherwise.
const partnerDefault = "coinut"

// dialects lists every partner; there is no other place that does.
var dialects = map[string]func() dialect{
	"aeterna":      aeternaDialect,
	"cryptoix":     cryptoixDialect,
	"fifth":        fifthDialect,
	"kunapay":      kunapayDialect,
	partnerDefault: coinutDialect,
}

// Partners returns the names of the partners that a sandbox can play, in the order of the alphabet.
func Partners() []string { return slices.Sorted(maps.Keys(dialects)) }

func dialectOf(partner string) (dialect, error) {
	open, known := dialects[cmp.Or(partner, partnerDefault)]
	if !known {
		return dialect{}, fmt.Errorf("%q is no partner of the sandbox: want one of %s", partner, strings.Join(Partners(), ", "))
	}
	return open(), nil
}

// accountsOf are the accounts of the options, or one that every partner would take.
func accountsOf(d dialect, options Options) ([]Account, error) {
	accounts := slices.Clone(options.Accounts)
	if len(accounts) == 0 {
		only := Account{Name: "sandbox", Key: "sandbox-key", Secret: "sandbox-secret"}
		if d.schemes[""].email {
			only.Email = "merchant@sandbox.example"
		}
		accounts = []Account{only}
	}
	for _, account := range accounts {
		needs, known := d.schemes[account.Scheme]
		switch {
		case !known:
			return nil, fmt.Errorf("account %q: the partner has no scheme %q", account.Name, account.Scheme)
		case account.Key == "" && !needs.secret:
			return nil, fmt.Errorf("account %q needs a key", account.Name)
		case account.Key == "" || (needs.secret && account.Secret == ""):
			return nil, fmt.Errorf("account %q needs a key and a secret", account.Name)
		case needs.email && account.Email == "":
			return nil, fmt.Errorf("account %q needs an email", account.Name)
		}
	}
	return accounts, nil
}

// Lists returns the paths of all lists of the partner, in the order of the alphabet.
func (s *Sandbox) Lists() []string { return slices.Sorted(maps.Keys(s.world.lists)) }
