package schema

import (
	"fmt"
	"time"
)

// Record is what a record of every resource carries beside its own fields.
type Record struct {
	Account        string    // the account that the partner listed it for
	Provider       string    // the definition by which it was read
	ID             string    // the partner's identifier, never empty in a valid record
	Status         Status    // our reading of ProviderStatus
	ProviderStatus string    // the partner's word, untouched; empty where it gave none
	CreatedAt      time.Time // when the partner made it, UTC
	UpdatedAt      time.Time // when the partner last changed it, UTC; zero where it does not say
	ListedUnder    string    // the value of the list's filter under which it was found; empty for an unfiltered list
	FirstSeenAt    time.Time // when the answer that held this version arrived, UTC
	AskedAt        time.Time // when the request for that answer was sent, UTC
	Version        uint64    // number of the change that we observed, from 1; given when it is written
	DeletedAt      time.Time // of a tombstone: by when the record had left the partner's list, UTC; zero in every other version
	Evidence       string    // of a tombstone: the certificate that shows it
	Moved          bool      // CreatedAt is not that of the version before; found out when it is written
	Payload        []byte    // the partner's JSON, byte for byte
	PayloadHash    [32]byte  // SHA-256 of the canonical payload and of ListedUnder: the identity of the content
}

// NeverListed is the AskedAt of a record that was looked up by its identifier: that the partner has it does not show
// that it stands in the list.
var NeverListed = time.Unix(0, 0).UTC()

// Base returns the record itself, so that every type that embeds it is a Row.
func (r *Record) Base() *Record { return r }

// Row is a record with its typed columns: what a mapping fills, validation checks and a table stores.
type Row interface {
	// Base returns what all records have in common.
	Base() *Record
	// Columns binds each column that a mapping feeds to its field, in the order of the table. The pointers are
	// valid as long as the row.
	Columns() []Column
}

// Column binds one column to a field of a row. Field is *string, *Amount or *time.Time; the zero value of the
// last two means that the partner did not say.
type Column struct {
	Name     string // of the column in its table
	Field    any    // pointer into the row: *string, *Amount or *time.Time
	Required bool   // a record without it is rejected, and the column is not Nullable
}

// Deposit is money that arrived: fiat or crypto.
type Deposit struct {
	Record
	Currency   string // code as the partner writes it, in upper case
	Amount     Amount // whole units of Currency
	Fee        Amount // whole units of Currency
	Network    string // chain of a crypto deposit
	TxID       string // transaction on that chain
	CustomerID string // the partner's identifier of the paying customer
	Reference  string // the payer's or the firm's text
}

// Columns implements Row.
func (d *Deposit) Columns() []Column {
	return []Column{
		{"deposit_id", &d.ID, true},
		{"provider_status", &d.ProviderStatus, false},
		{"currency", &d.Currency, true},
		{"amount", &d.Amount, true},
		{"fee", &d.Fee, false},
		{"network", &d.Network, false},
		{"txid", &d.TxID, false},
		{"customer_id", &d.CustomerID, false},
		{"reference", &d.Reference, false},
		{"created_at", &d.CreatedAt, true},
		{"updated_at", &d.UpdatedAt, false},
	}
}

// Trade is a conversion of one currency into another.
type Trade struct {
	Record
	FromCurrency string // code of what was given, in upper case
	FromAmount   Amount // whole units of FromCurrency
	ToCurrency   string // code of what was received, in upper case
	ToAmount     Amount // whole units of ToCurrency
	Fee          Amount // whole units of FeeCurrency
	FeeCurrency  string // code of what the fee is in; empty where it is not known
	DepositID    string // the deposit that it converted, where the partner says so
}

// Columns implements Row.
func (t *Trade) Columns() []Column {
	return []Column{
		{"trade_id", &t.ID, true},
		{"provider_status", &t.ProviderStatus, false},
		{"from_currency", &t.FromCurrency, true},
		{"from_amount", &t.FromAmount, true},
		{"to_currency", &t.ToCurrency, true},
		{"to_amount", &t.ToAmount, true},
		{"fee", &t.Fee, false},
		{"fee_currency", &t.FeeCurrency, false},
		{"deposit_id", &t.DepositID, false},
		{"created_at", &t.CreatedAt, true},
		{"updated_at", &t.UpdatedAt, false},
	}
}

// Payment is money that left: a payment, a payout or a withdrawal.
type Payment struct {
	Record
	Currency         string // code of what was deducted, in upper case
	Amount           Amount // deducted from the account, whole units of Currency
	ReceivedCurrency string // code of what was credited; empty where it is not known
	ReceivedAmount   Amount // credited to the beneficiary, whole units of ReceivedCurrency
	Rate             Amount // ReceivedCurrency for one unit of Currency
	Fee              Amount // whole units of FeeCurrency
	FeeCurrency      string // code of what the fee is in; empty where it is not known
	Reference        string // the firm's own text
}

// Columns implements Row.
func (p *Payment) Columns() []Column {
	return []Column{
		{"payment_id", &p.ID, true},
		{"provider_status", &p.ProviderStatus, false},
		{"currency", &p.Currency, true},
		{"amount", &p.Amount, true},
		{"received_currency", &p.ReceivedCurrency, false},
		{"received_amount", &p.ReceivedAmount, false},
		{"rate", &p.Rate, false},
		{"fee", &p.Fee, false},
		{"fee_currency", &p.FeeCurrency, false},
		{"reference", &p.Reference, false},
		{"created_at", &p.CreatedAt, true},
		{"updated_at", &p.UpdatedAt, false},
	}
}

// Balance is what an account held of one currency when it was observed. Its ID is the currency; FirstSeenAt is
// the instant of the observation.
type Balance struct {
	Record
	Available Amount // free to use
	Locked    Amount // reserved by the partner
	Total     Amount // as the partner states it, never added up by us
}

// Columns implements Row.
func (b *Balance) Columns() []Column {
	return []Column{
		{"currency", &b.ID, true},
		{"available", &b.Available, false},
		{"locked", &b.Locked, false},
		{"total", &b.Total, false},
	}
}

// NewRow returns an empty row of the resource.
func NewRow(resource Resource) Row {
	switch resource {
	case Deposits:
		return &Deposit{}
	case Trades:
		return &Trade{}
	case Payments:
		return &Payment{}
	case Balances:
		return &Balance{}
	}
	panic(fmt.Sprintf("schema: no row for resource %q", resource))
}

// Copy returns a row with the same content. The payload is shared: nobody changes its bytes.
func Copy(row Row) Row {
	switch r := row.(type) {
	case *Deposit:
		other := *r
		return &other
	case *Trade:
		other := *r
		return &other
	case *Payment:
		other := *r
		return &other
	case *Balance:
		other := *r
		return &other
	}
	panic(fmt.Sprintf("schema: no copy of a %T", row))
}

// ReasonDoubled is why none of several records can be believed that one answer holds under one identifier.
const ReasonDoubled = "stands more than once in one answer, with different content"

// Rejected is a record that cannot be stored as what it should be: kept whole, with the reason.
type Rejected struct {
	RecordID    string    // the partner's identifier, empty where none could be read
	ListedUnder string    // as in Record
	Reason      string    // which column, what was wrong with it, never more than a line
	Payload     []byte    // the partner's JSON, byte for byte
	PayloadHash [32]byte  // as in Record
	SeenAt      time.Time // when the answer that held it arrived, UTC
	AskedAt     time.Time // when the request for that answer was sent, UTC; NeverListed for a record that was looked up
	Permanent   bool      // the reason lies in what the partner answered: no other definition can read it
}
