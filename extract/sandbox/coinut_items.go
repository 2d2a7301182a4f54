package sandbox

import (
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
)

// The objects below have the fields of the partner's detail pages, which is all that is documented; that items
// of a list look alike is our assumption. None of deposit and trade says its status: that is told only by the
// status filter. The status inside of an address or an account is that of the address or account.

// coinutSecond is the form of a trade's and of a payment's createTime, documented by example, zone unknown. A
// deposit's timestamp has no documented form: it is written like the documented 2024-01-01T00:00:00Z.
const coinutSecond = "2006-01-02 15:04:05"

type coinutDeposit struct {
	ID                     string                `json:"id"`
	Currency               string                `json:"currency"`
	Amount                 string                `json:"amount"`
	TxID                   *string               `json:"txid"`
	VoutIndexTxKey         *string               `json:"voutIndexTxKey"`
	Timestamp              string                `json:"timestamp"`
	CustomerID             *string               `json:"customerId"`
	TxFrom                 *string               `json:"txFrom"`
	TxReference            *string               `json:"txReference"`
	SenderBankAccount      *coinutSenderAccount  `json:"senderBankAccount"`
	SenderCryptoAddress    *coinutSenderAddress  `json:"senderCryptoAddress"`
	ReceiverDepositAddress *coinutDepositAddress `json:"receiverDepositAddress"`
	ReceiverVirtualAccount *coinutVirtualAccount `json:"receiverVirtualAccount"`
}

type coinutSenderAccount struct {
	ID         string  `json:"id"`
	CustomerID *string `json:"customerId"`
	Currency   string  `json:"currency"`
	BankName   string  `json:"bankName"`
	AccountNo  string  `json:"accountNo"`
	CreateTime string  `json:"createTime"`
	UpdateTime string  `json:"updateTime"`
	Swift      string  `json:"swift"`
}

type coinutSenderAddress struct {
	ID         string  `json:"id"`
	CustomerID *string `json:"customerId"`
	Currency   string  `json:"currency"`
	Address    string  `json:"address"`
	Label      *string `json:"label"`
	CreateTime string  `json:"createTime"`
	UpdateTime string  `json:"updateTime"`
	Network    string  `json:"network"`
}

type coinutDepositAddress struct {
	ID         string  `json:"id"`
	CustomerID *string `json:"customerId"`
	Status     string  `json:"status"`
	Address    string  `json:"address"`
	Network    string  `json:"network"`
	Currency   string  `json:"currency"`
}

type coinutVirtualAccount struct {
	ID            string  `json:"id"`
	CustomerID    *string `json:"customerId"`
	CustomerName  *string `json:"customerName"`
	Currency      string  `json:"currency"`
	AccountNumber string  `json:"accountNumber"`
	BicSwift      string  `json:"bicSwift"`
	PayID         *string `json:"payId"`
	IBAN          *string `json:"iban"`
	CreateTime    string  `json:"createTime"`
	Status        string  `json:"status"`
	BankName      string  `json:"bankName"`
	BankAddress   string  `json:"bankAddress"`
}

type coinutTrade struct {
	ID            string                 `json:"id"`
	FromAmount    string                 `json:"fromAmount"`
	FromCurrency  string                 `json:"fromCurrency"`
	ToAmount      string                 `json:"toAmount"`
	ToCurrency    string                 `json:"toCurrency"`
	CreateTime    string                 `json:"createTime"`
	Deposit       *coinutTradedDeposit   `json:"deposit"`
	LegacyDeposit *coinutTradedOfOldTime `json:"legacyDeposit"`
}

type coinutTradedDeposit struct {
	ID           string  `json:"id"`
	CustomerName *string `json:"customerName"`
}

type coinutTradedOfOldTime struct {
	ID           int64   `json:"id"`
	CustomerName *string `json:"customerName"`
}

type coinutPayment struct {
	ID               string            `json:"id"`
	Status           string            `json:"status"`
	Rate             string            `json:"rate"`
	DeductAmount     string            `json:"deductAmount"`
	DeductCurrency   string            `json:"deductCurrency"`
	ReceivedAmount   string            `json:"receivedAmount"`
	ReceivedCurrency string            `json:"receivedCurrency"`
	BankCharge       string            `json:"bankCharge"`
	Reference        string            `json:"reference"`
	CreateTime       string            `json:"createTime"`
	BankAccount      coinutBeneficiary `json:"bankAccount"`
}

type coinutBeneficiary struct {
	BankName           string `json:"bankName"`
	AccountNo          string `json:"accountNo"`
	Swift              string `json:"swift"`
	BeneficiaryName    string `json:"beneficiaryName"`
	BeneficiaryAddress string `json:"beneficiaryAddress"`
	BankCountry        string `json:"bankCountry"`
	BankAddress        string `json:"bankAddress"`
}

// coinutBalance has field names of our own making: the documents say only that there is one object per currency.
type coinutBalance struct {
	Currency  string `json:"currency"`
	Available string `json:"available"`
	Locked    string `json:"locked"`
	Total     string `json:"total"`
}

// The bank of the sandbox, which nobody can mistake for a real one.
const (
	coinutBank        = "Sandbox Bank of Nowhere"
	coinutBankAddress = "1 Example Street, Nowhere"
	coinutSwift       = "SANDXX00"
	coinutOpened      = "2024-01-01T00:00:00Z"
)

// renderCoinut returns the JSON of an item. It depends on the fact alone, so the same fact always looks alike.
func renderCoinut(f fact) []byte {
	var item any
	switch f := f.(type) {
	case *Deposit:
		item = coinutDepositOf(f)
	case *Trade:
		item = coinutTradeOf(f)
	case *Payment:
		item = coinutPaymentOf(f)
	}
	return mustJSON(item)
}

// coinutMadeUp gives a thing of a customer the same identifier and number in every deposit.
func coinutMadeUp(thing string, d *Deposit) (id, number string) {
	hash := fnv.New128a()
	_, _ = io.WriteString(hash, thing+"/"+d.CustomerID+"/"+d.Currency)
	sum := uuid.UUID(hash.Sum(nil))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	id = sum.String()
	return id, strings.ToUpper(id[24:])
}

func coinutDepositOf(d *Deposit) *coinutDeposit {
	item := &coinutDeposit{
		ID: d.ID, Currency: d.Currency, Amount: d.Amount.String(),
		Timestamp:   d.CreatedAt.Format(time.RFC3339),
		CustomerID:  filled(d.CustomerID),
		TxReference: filled(d.Reference),
	}
	if d.Network == "" {
		item.Amount = d.Amount.StringFixed(currencyFor[d.Currency].digits) // banks write 250.50
		id, number := coinutMadeUp("sender account", d)
		item.SenderBankAccount = &coinutSenderAccount{
			ID: id, CustomerID: item.CustomerID, Currency: d.Currency, BankName: coinutBank,
			AccountNo: "00" + number, CreateTime: coinutOpened, UpdateTime: coinutOpened, Swift: coinutSwift,
		}
		id, number = coinutMadeUp("virtual account", d)
		item.ReceiverVirtualAccount = &coinutVirtualAccount{
			ID: id, CustomerID: item.CustomerID, CustomerName: filled(d.CustomerName), Currency: d.Currency,
			AccountNumber: "00" + number, BicSwift: coinutSwift, IBAN: filled("XX00SANDBOX" + number),
			CreateTime: coinutOpened, Status: "ACTIVE", BankName: coinutBank, BankAddress: coinutBankAddress,
		}
		return item
	}
	id, number := coinutMadeUp("sender address", d)
	item.TxID, item.VoutIndexTxKey = filled(d.TxID), filled(d.TxID+":0")
	item.SenderCryptoAddress = &coinutSenderAddress{
		ID: id, CustomerID: item.CustomerID, Currency: d.Currency, Address: "sandbox-sender-" + number,
		CreateTime: coinutOpened, UpdateTime: coinutOpened, Network: d.Network,
	}
	item.TxFrom = &item.SenderCryptoAddress.Address
	id, number = coinutMadeUp("deposit address", d)
	item.ReceiverDepositAddress = &coinutDepositAddress{
		ID: id, CustomerID: item.CustomerID, Status: "ACTIVE", Address: "sandbox-receiver-" + number,
		Network: d.Network, Currency: d.Currency,
	}
	return item
}

func coinutTradeOf(t *Trade) *coinutTrade {
	item := &coinutTrade{
		ID:         t.ID,
		FromAmount: t.FromAmount.String(), FromCurrency: t.FromCurrency,
		ToAmount: t.ToAmount.String(), ToCurrency: t.ToCurrency,
		CreateTime: t.CreatedAt.Format(coinutSecond),
	}
	if t.LegacyDepositID != 0 {
		item.LegacyDeposit = &coinutTradedOfOldTime{t.LegacyDepositID, filled(t.CustomerName)}
	} else {
		item.Deposit = &coinutTradedDeposit{t.DepositID, filled(t.CustomerName)}
	}
	return item
}

func coinutPaymentOf(p *Payment) *coinutPayment {
	return &coinutPayment{
		ID: p.ID, Status: p.Status, Rate: p.Rate.String(),
		DeductAmount: p.DeductAmount.String(), DeductCurrency: p.DeductCurrency,
		ReceivedAmount: p.ReceivedAmount.String(), ReceivedCurrency: p.ReceivedCurrency,
		BankCharge: p.BankCharge.String(), Reference: p.Reference,
		CreateTime: p.CreatedAt.Format(coinutSecond),
		BankAccount: coinutBeneficiary{
			BankName: coinutBank, AccountNo: "00" + p.ReceivedCurrency + "00000001", Swift: coinutSwift,
			BeneficiaryName: "Sandbox Beneficiary", BeneficiaryAddress: "2 Example Street, Nowhere",
			BankCountry: "XX", BankAddress: coinutBankAddress,
		},
	}
}

func renderCoinutBalances(balances []Balance) []byte {
	items := make([]coinutBalance, 0, len(balances))
	for _, b := range balances {
		items = append(items, coinutBalance{b.Currency, b.Available.String(), b.Locked.String(), b.Total.String()})
	}
	return mustJSON(items)
}
