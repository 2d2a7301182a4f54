package sandbox_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tieout/extract/sandbox"
)

// fieldsOf reads an item into texts, each number as its digits after a # and each amount in its shortest form.
func fieldsOf(t *testing.T, raw json.RawMessage) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	flat := map[string]any{}
	for name, value := range fields {
		if inner, ok := value.(map[string]any); ok {
			for key, value := range inner {
				flat[name+"."+key] = shortest(value)
			}
			continue
		}
		flat[name] = shortest(value)
	}
	return flat
}

func shortest(value any) any {
	mark, text := "", ""
	switch value := value.(type) {
	case json.Number:
		mark, text = "#", value.String()
	case string:
		text = value
	default:
		return value
	}
	if strings.Contains(text, ".") {
		if amount, err := decimal.NewFromString(text); err == nil {
			text = amount.String()
		}
	}
	return mark + text
}

// shape is what an item of a partner must be, made from the truth.
type shape struct {
	deposit func(sandbox.Deposit) map[string]any
	payment func(sandbox.Payment) map[string]any
}

var shapes = map[string]shape{
	"cryptoix": {
		deposit: func(d sandbox.Deposit) map[string]any {
			return map[string]any{
				"uuid": d.ID, "status": d.Status, "amount_fiat": "#" + d.Amount.String(), "currency": d.Currency,
				"timestamp": "#" + decimal.NewFromInt(d.CreatedAt.Unix()).String(), "txid": orNil(d.TxID), "network": orNil(d.Network),
				"customer_id": orNil(d.CustomerID), "reference": orNil(d.Reference),
			}
		},
		payment: func(p sandbox.Payment) map[string]any {
			return map[string]any{
				"uuid": p.ID, "status": p.Status, "amount": "#" + p.DeductAmount.String(), "currency": p.DeductCurrency,
				"fee": "#" + p.BankCharge.String(), "created_at": p.CreatedAt.Format("2006-01-02T15:04:05Z"), "reference": p.Reference,
			}
		},
	},
	"kunapay": {
		deposit: func(d sandbox.Deposit) map[string]any {
			return map[string]any{
				"id": d.ID, "amount": d.Amount.String(), "asset": d.Currency, "fee": "0", "status": d.Status, "type": "Deposit",
				"processedAmount": ifProcessed(d.Status, d.Amount), "createdAt": d.CreatedAt.Format("2006-01-02T15:04:05.000Z"),
			}
		},
		payment: func(p sandbox.Payment) map[string]any {
			kind := "Withdraw"
			if p.ID[0] == '0' || p.ID[0] == '1' {
				kind = "Refund"
			}
			return map[string]any{
				"id": p.ID, "amount": p.DeductAmount.String(), "asset": p.DeductCurrency, "fee": p.BankCharge.String(),
				"processedAmount": ifProcessed(p.Status, p.DeductAmount.Sub(p.BankCharge)), "status": p.Status, "type": kind,
				"createdAt": p.CreatedAt.Format("2006-01-02T15:04:05.000Z"),
			}
		},
	},
	"aeterna": {
		deposit: func(d sandbox.Deposit) map[string]any {
			return map[string]any{
				"id": d.ID, "state": d.Status, "amount.value": d.Amount.String(), "amount.currency": d.Currency,
				"createdAt": "#" + decimal.NewFromInt(d.CreatedAt.Unix()*1000).String(), "customerId": orNil(d.CustomerID),
				"network": orNil(d.Network), "hash": orNil(d.TxID), "comment": orNil(d.Reference),
			}
		},
		payment: func(p sandbox.Payment) map[string]any {
			return map[string]any{
				"id": p.ID, "state": p.Status, "amount.value": p.DeductAmount.String(), "amount.currency": p.DeductCurrency,
				"commission.value": p.BankCharge.String(), "commission.currency": p.DeductCurrency,
				"createdAt": "#" + decimal.NewFromInt(p.CreatedAt.Unix()*1000).String(), "comment": p.Reference,
			}
		},
	},
	"fifth": {
		deposit: func(d sandbox.Deposit) map[string]any {
			return map[string]any{
				"id": d.ID, "direction": "in", "status": d.Status, "currency": d.Currency, "amount": d.Amount.String(), "fee": "0",
				"created_at": d.CreatedAt.Add(2*time.Hour).Format("2006-01-02T15:04:05") + "+02:00", "customer": orNil(d.CustomerID),
				"network": orNil(d.Network), "txid": orNil(d.TxID), "memo": orNil(d.Reference),
			}
		},
		payment: func(p sandbox.Payment) map[string]any {
			return map[string]any{
				"id": p.ID, "direction": "out", "status": p.Status, "currency": p.DeductCurrency, "amount": p.DeductAmount.String(),
				"fee": p.BankCharge.String(), "created_at": p.CreatedAt.Add(2*time.Hour).Format("2006-01-02T15:04:05") + "+02:00",
				"customer": nil, "network": nil, "txid": nil, "memo": p.Reference,
			}
		},
	},
}

func ifProcessed(status string, amount decimal.Decimal) string {
	if status == "Processed" {
		return amount.String()
	}
	return "0"
}

// TestItemsOfEveryPartner compares every item with the truth, field by field: amounts with every digit, numbers
// where the partner writes numbers, and no field more than there should be.
func TestItemsOfEveryPartner(t *testing.T) {
	eachPartner(t, func(t *testing.T, partner string, _ expectation) {
		truth := open(t, sandbox.Options{Partner: partner, Seed: 3, Records: 400}).Truth()
		digits, invoices := map[int]bool{}, 0
		compare := func(raw json.RawMessage, want map[string]any) {
			t.Helper()
			got := fieldsOf(t, raw)
			if partner == "kunapay" { // the rest of its fields is made up
				if _, there := got["invoiceId"]; there {
					invoices++
				}
				for _, field := range []string{"address", "paymentCode", "invoiceId"} {
					if text, isText := got[field].(string); field != "invoiceId" && (!isText || text == "") {
						t.Errorf("%s is %v", field, got[field])
					}
					delete(got, field)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-truth +served):\n%s", diff)
			}
		}
		for _, d := range truth.Deposits {
			compare(d.Raw, shapes[partner].deposit(d))
			digits[int(-d.Amount.Exponent())] = true
		}
		for _, p := range truth.Payments {
			compare(p.Raw, shapes[partner].payment(p))
			if exact := p.DeductAmount.Sub(p.BankCharge); !p.ReceivedAmount.Equal(exact) || !exact.IsPositive() || p.DepositID == "" || p.TradeID != "" {
				t.Errorf("payment %+v", p)
			}
		}
		if !digits[2] || !digits[8] || !digits[18] {
			t.Errorf("amounts have too few lengths: %v", digits)
		}
		if partner == "kunapay" && (invoices < 150 || invoices > 350) {
			t.Errorf("%d of %d deposits have an invoice", invoices, len(truth.Deposits))
		}
	})
}

// TestPaymentsFitTheirDeposits: no payment takes more than its deposit brought in, nor before it did, and no
// deposit is paid out twice.
func TestPaymentsFitTheirDeposits(t *testing.T) {
	eachPartner(t, func(t *testing.T, partner string, want expectation) {
		s := open(t, sandbox.Options{Partner: partner, Records: 600})
		s.Add(5)
		truth := s.Truth()
		deposits := map[string]sandbox.Deposit{}
		for _, d := range truth.Deposits {
			deposits[d.ID] = d
		}
		for _, p := range truth.Payments {
			d := deposits[p.DepositID]
			if d.Status != want.done || d.Currency != p.DeductCurrency || p.ReceivedCurrency != d.Currency || d.Amount.LessThan(p.DeductAmount) || !d.CreatedAt.Before(p.CreatedAt) {
				t.Errorf("payment %+v does not fit deposit %+v", p, d)
			}
			delete(deposits, p.DepositID)
		}
	})
}
