package extract_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract"
	"tieout/schema"
)

// fetchOnce reads the first page of the deposits that an answer holds.
func fetchOnce(t *testing.T, definition *extract.Definition, body string) extract.Page {
	t.Helper()
	page, err := dialectClient(t, definition, answering(200, body)).Fetch(t.Context(), schema.Deposits, "")
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// one is a list that comes in one answer.
const one = "path: /d\npaging: {style: none}\nitems: d"

// TestPost puts the parameters into a JSON body, whole numbers as numbers, and the same body with each page.
func TestPost(t *testing.T) {
	s := &script{answer: func(r *http.Request, body map[string]any) string {
		if r.Method != http.MethodPost || r.URL.RawQuery != "" {
			t.Errorf("%s with the query %q", r.Method, r.URL.RawQuery)
		}
		if fmt.Sprint(body["page"]) == "1" {
			return `{"d":[` + rows(1, 2) + `]}`
		}
		return `{"d":[]}`
	}}
	definition := dialect(t, `
method: POST
path: /d
query: {kind: a&b, year: "2026", zip: "007", big: "9223372036854775808", sum: "1.50", minus: "-0"}
paging: {style: page, parameter: page, size: size, rows: 2}
items: d`)
	if got := idsOf(walk(t, dialectClient(t, definition, s), schema.Deposits, "")); got != ids(1, 2) {
		t.Errorf("read %s", got)
	}
	const rest = `,"size":2,"sum":"1.50","year":2026,"zip":"007"}`
	s.wantAsked(t, `/v1/d {"big":"9223372036854775808","kind":"a\u0026b","minus":"-0","page":1`+rest, `/v1/d {"big":"9223372036854775808","kind":"a\u0026b","minus":"-0","page":2`+rest)
}

// TestItemsAsMap reads records whose identifier is the name that they stand under; the payload keeps it.
func TestItemsAsMap(t *testing.T) {
	definition := dialect(t, "path: /d\npaging: {style: none}\nitems: d\nitems_as: map\nfields: {deposit_id: '@key', currency: {constant: EUR}, amount: amount, created_at: {constant: '2026-01-02T03:04:05Z'}}")
	page := fetchOnce(t, definition, `{"d":{"A\u002d1":{"amount": 1.50},"B":{"amount":"x"},"C":7,"":{"amount":1}}}`)
	if page.Items != 4 || idsOf([]extract.Page{page}) != "A-1" || len(page.Rejected) != 3 {
		t.Fatalf("%d items, rows %s, rejected %+v", page.Items, idsOf([]extract.Page{page}), page.Rejected)
	}
	if got := string(page.Rows[0].Base().Payload); got != `{"A-1":{"amount": 1.50}}` {
		t.Errorf("payload %s", got)
	}
	if got := page.Rejected[0]; got.RecordID != "B" || string(got.Payload) != `{"B":{"amount":"x"}}` {
		t.Errorf("rejected %q with the payload %s", got.RecordID, got.Payload)
	}
	other := fetchOnce(t, definition, `{"d":{"A-2":{"amount": 1.50}}}`)
	if other.Rows[0].Base().PayloadHash == page.Rows[0].Base().PayloadHash {
		t.Error("two records of the same content under other names have one hash")
	}
	client := dialectClient(t, definition, answering(200, `{"d":[]}`))
	fetchFails(t, client, schema.ClassStream, "what the answer has at d is no map")
	whole := fetchOnce(t, dialect(t, "path: /d\npaging: {style: none}\nitems_as: list"), `[`+rows(1, 3)+`]`)
	if got := idsOf([]extract.Page{whole}); got != ids(1, 3) {
		t.Errorf("an answer that is the list itself gave %s", got)
	}
	// Pages whose records differ in their names only are no repetition.
	s := &script{answer: func(r *http.Request, _ map[string]any) string {
		if p := numberOf(r, "p"); p < 3 {
			return fmt.Sprintf(`{"d":{"K%d":{"amount":1}}}`, p)
		}
		return `{"d":{}}`
	}}
	paged := dialect(t, "path: /d\npaging: {style: page, parameter: p, size: s, rows: 1}\nitems: d\nitems_as: map\nfields: {deposit_id: '@key', currency: {constant: EUR}, amount: amount, created_at: {constant: '2026-01-02T03:04:05Z'}}")
	if got := idsOf(walk(t, dialectClient(t, paged, s), schema.Deposits, "")); got != "K1 K2" {
		t.Errorf("read %s", got)
	}
}

// TestFieldConversions moves points, turns signs and fills in constants, exactly.
func TestFieldConversions(t *testing.T) {
	tests := map[string]struct{ field, item, want string }{
		"cents":                   {"{paths: amount, shift: -2}", `12345678901234567890123456789`, "123456789012345678901234567.89"},
		"one cent":                {"{paths: amount, shift: -2}", `"1"`, "0.01"},
		"thousands":               {"{paths: amount, shift: 3}", `1.5`, "1500"},
		"what leaves is negative": {"{paths: amount, sign: flip}", `-1.5`, "1.5"},
		"what comes is negative":  {"{paths: amount, sign: flip}", `1.5`, "-1.5"},
		"absolute of a negative":  {"{paths: amount, sign: absolute}", `"-1.50"`, "1.5"},
		"absolute of a positive":  {"{paths: amount, sign: absolute}", `2`, "2"},
		"kept":                    {"{paths: amount, sign: keep}", `-2`, "-2"},
		"all at once":             {"{paths: [sum, amount], shift: -2, sign: flip}", `-250`, "2.5"},
		"a constant":              {"{paths: sum, constant: 7}", `1`, "7"},
		"a constant in cents":     {"{paths: sum, constant: 7, shift: -2}", `1`, "0.07"},
		"a path before it":        {"{paths: amount, constant: 7}", `1`, "1"},
		"null, so the constant":   {"{paths: amount, constant: 7}", `null`, "7"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			definition := dialect(t, one+"\nfields: {deposit_id: id, currency: {constant: eur}, amount: "+test.field+", created_at: {constant: '2026-01-02T03:04:05Z'}}")
			page := fetchOnce(t, definition, `{"d":[{"id":"1","amount":`+test.item+`}]}`)
			if len(page.Rows) != 1 {
				t.Fatalf("rejected: %+v", page.Rejected)
			}
			if got := columnsOf(page.Rows[0]); got["amount"] != test.want || got["currency"] != "EUR" || got["created_at"] != "2026-01-02T03:04:05Z" {
				t.Errorf("%v, want the amount %s", got, test.want)
			}
		})
	}
	page := fetchOnce(t, dialect(t, one), `{"d":[{"id":"1","amount":1e80},{"id":"2","amount":1,"currency":["EUR"]},{"id":true,"amount":1},{"id":"3","amount":{"a":1}}]}`)
	if len(page.Rows) != 0 || len(page.Rejected) != 4 {
		t.Errorf("%d rows, %d rejected: a text column takes texts and numbers only", len(page.Rows), len(page.Rejected))
	}
}

// TestSplit takes the records of a resource out of a shared list. What no resource would take is not lost.
func TestSplit(t *testing.T) {
	definition := parsed(t, dialectText("path: /d\npaging: {style: page, parameter: p, size: s, rows: 9, total: n}\nitems: d\nsplit: {path: kind.name, take: [Deposit, '1'], leave: [Withdraw]}")+
		"  payments: {path: /d, paging: {style: none}, items: d, split: {path: kind.name, take: [Withdraw], leave: [Deposit, '1']}, "+
		"fields: {payment_id: id, currency: currency, amount: amount, created_at: at}}\n")
	const body = `{"n":6,"d":[{"id":"1","amount":1,"kind":{"name":"Deposit"}},{"id":"2","amount":1,"kind":{"name":1}},{"id":"3","amount":"x","kind":{"name":"Withdraw"}},
		{"id":"4","amount":1,"kind":{"name":"deposit"}},{"id":"5","amount":1},{"id":"6","amount":1,"kind":"Deposit"}]}`
	page := fetchOnce(t, definition, body)
	if got := idsOf([]extract.Page{page}); got != "1 2" || page.Items != 6 || len(page.Rejected) != 3 {
		t.Errorf("rows %s of %d items, rejected %+v", got, page.Items, page.Rejected)
	}
	if got := page.Rejected[0]; got.RecordID != "4" || got.Reason != `no resource takes records of the kind "deposit"` {
		t.Errorf("rejected %+v", got)
	}
	if page.Total != nil {
		t.Errorf("the total %d counts records of other resources as well", *page.Total)
	}
	if count, err := dialectClient(t, definition, answering(200, body)).Count(t.Context(), schema.Deposits, ""); count.Total != nil || err != nil {
		t.Errorf("count %v, %v, want none", count, err)
	}
}

// TestParts reads several lists that are one resource: each record says which it is from, and each list has its own
// count.
func TestParts(t *testing.T) {
	s := &script{answer: func(r *http.Request, _ map[string]any) string {
		switch {
		case strings.HasSuffix(r.URL.Path, "/out"):
			return `{"n":1,"d":[` + rows(9, 9) + `]}`
		case numberOf(r, "p") == 1:
			return `{"n":3,"d":[` + rows(1, 2) + `]}`
		}
		return `{"n":3,"d":[` + rows(3, 3) + `]}`
	}}
	definition := dialect(t, "path: /in\nquery: {kind: all}\nparts: [{query: {kind: some}, label: incoming}, {path: /out}]\npaging: {style: page, parameter: p, size: s, rows: 2, total: n}\nitems: d")
	client := dialectClient(t, definition, s)
	pages := walk(t, client, schema.Deposits, "")
	if got := idsOf(pages); got != "1 2 3 9" || *pages[0].Total != 3 || pages[0].PagesLeft != 2 || *pages[2].Total != 1 {
		t.Errorf("read %s, total %d, %d left, total %d", got, *pages[0].Total, pages[0].PagesLeft, *pages[2].Total)
	}
	if pages[0].EndsList || !pages[1].EndsList || pages[1].List != "incoming" || pages[1].Last || !pages[2].EndsList || pages[2].List != "/out" {
		t.Errorf("the first list ends with its second page: %+v", pages)
	}
	lists, err := client.Lists(schema.Deposits)
	if err != nil || len(lists) != 2 || lists[0].Name != "incoming" || lists[1].Name != "/out" || !lists[0].Counted || !lists[0].Numbered() {
		t.Fatalf("lists %+v, %v", lists, err)
	}
	if got := idsOf([]extract.Page{fetch(t, client, lists[1].Start)}); got != "9" {
		t.Errorf("the second list begins with %s", got)
	}
	if got := idsOf([]extract.Page{fetch(t, client, lists[0].At(2))}); got != "3" {
		t.Errorf("the second page of the first list is %s", got)
	}
	if first, last := pages[0].Rows[0].Base().ListedUnder, pages[2].Rows[0].Base().ListedUnder; first != "incoming" || last != "/out" {
		t.Errorf("listed under %q and %q", first, last)
	}
	s.wantAsked(t, "/v1/in?kind=some&p=1&s=2", "/v1/in?kind=some&p=2&s=2", "/v1/out?kind=all&p=1&s=2",
		"/v1/out?kind=all&p=1&s=2", "/v1/in?kind=some&p=2&s=2")
	for list, want := range map[string]uint64{"incoming": 3, "/out": 1} {
		if count, err := client.Count(t.Context(), schema.Deposits, list); err != nil || *count.Total != want {
			t.Errorf("count of %s %v, %v, want %d", list, count, err, want)
		}
	}
	if _, err := client.Count(t.Context(), schema.Deposits, "/elsewhere"); schema.ClassOf(err) != schema.ClassConfiguration {
		t.Errorf("counting a list that there is not: %v", err)
	}
}

// TestDoubles takes a record that stands twice in the same words once, and none of those that contradict each other.
func TestDoubles(t *testing.T) {
	page := fetchOnce(t, dialect(t, one), `{"d":[{"id":"1","amount":1},{"amount":1, "id":"1"},{"id":"2","amount":1},{"id":"3","amount":1},{"id":"2","amount":2},{"id":"2","amount":1}]}`)
	if got := idsOf([]extract.Page{page}); got != "1 3" || page.Items != 6 {
		t.Errorf("rows %s of %d items", got, page.Items)
	}
	if len(page.Rejected) < 2 {
		t.Errorf("rejected %+v", page.Rejected)
	}
	for _, rejected := range page.Rejected {
		if rejected.RecordID != "2" || rejected.Reason != "stands more than once in one answer, with different content" {
			t.Errorf("rejected %+v", rejected)
		}
	}
	definition := parsed(t, "name: b\nrate_limits: [60/1m]\nresources:\n  balances: {path: /b, paging: {style: none}, items: d, fields: {currency: c, available: a}}\n")
	client := dialectClient(t, definition, answering(200, `{"d":[{"c":"EUR","a":1},{"c":"USD","a":1},{"c":"eur","a":1}]}`))
	balances, err := client.Fetch(t.Context(), schema.Balances, "")
	if err != nil || len(balances.Rows) != 1 || len(balances.Rejected) != 2 {
		t.Errorf("%d balances, %d rejected (%v), want 1 and the two of one currency", len(balances.Rows), len(balances.Rejected), err)
	}
}

// TestOddRecords leaves one odd record aside and keeps the page; the envelope itself must not contradict itself.
func TestOddRecords(t *testing.T) {
	for name, odd := range map[string]string{
		"a name twice": `{"id":"2","amount":1,"amount":2}`, "a name twice, deep": `{"id":"2","amount":1,"x":[{"a":1,"a":2}]}`,
		"no UTF-8": "{\"id\":\"2\",\"amount\":1,\"x\":\"\xff\"}", "half a surrogate": `{"id":"2","amount":1,"x":"\ud800"}`,
	} {
		page := fetchOnce(t, dialect(t, one), `{"x":1,"x":2,"d":[`+rows(1, 1)+`,`+odd+`,`+rows(3, 3)+`]}`)
		if got := idsOf([]extract.Page{page}); got != "1 3" || len(page.Rejected) != 1 || string(page.Rejected[0].Payload) != odd {
			t.Errorf("%s: rows %s, rejected %+v", name, got, page.Rejected)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		client := dialectClient(t, dialect(t, one), answering(200, `{"d":[],"d":[`+rows(1, 1)+`]}`))
		fetchFails(t, client, schema.ClassStream, "has the name d twice")
	})
}

// TestLookup asks for one record, its identifier in the path or in a parameter, however that is written.
func TestLookup(t *testing.T) {
	tests := map[string]struct{ detail, want string }{
		"path":      {"{path: '/d/{id}/full', item: d.0}", "/v1/d/a%2Fb%20c%3F/full"},
		"parameter": {"{path: /detail, parameter: id, item: d.0}", "/v1/detail?id=a%2Fb+c%3F"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{answer: func(*http.Request, map[string]any) string { return `{"d":[{"id":"a/b c?","amount":"1"}]}` }}
			client := dialectClient(t, dialect(t, one+"\ndetail: "+test.detail), s)
			row, rejected, err := client.Lookup(t.Context(), schema.Deposits, "a/b c?")
			if err != nil || rejected != nil || row.Base().ID != "a/b c?" {
				t.Errorf("%v, %+v, %v", row, rejected, err)
			}
			s.wantAsked(t, test.want)
			s.answer = func(*http.Request, map[string]any) string { return `{"d":[{"id":"1","amount":"x"}]}` }
			if row, rejected, err := client.Lookup(t.Context(), schema.Deposits, "1"); row != nil || rejected == nil || err != nil {
				t.Errorf("a record that cannot be read: %v, %+v, %v", row, rejected, err)
			}
			s.answer = func(*http.Request, map[string]any) string { return `{"d":[]}` }
			if _, _, err := client.Lookup(t.Context(), schema.Deposits, "1"); schema.ClassOf(err) != schema.ClassStream || !strings.Contains(err.Error(), "look up dialect_main/deposits 1: the answer has no record at d.0") {
				t.Errorf("no record: %v", err)
			}
		})
	}
	if _, _, err := dialectClient(t, dialect(t, one), nil).Lookup(t.Context(), schema.Deposits, "1"); schema.ClassOf(err) != schema.ClassConfiguration {
		t.Errorf("without a way to ask: %v", err)
	}
}

// TestSpans reads a list in spans of time that reach into one another, each with pages of its own, and goes on in the
// middle of one.
func TestSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is midnight of 2000-01-01
		pass(60 * time.Hour)
		s := &script{answer: func(r *http.Request, _ map[string]any) string {
			day, page := r.URL.Query().Get("from")[:10], numberOf(r, "p")
			if page > 2 {
				return `{"d":[]}`
			}
			return fmt.Sprintf(`{"d":[{"id":"%s %d","amount":1}]}`, day, page)
		}}
		definition := dialect(t, "path: /d\npaging: {style: page, parameter: p, size: n, rows: 1}\nspans: {from: from, to: to, width: 24h, overlap: 30m, since: 2000-01-01, format: rfc3339}\nitems: d")
		pages := walk(t, dialectClient(t, definition, s), schema.Deposits, "")
		var want []string
		for _, span := range []string{"from=1999-12-31T23%3A30%3A00Z&n=1&p=%d&to=2000-01-02T00%3A00%3A00Z", "from=2000-01-01T23%3A30%3A00Z&n=1&p=%d&to=2000-01-03T00%3A00%3A00Z", "from=2000-01-02T23%3A30%3A00Z&n=1&p=%d&to=2000-01-03T12%3A00%3A00Z"} {
			for page := 1; page <= 3; page++ {
				want = append(want, "/v1/d?"+strings.Replace(span, "%d", fmt.Sprint(page), 1))
			}
		}
		s.wantAsked(t, want...)
		if len(pages) != 9 || !pages[8].Last || pages[0].Total != nil {
			t.Fatalf("%d pages", len(pages))
		}
		for stop := range 8 {
			fresh := &script{answer: s.answer}
			walk(t, dialectClient(t, definition, fresh), schema.Deposits, pages[stop].Next)
			fresh.wantAsked(t, want[stop+1:]...)
		}
		if count, err := dialectClient(t, definition, s).Count(t.Context(), schema.Deposits, ""); count.Total != nil || err != nil {
			t.Errorf("count %v, %v: no answer speaks of all spans", count, err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		pass(time.Hour)
		s := &script{answer: func(*http.Request, map[string]any) string { return `{"d":[]}` }}
		walk(t, dialectClient(t, dialect(t, "path: /d\npaging: {style: none}\nspans: {from: a, width: 1000h, since: 2000-01-01, format: unix_milliseconds}\nitems: d"), s), schema.Deposits, "")
		s.wantAsked(t, "/v1/d?a=946684800000") // open at its end
	})
}

// TestFilterVerified counts before the first page of a sliced list whether its filter has an effect. One value may
// hold all records; all values must not.
func TestFilterVerified(t *testing.T) {
	definition := dialect(t, "path: /d\npaging: {style: page, parameter: p, size: s, rows: 2, total: n}\nitems: d\nslices: {parameter: state, values: [A, B, C], column: provider_status}")
	tests := map[string]struct {
		counts   map[string]int
		requests int // before the first page; 0: refused
	}{
		"some each":       {map[string]int{"": 6, "A": 1, "B": 2, "C": 3}, 2},
		"all in the last": {map[string]int{"": 6, "C": 6}, 2},
		"all in a first":  {map[string]int{"": 6, "A": 6}, 3},
		"none at all":     {map[string]int{}, 1},
		"ignored":         {map[string]int{"": 6, "A": 6, "B": 6, "C": 6}, 0},
		"ignored, grown":  {map[string]int{"": 6, "A": 7, "B": 7, "C": 8}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &script{answer: func(r *http.Request, _ map[string]any) string {
				n := test.counts[r.URL.Query().Get("state")]
				return fmt.Sprintf(`{"n":%d,"d":[%s]}`, n, rows(1, min(n, 2)))
			}}
			client := dialectClient(t, definition, s)
			page, err := client.Fetch(t.Context(), schema.Deposits, "")
			if test.requests == 0 {
				if schema.ClassOf(err) != schema.ClassStream || !strings.Contains(err.Error(), "the filter state has no effect: the list has 6 records with any value and without it") || len(page.Rows)+len(page.Rejected) != 0 {
					t.Errorf("%v with %d rows, want an error and none", err, len(page.Rows))
				}
				return
			}
			if err != nil || page.Requests != test.requests+1 || len(s.asked) != test.requests+1 {
				t.Fatalf("%v, %d requests of %d, want %d", err, page.Requests, len(s.asked), test.requests+1)
			}
			if again, err := client.Fetch(t.Context(), schema.Deposits, `{"part":1,"page":1}`); err != nil || again.Requests != 1 {
				t.Errorf("a page further on took %d requests (%v)", again.Requests, err)
			}
		})
	}
}

func fetch(t *testing.T, client *extract.Client, position extract.Position) extract.Page {
	t.Helper()
	page, err := client.Fetch(t.Context(), schema.Deposits, position)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestTotalsThatProveNothing: a count at the partner's cap, or one from a cache, is none.
func TestTotalsThatProveNothing(t *testing.T) {
	for paging, want := range map[string]bool{
		"total: n": true, "total: n, total_cap: 4": true, "total: n, total_cap: 3": false, "total: n, total_cached: true": false,
	} {
		definition := dialect(t, "path: /d\npaging: {style: page, parameter: p, size: s, rows: 9, "+paging+"}\nitems: d")
		client := dialectClient(t, definition, answering(200, `{"n":3,"d":[`+rows(1, 3)+`]}`))
		page := fetch(t, client, "")
		count, err := client.Count(t.Context(), schema.Deposits, "")
		if err != nil || (page.Total != nil) != want || (count.Total != nil) != want {
			t.Errorf("%s: total %v, count %v, %v; want one: %t", paging, page.Total, count.Total, err, want)
		}
	}
}
