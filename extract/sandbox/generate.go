package sandbox

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// How the generated business runs. Nearly every deposit is traded and paid out, as a ramp's are; the few that are
// not give reconciliation something to find.
const (
	tradedPercent       = 98 // of the completed deposits
	tradedPartPercent   = 5  // of the trades convert only three quarters of the deposit
	paidPercent         = 97 // of the completed trades
	paidPartPercent     = 10 // of the payments take only half of what was traded
	unattributedPercent = 2  // of the deposits have no customer
	legacyPercent       = 5  // of the trades name their deposit by the number of the old generation
	namelessPercent     = 10 // of the trades have no customer's name
	sameFiatPercent     = 80 // of the payments from fiat are made in the same currency

	tradeDelayMin, tradeDelayMax = time.Minute, 4 * time.Hour
	paidDelayMin, paidDelayMax   = 10 * time.Minute, 3 * 24 * time.Hour
	usdCentsMin, usdCentsMax     = 5_000, 5_000_000 // worth of a deposit
	chargeCentsMax               = 1_500            // less than any payment brings in
)

// Digits behind the point. A payment's deducted amount and its rate together stay within the 18 digits that an
// exact product may have.
const (
	amountDigitsMax  = 18
	deductDigitsMax  = 12
	rateDigitsMax    = 6
	customersMin     = 5
	customersMax     = 5_000
	recordsACustomer = 50
)

// currency is one that the partner handles. Its worth is made up and stays the same all year.
type currency struct {
	code    string
	network string          // empty: fiat
	digits  int32           // behind the point, where nothing else is said
	usd     decimal.Decimal // for one unit
	perUSD  decimal.Decimal // units for one dollar
}

var currencies = []currency{
	newCurrency("EUR", "", 2, "1.0837"),
	newCurrency("GBP", "", 2, "1.2689"),
	newCurrency("USD", "", 2, "1"),
	newCurrency("BTC", "BITCOIN", 8, "61234.57"),
	newCurrency("ETH", "ETHEREUM", 18, "3127.43"),
	newCurrency("USDC", "ETHEREUM", 6, "0.9997"),
	newCurrency("USDT", "TRON", 6, "1.0003"),
}

func newCurrency(code, network string, digits int32, usd string) currency {
	worth := decimal.RequireFromString(usd)
	perUSD := decimal.NewFromInt(1).DivRound(worth, amountDigitsMax)
	return currency{code: code, network: network, digits: digits, usd: worth, perUSD: perUSD}
}

// currenciesWhere splits the list above: those of banks, or those of chains.
func currenciesWhere(fiat bool) []currency {
	var chosen []currency
	for _, c := range currencies {
		if (c.network == "") == fiat {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

var (
	fiats       = currenciesWhere(true)
	cryptos     = currenciesWhere(false)
	currencyFor = func() map[string]currency {
		byCode := make(map[string]currency)
		for _, c := range currencies {
			byCode[c.code] = c
		}
		return byCode
	}()
)

// generator makes records out of a seed. It has no lock: world does.
type generator struct {
	random    *rand.Rand
	words     lexicon
	customers []customer
	number    int64 // of the last deposit
}

type customer struct{ id, name string }

func newGenerator(seed uint64, words lexicon) *generator {
	g := &generator{random: rand.New(rand.NewPCG(seed, 0x7469656f7574)), words: words}
	g.openFor(0)
	return g
}

// openFor takes on as many customers as the number of deposits deserves.
func (g *generator) openFor(deposits int) {
	for len(g.customers) < max(customersMin, min(deposits/recordsACustomer, customersMax)) {
		name := fmt.Sprintf("Sandbox Customer %04d", len(g.customers)+1)
		g.customers = append(g.customers, customer{id: g.uuid(), name: name})
	}
}

// aftermath makes the trade and the payment that follow a deposit, as far as they happen before until.
func (g *generator) aftermath(deposit *Deposit, until time.Time) []fact {
	if deposit.Status != g.words.deposits[0].text || !g.chance(tradedPercent) {
		return nil
	}
	if !g.words.hasTrades() {
		paid := deposit.CreatedAt.Add(paidDelayMin + g.within(paidDelayMax-paidDelayMin))
		if !paid.Before(until) {
			return nil
		}
		return []fact{g.payout(deposit, paid, g.word(g.words.payments).text)}
	}
	traded := deposit.CreatedAt.Add(tradeDelayMin + g.within(tradeDelayMax-tradeDelayMin))
	if !traded.Before(until) {
		return nil
	}
	trade := g.trade(deposit, traded, g.word(g.words.trades).text)
	if trade.Status != g.words.trades[0].text || !g.chance(paidPercent) {
		return []fact{trade}
	}
	paid := trade.CreatedAt.Add(paidDelayMin + g.within(paidDelayMax-paidDelayMin))
	if !paid.Before(until) {
		return []fact{trade}
	}
	return []fact{trade, g.payment(trade, paid, g.word(g.words.payments).text)}
}

func (g *generator) deposit(at time.Time, status string) *Deposit {
	g.number++
	c := currencies[g.random.IntN(len(currencies))]
	worth := decimal.New(usdCentsMin+g.random.Int64N(usdCentsMax-usdCentsMin), -2)
	d := &Deposit{
		Record:   g.record(at, status),
		Currency: c.code,
		Amount:   worth.Mul(c.perUSD).Truncate(c.digits),
		Network:  c.network,
	}
	if c.network == "" {
		d.Reference = fmt.Sprintf("INV-%07d", g.number)
	} else {
		d.TxID = g.hex(32)
	}
	if !g.chance(unattributedPercent) {
		payer := g.customers[g.random.IntN(len(g.customers))]
		d.CustomerID, d.CustomerName = payer.id, payer.name
	}
	return d
}

// trade converts fiat into crypto and crypto into fiat, never more than came in.
func (g *generator) trade(d *Deposit, at time.Time, status string) *Trade {
	from, targets := currencyFor[d.Currency], cryptos
	if from.network != "" {
		targets = fiats
	}
	to := targets[g.random.IntN(len(targets))]
	amount := d.Amount
	if g.chance(tradedPartPercent) {
		amount = amount.Mul(decimal.New(75, -2)).Truncate(amountDigitsMax)
	}
	t := &Trade{
		Record:       g.record(at, status),
		FromCurrency: from.code,
		FromAmount:   amount,
		ToCurrency:   to.code,
		ToAmount:     g.rounded(amount.Mul(from.usd).Mul(to.perUSD).Mul(g.wobble()), to),
		DepositID:    d.ID,
	}
	if g.chance(legacyPercent) {
		t.LegacyDepositID = 100_000 + g.number
	}
	if !g.chance(namelessPercent) {
		t.CustomerName = d.CustomerName
	}
	return t
}

// wobble is a factor between 0.98 and 1.02 with all 18 digits behind the point.
func (g *generator) wobble() decimal.Decimal {
	return decimal.New(980_000_000_000_000_000+g.random.Int64N(40_000_000_000_000_000), -18)
}

// rounded cuts an amount to the currency's digits, sometimes to a single one and sometimes to all 18: partners
// write both, and both must survive.
func (g *generator) rounded(amount decimal.Decimal, c currency) decimal.Decimal {
	digits := c.digits
	switch g.random.IntN(10) {
	case 0:
		digits = 1
	case 1, 2:
		digits = amountDigitsMax
	}
	if cut := amount.Truncate(digits); cut.IsPositive() {
		return cut
	}
	return amount.Truncate(c.digits)
}

// payment pays fiat out of what a trade brought in, never more than that. The charge is in the currency that is
// received, and receivedAmount = deductAmount * rate - bankCharge without rounding.
func (g *generator) payment(t *Trade, at time.Time, status string) *Payment {
	from := currencyFor[t.ToCurrency]
	to := fiats[g.random.IntN(len(fiats))]
	if from.network == "" && g.chance(sameFiatPercent) {
		to = from
	}
	rate := one
	if to.code != from.code {
		rate = from.usd.Mul(to.perUSD).Truncate(rateDigitsMax)
	}
	deducted := t.ToAmount
	if g.chance(paidPartPercent) {
		deducted = deducted.Mul(decimal.New(5, -1))
	}
	deducted = deducted.Truncate(deductDigitsMax)
	charge := decimal.New(g.random.Int64N(chargeCentsMax), -2)
	return &Payment{
		Record:           g.record(at, status),
		TradeID:          t.ID,
		DeductCurrency:   from.code,
		DeductAmount:     deducted,
		ReceivedCurrency: to.code,
		ReceivedAmount:   deducted.Mul(rate).Sub(charge),
		Rate:             rate,
		BankCharge:       charge,
		Reference:        fmt.Sprintf("PAYOUT-%07d", g.number),
	}
}

// payout pays out what a deposit brought in, or a part of it, in the same currency: the business of a partner
// without trades. The charge is part of what is deducted.
func (g *generator) payout(d *Deposit, at time.Time, status string) *Payment {
	c := currencyFor[d.Currency]
	deducted := d.Amount
	if g.chance(paidPartPercent) {
		deducted = deducted.Mul(decimal.New(5, -1)).Truncate(c.digits)
	}
	charge := decimal.New(g.random.Int64N(chargeCentsMax), -2).Mul(c.perUSD).Truncate(c.digits)
	return &Payment{
		Record:           g.record(at, status),
		DepositID:        d.ID,
		DeductCurrency:   c.code,
		DeductAmount:     deducted,
		ReceivedCurrency: c.code,
		ReceivedAmount:   deducted.Sub(charge),
		Rate:             one,
		BankCharge:       charge,
		Reference:        fmt.Sprintf("PAYOUT-%07d", g.number),
	}
}

func (g *generator) record(at time.Time, status string) Record {
	return Record{ID: g.uuid(), Status: status, CreatedAt: at.UTC().Truncate(time.Second)}
}

func (g *generator) chance(percent int) bool { return g.random.IntN(100) < percent }

// within returns a time from nothing to less than the limit.
func (g *generator) within(limit time.Duration) time.Duration {
	return time.Duration(g.random.Int64N(max(1, int64(limit))))
}

func (g *generator) word(words []word) word {
	left := g.random.IntN(100)
	for _, w := range words {
		if left < w.percent {
			return w
		}
		left -= w.percent
	}
	return words[0]
}

// uuid returns a version 4 UUID out of the seed.
func (g *generator) uuid() string {
	var id uuid.UUID
	binary.LittleEndian.PutUint64(id[:8], g.random.Uint64())
	binary.LittleEndian.PutUint64(id[8:], g.random.Uint64())
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

func (g *generator) hex(bytes int) string {
	text := make([]byte, 0, bytes)
	for len(text) < bytes {
		text = binary.LittleEndian.AppendUint64(text, g.random.Uint64())
	}
	return hex.EncodeToString(text[:bytes])
}
