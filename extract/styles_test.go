package extract_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tieout/extract"
	"tieout/schema"
)

// TestStylePage numbers pages from what the definition says.
func TestStylePage(t *testing.T) {
	s := &script{answer: func(r *http.Request, _ map[string]any) string {
		from := numberOf(r, "p")*2 + 1
		return fmt.Sprintf(`{"rows":[%s],"count":5}`, rows(from, min(from+1, 5)))
	}}
	client := dialectClient(t, dialect(t, `
path: /deposits
query: {kind: all}
paging: {style: page, parameter: p, first: 0, size: n, rows: 2, total: count}
items: rows`), s)
	pages := walk(t, client, schema.Deposits, "")
	if got := idsOf(pages); got != ids(1, 5) || *pages[0].Total != 5 || pages[0].PagesLeft != 2 {
		t.Errorf("read %s, total %d, %d pages left", got, *pages[0].Total, pages[0].PagesLeft)
	}
	s.wantAsked(t, "/v1/deposits?kind=all&n=2&p=0", "/v1/deposits?kind=all&n=2&p=1", "/v1/deposits?kind=all&n=2&p=2")
}

// TestStyleOffset counts what was really returned: a partner that cuts pages smaller than asked loses no records.
func TestStyleOffset(t *testing.T) {
	s := &script{answer: func(r *http.Request, _ map[string]any) string {
		from := numberOf(r, "skip") + 1
		return fmt.Sprintf(`{"data":[%s]}`, rows(from, min(from+2, 7)))
	}}
	definition := dialect(t, `
path: /deposits
paging: {style: offset, parameter: skip, size: take, rows: 100}
items: data`)
	client := dialectClient(t, definition, s)
	pages := walk(t, client, schema.Deposits, "")
	if got := idsOf(pages); got != ids(1, 7) || pages[0].Total != nil {
		t.Errorf("read %s, total %v", got, pages[0].Total)
	}
	s.wantAsked(t, "/v1/deposits?skip=0&take=100", "/v1/deposits?skip=3&take=100", "/v1/deposits?skip=6&take=100", "/v1/deposits?skip=7&take=100")
	if rest := idsOf(walk(t, dialectClient(t, definition, s), schema.Deposits, pages[0].Next)); rest != ids(4, 7) {
		t.Errorf("from the second page on: %s", rest)
	}
	if count, err := client.Count(t.Context(), schema.Deposits, ""); count.Total != nil || err != nil {
		t.Errorf("count %v, %v, want none: the partner gives none", count, err)
	}
}

// TestStyleCursor hands on the token of the answer before, from the body or from a header, whatever it looks like.
func TestStyleCursor(t *testing.T) {
	const token = `a/b+c==&x=y "z"`
	answer := func(inBody, inHeader bool) *script {
		s := &script{}
		s.answer = func(r *http.Request, _ map[string]any) string {
			next := map[string]string{"": token, token: "2"}[r.URL.Query().Get("after")]
			from := map[string]int{"": 1, token: 3, "2": 5}[r.URL.Query().Get("after")]
			if inHeader && next != "" {
				s.header.Set("X-Next", next)
			}
			if !inBody || next == "" {
				return fmt.Sprintf(`{"data":[%s],"meta":{"next":null}}`, rows(from, from+1))
			}
			return fmt.Sprintf(`{"data":[%s],"meta":{"next":%q}}`, rows(from, from+1), next)
		}
		return s
	}
	for name, where := range map[string]string{"next": "next: meta.next", "header": "next_header: x-next"} {
		t.Run(name, func(t *testing.T) {
			s := answer(name == "next", name == "header")
			definition := dialect(t, "path: /deposits\npaging: {style: cursor, parameter: after, size: n, rows: 2, "+where+"}\nitems: data")
			pages := walk(t, dialectClient(t, definition, s), schema.Deposits, "")
			if got := idsOf(pages); got != ids(1, 6) {
				t.Errorf("read %s", got)
			}
			s.wantAsked(t, "/v1/deposits?n=2", "/v1/deposits?after=a%2Fb%2Bc%3D%3D%26x%3Dy+%22z%22&n=2", "/v1/deposits?after=2&n=2")
			if rest := idsOf(walk(t, dialectClient(t, definition, s), schema.Deposits, pages[0].Next)); rest != ids(3, 6) {
				t.Errorf("from the second page on: %s", rest)
			}
		})
	}
}

// TestStyleLastID goes on behind the last record of a page, also if that is rejected or of another resource.
func TestStyleLastID(t *testing.T) {
	s := &script{answer: func(r *http.Request, _ map[string]any) string {
		switch r.URL.Query().Get("after") {
		case "":
			return `{"data":[` + rows(1, 2) + `,{"id":"3","amount":"not one"}]}`
		case "3":
			return `{"data":[` + rows(4, 5) + `]}`
		}
		return `{"data":[]}`
	}}
	definition := dialect(t, "path: /deposits\npaging: {style: last_id, parameter: after, size: n, rows: 3}\nitems: data")
	pages := walk(t, dialectClient(t, definition, s), schema.Deposits, "")
	if got := idsOf(pages); got != "1 2 4 5" || len(pages[0].Rejected) != 1 {
		t.Errorf("read %s, %d rejected", got, len(pages[0].Rejected))
	}
	s.wantAsked(t, "/v1/deposits?n=3", "/v1/deposits?after=3&n=3", "/v1/deposits?after=5&n=3")
	fetchFails(t, dialectClient(t, definition, answering(200, `{"data":[{"amount":1}]}`)), schema.ClassStream, "has no identifier to go on from")
}

// TestStyleLink follows a ready-made address, in the body or as RFC 8288 has it, as it is written.
func TestStyleLink(t *testing.T) {
	for name, link := range map[string]string{
		"whole": "https://api.example/v1/more%2Fpages/2?cursor=x%2Fy&n=2", "port": "https://api.example:443/v1/more%2Fpages/2?cursor=x%2Fy&n=2",
		"of the host": "/v1/more%2Fpages/2?cursor=x%2Fy&n=2", "relative": "more%2Fpages/2?cursor=x%2Fy&n=2",
	} {
		for _, inHeader := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", in a header ", inHeader), func(t *testing.T) {
				s := &script{}
				s.answer = func(r *http.Request, _ map[string]any) string {
					if r.URL.Query().Has("cursor") {
						return `{"data":[` + rows(3, 4) + `],"next":""}`
					}
					if inHeader {
						s.header["Link"] = []string{`<https://api.example/v1/first>; rel="prev first"`, `<https://api.example/x>;rel="last", <` + link + `>; title="a b"; rel="next"`}
						return `{"data":[` + rows(1, 2) + `]}`
					}
					return fmt.Sprintf(`{"data":[%s],"next":%q}`, rows(1, 2), link)
				}
				where := map[bool]string{false: "next: next", true: "next_header: link"}[inHeader]
				definition := dialect(t, "path: /deposits\npaging: {style: link, "+where+", size: n, rows: 2}\nitems: data")
				pages := walk(t, dialectClient(t, definition, s), schema.Deposits, "")
				if got := idsOf(pages); got != ids(1, 4) {
					t.Errorf("read %s", got)
				}
				s.wantAsked(t, "/v1/deposits?n=2", "/v1/more%2Fpages/2?cursor=x%2Fy&n=2")
			})
		}
	}
	s := &script{answer: func(r *http.Request, _ map[string]any) string {
		if r.URL.Query().Has("cursor") {
			return `{"data":[` + rows(2, 2) + `]}`
		}
		return `{"data":[` + rows(1, 1) + `],"next":"?cursor=1"}`
	}}
	walk(t, dialectClient(t, dialect(t, "path: /deposits\npaging: {style: link, next: next}\nitems: data"), s), schema.Deposits, "")
	s.wantAsked(t, "/v1/deposits", "/v1/deposits?cursor=1")
}

// TestStyleLinkElsewhere carries no signature to a place that is not the account's.
func TestStyleLinkElsewhere(t *testing.T) {
	for _, link := range []string{
		"https://evil.example/v1/deposits", "//evil.example/v1/deposits", "http://api.example/v1/deposits", "https://api.example:8443/v1/deposits",
		"https://api.example/v2/deposits", "https://api.example/v10/deposits", "https://api.example/v1/../admin", "https://api.example/v1/%2e%2e/admin",
		"https:evil", "javascript:alert(1)", "https://api.example.evil.example/v1/x", "https://api.example@evil.example/v1/x", "://", "https://%zz/v1",
	} {
		s := &script{answer: func(*http.Request, map[string]any) string {
			return fmt.Sprintf(`{"data":[%s],"next":%q}`, rows(1, 1), link)
		}}
		client := dialectClient(t, dialect(t, "path: /deposits\npaging: {style: link, next: next}\nitems: data"), s)
		fetchFails(t, client, schema.ClassStream, "the next page is at another place than the account's base URL")
		if len(s.asked) != 1 || s.hosts[0] != "api.example" {
			t.Errorf("%s: asked %v of %v", link, s.asked, s.hosts)
		}
	}
}

// TestStops ends a list by each of the signs that a partner may give.
func TestStops(t *testing.T) {
	tests := map[string]struct {
		paging string
		pages  []string // bodies of the pages, the last for all behind
		want   int      // requests
		ids    string
	}{
		"short":                  {"rows: 2, stop: short", []string{`{"d":[` + rows(1, 2) + `]}`, `{"d":[` + rows(3, 3) + `]}`}, 2, ids(1, 3)},
		"short, exactly full":    {"rows: 2, stop: short", []string{`{"d":[` + rows(1, 2) + `]}`, `{"d":[]}`}, 2, ids(1, 2)},
		"empty after a short":    {"rows: 2", []string{`{"d":[` + rows(1, 1) + `]}`, `{"d":[` + rows(2, 2) + `]}`, `{"d":[]}`}, 3, ids(1, 2)},
		"more":                   {"rows: 2, more: more", []string{`{"d":[` + rows(1, 1) + `],"more":true}`, `{"d":[` + rows(2, 2) + `],"more":true}`, `{"d":[],"more":false}`}, 3, ids(1, 2)},
		"next of numbered pages": {"rows: 2, next: next, stop: next", []string{`{"d":[` + rows(1, 2) + `],"next":7}`, `{"d":[` + rows(3, 4) + `],"next":null}`}, 2, ids(1, 4)},
		"total":                  {"rows: 2, total: n", []string{`{"d":[` + rows(1, 2) + `],"n":3}`, `{"d":[` + rows(3, 3) + `],"n":3}`}, 2, ids(1, 3)},
		"total before more":      {"rows: 2, total: n, more: more, stop: total", []string{`{"d":[` + rows(1, 2) + `],"n":2,"more":true}`}, 1, ids(1, 2)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{answer: func(r *http.Request, _ map[string]any) string {
				return test.pages[min(numberOf(r, "p"), len(test.pages))-1]
			}}
			pages := walk(t, dialectClient(t, dialect(t, "path: /d\npaging: {style: page, parameter: p, size: s, "+test.paging+"}\nitems: d"), s), schema.Deposits, "")
			if got := idsOf(pages); got != test.ids || len(s.asked) != test.want {
				t.Errorf("read %s with %d requests, want %s with %d", got, len(s.asked), test.ids, test.want)
			}
		})
	}
}

// TestEndless stops a partner whose list has no end, or that says there is more and does not say where. Going on
// would ask for the first page again, for ever.
func TestEndless(t *testing.T) {
	tests := map[string]struct{ paging, body, says string }{
		"more that is absent":   {"style: page, parameter: o, size: s, rows: 2, more: more", `{"d":[` + rows(1, 2) + `]}`, "no truth value at more"},
		"more that is a number": {"style: page, parameter: o, size: s, rows: 2, more: more", `{"d":[` + rows(1, 2) + `],"more":1}`, "no truth value at more"},
		"more, without a token": {"style: cursor, parameter: c, next: next, more: more, stop: more", `{"d":[` + rows(1, 1) + `],"more":true}`, "says that there is more, but not where"},
		"more, without a link":  {"style: link, next: next, more: more, stop: more", `{"d":[` + rows(1, 1) + `],"more":true,"next":null}`, "says that there is more, but not where"},
		"more, without records": {"style: offset, parameter: o, size: s, rows: 2, more: more", `{"d":[],"more":true}`, "page 1 holds no records, and the partner says that there is more"},
		"more, behind no id":    {"style: last_id, parameter: o, size: s, rows: 2, more: more", `{"d":[],"more":true}`, "page 1 holds no records"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := dialectClient(t, dialect(t, "path: /d\npaging: {"+test.paging+"}\nitems: d"), answering(200, test.body))
			fetchFails(t, client, schema.ClassStream, test.says)
		})
	}
	t.Run("no token ends it, whatever the count says", func(t *testing.T) {
		definition := dialect(t, "path: /d\npaging: {style: cursor, parameter: c, next: next, total: n, stop: total}\nitems: d")
		pages := walk(t, dialectClient(t, definition, answering(200, `{"d":[`+rows(1, 1)+`],"n":9}`)), schema.Deposits, "")
		if len(pages) != 1 || *pages[0].Total != 9 {
			t.Errorf("%d pages, want 1 with the total that shows what is missing", len(pages))
		}
	})
	t.Run("more records than are counted", func(t *testing.T) {
		s := &script{answer: func(r *http.Request, _ map[string]any) string {
			page := numberOf(r, "p")
			return fmt.Sprintf(`{"d":[%s],"n":7,"more":true}`, rows(page*1000, page*1000+999))
		}}
		client := dialectClient(t, dialect(t, "path: /d\npaging: {style: page, parameter: p, size: s, rows: 1000, total: n, more: more}\nitems: d"), s)
		var err error
		for position := extract.Position(""); err == nil && len(s.asked) < 50; {
			var page extract.Page
			page, err = client.Fetch(t.Context(), schema.Deposits, position)
			position = page.Next
		}
		if schema.ClassOf(err) != schema.ClassStream || !strings.Contains(fmt.Sprint(err), "the list does not end: 11000 records were read, the partner counts 7") {
			t.Errorf("%v after %d requests", err, len(s.asked))
		}
	})
}

// TestCircles follows tokens that lead back to where they came from, and tokens that lead to nothing for ever: both end
// in an error, though every page looks like progress.
func TestCircles(t *testing.T) {
	follow := func(next func(page int) string, records func(page int) string) (int, error) {
		page := 0
		s := &script{answer: func(*http.Request, map[string]any) string {
			page++
			return `{"d":[` + records(page) + `],"next":"` + next(page) + `"}`
		}}
		client := dialectClient(t, dialect(t, "path: /d\npaging: {style: cursor, parameter: c, next: next}\nitems: d"), s)
		position := extract.Position("")
		for range 500 {
			fetched, err := client.Fetch(t.Context(), schema.Deposits, position)
			if err != nil || fetched.Last {
				return page, err
			}
			position = fetched.Next
		}
		return page, nil
	}
	one := func(page int) string { return rows(page, page) }
	for _, length := range []int{1, 2, 3, 7} {
		pages, err := follow(func(page int) string { return fmt.Sprint("token", page%length) }, one)
		if err == nil || schema.ClassOf(err) != schema.ClassStream || pages > 4*length+4 {
			t.Errorf("a circle of %d: %v after %d pages", length, err, pages)
		}
	}
	pages, err := follow(func(page int) string { return fmt.Sprint("token", page) }, func(int) string { return "" })
	if err == nil || !strings.Contains(err.Error(), "the list does not end") || pages > 150 {
		t.Errorf("pages without records: %v after %d pages", err, pages)
	}
	if pages, err := follow(func(page int) string { return map[bool]string{true: fmt.Sprint("token", page)}[page < 40] }, one); err != nil || pages != 40 {
		t.Errorf("an honest list of 40 pages: %v after %d", err, pages)
	}
}
