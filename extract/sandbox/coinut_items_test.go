package sandbox_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// TestItems compares what is served with the truth, field by field, and checks that every documented field is
// there and no other.
func TestItems(t *testing.T) {
	s := open(t, sandbox.Options{Seed: 3, Records: 500})
	c := callerOf(s)
	truth := s.Truth()
	digits := map[int]int{}
	for _, d := range truth.Deposits {
		item := decode[map[string]any](t, d.Raw)
		want := map[string]any{
			"id": d.ID, "currency": d.Currency, "timestamp": d.CreatedAt.Format("2006-01-02T15:04:05Z"),
			"txid": orNil(d.TxID), "customerId": orNil(d.CustomerID), "txReference": orNil(d.Reference),
		}
		compareItem(t, item, want, map[string]decimal.Decimal{"amount": d.Amount}, digits)
		if (item["senderBankAccount"] == nil) != (d.Network != "") || (item["receiverDepositAddress"] == nil) != (d.Network == "") {
			t.Errorf("fiat and crypto are mixed up: %s", d.Raw)
		}
	}
	for _, d := range truth.Trades {
		want := map[string]any{
			"id": d.ID, "createTime": d.CreatedAt.Format("2006-01-02 15:04:05"), "fromCurrency": d.FromCurrency,
			"toCurrency": d.ToCurrency, "deposit": nil, "legacyDeposit": nil,
		}
		if d.LegacyDepositID != 0 {
			want["legacyDeposit"] = map[string]any{"id": float64(d.LegacyDepositID), "customerName": orNil(d.CustomerName)}
		} else {
			want["deposit"] = map[string]any{"id": d.DepositID, "customerName": orNil(d.CustomerName)}
		}
		amounts := map[string]decimal.Decimal{"fromAmount": d.FromAmount, "toAmount": d.ToAmount}
		compareItem(t, decode[map[string]any](t, d.Raw), want, amounts, digits)
	}
	for _, d := range truth.Payments {
		want := map[string]any{
			"id": d.ID, "status": d.Status, "createTime": d.CreatedAt.Format("2006-01-02 15:04:05"),
			"deductCurrency": d.DeductCurrency, "receivedCurrency": d.ReceivedCurrency, "reference": d.Reference,
		}
		amounts := map[string]decimal.Decimal{
			"rate": d.Rate, "deductAmount": d.DeductAmount, "receivedAmount": d.ReceivedAmount, "bankCharge": d.BankCharge,
		}
		compareItem(t, decode[map[string]any](t, d.Raw), want, amounts, digits)
	}
	if digits[1] == 0 || digits[2] == 0 || digits[18] == 0 || len(digits) < 8 {
		t.Errorf("amounts have too few lengths: %v (digits behind the point -> amounts)", digits)
	}
	for resource, fields := range coinutFields {
		for _, record := range truth.Records(resource) {
			if missing := cmp.Diff(fields, shapeOf(t, record.Raw, fields)); missing != "" {
				t.Fatalf("%s: fields (-documented +served):\n%s", resource, missing)
			}
		}
		record := truth.Records(resource)[0]
		if a := c.get(t, "/"+strings.TrimSuffix(string(resource), "s")+"/detail?id="+record.ID); !bytes.Equal(a.Data, record.Raw) {
			t.Errorf("detail of %s: %s, want %s", resource, a.Data, record.Raw)
		}
	}
}

func orNil(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func compareItem(t *testing.T, item, want map[string]any, amounts map[string]decimal.Decimal, digits map[int]int) {
	t.Helper()
	for field, value := range want {
		if diff := cmp.Diff(value, item[field]); diff != "" {
			t.Errorf("%s (-truth +served):\n%s", field, diff)
		}
	}
	for field, amount := range amounts {
		text, isText := item[field].(string)
		served, err := decimal.NewFromString(text)
		if !isText || err != nil || !served.Equal(amount) {
			t.Errorf("%s is %v, want the text of %s", field, item[field], amount)
		}
		_, fraction, _ := strings.Cut(text, ".")
		digits[len(fraction)]++
		if len(fraction) > 18 {
			t.Errorf("%s has more than 18 digits behind the point", text)
		}
	}
}

// shapeOf lists the fields of an item. An object that is null counts as having all documented fields.
func shapeOf(t *testing.T, raw json.RawMessage, documented []string) []string {
	t.Helper()
	var fields []string
	for name, value := range decode[map[string]any](t, raw) {
		fields = append(fields, name)
		switch value := value.(type) {
		case map[string]any:
			for inner := range value {
				fields = append(fields, name+"."+inner)
			}
		case nil:
			for _, field := range documented {
				if strings.HasPrefix(field, name+".") {
					fields = append(fields, field)
				}
			}
		}
	}
	slices.Sort(fields)
	return fields
}

// coinutFields are the fields of the partner's detail pages; those of an object inside follow after a point.
var coinutFields = map[schema.Resource][]string{
	schema.Deposits: strings.Fields(`amount currency customerId id
		receiverDepositAddress receiverDepositAddress.address receiverDepositAddress.currency
		receiverDepositAddress.customerId receiverDepositAddress.id receiverDepositAddress.network
		receiverDepositAddress.status
		receiverVirtualAccount receiverVirtualAccount.accountNumber receiverVirtualAccount.bankAddress
		receiverVirtualAccount.bankName receiverVirtualAccount.bicSwift receiverVirtualAccount.createTime
		receiverVirtualAccount.currency receiverVirtualAccount.customerId receiverVirtualAccount.customerName
		receiverVirtualAccount.iban receiverVirtualAccount.id receiverVirtualAccount.payId
		receiverVirtualAccount.status
		senderBankAccount senderBankAccount.accountNo senderBankAccount.bankName senderBankAccount.createTime
		senderBankAccount.currency senderBankAccount.customerId senderBankAccount.id senderBankAccount.swift
		senderBankAccount.updateTime
		senderCryptoAddress senderCryptoAddress.address senderCryptoAddress.createTime senderCryptoAddress.currency
		senderCryptoAddress.customerId senderCryptoAddress.id senderCryptoAddress.label senderCryptoAddress.network
		senderCryptoAddress.updateTime
		timestamp txFrom txReference txid voutIndexTxKey`),
	schema.Trades: strings.Fields(`createTime deposit deposit.customerName deposit.id fromAmount fromCurrency id
		legacyDeposit legacyDeposit.customerName legacyDeposit.id toAmount toCurrency`),
	schema.Payments: strings.Fields(`bankAccount bankAccount.accountNo bankAccount.bankAddress bankAccount.bankCountry
		bankAccount.bankName bankAccount.beneficiaryAddress bankAccount.beneficiaryName bankAccount.swift
		bankCharge createTime deductAmount deductCurrency id rate receivedAmount receivedCurrency reference status`),
}
