package extract

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	urlpath "path"
	"strings"
	"time"

	"tieout/schema"
)

// Fetch asks for the page of a resource at a position. It may be called again with the same position; the list may
// have changed meanwhile. Errors have the class by which the run acts.
func (c *Client) Fetch(ctx context.Context, resource schema.Resource, position Position) (Page, error) {
	stream := c.account.Stream(resource)
	listing, err := c.listing(resource, "fetch "+stream.String())
	if err != nil {
		return Page{}, err
	}
	at, err := parsePosition(position)
	if err == nil && at.Part >= len(listing.parts) {
		err = errors.New("the stored position does not fit the definition")
	}
	op := fmt.Sprintf("fetch %s page %d", stream, at.Page)
	if err != nil {
		return Page{}, &schema.Error{
			Class: schema.ClassStream, Op: "fetch " + stream.String(), Err: err, Hint: "tieout sync --full reads the list from its beginning",
		}
	}
	var verified answer
	if position == "" && len(listing.Slices.Values) > 1 && listing.Paging.Total != "" {
		if err := c.verifyFilter(ctx, listing, &verified); err != nil {
			return verified.spent(Page{}), fmt.Errorf("%s: %w", op, err)
		}
	}
	now := time.Now()
	r := listing.request(at, now)
	r.urgent = resource == schema.Balances || at.Page <= urgentPages
	asked, err := c.ask(ctx, r)
	if err != nil {
		return verified.spent(asked.spent(Page{})), fmt.Errorf("%s: %w", op, err)
	}
	page, err := c.page(resource, at, asked, now)
	if err != nil {
		return verified.spent(asked.spent(Page{})), &schema.Error{Class: schema.ClassStream, Op: op, Request: asked.request, Err: err}
	}
	c.limiter.plan(stream, page.PagesLeft)
	return verified.spent(asked.spent(page)), nil
}

// urgentPages is how many pages of a walk go before the others of the key: what is new is wanted before what is old.
const urgentPages = 3

// spent adds what an answer cost to a page.
func (a *answer) spent(page Page) Page {
	page.Requests += a.requests
	page.Refused += a.refused
	page.LimitWait += a.limitWait
	return page
}

// verifyFilter makes sure that the slices' filter has an effect: a partner that ignores it returns every record under
// every value, and each would be stored with a status that is not its own. One value whose list is shorter than the
// whole list shows that it works. What the requests for this cost is added up in spent.
func (c *Client) verifyFilter(ctx context.Context, listing *Listing, spent *answer) error {
	whole, err := c.total(ctx, listing, -1, spent)
	if err != nil || whole == 0 {
		return err
	}
	for part := range listing.parts {
		some, err := c.total(ctx, listing, part, spent)
		if err != nil || some < whole {
			return err
		}
	}
	return &schema.Error{
		Class: schema.ClassStream,
		Err:   fmt.Errorf("the filter %s has no effect: the list has %d records with any value and without it", listing.Slices.Parameter, whole),
	}
}

// total asks how many records one part of a list has, or with -1 the whole list without the slices' filter.
func (c *Client) total(ctx context.Context, listing *Listing, part int, spent *answer) (uint64, error) {
	r := listing.countRequest(part, time.Now())
	r.urgent = true
	asked, err := c.ask(ctx, r)
	spent.sentAt, spent.at = asked.sentAt, asked.at
	spent.requests += asked.requests
	spent.refused += asked.refused
	spent.limitWait += asked.limitWait
	if err != nil {
		return 0, err
	}
	opened, err := listing.open(asked.body, asked.header)
	if err != nil {
		return 0, &schema.Error{Class: schema.ClassStream, Request: asked.request, Err: err}
	}
	return *opened.total, nil
}

func (c *Client) listing(resource schema.Resource, op string) (*Listing, error) {
	listing := c.account.Definition.Resources[resource]
	if listing == nil {
		return nil, &schema.Error{Class: schema.ClassConfiguration, Op: op, Err: errors.New("the partner has no such list")}
	}
	return listing, nil
}

// page reads an answer that was successful: its items, its total, and where the next page is.
func (c *Client) page(resource schema.Resource, at cursor, asked answer, now time.Time) (Page, error) {
	listing := c.account.Definition.Resources[resource]
	opened, err := listing.open(asked.body, asked.header)
	if err != nil {
		return Page{}, err
	}
	digest := digestOf(opened.items)
	if len(opened.items) > 0 && digest == at.Last {
		return Page{}, fmt.Errorf("pages %d and %d hold the same records: the list does not move on", at.Page-1, at.Page)
	}
	page := Page{
		Items: len(opened.items), AskedAt: asked.sentAt.UTC(), AnsweredAt: asked.at.UTC(), ClockSkew: asked.clockSkew,
	}
	page.List, page.Slice = listing.listName(at.Part), listing.sliceName(at)
	reader := newReader(c.account, resource, listing.parts[at.Part].Label, asked)
	reader.page(opened.items, &page)
	if listing.Paging.Style == StyleLastID && len(opened.items) > 0 {
		if opened.next = reader.lastID; opened.next == "" {
			return Page{}, errors.New("the last record of the page has no identifier to go on from")
		}
	}
	if listing.Paging.Style == StyleLink && opened.next != "" {
		if opened.next, err = c.below(opened.next, listing.parts[at.Part].Path); err != nil {
			return Page{}, err
		}
	}
	if err := listing.moves(at, opened); err != nil {
		return Page{}, err
	}
	if total := listing.count(opened.total); total != nil && !listing.Paging.TotalCached && at.Items > 2*(*total)+itemsSpared {
		return Page{}, fmt.Errorf("the list does not end: %d records were read, the partner counts %d", at.Items, *total)
	}
	if opened.next != "" && (opened.next == at.Next || opened.next == at.Mark) {
		return Page{}, fmt.Errorf("page %d leads back to a page before it: the list goes round in a circle", at.Page)
	}
	if at.Empty >= emptyPagesMax {
		return Page{}, fmt.Errorf("%d pages in a row held no record: the list does not end", at.Empty)
	}
	listing.advance(&page, at, opened, digest, now)
	return page, nil
}

// emptyPagesMax is how many pages without records in a row are followed.
const emptyPagesMax = 100

// itemsSpared is how many records more than twice the partner's count a walk may return before it is called endless.
const itemsSpared = 10_000

// moves returns an error if the partner says that there is more and does not say where: the next request would ask
// for this page again, or for the first one.
func (l *Listing) moves(at cursor, o opened) error {
	if l.Paging.Stop != StopMore || !o.more {
		return nil
	}
	switch l.Paging.Style {
	case StyleCursor, StyleLink:
		if o.next == "" {
			return errors.New("the partner says that there is more, but not where")
		}
	case StylePage, StyleOffset, StyleLastID:
		if len(o.items) == 0 {
			return fmt.Errorf("page %d holds no records, and the partner says that there is more", at.Page)
		}
	}
	return nil
}

// below returns the path and query of an address that the partner names for the next page of the list at path. Our
// signed requests go nowhere but to the account's own host and path.
func (c *Client) below(link, path string) (string, error) {
	from := *c.base
	from.Path += path
	from.RawPath = ""
	address, err := from.Parse(link)
	if err != nil || address.Scheme != c.base.Scheme || strings.TrimSuffix(address.Host, defaultPorts[address.Scheme]) != c.base.Host ||
		!strings.HasPrefix(urlpath.Clean("/"+address.Path)+"/", c.base.Path+"/") {
		return "", errors.New("the next page is at another place than the account's base URL")
	}
	return (&url.URL{Path: address.Path, RawPath: address.RawPath, RawQuery: address.RawQuery}).String(), nil
}

// advance decides where the list goes on. Where the partner counts, a list ends when its pages hold as many records
// as it counts in the same answer, or with an empty page: a short page alone ends nothing, because partners cut
// pages as they like.
func (l *Listing) advance(page *Page, at cursor, o opened, digest string, now time.Time) {
	next := cursor{Part: at.Part, Span: at.Span, Page: at.Page + 1, Items: at.Items + uint64(page.Items), Next: o.next, Last: digest, Mark: at.Mark}
	if page.Items == 0 {
		next.Empty = at.Empty + 1
	}
	if at.Page&(at.Page-1) == 0 {
		next.Mark = o.next // at the pages 1, 2, 4, 8 …: a circle of any length is found on its second round at the latest
	}
	ends := l.Paging.Style == StyleNone
	switch l.Paging.Stop {
	case StopTotal:
		ends = ends || page.Items == 0 || next.Items >= *o.total
	case StopEmpty:
		ends = ends || page.Items == 0
	case StopShort:
		ends = ends || page.Items < l.Paging.Rows
	case StopMore:
		ends = ends || !o.more
	case StopNext:
		ends = ends || o.next == ""
	}
	if l.Paging.Style == StyleCursor || l.Paging.Style == StyleLink {
		ends = ends || o.next == "" // whatever else ends it: without a token the next request would ask for the first page
	}
	if o.total != nil {
		if !l.Paging.TotalCached && l.Split.Path == "" {
			page.SliceTotal = l.count(o.total)
		}
		if l.countsInPages() {
			page.Total = l.count(o.total)
		}
		rest, rows := *o.total-min(*o.total, next.Items), uint64(max(1, l.Paging.Rows))
		page.PagesLeft = int((rest + rows - 1) / rows)
	}
	if ends {
		next = l.after(at, now)
		page.PagesLeft = 0
		page.EndsSlice = true
		page.EndsList = next.Part >= len(l.parts) || l.listName(next.Part) != page.List
	}
	page.PagesLeft += max(0, len(l.parts)-1-next.Part)
	if page.Last = next.Part >= len(l.parts); !page.Last {
		page.Next = next.position()
	}
}

// after returns where the list goes on behind the last page of a span or of a part.
func (l *Listing) after(at cursor, now time.Time) cursor {
	if l.Spans.From != "" {
		if _, to := l.span(at, now); to.Before(now) {
			return cursor{Part: at.Part, Span: to.UTC().Format(time.RFC3339), Page: 1}
		}
	}
	return cursor{Part: at.Part + 1, Page: 1}
}

// Lookup asks for one record by its identifier. The record comes back as a row, or as rejected with the reason: what the
// partner sent does not fit, or it refuses this one request for good, and its answer stands in the record's place. The
// error is of ClassConfiguration where the definition knows no way to ask.
func (c *Client) Lookup(ctx context.Context, resource schema.Resource, id string) (schema.Row, *schema.Rejected, error) {
	op := fmt.Sprintf("look up %s %s", c.account.Stream(resource), id)
	listing, err := c.listing(resource, op)
	if err == nil && listing.Detail.Path == "" {
		err = &schema.Error{Class: schema.ClassConfiguration, Op: op, Err: errors.New("the definition does not say how one record is asked for")}
	}
	if err != nil {
		return nil, nil, err
	}
	parameters := map[string]string{}
	if listing.Detail.Parameter != "" {
		parameters[listing.Detail.Parameter] = id
	}
	asked, err := c.ask(ctx, newRequest(listing.Method, strings.ReplaceAll(listing.Detail.Path, "{id}", url.PathEscape(id)), parameters))
	reader := newReader(c.account, resource, "", asked)
	if refused, ok := errors.AsType[*refusal](err); ok && refused.quarantine {
		return nil, reader.refused(id, refused), nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", op, err)
	}
	alone := *listing
	alone.Items, alone.Paging.Total = listing.Detail.Item, ""
	value, err := alone.single(asked.body)
	if err != nil {
		return nil, nil, &schema.Error{Class: schema.ClassStream, Op: op, Request: asked.request, Err: err}
	}
	row, rejected := reader.read(item{value: value})
	return row, rejected, nil
}
