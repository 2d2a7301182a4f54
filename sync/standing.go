package sync

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"tieout/extract"
	"tieout/load"
)

// standing is what a stream remembers from run to run, in the position of its checkpoint.
type standing struct {
	Lists map[string]*listStanding `json:"lists"` // by List.Name
}

// listStanding is what is known of one list. Only proofs are believed; all else says where to look first.
type listStanding struct {
	Open        bool                        `json:"open,omitempty"`        // a pass from end to end has begun and has not ended
	OpenedAt    time.Time                   `json:"opened_at,omitzero"`    // when it began
	Position    extract.Position            `json:"position,omitempty"`    // where it goes on; empty: at the beginning
	PassedAt    time.Time                   `json:"passed_at,omitzero"`    // when the last whole pass began
	OpenedFrom  time.Time                   `json:"opened_from,omitzero"`  // the last answer before the open pass
	PassedFrom  time.Time                   `json:"passed_from,omitzero"`  // the last answer before the last whole pass
	Changed     int                         `json:"changed,omitempty"`     // records older than the last whole pass that came or changed since it read them
	Spans       spansSeen                   `json:"spans,omitzero"`        // what the open pass has shown
	Gap         gap                         `json:"gap,omitzero"`          // what passes could not mend lately
	Tails       map[string]extract.Position `json:"tails,omitempty"`       // as Tail, of each slice
	Order       extract.Order               `json:"order,omitempty"`       // in which the last pages came
	Tail        extract.Position            `json:"tail,omitempty"`        // the last page that held records, when the list was read to its end
	AnsweredAt  time.Time                   `json:"answered_at,omitzero"`  // the last answer that was read: times of answers only rise
	Counted     []answer                    `json:"counted,omitempty"`     // the last answers with a count
	LeftAt      time.Time                   `json:"left_at,omitzero"`      // when a record was last found to have left
	StableAt    time.Time                   `json:"stable_at,omitzero"`    // records that were listed by then have been read twice, the same both times
	SettledAt   time.Time                   `json:"settled_at,omitzero"`   // all spans before have been counted and agree
	Quarantine  []string                    `json:"quarantine,omitempty"`  // what names the records that could not be read
	Quarantined bool                        `json:"quarantined,omitempty"` // there are more of them than are named
}

// gap is why a list could not be proven although it rested while it was read from end to end: as long as nothing else is
// wrong, further passes would not help.
type gap struct {
	At      time.Time `json:"at,omitzero"`       // when the last pass had not helped
	Missing int64     `json:"missing,omitempty"` // records that the partner counts and that are not held
	Nights  int       `json:"nights,omitempty"`  // that ended so, one after the other
}

// answer is the time of one answer and what it counted. Answers about a list come one after the other: each was asked
// for after the one before had been read.
type answer struct {
	AskedAt    time.Time `json:"asked_at"`
	AnsweredAt time.Time `json:"answered_at"`
	Total      uint64    `json:"total"`
}

// What is kept of a list between runs.
const (
	countedKept    = 8   // answers with a count
	quarantineKept = 256 // names of records in quarantine
)

// readStanding reads the position of a checkpoint; an empty one is of a stream that was never read.
func readStanding(position string) (standing, error) {
	s := standing{Lists: map[string]*listStanding{}}
	if position == "" {
		return s, nil
	}
	if err := json.Unmarshal([]byte(position), &s); err != nil || s.Lists == nil || slices.Contains(values(s.Lists), nil) {
		return standing{Lists: map[string]*listStanding{}}, errors.New("the stored position cannot be read")
	}
	return s, nil
}

func values(lists map[string]*listStanding) []*listStanding {
	var all []*listStanding
	for _, list := range lists {
		all = append(all, list)
	}
	return all
}

// position returns the standing as a checkpoint keeps it.
func (s standing) position() string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // times, texts and counts
	}
	return string(data)
}

// of returns the standing of a list.
func (s standing) of(list extract.List) *listStanding {
	if s.Lists[list.Name] == nil {
		s.Lists[list.Name] = &listStanding{Order: list.Order}
	}
	return s.Lists[list.Name]
}

// begin opens a pass from the beginning of the list.
func (l *listStanding) begin(now time.Time) {
	l.Open, l.OpenedAt, l.OpenedFrom, l.Position, l.Spans = true, now, l.AnsweredAt, "", spansSeen{}
	l.Quarantine, l.Quarantined = nil, false // all of it comes by again
}

// end closes the pass. What changes from now on has changed since it was read.
func (l *listStanding) end() {
	l.PassedAt, l.PassedFrom, l.Changed = l.OpenedAt, l.OpenedFrom, 0
	l.Open, l.OpenedAt, l.OpenedFrom, l.Position = false, time.Time{}, time.Time{}, ""
}

// ended notes the last page that held records: of the list, or of one of its slices.
func (l *listStanding) ended(page extract.Page, position extract.Position, sliced bool) {
	if l.Tail = position; !sliced {
		return
	}
	if l.Tails == nil {
		l.Tails = map[string]extract.Position{}
	}
	l.Tails[page.Slice] = position
}

// wrote counts what was new in a write among the records that the last whole pass must have read.
func (l *listStanding) wrote(receipt load.Receipt) {
	for _, row := range receipt.Changed {
		if row.Base().CreatedAt.Before(l.PassedAt) {
			l.Changed++
		}
	}
}

// quarantined notes the name of a record that could not be read.
func (l *listStanding) quarantined(name string) {
	switch {
	case slices.Contains(l.Quarantine, name):
	case len(l.Quarantine) >= quarantineKept:
		l.Quarantined = true
	default:
		l.Quarantine = append(l.Quarantine, name)
	}
}
