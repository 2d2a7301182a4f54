package sandbox

import "time"

// fifthZone is where Examplepay's clocks are: its times carry an offset that is not zero.
var fifthZone = time.FixedZone("", 2*60*60)

// fifthTransfer is a deposit (in) or a payment (out). The fee is part of the amount.
type fifthTransfer struct {
	ID        string  `json:"id"`
	Direction string  `json:"direction"` // in or out
	Status    string  `json:"status"`
	Currency  string  `json:"currency"`
	Amount    string  `json:"amount"`
	Fee       string  `json:"fee"`
	CreatedAt string  `json:"created_at"` // RFC 3339 with an offset
	Customer  *string `json:"customer"`
	Network   *string `json:"network"`
	TxID      *string `json:"txid"`
	Memo      *string `json:"memo"`
}

type fifthWallet struct {
	Currency  string `json:"currency"`
	Available string `json:"available"`
	Total     string `json:"total"`
}

func renderFifth(f fact) []byte {
	item := fifthTransfer{
		ID: f.base().ID, Status: f.base().Status, CreatedAt: f.base().CreatedAt.In(fifthZone).Format(time.RFC3339),
	}
	switch f := f.(type) {
	case *Deposit:
		item.Direction, item.Currency, item.Amount, item.Fee = "in", f.Currency, written(f.Amount, f.Currency), "0"
		item.Customer, item.Network, item.TxID, item.Memo = filled(f.CustomerID), filled(f.Network), filled(f.TxID), filled(f.Reference)
	case *Payment:
		item.Direction, item.Currency, item.Amount, item.Fee = "out", f.DeductCurrency, f.DeductAmount.String(), f.BankCharge.String()
		item.Memo = filled(f.Reference)
	}
	return mustJSON(item)
}

func renderFifthWallets(balances []Balance) []byte {
	wallets := make([]fifthWallet, 0, len(balances))
	for _, b := range balances {
		wallets = append(wallets, fifthWallet{b.Currency, b.Available.String(), b.Total.String()})
	}
	return mustJSON(map[string]any{"wallets": wallets})
}
