package sync

import (
	"time"

	"tieout/extract"
	"tieout/load"
	"tieout/schema"
)

// orderSeen is in which order records came.
type orderSeen struct{ newer, older int }

// see compares neighbours on a page.
func (o *orderSeen) see(rows []schema.Row) {
	for i := 1; i < len(rows); i++ {
		switch rows[i].Base().CreatedAt.Compare(rows[i-1].Base().CreatedAt) {
		case 1:
			o.newer++
		case -1:
			o.older++
		}
	}
}

// learned is the order in which all neighbours stood.
func (o *orderSeen) learned() extract.Order {
	switch {
	case o.newer == 0 && o.older > 0:
		return extract.OrderNewest
	case o.older == 0 && o.newer > 0:
		return extract.OrderOldest
	}
	return extract.OrderUnknown
}

// passSeen is what a pass has shown beside its records.
type passSeen struct {
	partial bool      // its beginning was read by an earlier run
	begunAt time.Time // everything that was seen after this instant was seen in the pass
	before  time.Time // everything that was seen after this instant and not after begunAt was seen in the pass before, or since
	firstAt time.Time // when the pass before began; zero: there was none
	changed int       // records that are older than the pass before, and that had come or changed since
	spans   spansSeen
}

// wrote takes in what was new in a write.
func (p *passSeen) wrote(receipt load.Receipt) {
	for _, row := range receipt.Changed {
		if row.Base().CreatedAt.Before(p.firstAt) {
			p.changed++
		}
	}
}

// spansSeen compares the records of each span of time with the partner's count of that span.
type spansSeen struct {
	span     string              // that is being read
	ids      map[string]struct{} // its records so far
	ended    int                 // spans that were read to their end
	total    uint64              // records in these, by the partner's count
	differs  string              // the first span whose records are not as many as the partner counts
	silent   bool                // the partner gave no count for one of them
	provenAt answer              // of the first span
}

// see takes in a page of a list that is read in spans.
func (s *spansSeen) see(page extract.Page) {
	if s.ids == nil || s.span != page.Slice {
		s.span, s.ids = page.Slice, map[string]struct{}{}
	}
	for _, row := range page.Rows {
		s.ids[row.Base().ID] = struct{}{}
	}
	if !page.EndsSlice {
		return
	}
	s.ended++
	switch {
	case page.SliceTotal == nil:
		s.silent = true
	case *page.SliceTotal != uint64(len(s.ids)) && s.differs == "":
		s.differs = page.Slice
	default:
		s.total += *page.SliceTotal
	}
	if s.ended == 1 {
		s.provenAt = answer{AskedAt: page.AskedAt, AnsweredAt: page.AnsweredAt}
	}
	s.ids = nil
}

// agree reports whether every span holds as many records as the partner counts.
func (s *spansSeen) agree() bool { return s.ended > 0 && !s.silent && s.differs == "" }
