package sync

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tieout/extract"
	"tieout/load"
	"tieout/schema"
)

// Details is a source that can be asked for one record.
type Details interface {
	// Lookup returns one record, or the reason why it cannot be stored; neither if the partner does not have it.
	Lookup(ctx context.Context, resource schema.Resource, id string) (schema.Row, *schema.Rejected, error)
}

// readChanges reads the records again that may have changed and were not met on the pages of this night: one by one,
// or by the pages that should hold them, whichever takes fewer requests. What cannot be found in either way is looked
// for by a pass from end to end.
func (l *listRun) readChanges(ctx context.Context) error {
	details, _ := l.source.(Details)
	if !l.list.Details {
		details = nil
	}
	if pages := l.pagesOf(l.open); len(pages) > 0 && (details == nil || len(pages) < len(l.open)) {
		if err := l.readPages(ctx, pages); err != nil {
			return err
		}
	}
	if details == nil {
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(l.open)) {
		if err := l.lookup(ctx, details, id); err != nil {
			return err
		}
	}
	return nil
}

// pagesOf returns the numbers of the pages that should hold the records, by the learned order of the list and by how
// many held records are newer. Pages that have no numbers can only be read from the first one on. There are none where
// the order is not known, or where the list holds other records as well.
func (l *listRun) pagesOf(open map[string]load.Open) []int {
	ordered := l.known.Order == extract.OrderNewest || l.known.Order == extract.OrderOldest && l.list.Numbered()
	if !ordered || l.list.Rows < 1 || l.list.Spanned() {
		return nil
	}
	numbers := map[int]struct{}{}
	last := 0
	for _, record := range open {
		before := record.Newer + l.fresh
		if l.known.Order == extract.OrderOldest {
			before = l.held - min(l.held, l.fresh+record.Newer+1)
		}
		number := int(before)/l.list.Rows + 1
		numbers[number] = struct{}{}
		last = max(last, number)
	}
	if !l.list.Numbered() {
		for number := range last {
			numbers[number+1] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(numbers))
}

// pagesBehind is how many pages behind the one that should hold a record are read as well: a list may hold records that
// we do not, and many records may have been made in one second.
const pagesBehind = 2

// readPages reads the pages with these numbers, and the next ones where something that should be there is missing.
func (l *listRun) readPages(ctx context.Context, pages []int) error {
	if !l.list.Numbered() {
		oldest := l.oldestOpen()
		return l.walk(ctx, l.list.Start, func(page extract.Page, _ load.Receipt) bool {
			return len(l.open) > 0 && (len(page.Rows) == 0 || holdsSince(page.Rows, oldest))
		})
	}
	read := 0 // the last page that was read
	for _, number := range pages {
		if len(l.open) == 0 {
			return nil
		}
		if number <= read {
			continue
		}
		read = number
		err := l.walk(ctx, l.list.At(number), func(extract.Page, load.Receipt) bool {
			more := read < number+pagesBehind && slices.ContainsFunc(l.pagesOf(l.open), func(of int) bool { return of <= read })
			if more {
				read++
			}
			return more
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// lookup reads one record again. That it is there does not show that it is listed: it counts as no sighting.
func (l *listRun) lookup(ctx context.Context, details Details, id string) error {
	row, rejected, err := details.Lookup(ctx, l.stream.Resource, id)
	if err != nil {
		if schema.ClassOf(err) == schema.ClassStream || schema.ClassOf(err) == schema.ClassRecord {
			l.Log.Warn("a record that may have changed cannot be looked up", "stream", l.stream.String(), "id", id, "reason", err.Error())
			return nil
		}
		return err
	}
	l.result.Counts.Requests++
	var batch load.Batch
	if rejected != nil {
		l.result.Counts.Rejected++
		l.rejected++
		l.known.quarantined(nameOf(*rejected))
		rejected.AskedAt = schema.NeverListed
		_, rejected.SeenAt = l.calendar.note(rejected.SeenAt, rejected.SeenAt)
		l.known.AnsweredAt = rejected.SeenAt
		batch.Rejected = []schema.Rejected{*rejected}
	}
	if row != nil && row.Base().ID != id {
		return fmt.Errorf("look up %s %s: %w", l.stream, id, &schema.Error{
			Class: schema.ClassStream, Err: fmt.Errorf("the partner answered with the record %s", row.Base().ID),
		})
	}
	if row != nil {
		record := row.Base()
		record.AskedAt, record.ListedUnder = schema.NeverListed, l.list.Name
		_, record.FirstSeenAt = l.calendar.note(record.FirstSeenAt, record.FirstSeenAt)
		l.known.AnsweredAt = record.FirstSeenAt
		batch.Rows = []schema.Row{row}
	}
	if _, err := l.write(ctx, batch, l.known.wrote); err != nil {
		return err
	}
	delete(l.open, id)
	return nil
}

// readSlices is the night of a list that is read in slices, where a record that changes moves from one slice to
// another. With nothing new and nothing that may have changed the count is all that is asked for.
func (l *listRun) readSlices(ctx context.Context) error {
	if err := l.count(ctx); err != nil || l.settled() {
		return err
	}
	for _, slice := range l.list.Slices {
		if err := l.readSlice(ctx, slice); err != nil {
			return err
		}
	}
	return l.count(ctx)
}

// readSlice reads a slice of records that may change to its end, and one of final records for as long as there is
// something new on its pages or something that is looked for may stand on the next.
func (l *listRun) readSlice(ctx context.Context, slice extract.Slice) error {
	final := slice.Status != schema.StatusPending && slice.Status != schema.StatusUnknown
	tail := l.known.Tails[slice.Value]
	fromTail := final && l.known.Order == extract.OrderOldest && tail != "" // where new ones are
	if !fromTail || len(l.open) > 0 {
		err := l.walk(ctx, slice.Start, func(page extract.Page, receipt load.Receipt) bool {
			if page.EndsSlice {
				return false
			}
			if !final || receipt.Versions > 0 {
				return true
			}
			return len(l.open) > 0 && (l.known.Order != extract.OrderNewest || holdsSince(page.Rows, l.oldestOpen()))
		})
		if err != nil {
			return err
		}
	}
	if !fromTail {
		return nil
	}
	return l.walk(ctx, tail, func(page extract.Page, _ load.Receipt) bool { return !page.EndsSlice })
}

// oldestOpen is a moment before the oldest record was made that is still looked for.
func (l *listRun) oldestOpen() time.Time {
	oldest := time.Now()
	for _, record := range l.open {
		if record.CreatedAt.Before(oldest) {
			oldest = record.CreatedAt
		}
	}
	return oldest.Add(-time.Microsecond)
}
