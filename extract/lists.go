package extract

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tieout/schema"
)

// List is one of the partner's lists that a resource is made of. Most resources have one.
type List struct {
	Name    string   // as its records carry it in ListedUnder; empty where the resource has only one list
	Start   Position // where it begins
	Rows    int      // records that are asked for on a page; 0: the partner decides
	Counted bool     // the partner counts it: in every page, or where it is read in slices by Count
	Details bool     // Lookup gives what the list gives
	Order   Order    // as the partner declares it; nothing may rely on it
	Leaving Leaving  // whether records leave it again
	Slices  []Slice  // how it is cut for reading, in their order; none: it is read as one

	at    func(page int) Position  // nil: its pages cannot be asked for by number
	since func(time.Time) Position // nil: it is not read in spans of time
}

// Slice is a part of a list that is asked for by the value of a filter.
type Slice struct {
	Value  string        // of the filter, as Record.ListedUnder of its records
	Status schema.Status // of its records, where the filter is their status; unknown otherwise
	Start  Position      // where it begins
}

// Numbered reports whether pages can be asked for by their number.
func (l List) Numbered() bool { return l.at != nil }

// At returns the place of a page by its number, from 1. The list must be Numbered.
func (l List) At(page int) Position { return l.at(page) }

// NumberedList returns a list whose pages begin where at says, as one partner's paging style would have it.
func NumberedList(list List, at func(page int) Position) List {
	list.at = at
	return list
}

// SpannedList returns a list whose records from an instant on begin where since says.
func SpannedList(list List, since func(time.Time) Position) List {
	list.since = since
	return list
}

// Spanned reports whether the list is read in spans of time.
func (l List) Spanned() bool { return l.since != nil }

// Since returns the place where the spans that hold records from an instant on begin. The list must be Spanned.
func (l List) Since(at time.Time) Position { return l.since(at) }

// Lists returns the lists of a resource, in the order in which Fetch walks through them. An error is of
// ClassConfiguration: the partner has no such resource.
func (c *Client) Lists(resource schema.Resource) ([]List, error) {
	listing, err := c.listing(resource, "list "+c.account.Stream(resource).String())
	if err != nil {
		return nil, err
	}
	var lists []List
	for part := range listing.parts {
		name := listing.listName(part)
		if len(lists) == 0 || lists[len(lists)-1].Name != name {
			lists = append(lists, listing.list(part))
		}
		if list := &lists[len(lists)-1]; len(listing.Slices.Values) > 0 {
			list.Slices = append(list.Slices, listing.slice(part))
		}
	}
	return lists, nil
}

func (l *Listing) list(part int) List {
	sliced := len(l.Slices.Values) > 0
	start := cursor{Part: part, Page: 1}.position()
	if part == 0 {
		start = "" // from where Fetch makes sure first that the slices' filter works
	}
	list := List{
		Name: l.listName(part), Start: start, Rows: l.Paging.Rows, Order: l.Order, Leaving: l.RecordsLeave,
		Counted: l.counts(), Details: l.Detail.Path != "" && !sliced && len(l.Parts) < 2,
	}
	if (l.Paging.Style == StylePage || l.Paging.Style == StyleOffset) && !sliced && l.Spans.From == "" && l.Split.Path == "" {
		list.at = func(page int) Position {
			return cursor{Part: part, Page: page, Items: uint64(page-1) * uint64(l.Paging.Rows)}.position()
		}
	}
	if l.Spans.From != "" {
		list.since = func(at time.Time) Position {
			if at.Before(l.Spans.Since.Time) {
				at = l.Spans.Since.Time
			}
			return cursor{Part: part, Span: at.UTC().Format(time.RFC3339), Page: 1}.position()
		}
	}
	return list
}

func (l *Listing) slice(part int) Slice {
	slice := Slice{Value: l.Slices.Values[part], Status: schema.StatusUnknown, Start: cursor{Part: part, Page: 1}.position()}
	if status, ok := l.Statuses[slice.Value]; ok && l.Slices.Column == "provider_status" {
		slice.Status = status
	}
	return slice
}

// listName is the name of the list that a part belongs to: parts are lists of their own, slices are not.
func (l *Listing) listName(part int) string {
	if len(l.Parts) < 2 {
		return ""
	}
	return l.parts[part].Label
}

// sliceName names the slice or the span of time that a place is in.
func (l *Listing) sliceName(at cursor) string {
	if l.Spans.From != "" {
		from, _ := l.span(at, time.Now())
		return from.UTC().Format(time.RFC3339)
	}
	if len(l.Slices.Values) > 0 {
		return l.Slices.Values[at.Part]
	}
	return ""
}

// counts reports whether the partner counts the list in a way that proves something.
func (l *Listing) counts() bool {
	return l.Paging.Total != "" && l.Split.Path == "" && l.Spans.From == "" && !l.Paging.TotalCached
}

// countsInPages reports whether the count in a page is the count of its whole list.
func (l *Listing) countsInPages() bool { return l.counts() && len(l.Slices.Values) == 0 }

// count returns a count of the partner's, nil where it may be higher than stated.
func (l *Listing) count(total *uint64) *uint64 {
	if total != nil && l.Paging.TotalCap > 0 && *total >= l.Paging.TotalCap {
		return nil
	}
	return total
}

// Counted is how many records a list holds at one instant.
type Counted struct {
	Total      *uint64   // nil: the partner gives no count that proves anything
	AskedAt    time.Time // when the request was sent, UTC
	AnsweredAt time.Time // when the answer was complete, UTC
	Requests   int       // attempts made
	Refused    int       // attempts that the partner refused for their rate
	LimitWait  time.Duration
}

// Count asks how many records one of the resource's lists holds, by one request. The total is nil, and nothing is
// asked, where the partner gives no count of this list. For a list that is read in slices this is the only count that
// speaks of one instant.
func (c *Client) Count(ctx context.Context, resource schema.Resource, list string) (Counted, error) {
	op := "count " + c.account.Stream(resource).String()
	listing, err := c.listing(resource, op)
	if err != nil || !listing.counts() {
		return Counted{}, err
	}
	part := -1
	for i := range listing.Parts {
		if listing.listName(i) == list {
			part = i
		}
	}
	if part < 0 && list != "" {
		return Counted{}, &schema.Error{Class: schema.ClassConfiguration, Op: op, Err: errors.New("the partner has no such list")}
	}
	var asked answer
	total, err := c.total(ctx, listing, part, &asked)
	counted := Counted{Requests: asked.requests, Refused: asked.refused, LimitWait: asked.limitWait}
	if err != nil {
		return counted, fmt.Errorf("%s: %w", op, err)
	}
	counted.Total, counted.AskedAt, counted.AnsweredAt = listing.count(&total), asked.sentAt.UTC(), asked.at.UTC()
	return counted, nil
}
