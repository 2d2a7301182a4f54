package sync

import (
	"context"
	"time"

	"tieout/extract"
	"tieout/load"
	"tieout/schema"
)

// readNew is an ordinary night: what is new, where new records are expected first, and then what may have changed.
func (l *listRun) readNew(ctx context.Context) error {
	l.settledSpans = spansSeen{}
	if err := l.readRecent(ctx); err != nil {
		return err
	}
	if !l.agrees && len(l.counted) > 0 {
		if err := l.recount(ctx); err != nil {
			return err
		}
		if !l.agrees && l.explained() == "" {
			return nil // a pass from end to end comes next, and reads what may have changed as well
		}
	}
	return l.readChanges(ctx)
}

// readRecent reads what is new, in the way in which the list is cut.
func (l *listRun) readRecent(ctx context.Context) error {
	switch {
	case len(l.list.Slices) > 0:
		return l.readSlices(ctx)
	case l.list.Spanned():
		return l.walk(ctx, l.list.Since(l.unsettledSince()), toTheEnd)
	}
	return l.readEnds(ctx)
}

// readEnds reads the list where new records enter it: at the end that was learned, at the other one if the count does
// not agree yet and the order is not known. A wrong order costs requests and nothing else.
func (l *listRun) readEnds(ctx context.Context) error {
	tail := l.known.Tail
	if l.known.Open { // the end of the list is what the pass is on its way to
		tail = ""
	}
	if l.known.Order == extract.OrderOldest && tail != "" {
		if err := l.walk(ctx, tail, toTheEnd); err != nil || l.agrees {
			return err
		}
	}
	if err := l.readHead(ctx); err != nil || l.agrees {
		return err
	}
	if l.list.Counted && l.known.Order != extract.OrderNewest && l.known.Order != extract.OrderOldest && tail != "" {
		return l.walk(ctx, tail, toTheEnd)
	}
	return nil
}

func toTheEnd(extract.Page, load.Receipt) bool { return true }

// settled reports whether nothing is left to read.
func (l *listRun) settled() bool { return l.agrees && len(l.open) == 0 }

// unsettledSince is from when on spans of time are read again.
func (l *listRun) unsettledSince() time.Time {
	since := l.known.PassedAt
	if !l.known.SettledAt.IsZero() {
		since = l.known.SettledAt
	}
	return since.Add(-max(l.Lookback, unknownOpen))
}

// readHead reads from the beginning of the list for as long as pages hold something that is new, and the partner
// counts more than is held.
func (l *listRun) readHead(ctx context.Context) error {
	lookback := time.Now().Add(-l.Lookback)
	return l.walk(ctx, l.list.Start, func(page extract.Page, receipt load.Receipt) bool {
		if l.agrees {
			return false
		}
		others := len(page.Rows) == 0 && page.Items > 0 // a page of a shared list without a record of ours
		return others || receipt.New > 0 || !l.list.Counted && (receipt.Versions > 0 || holdsSince(page.Rows, lookback))
	})
}

// holdsSince reports whether a page holds a record that was made after an instant.
func holdsSince(rows []schema.Row, since time.Time) bool {
	for _, row := range rows {
		if row.Base().CreatedAt.After(since) {
			return true
		}
	}
	return false
}

// walk reads pages from a place on, writes each, and goes on to the end of the list while more says so. A place that
// the partner refuses is no failure: the proof will miss what was there.
func (l *listRun) walk(ctx context.Context, position extract.Position, more func(extract.Page, load.Receipt) bool) error {
	for first := true; ; first = false {
		page, err := l.source.Fetch(ctx, l.stream.Resource, position)
		l.spend(page)
		if err != nil {
			if first && position != l.list.Start && schema.ClassOf(err) == schema.ClassStream {
				l.Log.Warn("a place in the list that was noted by an earlier run is not there any more",
					"stream", l.stream.String(), "reason", err.Error())
				return nil
			}
			return err
		}
		page.PagesLeft = 0 // how far it goes on is not known
		l.took(&page)
		if l.list.Spanned() {
			l.settledSpans.see(page)
		}
		if page.Items > 0 && page.EndsSlice {
			l.known.ended(page, position, len(l.list.Slices) > 0)
		}
		receipt, err := l.write(ctx, load.Batch{Rows: page.Rows, Rejected: page.Rejected}, l.known.wrote)
		if err != nil {
			return err
		}
		l.stored(receipt, page.Total != nil)
		if page.EndsList || !more(page, receipt) {
			return nil
		}
		position = page.Next
	}
}
