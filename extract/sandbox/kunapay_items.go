package sandbox

import (
	"cmp"

	"github.com/shopspring/decimal"
)

// kunapaySecond is the form of createdAt, by a third party's client.
const kunapaySecond = "2006-01-02T15:04:05.000Z"

// kunapayTransaction has the fields that a third party's client knows, all of them texts. What is in address and
// paymentCode is made up. The fee is part of the amount, which is made up, too.
type kunapayTransaction struct {
	ID              string  `json:"id"`
	Address         string  `json:"address"`
	Amount          string  `json:"amount"`
	Asset           string  `json:"asset"`
	Fee             string  `json:"fee"`
	ProcessedAmount string  `json:"processedAmount"` // what arrived; 0 unless the status is Processed
	Status          string  `json:"status"`
	PaymentCode     string  `json:"paymentCode"`
	Type            string  `json:"type"` // Deposit, Withdraw or Refund
	CreatedAt       string  `json:"createdAt"`
	InvoiceID       *string `json:"invoiceId,omitempty"` // of some deposits; missing, not null, elsewhere
}

// kunapayBalance has the documented names; that balance is the available part is so at the exchange.
type kunapayBalance struct {
	Code        string `json:"code"`
	Balance     string `json:"balance"`
	LockBalance string `json:"lockBalance"`
}

func renderKunapay(f fact) []byte {
	switch f := f.(type) {
	case *Deposit:
		item := kunapayTransaction{
			ID: f.ID, Address: kunapayAddress("receiver", f.ID), Amount: written(f.Amount, f.Currency), Asset: f.Currency,
			Fee: "0", ProcessedAmount: kunapayProcessed(f.Status, f.Amount), Status: f.Status,
			PaymentCode: kunapayCode(f.Currency), Type: "Deposit", CreatedAt: f.CreatedAt.Format(kunapaySecond),
		}
		if madeUp(f.ID) < 10 {
			item.InvoiceID = filled(kunapayInvoice(f.ID))
		}
		return mustJSON(item)
	case *Payment:
		return mustJSON(kunapayTransaction{
			ID: f.ID, Address: kunapayAddress("beneficiary", f.ID), Amount: f.DeductAmount.String(), Asset: f.DeductCurrency,
			Fee: f.BankCharge.String(), ProcessedAmount: kunapayProcessed(f.Status, f.ReceivedAmount), Status: f.Status,
			PaymentCode: kunapayCode(f.DeductCurrency), Type: kunapayTypeOf(f), CreatedAt: f.CreatedAt.Format(kunapaySecond),
		})
	}
	return nil
}

// kunapayTypeOf calls about an eighth of the payments refunds.
func kunapayTypeOf(p *Payment) string {
	if madeUp(p.ID) < 2 {
		return "Refund"
	}
	return "Withdraw"
}

func kunapayProcessed(status string, amount decimal.Decimal) string {
	if status != "Processed" {
		return "0"
	}
	return amount.String()
}

// kunapayInvoice is another identifier of the same form.
func kunapayInvoice(id string) string { return id[4:8] + id[:4] + id[8:] }

func kunapayAddress(whose, id string) string { return "sandbox-" + whose + "-" + id[:8] }

func kunapayCode(code string) string { return cmp.Or(currencyFor[code].network, "BANK") }

func renderKunapayBalances(balances []Balance) []byte {
	items := make([]kunapayBalance, 0, len(balances))
	for _, b := range balances {
		items = append(items, kunapayBalance{b.Currency, b.Available.String(), b.Locked.String()})
	}
	return mustJSON(items)
}
