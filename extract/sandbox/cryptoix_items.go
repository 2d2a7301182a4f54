package sandbox

import (
	"encoding/json"
	"time"

	"github.com/shopspring/decimal"
)

// No list item of Cryptoix has ever been shown. That the identifier is called uuid follows from the paths, and
// uuid, status, amount_fiat and timestamp are the fields of the one sample that there is, of a webhook. All else
// below is made up, so that a definition for it proves nothing about the partner.

// cryptoixTransaction is a deposit. Its amount_fiat is the webhook's name; here it is in any currency.
type cryptoixTransaction struct {
	UUID       string      `json:"uuid"`
	Status     string      `json:"status"`
	AmountFiat json.Number `json:"amount_fiat"` // a JSON number, as in the sample of the webhook
	Currency   string      `json:"currency"`
	Timestamp  int64       `json:"timestamp"` // Unix seconds, as in the sample of the webhook
	TxID       *string     `json:"txid"`
	Network    *string     `json:"network"`
	CustomerID *string     `json:"customer_id"`
	Reference  *string     `json:"reference"`
}

// cryptoixPayment is a withdrawal, a payout or a refund. The fee is part of the amount.
type cryptoixPayment struct {
	UUID      string      `json:"uuid"`
	Status    string      `json:"status"`
	Amount    json.Number `json:"amount"`
	Currency  string      `json:"currency"`
	Fee       json.Number `json:"fee"`
	CreatedAt string      `json:"created_at"`
	Reference string      `json:"reference"`
}

type cryptoixBalance struct {
	Currency  string      `json:"currency"`
	Available json.Number `json:"available"`
	Locked    json.Number `json:"locked"`
	Total     json.Number `json:"total"`
}

// exact is an amount as a JSON number with every digit: who reads it as a float loses some.
func exact(amount decimal.Decimal) json.Number { return json.Number(amount.String()) }

// written is an amount as a bank or a chain writes it, 250.50.
func written(amount decimal.Decimal, currency string) string {
	digits := currencyFor[currency].digits
	if -amount.Exponent() > digits {
		return amount.String()
	}
	return amount.StringFixed(digits)
}

func renderCryptoix(f fact) []byte {
	switch f := f.(type) {
	case *Deposit:
		return mustJSON(cryptoixTransaction{
			UUID: f.ID, Status: f.Status, AmountFiat: json.Number(written(f.Amount, f.Currency)), Currency: f.Currency,
			Timestamp: f.CreatedAt.Unix(), TxID: filled(f.TxID), Network: filled(f.Network),
			CustomerID: filled(f.CustomerID), Reference: filled(f.Reference),
		})
	case *Payment:
		return mustJSON(cryptoixPayment{
			UUID: f.ID, Status: f.Status, Amount: exact(f.DeductAmount), Currency: f.DeductCurrency,
			Fee: exact(f.BankCharge), CreatedAt: f.CreatedAt.Format(time.RFC3339), Reference: f.Reference,
		})
	}
	return nil
}

func renderCryptoixBalances(balances []Balance) []byte {
	items := make([]cryptoixBalance, 0, len(balances))
	for _, b := range balances {
		items = append(items, cryptoixBalance{b.Currency, exact(b.Available), exact(b.Locked), exact(b.Total)})
	}
	return mustJSON(items)
}
