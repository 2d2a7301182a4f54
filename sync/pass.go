package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tieout/extract"
	"tieout/load"
	"tieout/schema"
)

// timeHeldMax is how long rows may be held back before they are written: so short that a stream which is slowed down by
// its partner's limit writes every page at once.
const timeHeldMax = time.Second

// rowsHeldMax is how many rows of a list may be held back, where the run does not say: enough to make inserts cheap, and
// so few that a run of several lists needs little memory.
const rowsHeldMax = 2_000

// readWhole reads the list from end to end, or the rest of it where an earlier run was interrupted.
func (l *listRun) readWhole(ctx context.Context) error {
	resumed := l.known.Position != ""
	if l.held > 0 && !resumed && l.list.Counted || resumed && time.Since(l.wroteAt) > restartedSoon {
		// The newest records first: the rest may take several nights. And what is known now and is met again in the
		// pass was there at the instant of the count between, which proves the list in one pass.
		if err := l.readRecent(ctx); err != nil {
			return err
		}
	}
	pages := l.result.Counts.Pages
	l.pass = passSeen{before: l.known.PassedFrom, firstAt: l.known.PassedAt, from: l.known.OpenedFrom, resumed: resumed}
	before := len(l.counted)
	err := l.readOn(ctx)
	if resumed && l.result.Counts.Pages == pages && schema.ClassOf(err) == schema.ClassStream && !errors.As(err, new(*stopError)) {
		l.Log.Warn("the list cannot go on where the last run stopped, reading it from its beginning",
			"stream", l.stream.String(), "reason", err.Error())
		l.known.Position = ""
		err = l.readOn(ctx)
	}
	if err != nil {
		return err
	}
	l.passes++
	l.rested = !slices.ContainsFunc(l.counted[before:], func(a answer) bool { return a.Total != l.counted[before].Total })
	l.settledSpans = l.known.Spans
	l.known.Order = l.order.learned()
	clear(l.open) // every record that is listed was read
	return l.settle(ctx)
}

// settle compares what is held after a pass with the partner's count, and reads what has come meanwhile.
func (l *listRun) settle(ctx context.Context) error {
	if err := l.count(ctx); err != nil || l.agrees || !l.list.Counted || l.rejected > 0 {
		return err
	}
	if err := l.recount(ctx); err != nil || l.agrees || !l.keeps() {
		return err
	}
	return l.readRecent(ctx)
}

// restartedSoon is how soon after its last checkpoint a pass that goes on is taken for one that was only restarted.
const restartedSoon = time.Hour

// readOn is the whole pipeline: from the checkpoint on, fetch a page, write it, advance, repeat.
func (l *listRun) readOn(ctx context.Context) error {
	position := l.known.Position
	if begun, err := time.Parse(time.RFC3339, l.known.Spans.Within); err == nil && l.list.Spanned() {
		position = l.list.Since(begun) // what was counted of this span died with the run that read it
	}
	if position == "" {
		position = l.list.Start
	}
	var held load.Batch
	for heldSince := time.Now(); ; {
		page, err := l.source.Fetch(ctx, l.stream.Resource, position)
		l.spend(page)
		if err != nil {
			return l.stop(ctx, held, err)
		}
		l.took(&page)
		if l.list.Spanned() {
			l.known.Spans.see(page)
		}
		held.Rows, held.Rejected = append(held.Rows, page.Rows...), append(held.Rejected, page.Rejected...)
		if page.Items > 0 {
			l.known.ended(page, position, len(l.list.Slices) > 0)
		}
		position = page.Next
		l.known.Position = position
		if !page.EndsList && len(held.Rows) < cmp.Or(l.RowsHeld, rowsHeldMax) && time.Since(heldSince) < timeHeldMax {
			continue
		}
		receipt, err := l.write(ctx, held, func(receipt load.Receipt) {
			l.known.wrote(receipt)
			if page.EndsList {
				l.pass.changed = l.known.Changed
				l.known.end()
			}
		})
		if err != nil {
			return err
		}
		l.stored(receipt, page.Total != nil)
		if page.EndsList {
			return nil
		}
		held, heldSince = load.Batch{}, time.Now()
	}
}

// stop ends a pass that cannot be read on. The pages that are held were read for good: they are written, even if we
// were told to stop, so that the next run need not ask for them again.
func (l *listRun) stop(ctx context.Context, held load.Batch, cause error) error {
	if len(held.Rows) == 0 && len(held.Rejected) == 0 {
		return cause
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closingTime)
	defer cancel()
	if _, err := l.write(closing, held, l.known.wrote); err != nil {
		return fmt.Errorf("%w; and what was read could not be stored: %w", cause, err)
	}
	return cause
}

// count asks the partner how many records the list holds, where its pages do not say so.
func (l *listRun) count(ctx context.Context) error {
	if !l.list.Counted || len(l.list.Slices) == 0 {
		return nil
	}
	counted, err := l.source.Count(ctx, l.stream.Resource, l.list.Name)
	l.spend(extract.Page{Requests: counted.Requests, Refused: counted.Refused, LimitWait: counted.LimitWait})
	if err != nil {
		return err
	}
	if counted.Total == nil {
		return nil
	}
	asked, answered := l.calendar.note(counted.AskedAt, counted.AnsweredAt)
	l.known.AnsweredAt = answered
	l.note(answer{AskedAt: asked, AnsweredAt: answered, Total: *counted.Total})
	l.stored(load.Receipt{}, true)
	return nil
}
