package sandbox_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// expectation is what one of the partners without trades must be like, said a second time.
type expectation struct {
	lists    map[string][]schema.Resource
	deposits map[string]schema.Status
	payments map[string]schema.Status
	done     string   // of deposits and of payments
	locking  []string // payments that lock
	sizes    []int
}

var expectations = map[string]expectation{
	"cryptoix": {
		lists: map[string][]schema.Resource{
			"/v1/transactions": {schema.Deposits}, "/v1/withdrawals": {schema.Payments},
			"/v1/payouts": {schema.Payments}, "/v1/refunds": {schema.Payments},
		},
		deposits: map[string]schema.Status{
			"completed": schema.StatusCompleted, "pending": schema.StatusPending, "expired": schema.StatusFailed, "failed": schema.StatusFailed,
		},
		payments: map[string]schema.Status{"completed": schema.StatusCompleted, "pending": schema.StatusPending, "failed": schema.StatusFailed},
		done:     "completed", locking: []string{"pending"}, sizes: []int{7, 25, 100},
	},
	"kunapay": {
		lists:    map[string][]schema.Resource{"/v1/transaction": {schema.Deposits, schema.Payments}},
		deposits: kunapayWords, payments: kunapayWords,
		done: "Processed", locking: []string{"Created", "Processing", "PartiallyProcessed"}, sizes: []int{7, 20, 100},
	},
	"aeterna": {
		lists: map[string][]schema.Resource{"/api/payin/list": {schema.Deposits}, "/api/payout/list": {schema.Payments}},
		deposits: map[string]schema.Status{
			"paid": schema.StatusCompleted, "waiting": schema.StatusPending, "expired": schema.StatusFailed, "declined": schema.StatusFailed,
		},
		payments: map[string]schema.Status{"paid": schema.StatusCompleted, "processing": schema.StatusPending, "declined": schema.StatusFailed},
		done:     "paid", locking: []string{"processing"}, sizes: []int{7, 50, 100},
	},
	"fifth": {
		lists:    map[string][]schema.Resource{"/v2/transfers": {schema.Deposits, schema.Payments}},
		deposits: fifthWords, payments: fifthWords,
		done: "settled", locking: []string{"in_transit"}, sizes: []int{7, 50, 200},
	},
}

var (
	kunapayWords = map[string]schema.Status{
		"Created": schema.StatusPending, "Processing": schema.StatusPending, "Processed": schema.StatusCompleted,
		"Canceled": schema.StatusCancelled, "PartiallyProcessed": schema.StatusUnknown,
	}
	fifthWords = map[string]schema.Status{
		"settled": schema.StatusCompleted, "in_transit": schema.StatusPending, "returned": schema.StatusFailed, "withdrawn": schema.StatusCancelled,
	}
)

// eachPartner runs a test for every partner without trades.
func eachPartner(t *testing.T, test func(t *testing.T, partner string, want expectation)) {
	t.Helper()
	for partner, want := range expectations {
		t.Run(partner, func(t *testing.T) { test(t, partner, want) })
	}
}

// TestPartnersAreListed: every name opens, each speaks its own API, and together they are those that are tested.
func TestPartnersAreListed(t *testing.T) {
	want := append(slices.Collect(maps.Keys(expectations)), "coinut")
	slices.Sort(want)
	if diff := cmp.Diff(want, sandbox.Partners()); diff != "" {
		t.Errorf("partners (-tested +listed):\n%s", diff)
	}
	for _, partner := range sandbox.Partners() {
		s := open(t, sandbox.Options{Partner: partner, Records: 100})
		if len(s.Lists()) == 0 || len(s.Words(schema.Deposits)) == 0 || len(s.Words(schema.Balances)) != 0 {
			t.Errorf("%s has lists %v, words %v", partner, s.Lists(), s.Words(schema.Deposits))
		}
	}
	s := open(t, sandbox.Options{Records: 100})
	if diff := cmp.Diff([]string{"/deposit/list", "/payment/list", "/trade/list"}, s.Lists()); diff != "" {
		t.Errorf("Coinut's lists (-want +got):\n%s", diff)
	}
	for _, record := range s.Truth().Trades {
		if record.List != "/trade/list" || record.Reading != s.Words(schema.Trades)[record.Status] {
			t.Errorf("%+v", record.Record)
		}
	}
}

// TestEveryListGivesItsTruth walks every list of every partner in both directions and with several page sizes:
// the items are those that the truth says, byte for byte and in order, and each record stands in one list.
func TestEveryListGivesItsTruth(t *testing.T) {
	eachPartner(t, func(t *testing.T, partner string, want expectation) {
		for _, oldestFirst := range []bool{false, true} {
			a := askerOf(t, sandbox.Options{Partner: partner, Records: 330, RateLimits: unlimited, OldestFirst: oldestFirst})
			truth, listed := a.sandbox.Truth(), 0
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want.lists)), a.sandbox.Lists()); diff != "" {
				t.Fatalf("lists (-want +got):\n%s", diff)
			}
			for _, list := range a.sandbox.Lists() {
				var items []json.RawMessage
				for _, record := range truth.List(list) {
					items = append(items, record.Raw)
				}
				listed += len(items)
				if !oldestFirst {
					slices.Reverse(items)
				}
				for _, size := range want.sizes {
					if got := a.walkList(t, list, size); !sameItems(got, items) || len(got) < 30 {
						t.Errorf("%s by %d: %d items are not the %d of the truth", list, size, len(got), len(items))
					}
				}
			}
			if all := len(truth.Deposits) + len(truth.Payments); listed != all || len(truth.Trades) != 0 || len(truth.List("")) != 0 {
				t.Errorf("%d records are listed of %d, and %d trades", listed, all, len(truth.Trades))
			}
		}
	})
}

// TestTruthKnowsListsAndWords: a record stands in a list of its kind, and its word is read as the partner's
// documents, or their gaps, suggest. A word that a test makes up has no reading.
func TestTruthKnowsListsAndWords(t *testing.T) {
	eachPartner(t, func(t *testing.T, partner string, want expectation) {
		s := open(t, sandbox.Options{Partner: partner, Records: 600})
		truth := s.Truth()
		for resource, readings := range map[schema.Resource]map[string]schema.Status{
			schema.Deposits: want.deposits, schema.Payments: want.payments, schema.Trades: {}, schema.Balances: {},
		} {
			if diff := cmp.Diff(readings, s.Words(resource)); diff != "" {
				t.Errorf("words of %s (-want +got):\n%s", resource, diff)
			}
			used := map[string]bool{}
			for _, record := range truth.Records(resource) {
				used[record.Status] = true
				if record.Reading != readings[record.Status] || !slices.Contains(want.lists[record.List], resource) {
					t.Errorf("%s %s: %q is read as %q in %s", resource, record.ID, record.Status, record.Reading, record.List)
				}
			}
			if len(used) != len(readings) && resource != schema.Balances {
				t.Errorf("%s use the words %v", resource, used)
			}
		}
		payment := truth.Payments[7]
		must(t, s.SetStatus(schema.Payments, payment.ID, "made_up"))
		after := s.Truth().Payments[7]
		if after.Reading != schema.StatusUnknown || after.List != payment.List || bytes.Equal(after.Raw, payment.Raw) {
			t.Errorf("%+v became %+v", payment, after)
		}
	})
}

// TestBooksOfEveryPartner adds up all movements, before and after the world changes, and compares them with the
// balances that were kept record by record, in the truth and in what the partner says.
func TestBooksOfEveryPartner(t *testing.T) {
	eachPartner(t, func(t *testing.T, partner string, want expectation) {
		for seed := range uint64(3) {
			a := askerOf(t, sandbox.Options{Partner: partner, Seed: seed, Records: 700})
			check := func() {
				t.Helper()
				truth := a.sandbox.Truth()
				in, out := truth.Sum(schema.Deposits, want.done), truth.Sum(schema.Payments, want.done)
				locked := truth.Sum(schema.Payments, want.locking...)
				for _, b := range truth.Balances {
					if total := in[b.Currency].Sub(out[b.Currency]); !b.Total.Equal(total) || b.Total.IsNegative() {
						t.Errorf("seed %d: %s: total %s, the movements say %s", seed, b.Currency, b.Total, total)
					}
					if !b.Locked.Equal(locked[b.Currency]) || !b.Available.Equal(b.Total.Sub(b.Locked)) || b.Available.IsNegative() {
						t.Errorf("seed %d: %s: available %s, locked %s of %s", seed, b.Currency, b.Available, b.Locked, b.Total)
					}
				}
				if diff := cmp.Diff(truth.Balances, a.balances(t)); diff != "" {
					t.Errorf("seed %d: balances (-truth +served):\n%s", seed, diff)
				}
			}
			check()
			a.sandbox.Add(20)
			check()
			payments := a.sandbox.Truth().Payments
			must(t, a.sandbox.SetStatus(schema.Payments, payments[0].ID, want.locking[0]))
			must(t, a.sandbox.Remove(schema.Payments, payments[1].ID))
			check()
		}
	})
}

// balances asks the partner for the balances, in its own words.
func (a *asker) balances(t *testing.T) []sandbox.Balance {
	t.Helper()
	type line struct {
		Currency, Code                                       string
		Available, Balance, LockBalance, Locked, Hold, Total *decimal.Decimal
	}
	var lines []line
	switch a.partner {
	case "cryptoix":
		lines = success[struct{ Data []line }](t, a.get(t, "/v1/balances")).Data
	case "kunapay":
		lines = success[struct{ Data []line }](t, a.get(t, "/v1/asset/balance")).Data
	case "fifth":
		lines = success[struct{ Wallets []line }](t, a.get(t, "/v2/wallets")).Wallets
	case "aeterna":
		byCurrency := success[struct{ Result map[string]line }](t, a.post(t, "/api/balance", "{}")).Result
		for _, currency := range slices.Sorted(maps.Keys(byCurrency)) {
			l := byCurrency[currency]
			l.Currency = currency
			lines = append(lines, l)
		}
	}
	var balances []sandbox.Balance
	for _, l := range lines {
		available, locked := told(l.Available, l.Balance), told(l.Locked, l.LockBalance, l.Hold)
		b := sandbox.Balance{Currency: l.Currency + l.Code, Available: *available}
		if locked != nil {
			b.Locked, b.Total = *locked, available.Add(*locked)
		} else {
			b.Locked, b.Total = l.Total.Sub(*available), *l.Total
		}
		balances = append(balances, b)
	}
	return balances
}

// told is the one of several fields that the partner has, or nil.
func told(fields ...*decimal.Decimal) *decimal.Decimal {
	for _, field := range fields {
		if field != nil {
			return field
		}
	}
	return nil
}

// TestSeedDecidesEveryPartner: the same options give the same answers, whatever the clock says.
func TestSeedDecidesEveryPartner(t *testing.T) {
	eachPartner(t, func(t *testing.T, partner string, want expectation) {
		served := func(seed uint64, clock func() time.Time) []byte {
			a := askerOf(t, sandbox.Options{Partner: partner, Seed: seed, Records: 200, RateLimits: unlimited, Now: clock})
			a.sandbox.Add(3)
			var all bytes.Buffer
			for _, list := range a.sandbox.Lists() {
				all.Write(bytes.Join(bytesOf(a.walkList(t, list, 100)), nil))
			}
			return all.Bytes()
		}
		first := served(7, standing)
		if !bytes.Equal(first, served(7, func() time.Time { return now.AddDate(3, 0, 0) })) || bytes.Equal(first, served(8, standing)) {
			t.Error("the bytes do not follow from the seed alone")
		}
	})
}

func bytesOf(items []json.RawMessage) (all [][]byte) {
	for _, item := range items {
		all = append(all, item)
	}
	return all
}

// TestEveryPartnerHasItsLimit: one request more than allowed in no time is refused, for this key only.
func TestEveryPartnerHasItsLimit(t *testing.T) {
	eachPartner(t, func(t *testing.T, partner string, want expectation) {
		a := askerOf(t, sandbox.Options{Partner: partner, Records: 10, Accounts: []sandbox.Account{
			{Name: "a", Key: "a", Secret: "s", Email: "a@b.example"}, {Name: "b", Key: "b", Secret: "t", Email: "b@b.example"},
		}})
		allowed := map[string]int{"cryptoix": 60, "kunapay": 60, "aeterna": 60, "fifth": 300}[partner]
		once := func() reply {
			list := a.sandbox.Lists()[0]
			if partner == "aeterna" {
				return a.post(t, list, "{}")
			}
			return a.get(t, list)
		}
		for range allowed {
			if got := once(); got.code != http.StatusOK {
				t.Fatalf("HTTP %d: %s", got.code, got.text)
			}
		}
		if got := once(); got.code != http.StatusTooManyRequests || a.sandbox.Refused() != 1 {
			t.Errorf("HTTP %d: %s, %d refused", got.code, got.text, a.sandbox.Refused())
		}
		a.account = a.sandbox.Accounts()[1]
		if got := once(); got.code != http.StatusOK {
			t.Errorf("the other key: HTTP %d", got.code)
		}
	})
}

// createdAt is a field that every item has once.
var createdAt = regexp.MustCompile(`"(timestamp|created_at|createdAt)":`)

// TestPageSizes: what the options say of large pages holds for every partner, Coinut included.
func TestPageSizes(t *testing.T) {
	refusals := map[string]int{"cryptoix": 422, "kunapay": 400, "aeterna": 400, "fifth": 400}
	eachPartner(t, func(t *testing.T, partner string, want expectation) {
		for oversize, code := range map[string]int{sandbox.OversizeCut: 200, sandbox.OversizeRefuse: refusals[partner]} {
			a := askerOf(t, sandbox.Options{Partner: partner, Records: 400, PageSizeMax: 30, Oversize: oversize})
			var got reply
			if list := a.sandbox.Lists()[0]; partner == "aeterna" {
				got = a.post(t, list, `{"limit":31}`)
			} else {
				got = a.get(t, list+"?limit=31&take=31&per_page=31")
			}
			want := 0
			if code == http.StatusOK {
				want = 30
			}
			if items := len(createdAt.FindAllString(got.text, -1)); got.code != code || items != want {
				t.Errorf("%s: HTTP %d with %d items: %.200s", oversize, got.code, items, got.text)
			}
		}
	})
	c := callerOf(open(t, sandbox.Options{Records: 400, PageSizeMax: 5, Oversize: sandbox.OversizeCut}))
	if p := c.list(t, "/deposit/list?pageSize=100"); len(p.List) != 5 || p.PageSize != 5 {
		t.Errorf("Coinut gave %d of size %d", len(p.List), p.PageSize)
	}
	if p := c.list(t, "/deposit/list"); len(p.List) != 5 {
		t.Errorf("Coinut gave %d where the usual page is too large", len(p.List))
	}
}

// TestAccountsThatCannotBe are refused with a sentence that names the trouble.
func TestAccountsThatCannotBe(t *testing.T) {
	tests := []struct {
		partner string
		account sandbox.Account
		want    string // empty: it can be
	}{
		{"coinut", sandbox.Account{Key: "k", Secret: "s", Scheme: sandbox.SchemeBearer}, "no scheme"},
		{"cryptoix", sandbox.Account{Key: "k"}, ""},
		{"cryptoix", sandbox.Account{Secret: "s"}, "needs a key"},
		{"cryptoix", sandbox.Account{Key: "k", Scheme: sandbox.SchemeSigned}, "a key and a secret"},
		{"kunapay", sandbox.Account{Key: "k"}, "a key and a secret"},
		{"kunapay", sandbox.Account{Key: "k", Scheme: sandbox.SchemeKey}, ""},
		{"aeterna", sandbox.Account{Key: "k", Secret: "s"}, "an email"},
		{"fifth", sandbox.Account{Key: "k", Scheme: sandbox.SchemeSigned}, "no scheme"},
	}
	for _, test := range tests {
		_, err := sandbox.New(sandbox.Options{Partner: test.partner, Records: -1, Accounts: []sandbox.Account{test.account}})
		if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s %+v: %v, want %q", test.partner, test.account, err, test.want)
		}
	}
	for want, options := range map[string]sandbox.Options{
		"no answer": {Oversize: "perhaps"}, "no room": {PageSizeMax: -1}, "aeterna, coinut, cryptoix, fifth, kunapay": {Partner: "nobody"},
	} {
		if _, err := sandbox.New(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", options, err, want)
		}
	}
}
