package sandbox

// All of this is made up, and unlike the other partners on purpose: amounts inside an object, times in Unix
// milliseconds, balances as a map by currency.

type aeternaMoney struct {
	Value    string `json:"value"`
	Currency string `json:"currency"`
}

type aeternaPayIn struct {
	ID         string       `json:"id"`
	State      string       `json:"state"`
	Amount     aeternaMoney `json:"amount"`
	CreatedAt  int64        `json:"createdAt"` // Unix milliseconds
	CustomerID *string      `json:"customerId"`
	Network    *string      `json:"network"`
	Hash       *string      `json:"hash"`
	Comment    *string      `json:"comment"`
}

// aeternaPayOut is a payment; the commission is part of its amount.
type aeternaPayOut struct {
	ID         string       `json:"id"`
	State      string       `json:"state"`
	Amount     aeternaMoney `json:"amount"`
	Commission aeternaMoney `json:"commission"`
	CreatedAt  int64        `json:"createdAt"` // Unix milliseconds
	Comment    string       `json:"comment"`
}

type aeternaBalance struct {
	Available string `json:"available"`
	Hold      string `json:"hold"`
}

func renderAeterna(f fact) []byte {
	switch f := f.(type) {
	case *Deposit:
		return mustJSON(aeternaPayIn{
			ID: f.ID, State: f.Status, Amount: aeternaMoney{written(f.Amount, f.Currency), f.Currency},
			CreatedAt: f.CreatedAt.UnixMilli(), CustomerID: filled(f.CustomerID), Network: filled(f.Network),
			Hash: filled(f.TxID), Comment: filled(f.Reference),
		})
	case *Payment:
		return mustJSON(aeternaPayOut{
			ID: f.ID, State: f.Status, Amount: aeternaMoney{f.DeductAmount.String(), f.DeductCurrency},
			Commission: aeternaMoney{f.BankCharge.String(), f.ReceivedCurrency},
			CreatedAt:  f.CreatedAt.UnixMilli(), Comment: f.Reference,
		})
	}
	return nil
}

func renderAeternaBalances(balances []Balance) []byte {
	byCurrency := make(map[string]aeternaBalance, len(balances))
	for _, b := range balances {
		byCurrency[b.Currency] = aeternaBalance{b.Available.String(), b.Locked.String()}
	}
	return mustJSON(byCurrency)
}
