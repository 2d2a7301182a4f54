package sandbox

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"tieout/schema"
)

// Record is what the sandbox knows of every record, whether its partner's answers tell it or not.
type Record struct {
	ID        string          // the partner's identifier
	Status    string          // the partner's word; some partners tell it only to those who filter by it
	Reading   schema.Status   // what the word means, see Sandbox.Words
	List      string          // path of the list that shows it, see Truth.List
	CreatedAt time.Time       // UTC, in whole seconds
	Raw       json.RawMessage // the item of the list, byte for byte; never change it
}

func (r *Record) base() *Record { return r }

// Deposit is money that came in.
type Deposit struct {
	Record
	Currency     string
	Amount       decimal.Decimal // whole units of Currency
	CustomerID   string          // empty: the partner does not know who paid
	CustomerName string          // empty as CustomerID
	Network      string          // chain of a crypto deposit; empty: fiat
	TxID         string          // transaction on that chain; empty: fiat
	Reference    string          // the payer's text; empty: crypto
}

// Trade is one deposit, or a part of it, turned into another currency.
type Trade struct {
	Record
	FromCurrency    string
	FromAmount      decimal.Decimal // whole units of FromCurrency
	ToCurrency      string
	ToAmount        decimal.Decimal // whole units of ToCurrency
	DepositID       string          // the deposit that was converted
	LegacyDepositID int64           // not zero: the answers name the deposit by this number only
	CustomerName    string          // may be empty
}

// Payment is money that went out of what a trade brought in or, where the partner has no trades, of a deposit.
// ReceivedAmount = DeductAmount * Rate - BankCharge, exactly.
type Payment struct {
	Record
	TradeID          string          // the trade that it was paid from; no answer tells it; empty: no trades
	DepositID        string          // the deposit that it was paid from; no answer tells it; empty: a trade
	DeductCurrency   string          // what it took from the balance
	DeductAmount     decimal.Decimal // whole units of DeductCurrency
	ReceivedCurrency string
	ReceivedAmount   decimal.Decimal // whole units of ReceivedCurrency
	Rate             decimal.Decimal // ReceivedCurrency for one unit of DeductCurrency
	BankCharge       decimal.Decimal // whole units of ReceivedCurrency
	Reference        string          // the client's own text
}

// Balance is what the account holds of one currency. Total = completed deposits - completed trades from it +
// completed trades to it - payments. Locked is what open trades and open payments will take. Available = Total -
// Locked. Which payments are open, or given back, is a matter of the partner's words: at Coinut a payment is
// taken from the balance when it is made, whatever becomes of it, and so is one with a word that a test made up.
type Balance struct {
	Currency                 string
	Available, Locked, Total decimal.Decimal // whole units of Currency
}

// Truth is all that the sandbox knows at one instant, oldest records first, balances by currency.
type Truth struct {
	Deposits []Deposit
	Trades   []Trade
	Payments []Payment
	Balances []Balance
}

// Truth returns a copy of all records and balances as they are now, from the generator's own books: no answer is
// read back for it.
func (s *Sandbox) Truth() Truth {
	w := s.world
	w.mu.RLock()
	defer w.mu.RUnlock()
	return Truth{
		Deposits: copied[Deposit](w.tables[schema.Deposits]),
		Trades:   copied[Trade](w.tables[schema.Trades]),
		Payments: copied[Payment](w.tables[schema.Payments]),
		Balances: w.books.balances(),
	}
}

func copied[T any](t *table) []T {
	facts := make([]T, len(t.rows))
	for i, row := range t.rows {
		facts[i] = *any(row.fact).(*T)
	}
	return facts
}

// Records returns what all records of the resource have in common, oldest first; nil for balances.
func (t Truth) Records(resource schema.Resource) []Record {
	var records []Record
	switch resource {
	case schema.Deposits:
		for _, deposit := range t.Deposits {
			records = append(records, deposit.Record)
		}
	case schema.Trades:
		for _, trade := range t.Trades {
			records = append(records, trade.Record)
		}
	case schema.Payments:
		for _, payment := range t.Payments {
			records = append(records, payment.Record)
		}
	}
	return records
}

// List returns what the list at a path must show, oldest first: every record once. An empty path is that of no
// list.
func (t Truth) List(path string) []Record {
	var shown []Record
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
		for _, record := range t.Records(resource) {
			if record.List == path {
				shown = append(shown, record)
			}
		}
	}
	// Of one second, deposits come first: nothing follows a deposit at once.
	slices.SortStableFunc(shown, func(a, b Record) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return shown
}

// Count returns how many records of the resource have one of the statuses; with no statuses, how many there are.
// Of balances it counts the currencies.
func (t Truth) Count(resource schema.Resource, statuses ...string) int {
	if resource == schema.Balances {
		return len(t.Balances)
	}
	count := 0
	for _, record := range t.Records(resource) {
		if among(statuses, record.Status) {
			count++
		}
	}
	return count
}

// Sum returns per currency what the records with one of the statuses (none given: all) moved: the amounts of
// deposits, the from side of trades, what payments deducted, the totals of balances.
func (t Truth) Sum(resource schema.Resource, statuses ...string) map[string]decimal.Decimal {
	sums := make(map[string]decimal.Decimal)
	add := func(record Record, currency string, amount decimal.Decimal) {
		if among(statuses, record.Status) {
			sums[currency] = sums[currency].Add(amount)
		}
	}
	switch resource {
	case schema.Deposits:
		for _, deposit := range t.Deposits {
			add(deposit.Record, deposit.Currency, deposit.Amount)
		}
	case schema.Trades:
		for _, trade := range t.Trades {
			add(trade.Record, trade.FromCurrency, trade.FromAmount)
		}
	case schema.Payments:
		for _, payment := range t.Payments {
			add(payment.Record, payment.DeductCurrency, payment.DeductAmount)
		}
	case schema.Balances:
		for _, balance := range t.Balances {
			sums[balance.Currency] = balance.Total
		}
	}
	return sums
}

// SumTradedTo is Sum for the other side of trades: what they brought in, per currency.
func (t Truth) SumTradedTo(statuses ...string) map[string]decimal.Decimal {
	sums := make(map[string]decimal.Decimal)
	for _, trade := range t.Trades {
		if among(statuses, trade.Status) {
			sums[trade.ToCurrency] = sums[trade.ToCurrency].Add(trade.ToAmount)
		}
	}
	return sums
}

func among(statuses []string, status string) bool {
	return len(statuses) == 0 || slices.Contains(statuses, status)
}
