package sandbox_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// byteForByte compares items as a whole: cmp would compare them byte by byte, slowly.
var byteForByte = cmp.Comparer(func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })

// checkBooks adds up all records and compares with the balances that the sandbox kept as it went.
func checkBooks(t interface {
	Helper()
	Errorf(string, ...any)
}, truth sandbox.Truth,
) {
	t.Helper()
	deposited, paid := truth.Sum(schema.Deposits, "CONFIRMED"), truth.Sum(schema.Payments)
	from, to, locked := truth.Sum(schema.Trades, "SETTLED"), truth.SumTradedTo("SETTLED"), truth.Sum(schema.Trades, "CREATED")
	for _, b := range truth.Balances {
		total := deposited[b.Currency].Sub(from[b.Currency]).Add(to[b.Currency]).Sub(paid[b.Currency])
		if !b.Total.Equal(total) {
			t.Errorf("%s: total %s, the movements say %s", b.Currency, b.Total, total)
		}
		if !b.Locked.Equal(locked[b.Currency]) || !b.Available.Equal(b.Total.Sub(b.Locked)) {
			t.Errorf("%s: available %s, locked %s of %s", b.Currency, b.Available, b.Locked, b.Total)
		}
	}
}

// TestBalanceIdentity holds for several worlds, before and after they grow, and nothing is ever overdrawn.
func TestBalanceIdentity(t *testing.T) {
	for seed := range uint64(5) {
		s := open(t, sandbox.Options{Seed: seed, Records: 700})
		for range 2 {
			truth := s.Truth()
			checkBooks(t, truth)
			for _, b := range truth.Balances {
				if b.Available.IsNegative() || b.Locked.IsNegative() || !b.Total.IsPositive() {
					t.Errorf("seed %d: %s has %s available, %s locked, %s in all", seed, b.Currency, b.Available, b.Locked, b.Total)
				}
			}
			s.Add(20)
		}
	}
}

// TestRecordsFitTogether: a trade converts at most its deposit, a payment takes at most what its trade brought
// in, its arithmetic is exact, and each comes after the one before.
func TestRecordsFitTogether(t *testing.T) {
	s := open(t, sandbox.Options{Records: 2_000})
	s.Add(10)
	truth := s.Truth()
	deposits, trades := map[string]sandbox.Deposit{}, map[string]sandbox.Trade{}
	for _, d := range truth.Deposits {
		deposits[d.ID] = d
	}
	for _, trade := range truth.Trades {
		trades[trade.ID] = trade
		d := deposits[trade.DepositID]
		if d.Status != "CONFIRMED" || d.Currency != trade.FromCurrency || d.Amount.LessThan(trade.FromAmount) ||
			!trade.FromAmount.IsPositive() || !trade.ToAmount.IsPositive() || !d.CreatedAt.Before(trade.CreatedAt) {
			t.Errorf("trade %+v does not fit deposit %+v", trade, d)
		}
	}
	for _, p := range truth.Payments {
		trade := trades[p.TradeID]
		if trade.Status != "SETTLED" || trade.ToCurrency != p.DeductCurrency || trade.ToAmount.LessThan(p.DeductAmount) ||
			!p.DeductAmount.IsPositive() || !trade.CreatedAt.Before(p.CreatedAt) {
			t.Errorf("payment %+v does not fit trade %+v", p, trade)
		}
		if exact := p.DeductAmount.Mul(p.Rate).Sub(p.BankCharge); !p.ReceivedAmount.Equal(exact) || !exact.IsPositive() {
			t.Errorf("payment %s received %s, want %s", p.ID, p.ReceivedAmount, exact)
		}
	}
	if len(deposits) != 2_010 || len(trades) < 1_700 || len(truth.Payments) < 1_500 {
		t.Errorf("%d deposits, %d trades, %d payments", len(deposits), len(trades), len(truth.Payments))
	}
}

// TestAmountsCanBeStored: what the product cannot store has no place in a sandbox that its demo must load.
func TestAmountsCanBeStored(t *testing.T) {
	truth := open(t, sandbox.Options{Records: 1_000}).Truth()
	amounts := []decimal.Decimal{}
	for _, d := range truth.Deposits {
		amounts = append(amounts, d.Amount)
	}
	for _, d := range truth.Trades {
		amounts = append(amounts, d.FromAmount, d.ToAmount)
	}
	for _, d := range truth.Payments {
		amounts = append(amounts, d.DeductAmount, d.ReceivedAmount, d.Rate, d.BankCharge)
	}
	for _, amount := range amounts {
		parsed, err := schema.ParseAmount(amount.String())
		if err != nil || parsed.Fits() != nil || !parsed.Decimal().Equal(amount) {
			t.Errorf("%s: %v, %v", amount, err, parsed.Fits())
		}
	}
}

// served is everything that a client can see, as bytes.
func served(t *testing.T, options sandbox.Options) []byte {
	t.Helper()
	options.RateLimits = unlimited
	s := open(t, options)
	s.Add(3)
	c := callerOf(s)
	var all bytes.Buffer
	for _, list := range lists {
		for _, word := range append(list.words, "") {
			items, _ := walk(t, c, list.path, "&status="+word, 100)
			for _, item := range items {
				all.Write(item)
			}
		}
	}
	all.WriteString(c.get(t, "/balance").text)
	return all.Bytes()
}

// TestSeedDecidesEverything: the same options give the same bytes, whatever the clock says; another seed,
// others.
func TestSeedDecidesEverything(t *testing.T) {
	first := served(t, sandbox.Options{Seed: 7, Records: 300})
	if again := served(t, sandbox.Options{Seed: 7, Records: 300}); !bytes.Equal(first, again) {
		t.Error("the same seed gave other bytes")
	}
	if other := served(t, sandbox.Options{Seed: 8, Records: 300}); bytes.Equal(first, other) {
		t.Error("another seed gave the same bytes")
	}
	later := open(t, sandbox.Options{Seed: 7, Records: 300, Now: func() time.Time { return now.AddDate(3, 0, 0) }})
	if diff := cmp.Diff(open(t, sandbox.Options{Seed: 7, Records: 300}).Truth(), later.Truth(), byteForByte); diff != "" {
		t.Errorf("another clock gave other data:\n%s", diff)
	}
}

// TestSpan: all records lie in the span, in order of time, and a shorter span has fewer of them.
func TestSpan(t *testing.T) {
	since, until := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2025, 3, 31, 0, 0, 0, 0, time.UTC)
	truth := open(t, sandbox.Options{Records: 3650, Since: since, Until: until}).Truth()
	if truth.Count(schema.Deposits) != 300 {
		t.Errorf("%d deposits in 30 days of 3,650 a year", truth.Count(schema.Deposits))
	}
	for _, list := range lists {
		last := since
		for _, record := range truth.Records(list.resource) {
			if record.CreatedAt.Before(last) || !record.CreatedAt.Before(until) {
				t.Errorf("%s %s of %s is out of order or out of the span", list.resource, record.ID, record.CreatedAt)
			}
			last = record.CreatedAt
		}
	}
	ordinary := open(t, sandbox.Options{}).Truth().Deposits
	if first, last := ordinary[0].CreatedAt, ordinary[len(ordinary)-1].CreatedAt; len(ordinary) != 1000 || first.Year() != 2025 || last.Year() != 2025 {
		t.Errorf("%d deposits from %s to %s", len(ordinary), first, last)
	}
}

// TestGrowth: each new record is the newest of its kind and completed, and balances move with it.
func TestGrowth(t *testing.T) {
	s := open(t, sandbox.Options{Records: 100})
	before := s.Truth()
	s.Add(2)
	after := s.Truth()
	for _, list := range lists {
		old, grown := before.Records(list.resource), after.Records(list.resource)
		if len(grown) != len(old)+2 {
			t.Fatalf("%d %s, want two more than %d", len(grown), list.resource, len(old))
		}
		if diff := cmp.Diff(old, grown[:len(old)], byteForByte); diff != "" {
			t.Errorf("old %s changed:\n%s", list.resource, diff)
		}
		if newest := grown[len(grown)-2:]; !newest[0].CreatedAt.After(old[len(old)-1].CreatedAt) || !newest[1].CreatedAt.After(newest[0].CreatedAt) {
			t.Errorf("new %s are not the newest: %v", list.resource, newest)
		}
	}
	checkBooks(t, after)
	deposit := s.AddDeposit("CONFIRMED")
	held, want := s.Truth().Sum(schema.Balances), after.Sum(schema.Balances)
	want[deposit.Currency] = want[deposit.Currency].Add(deposit.Amount)
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("balances after a deposit of %s %s (-want +got):\n%s", deposit.Amount, deposit.Currency, diff)
	}
}

// TestStatusChangesInPlace: the word, the balance and (for payments, which show it) the item change; place and
// time do not.
func TestStatusChangesInPlace(t *testing.T) {
	s := open(t, sandbox.Options{Records: 100})
	before := s.Truth()
	deposit, payment := before.Deposits[5], before.Payments[5]
	for resource, id := range map[schema.Resource]string{schema.Deposits: deposit.ID, schema.Payments: payment.ID} {
		if err := s.SetStatus(resource, id, "REVERSED"); err != nil {
			t.Fatal(err)
		}
	}
	after := s.Truth()
	checkBooks(t, after)
	if got := after.Deposits[5]; got.Status != "REVERSED" || !bytes.Equal(got.Raw, deposit.Raw) || !got.CreatedAt.Equal(deposit.CreatedAt) {
		t.Errorf("deposit became %+v", got)
	}
	if got := after.Payments[5]; got.Status != "REVERSED" || !strings.Contains(string(got.Raw), `"status":"REVERSED"`) || !strings.Contains(string(payment.Raw), `"status":"`+payment.Status+`"`) {
		t.Errorf("payment became %+v, %s", got, got.Raw)
	}
	if p := callerOf(s).list(t, "/deposit/list?status=REVERSED"); p.Total != 1 || idOf(t, p.List[0]) != deposit.ID {
		t.Errorf("under the new word: %d, %s", p.Total, p.List)
	}
}

// TestChangesOfNothing fail with the name of what is not there.
func TestChangesOfNothing(t *testing.T) {
	s := open(t, sandbox.Options{Records: 10})
	trade := s.Truth().Trades[0].ID
	for name, err := range map[string]error{
		"no record balances":    s.SetStatus(schema.Balances, "EUR", "x"),
		"no record " + trade:    s.SetStatus(schema.Deposits, trade, "x"),
		"no record nothing":     s.Remove(schema.Trades, "nothing"),
		"balances have no":      s.Remove(schema.Balances, "EUR"),
		"among the deposits":    s.Remove(schema.Deposits, trade),
		"nothing among the pay": s.Remove(schema.Payments, "nothing"),
	} {
		if err == nil || (name != "no record balances" && !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Remove(schema.Trades, trade); err != nil {
		t.Error(err)
	}
	if err := s.Remove(schema.Trades, trade); err == nil {
		t.Error("removed the same trade twice")
	}
}

// TestOptionsThatCannotBe are refused with a sentence that names the trouble.
func TestOptionsThatCannotBe(t *testing.T) {
	twice := []sandbox.Account{{Name: "a", Key: "k", Secret: "s"}, {Name: "b", Key: "k", Secret: "s"}}
	for want, options := range map[string]sandbox.Options{
		"partner":              {Partner: "nobody"},
		"must begin":           {Since: now, Until: now},
		"lets nothing":         {RateLimits: []sandbox.Limit{{Requests: 0, Per: time.Minute}}},
		"lets nothing through": {RateLimits: []sandbox.Limit{{Requests: 5}}},
		"key of another":       {Accounts: twice},
		"a key and a secret":   {Accounts: []sandbox.Account{{Name: "a", Key: "k"}}},
	} {
		if _, err := sandbox.New(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", options, err, want)
		}
	}
}

// TestTruthCounts adds up by hand what the counting does.
func TestTruthCounts(t *testing.T) {
	one, two := decimal.RequireFromString("0.000000000000000001"), decimal.RequireFromString("2.5")
	truth := sandbox.Truth{
		Deposits: []sandbox.Deposit{
			{Record: sandbox.Record{Status: "A"}, Currency: "ETH", Amount: one},
			{Record: sandbox.Record{Status: "A"}, Currency: "ETH", Amount: two},
			{Record: sandbox.Record{Status: "B"}, Currency: "EUR", Amount: two},
		},
		Trades:   []sandbox.Trade{{Record: sandbox.Record{Status: "C"}, FromCurrency: "EUR", FromAmount: one, ToCurrency: "ETH", ToAmount: two}},
		Balances: []sandbox.Balance{{Currency: "EUR", Total: two}},
	}
	got := map[string]any{
		"all":           truth.Count(schema.Deposits),
		"A":             truth.Count(schema.Deposits, "A"),
		"A or B":        truth.Count(schema.Deposits, "A", "B"),
		"balances":      truth.Count(schema.Balances),
		"payments":      truth.Count(schema.Payments),
		"ETH deposited": truth.Sum(schema.Deposits, "A")["ETH"].String(),
		"EUR deposited": truth.Sum(schema.Deposits, "A")["EUR"].String(),
		"EUR traded":    truth.Sum(schema.Trades)["EUR"].String(),
		"ETH bought":    truth.SumTradedTo("C")["ETH"].String(),
		"none bought":   truth.SumTradedTo("D")["ETH"].String(),
		"EUR held":      truth.Sum(schema.Balances)["EUR"].String(),
	}
	want := map[string]any{
		"all": 3, "A": 2, "A or B": 3, "balances": 1, "payments": 0, "ETH deposited": "2.500000000000000001",
		"EUR deposited": "0", "EUR traded": "0.000000000000000001", "ETH bought": "2.5", "none bought": "0", "EUR held": "2.5",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
