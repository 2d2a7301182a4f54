package extract

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"tieout/schema"
)

// cursor is what a Position holds.
type cursor struct {
	Slice int    `json:"slice,omitempty"` // index in Slices.Values
	Page  int    `json:"page"`            // number of the page to fetch, from 1
	Items uint64 `json:"items,omitempty"` // records in the pages of this slice so far
	Last  string `json:"last,omitempty"`  // digest of the items of the page before
}

func parsePosition(position Position) (cursor, error) {
	if position == "" {
		return cursor{Page: 1}, nil
	}
	var c cursor
	if err := json.Unmarshal([]byte(position), &c); err != nil || c.Page < 1 || c.Slice < 0 {
		return cursor{}, errors.New("the stored position cannot be read")
	}
	return c, nil
}

func (c cursor) position() Position {
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // five plain fields
	}
	return Position(data)
}

// Fetch asks for the page of a resource at a position. It may be called again with the same position; the list
// may have changed meanwhile. Errors have the class by which the run acts.
func (c *Client) Fetch(ctx context.Context, resource schema.Resource, position Position) (Page, error) {
	stream := c.account.Stream(resource)
	listing := c.account.Definition.Resources[resource]
	if listing == nil {
		return Page{}, &schema.Error{Class: schema.ClassConfiguration, Op: "fetch " + stream.String(), Err: errors.New("the partner has no such list")}
	}
	at, err := parsePosition(position)
	if err == nil && at.Slice >= max(1, len(listing.Slices.Values)) {
		err = errors.New("the stored position does not fit the definition")
	}
	op := fmt.Sprintf("fetch %s page %d", stream, at.Page)
	if err != nil {
		return Page{}, &schema.Error{Class: schema.ClassStream, Op: op, Err: err}
	}
	asked, err := c.ask(ctx, listing.request(listing.slice(at), at.Page, listing.Paging.Rows))
	if err != nil {
		return Page{}, fmt.Errorf("%s: %w", op, err)
	}
	page, err := c.page(resource, at, asked)
	if err != nil {
		return Page{}, &schema.Error{Class: schema.ClassStream, Op: op, Err: err}
	}
	return page, nil
}

// Count asks how many records a list holds in all, whatever their slice. It returns nil where the partner gives
// no total. For a list that is read in slices this is the only count that speaks of one instant.
func (c *Client) Count(ctx context.Context, resource schema.Resource) (*uint64, error) {
	listing := c.account.Definition.Resources[resource]
	if listing == nil || listing.Paging.Total == "" {
		return nil, nil //nolint:nilnil // no count and no error: the partner gives none
	}
	op := "count " + c.account.Stream(resource).String()
	asked, err := c.ask(ctx, listing.request("", 1, 1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	_, total, err := listing.open(asked.body)
	if err != nil {
		return nil, &schema.Error{Class: schema.ClassStream, Op: op, Err: err}
	}
	return total, nil
}

// slice returns the filter's value at a place in the list.
func (l *Listing) slice(at cursor) string {
	if l.Slices.Parameter == "" {
		return ""
	}
	return l.Slices.Values[at.Slice]
}

// request asks for one page of one slice; without a slice for one of the whole list.
func (l *Listing) request(slice string, page, rows int) request {
	query := url.Values{}
	for name, value := range l.Query {
		query.Set(name, value)
	}
	if slice != "" {
		query.Set(l.Slices.Parameter, slice)
	}
	if l.Paging.Style == StylePage {
		query.Set(l.Paging.Page, strconv.Itoa(page))
		query.Set(l.Paging.Size, strconv.Itoa(rows))
	}
	return request{path: l.Path, query: query.Encode()}
}

// page reads an answer that was successful: its items, its total, and where the next page is.
func (c *Client) page(resource schema.Resource, at cursor, asked answer) (Page, error) {
	listing := c.account.Definition.Resources[resource]
	items, total, err := listing.open(asked.body)
	if err != nil {
		return Page{}, err
	}
	page := Page{Items: len(items), AnsweredAt: asked.at.UTC(), LimitWait: asked.limitWait, Requests: asked.requests, ClockSkew: asked.clockSkew}
	reader := newReader(c.account, resource, listing.slice(at), asked.at)
	digest := sha256.New()
	for _, item := range items {
		digest.Write(item)
		if row, rejected := reader.read(item); rejected != nil {
			page.Rejected = append(page.Rejected, *rejected)
		} else {
			page.Rows = append(page.Rows, row)
		}
	}
	page.Fields = reader.fields()
	sum := hex.EncodeToString(digest.Sum(nil)[:8])
	if len(items) > 0 && sum == at.Last {
		return Page{}, fmt.Errorf("pages %d and %d hold the same records: the list does not move on", at.Page-1, at.Page)
	}
	listing.advance(&page, at, total, sum)
	return page, nil
}

// open finds the items and the total in an answer.
func (l *Listing) open(body []byte) ([]jsontext.Value, *uint64, error) {
	var f finder
	itemsAt, totalAt := f.add(l.Items), -1
	if l.Paging.Total != "" {
		totalAt = f.add(l.Paging.Total)
	}
	found, err := f.find(body, nil)
	if err != nil {
		return nil, nil, jsonError(err)
	}
	if found[itemsAt] == nil {
		return nil, nil, fmt.Errorf("the answer has no list at %s", l.Items)
	}
	items, err := elements(found[itemsAt])
	if err != nil {
		return nil, nil, fmt.Errorf("what the answer has at %s %w", l.Items, err)
	}
	if totalAt < 0 {
		return items, nil, nil
	}
	if found[totalAt] == nil {
		return nil, nil, fmt.Errorf("the answer has no total at %s", l.Paging.Total)
	}
	total, err := strconv.ParseUint(text(found[totalAt]), 10, 63)
	if err != nil {
		return nil, nil, fmt.Errorf("the total at %s is no count of records", l.Paging.Total)
	}
	return items, &total, nil
}

// advance decides where the list goes on. A slice ends when its pages hold as many records as the partner counts
// in the same answer, or with an empty page: a short page alone ends nothing, because partners cut pages as they
// like.
func (l *Listing) advance(page *Page, at cursor, total *uint64, digest string) {
	next := cursor{Slice: at.Slice, Page: at.Page + 1, Items: at.Items + uint64(page.Items), Last: digest}
	sliceEnds := l.Paging.Style == StyleNone || page.Items == 0 || (total != nil && next.Items >= *total)
	if total != nil {
		rest := *total - min(*total, next.Items)
		rows := uint64(max(1, l.Paging.Rows))
		page.PagesLeft = int((rest + rows - 1) / rows)
		if l.Slices.Parameter == "" {
			page.Total = total
		}
	}
	if sliceEnds {
		next = cursor{Slice: at.Slice + 1, Page: 1}
		page.PagesLeft = min(1, max(0, len(l.Slices.Values)-next.Slice)) // the first page of the next slice
	}
	page.PagesLeft += max(0, len(l.Slices.Values)-1-next.Slice)
	page.Last = next.Slice >= max(1, len(l.Slices.Values))
	if !page.Last {
		page.Next = next.position()
	}
}
