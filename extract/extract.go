// Package extract asks a partner's API for pages of raw records.
//
// Its one rule: a partner is data. A Definition (one YAML file) says how requests are signed, how fast they may
// go, what an answer means and which path of an item feeds which column; no Go code names a partner.
package extract

import (
	"time"

	"tieout/schema"
)

// Account is one set of credentials at one partner.
type Account struct {
	Name        string                   // as in TIEOUT_ACCOUNTS
	Definition  *Definition              // what is known of the partner's API
	BaseURL     string                   // overrides the definition's; empty: the definition's
	Credentials map[string]schema.Secret // by the names of Definition.Needs
	Windows     []Window                 // overrides the definition's rate limits; empty: the definition's
	Keyring     *Keyring                 // shared by the clients of the process; nil: the client has one of its own
}

// Stream returns the account's stream of a resource.
func (a Account) Stream(resource schema.Resource) schema.Stream {
	return schema.Stream{Account: a.Name, Provider: a.Definition.Name, Resource: resource}
}

// Position is a place in a list, opaque to everybody but the paging style that made it. The empty position is
// the beginning.
type Position string

// Page is one answer of a list, read and mapped.
type Page struct {
	Rows     []schema.Row      // what can be stored, in the partner's order
	Rejected []schema.Rejected // what cannot, with reasons
	Items    int               // records in the answer: Rows and Rejected together, and what belongs to other resources
	Total    *uint64           // records in the whole list, by the partner's count in this very answer; nil: it gives none, or it is the count of something else
	Next     Position          // where the next page is; the beginning if Last
	Last     bool              // the pass over the resource ends with this page

	List       string  // which of the resource's lists it is of, see List.Name
	Slice      string  // the slice or span of the list that it is of; empty: it has none
	SliceTotal *uint64 // records in that slice or span, by the partner's count in this very answer; nil: it gives none
	EndsSlice  bool    // the last page of its slice or span; of a list without them the last page
	EndsList   bool    // the last page of its list

	PagesLeft  int           // pages still to come by what is known now, an estimate from below
	AskedAt    time.Time     // when the request was sent that was answered, UTC
	AnsweredAt time.Time     // when the answer was complete, UTC
	LimitWait  time.Duration // time spent waiting for the rate limit; also where the page did not come
	Requests   int           // attempts made, at least 1; also where the page did not come
	Refused    int           // attempts that the partner refused for their rate; also where the page did not come
	ClockSkew  time.Duration // the partner's clock minus ours, to the second; zero if it sends no date
	Fields     []FieldUse    // what fed each column, for tieout doctor
}

// FieldUse says where the values of one column came from in one page.
type FieldUse struct {
	Column  string // name of the column
	Path    string // the path that was found most often; empty: none was found
	Records int    // records in which a value was found
}
