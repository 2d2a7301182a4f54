package extract

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// cursor is what a Position holds: the part of the resource, the span of time in it, and the place in its pages.
type cursor struct {
	Part  int    `json:"part,omitempty"`  // index in Listing.parts
	Span  string `json:"span,omitempty"`  // beginning of the span of time, RFC 3339; empty: the list has none, or the first
	Page  int    `json:"page"`            // number of the page to fetch in this walk, from 1, whatever the partner counts from
	Items uint64 `json:"items,omitempty"` // records in the pages before
	Next  string `json:"next,omitempty"`  // token, identifier or address that the page before gave
	Last  string `json:"last,omitempty"`  // digest of the items of the page before
	Mark  string `json:"mark,omitempty"`  // token of a page further back: who comes upon it again goes round in a circle
	Empty int    `json:"empty,omitempty"` // pages without records in a row
}

func parsePosition(position Position) (cursor, error) {
	if position == "" {
		return cursor{Page: 1}, nil
	}
	var c cursor
	if err := json.Unmarshal([]byte(position), &c); err != nil || c.Page < 1 || c.Part < 0 {
		return cursor{Page: 1}, errors.New("the stored position cannot be read")
	}
	return c, nil
}

func (c cursor) position() Position {
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // six plain fields
	}
	return Position(data)
}

// paging checks how a list is cut into pages, and fills in what is left out.
func (c *definitionCheck) paging(at func(...string) []string, l *Listing) {
	p := &l.Paging
	needs := map[Style]string{
		StylePage: "parameter, size and rows", StyleOffset: "parameter, size and rows", StyleLastID: "parameter, size and rows",
		StyleCursor: "parameter, and next or next_header", StyleLink: "next or next_header", StyleNone: "nothing else",
	}
	missing := p.Style == ""
	switch p.Style {
	case StylePage, StyleOffset, StyleLastID:
		missing = p.Parameter == "" || p.Size == "" || p.Rows < 1
	case StyleCursor:
		missing = p.Parameter == "" || (p.Next == "") == (p.NextHeader == "") || (p.Size == "") != (p.Rows == 0)
	case StyleLink:
		missing = (p.Next == "") == (p.NextHeader == "") || (p.Size == "") != (p.Rows == 0)
	case StyleNone:
		missing = p.Parameter != "" || p.Size != "" || p.Next != "" || p.More != ""
	}
	if missing {
		c.report(at("paging"), "style %s needs %s", cmp.Or(string(p.Style), "is missing; page"), cmp.Or(needs[p.Style], needs[StylePage]))
	}
	for name, path := range map[string]string{"total": p.Total, "next": p.Next, "more": p.More} {
		c.optionalPaths(at("paging", name), path)
	}
	if p.Stop == StopTotal && (p.TotalCap > 0 || p.TotalCached) {
		c.report(at("paging", "stop"), "a total that is capped or cached ends no list")
	}
	p.Stop = cmp.Or(p.Stop, p.stops())
	if (p.Stop == StopTotal && p.Total == "") || (p.Stop == StopMore && p.More == "") || (p.Stop == StopNext && p.Next == "" && p.NextHeader == "") {
		c.report(at("paging", "stop"), "%s needs the place in the answer that tells it", p.Stop)
	}
}

// stops returns what ends a list of this style unless a definition says otherwise.
func (p *Paging) stops() Stop {
	switch {
	case p.Style == StyleCursor || p.Style == StyleLink:
		return StopNext
	case p.More != "":
		return StopMore
	case p.Total != "" && p.TotalCap == 0 && !p.TotalCached:
		return StopTotal
	}
	return StopEmpty
}

func (c *definitionCheck) spans(at func(...string) []string, l *Listing) {
	s := l.Spans
	if s == (Spans{}) {
		return
	}
	if s.From == "" || s.Width <= 0 || s.Since.IsZero() || s.Format == "" {
		c.report(at("spans"), "needs from, width, since and format")
	}
	if s.Width > 0 && time.Duration(s.Width) < time.Second {
		c.report(at("spans", "width"), "must be a second or more: positions are kept to the second")
	}
	if s.Format != "" {
		c.timeFormat(at("spans", "format"), s.Format)
	}
	if s.Overlap >= s.Width && s.Width > 0 {
		c.report(at("spans", "overlap"), "must be shorter than the width")
	}
}

// request asks for the page at a place in the list.
func (l *Listing) request(at cursor, now time.Time) request {
	part := l.parts[at.Part]
	parameters := l.parameters(part.Query)
	if l.Spans.From != "" {
		from, to := l.span(at, now)
		parameters[l.Spans.From] = l.times.write(l.Spans.Format, from.Add(-time.Duration(l.Spans.Overlap)))
		if l.Spans.To != "" {
			parameters[l.Spans.To] = l.times.write(l.Spans.Format, to)
		}
	}
	p := l.Paging
	if p.Size != "" {
		parameters[p.Size] = strconv.Itoa(p.Rows)
	}
	switch p.Style {
	case StylePage:
		first := 1
		if p.First != nil {
			first = *p.First
		}
		parameters[p.Parameter] = strconv.Itoa(first + at.Page - 1)
	case StyleOffset:
		parameters[p.Parameter] = strconv.FormatUint(at.Items, 10)
	case StyleCursor, StyleLastID:
		if at.Next != "" {
			parameters[p.Parameter] = at.Next
		}
	case StyleLink:
		if at.Next != "" {
			path, query, _ := strings.Cut(at.Next, "?")
			return request{method: l.Method, path: path, query: query, absolute: true}
		}
	}
	return newRequest(l.Method, part.Path, parameters)
}

// countRequest asks for as little as shows how many records a list has; the list of a part, or with -1 the list without the
// slices' filter.
func (l *Listing) countRequest(part int, now time.Time) request {
	counted := *l
	counted.Paging.Rows = min(1, l.Paging.Rows)
	if part < 0 {
		counted.parts = []Part{{Path: l.Path}}
		part = 0
	}
	return counted.request(cursor{Part: part, Page: 1}, now)
}

func (l *Listing) parameters(further map[string]string) map[string]string {
	all := map[string]string{}
	for _, some := range []map[string]string{l.Query, further} {
		for name, value := range some {
			all[name] = value
		}
	}
	return all
}

// newRequest puts parameters where the method wants them: in the address, or in a JSON body in which whole numbers
// are numbers.
func newRequest(method Method, path string, parameters map[string]string) request {
	r := request{method: method, path: path}
	if method == MethodGet {
		query := url.Values{}
		for name, value := range parameters {
			query.Set(name, value)
		}
		r.query = query.Encode()
		return r
	}
	body := map[string]any{}
	for name, value := range parameters {
		body[name] = value
		if number, err := strconv.ParseInt(value, 10, 64); err == nil && strconv.FormatInt(number, 10) == value {
			body[name] = number
		}
	}
	var err error
	if r.body, err = json.Marshal(body); err != nil {
		panic(err) // texts and whole numbers
	}
	return r
}

// span returns the beginning and the end of the cursor's span of time.
func (l *Listing) span(at cursor, now time.Time) (from, to time.Time) {
	from = l.Spans.Since.Time
	if stored, err := time.Parse(time.RFC3339, at.Span); err == nil {
		from = stored
	}
	to = from.Add(time.Duration(l.Spans.Width))
	if to.After(now) {
		to = now
	}
	return from, to
}

// opened is an answer of a list, taken apart.
type opened struct {
	items []item
	total *uint64
	next  string // token or address of the next page
	more  bool   // there is more, by the partner's word
}

// item is one record of a list; key is its key in a map of records.
type item struct {
	key   string
	value jsontext.Value
}

// single returns the one record of an answer.
func (l *Listing) single(body []byte) (jsontext.Value, error) {
	if l.Items == "" {
		return body, nil
	}
	var f finder
	number := f.add(l.Items)
	found, err := f.find(body, nil)
	if err != nil {
		return nil, jsonError(err)
	}
	if found[number] == nil {
		return nil, fmt.Errorf("the answer has no record at %s", l.Items)
	}
	return found[number], nil
}

// open takes an answer apart.
func (l *Listing) open(body []byte, header http.Header) (opened, error) {
	var f finder
	at := map[string]int{}
	for _, path := range []string{l.Items, l.Paging.Total, l.Paging.Next, l.Paging.More} {
		if _, known := at[path]; path != "" && !known {
			at[path] = f.add(path)
		}
	}
	found, err := f.find(body, nil)
	if err != nil {
		return opened{}, jsonError(err)
	}
	value := func(path string) jsontext.Value {
		if number, ok := at[path]; ok {
			return found[number]
		}
		return nil
	}
	records := value(l.Items)
	if l.Items == "" {
		records = body
	}
	var o opened
	if o.total, err = l.totalOf(value(l.Paging.Total)); err != nil {
		return o, err
	}
	if records == nil && o.total != nil && *o.total == 0 {
		return o, nil // null is how some services write a list without records
	}
	if o.items, err = l.records(records); err != nil {
		return o, err
	}
	if l.Paging.More != "" {
		more := value(l.Paging.More)
		if more == nil || (more.Kind() != 't' && more.Kind() != 'f') {
			return o, fmt.Errorf("the answer has no truth value at %s, which says whether there is more", l.Paging.More)
		}
		o.more = more.Kind() == 't'
	}
	if next := value(l.Paging.Next); next != nil {
		o.next = text(next)
	}
	if l.Paging.NextHeader != "" {
		o.next = header.Get(l.Paging.NextHeader)
		if strings.EqualFold(l.Paging.NextHeader, "Link") {
			o.next = nextLink(header.Values("Link"))
		}
	}
	return o, nil
}

func (l *Listing) records(value jsontext.Value) ([]item, error) {
	if value == nil {
		return nil, fmt.Errorf("the answer has no list at %s", l.Items)
	}
	if l.ItemsAs == ItemsMap {
		items, err := members(value)
		if err != nil {
			return nil, fmt.Errorf("what the answer has at %s %w", cmp.Or(l.Items, "its top"), err)
		}
		return items, nil
	}
	values, err := elements(value)
	if err != nil {
		return nil, fmt.Errorf("what the answer has at %s %w", cmp.Or(l.Items, "its top"), err)
	}
	items := make([]item, len(values))
	for i, value := range values {
		items[i].value = value
	}
	return items, nil
}

func (l *Listing) totalOf(value jsontext.Value) (*uint64, error) {
	if l.Paging.Total == "" {
		return nil, nil //nolint:nilnil // the partner gives none
	}
	if value == nil {
		return nil, fmt.Errorf("the answer has no total at %s", l.Paging.Total)
	}
	total, err := strconv.ParseUint(text(value), 10, 63)
	if err != nil {
		return nil, fmt.Errorf("the total at %s is no count", l.Paging.Total) // its text may repeat a credential
	}
	return &total, nil
}

// linkForm is one link of a Link header with its parameters (RFC 8288).
var linkForm = regexp.MustCompile(`<([^>]*)>((?:\s*;\s*[^,;]+)*)`)

func nextLink(headers []string) string {
	for _, header := range headers {
		for _, link := range linkForm.FindAllStringSubmatch(header, -1) {
			parameters := strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(link[2]), `"`, ""), " ", "")
			if slices.Contains(strings.Split(parameters, ";"), "rel=next") {
				return link[1]
			}
		}
	}
	return ""
}

// digestOf tells one page from another.
func digestOf(items []item) string {
	digest := sha256.New()
	for _, i := range items {
		digest.Write([]byte(i.key))
		digest.Write(i.value)
	}
	return hex.EncodeToString(digest.Sum(nil)[:8])
}
