package sync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"sort"
	"time"

	"tieout/load"
)

// presence decides by when records were seen at which answers they were in the list.
//
// The ids of a list are unique and never come back, so a record is in the list during one stretch of time. A record
// that was seen at or before an answer, and again at or after it, was in the list at that answer. So the records that
// are present at an answer by this rule are a part of the list at that instant; if there are as many of them as the
// partner counted in that same answer, they are the list. Nothing is assumed about order, growth or departures.
//
// Answers must have been asked for one after the other. It needs memory for the answers only: sightings are read as
// they come.
type presence struct {
	answers []answer // in the order of time
	change  []int64  // records that are present from this answer on, less those that were until the one before
}

// newPresence prepares for answers in any order; doubles count once.
func newPresence(answers []answer) *presence {
	answers = slices.Clone(answers)
	slices.SortFunc(answers, func(a, b answer) int { return a.AskedAt.Compare(b.AskedAt) })
	answers = slices.CompactFunc(answers, func(a, b answer) bool { return a.AskedAt.Equal(b.AskedAt) })
	return &presence{answers: answers, change: make([]int64, len(answers)+1)}
}

// see adds one record.
func (p *presence) see(s load.Sighting) {
	if first, last := p.span(s); first <= last {
		p.change[first]++
		p.change[last+1]--
	}
}

// span returns the first and the last answer at which a record was in the list; the first is greater than the last if
// it was in none.
func (p *presence) span(s load.Sighting) (first, last int) {
	first = sort.Search(len(p.answers), func(i int) bool { return !p.answers[i].AnsweredAt.Before(s.FirstAt) })
	last = sort.Search(len(p.answers), func(i int) bool { return p.answers[i].AskedAt.After(s.LastAt) }) - 1
	return first, last
}

// proven returns the last answer whose count is the number of records that were present at it.
func (p *presence) proven() (answer, bool) {
	present, found := int64(0), -1
	for i, a := range p.answers {
		if present += p.change[i]; uint64(present) == a.Total {
			found = i
		}
	}
	if found < 0 {
		return answer{}, false
	}
	return p.answers[found], true
}

// present reports whether a record was in the list at an answer.
func (a answer) present(s load.Sighting) bool {
	return !s.FirstAt.After(a.AnsweredAt) && !s.LastAt.Before(a.AskedAt)
}

// left reports whether a record had left the list that was proven at an answer.
func (a answer) left(s load.Sighting) bool { return s.LastAt.Before(a.AskedAt) }

// roll is the list of identifiers of a certificate: how many, and a hash over them in their order.
type roll struct {
	ids uint64
	sum hash.Hash
}

func newRoll() *roll { return &roll{sum: sha256.New()} }

func (r *roll) add(id string) {
	r.ids++
	r.sum.Write([]byte(id))
	r.sum.Write([]byte{'\n'})
}

func (r *roll) hex() string { return hex.EncodeToString(r.sum.Sum(nil)) }

// calendar gives the answers about one list times that only rise, whatever the clock does: an answer is asked for
// after the one before has come. Times that rise already are kept.
type calendar struct{ last time.Time }

func (c *calendar) note(askedAt, answeredAt time.Time) (asked, answered time.Time) {
	asked, answered = askedAt.Truncate(time.Microsecond), answeredAt.Truncate(time.Microsecond)
	if !asked.After(c.last) {
		asked = c.last.Add(time.Microsecond)
	}
	if !answered.After(asked) {
		answered = asked.Add(time.Microsecond)
	}
	c.last = answered
	return asked, answered
}

// sightings calls do with every record of the list that was ever stored.
func (l *listRun) sightings(ctx context.Context, do func(load.Sighting)) error {
	err := l.Holdings.Sightings(ctx, l.stream, l.list.Name, func(s load.Sighting) error { do(s); return nil })
	if err != nil {
		return l.broken("read the sightings of", err)
	}
	return nil
}
