package sync

import (
	"time"

	"tieout/extract"
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

// learned is the order in which nearly all neighbours stood: it says where to look first, and one record that is dated
// wrongly must not change that.
func (o *orderSeen) learned() extract.Order {
	const nearly = 50
	switch {
	case o.older > o.newer*nearly:
		return extract.OrderNewest
	case o.newer > o.older*nearly:
		return extract.OrderOldest
	}
	return extract.OrderUnknown
}

// passSeen is what a pass, once it is complete, has shown beside its records.
type passSeen struct {
	from    time.Time // every answer after this instant was one of the pass
	before  time.Time // every answer after this instant and not after from was one of the pass before, or later
	firstAt time.Time // when the pass before began; zero: there was none
	changed int       // records older than that, and that had come or changed since
	resumed bool      // its beginning was read by an earlier run
}

// spansSeen compares the records of each span of time with the partner's count of that span.
type spansSeen struct {
	Ended   int    `json:"ended,omitempty"`   // spans that were read to their end
	Differs string `json:"differs,omitempty"` // the first span whose records are not as many as the partner counts
	Silent  bool   `json:"silent,omitempty"`  // the partner gave no count for one of them
	First   answer `json:"first,omitzero"`    // the answer that ended the first span
	Within  string `json:"within,omitempty"`  // the span that is being read

	ids map[string]struct{} // records of that span so far
}

// see takes in a page of a list that is read in spans.
func (s *spansSeen) see(page extract.Page) {
	if s.ids == nil || s.Within != page.Slice {
		s.Within, s.ids = page.Slice, map[string]struct{}{}
	}
	for _, row := range page.Rows {
		s.ids[row.Base().ID] = struct{}{}
	}
	if !page.EndsSlice {
		return
	}
	if s.Ended++; s.Ended == 1 && len(page.Rows) > 0 {
		s.First = answer{AskedAt: page.Rows[0].Base().AskedAt, AnsweredAt: page.Rows[0].Base().FirstSeenAt}
	} else if s.Ended == 1 {
		s.First = answer{AskedAt: page.AskedAt, AnsweredAt: page.AnsweredAt}
	}
	switch {
	case page.SliceTotal == nil:
		s.Silent = true
	case *page.SliceTotal != uint64(len(s.ids)) && s.Differs == "":
		s.Differs = page.Slice
	}
	s.Within, s.ids = "", nil
}

// agree reports whether every span holds as many records as the partner counts.
func (s *spansSeen) agree() bool { return s.Ended > 0 && !s.Silent && s.Differs == "" }
