// Package schema holds the words that every room shares: what a deposit, a trade, a payment, a balance and an
// amount are, when a record is fit to be stored, how an error is classified, and the tables that hold it all.
//
// Its one rule: it imports nothing of ours, so that everything of ours may import it.
package schema

import (
	"fmt"
	"slices"
)

// Resource names one kind of record that partners list.
type Resource string

// The resources of the product. A partner need not offer all of them.
const (
	Deposits Resource = "deposits"
	Trades   Resource = "trades"
	Payments Resource = "payments"
	Balances Resource = "balances"
)

// Resources returns every resource in the order in which people read them.
func Resources() []Resource { return []Resource{Deposits, Trades, Payments, Balances} }

// ParseResource returns the resource of that name, or an error that names the possible ones.
func ParseResource(name string) (Resource, error) {
	if r := Resource(name); slices.Contains(Resources(), r) {
		return r, nil
	}
	return "", fmt.Errorf("%q is no resource: want deposits, trades, payments or balances", name)
}

// Stream is one resource of one account: the unit that is paged, checkpointed and proven.
type Stream struct {
	Account  string   // the account's name in TIEOUT_ACCOUNTS
	Provider string   // the name of the definition that the account uses
	Resource Resource // what is listed
}

// String returns account/resource, the form in logs, tables and errors.
func (s Stream) String() string { return s.Account + "/" + string(s.Resource) }

// Status is our reading of a partner's status; the partner's own word is always kept beside it.
type Status string

// The statuses. StatusUnknown is the honest answer to a word that no definition explains.
const (
	StatusPending   Status = "pending"
	StatusCompleted Status = "completed"
	StatusFailed    Status = "failed"
	StatusCancelled Status = "cancelled"
	StatusUnknown   Status = "unknown"
)

// Statuses returns every status.
func Statuses() []Status {
	return []Status{StatusPending, StatusCompleted, StatusFailed, StatusCancelled, StatusUnknown}
}
