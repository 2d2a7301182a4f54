package sandbox

import (
	"slices"

	"tieout/schema"
)

// lexicon is what a partner calls the stages of its records. The first word of each kind is that of a completed
// record; a partner without trades has no words for them.
type lexicon struct {
	deposits, trades, payments []word
}

// word is one status: how many of all generated records of its kind have it, how it is to be read, and what it
// does to the balance. The percentages of one kind add up to 100.
type word struct {
	text    string
	percent int
	status  schema.Status
	books   effect
}

// effect is what a record does to the balance.
type effect int

const (
	nothing effect = iota // not yet, or not any more
	moves                 // its money has come in or gone out
	locks                 // its money is still there, but taken
)

func (l lexicon) of(resource schema.Resource) []word {
	switch resource {
	case schema.Deposits:
		return l.deposits
	case schema.Trades:
		return l.trades
	}
	return l.payments
}

// find explains a status. One that is not in the lexicon, as tests make them up, has no reading; with it only
// payments move the balance, as who does not know what became of a payment had better take it for made.
func (l lexicon) find(resource schema.Resource, text string) word {
	words := l.of(resource)
	if at := slices.IndexFunc(words, func(w word) bool { return w.text == text }); at >= 0 {
		return words[at]
	}
	unknown := word{text: text, status: schema.StatusUnknown}
	if resource == schema.Payments {
		unknown.books = moves
	}
	return unknown
}

// hasTrades reports whether deposits are traded before they are paid out.
func (l lexicon) hasTrades() bool { return len(l.trades) > 0 }

// Words returns the partner's words for the status of a resource with the reading of each, which is empty for
// balances and for what the partner does not have. Where the partner's documents do not explain a word its
// reading is schema.StatusUnknown.
func (s *Sandbox) Words(resource schema.Resource) map[string]schema.Status {
	readings := make(map[string]schema.Status)
	if resource == schema.Balances {
		return readings
	}
	for _, w := range s.world.words.of(resource) {
		readings[w.text] = w.status
	}
	return readings
}
