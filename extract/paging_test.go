package extract_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/schema"
)

// scripted answers page by page: the n-th body for pageNum n, and an empty page behind the last.
func scripted(total int, pages ...string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		number, err := strconv.Atoi(r.URL.Query().Get("pageNum"))
		if err != nil {
			return nil, err
		}
		list := ""
		if number <= len(pages) {
			list = pages[number-1]
		}
		return answering(http.StatusOK, fmt.Sprintf(`{"status":"SUCCESS","data":{"list":[%s],"total":%d}}`, list, total))(r)
	}
}

// payments returns items with the given identifiers.
func payments(ids ...int) string {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = fmt.Sprintf(`{"id":%d,"deductAmount":1,"deductCurrency":"EUR","createTime":"2026-03-12 17:22:04"}`, id)
	}
	return strings.Join(items, ",")
}

// TestPagingEnds decides where a list ends: by the partner's count of the same answer, or by an empty page; never
// by a short page.
func TestPagingEnds(t *testing.T) {
	three := []string{payments(1, 2, 3), payments(4), payments(5, 6, 7)}
	tests := map[string]struct {
		total       int
		pages       []string
		wantPages   int
		wantRecords int
	}{
		"a short page in the middle":           {7, three, 3, 7},
		"exactly full":                         {6, []string{payments(1, 2, 3), payments(4, 5, 6)}, 2, 6},
		"the last page is short":               {4, []string{payments(1, 2, 3), payments(4)}, 2, 4},
		"nothing at all":                       {0, nil, 1, 0},
		"a count too high ends with an empty":  {99, three, 4, 7},
		"a count too low ends as it says":      {3, three, 1, 3},
		"more than was asked for":              {4, []string{payments(1, 2, 3, 4)}, 1, 4},
		"a count that does not fit 32 bits":    {1 << 40, three[:1], 2, 3},
		"rejected records count like all else": {3, []string{payments(1) + `,{"id":"x"},null`}, 1, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, plainAccount(coinut(t, "rows: 100", "rows: 3")), scripted(test.total, test.pages...), &logText{})
			pages := walk(t, client, schema.Payments, "")
			if rows := rowsOf(pages); len(pages) != test.wantPages || len(rows) != test.wantRecords {
				t.Errorf("%d pages with %d records, want %d and %d", len(pages), len(rows), test.wantPages, test.wantRecords)
			}
			for i, page := range pages {
				if last := i == len(pages)-1; page.Last != last || (last && page.Next != "") || (page.Last && page.PagesLeft != 0) {
					t.Errorf("page %d: last %v, next %q, %d left", i+1, page.Last, page.Next, page.PagesLeft)
				}
			}
		})
	}
}

// TestPagingWithoutTotal goes on until an empty page where the definition names no count.
func TestPagingWithoutTotal(t *testing.T) {
	definition := coinut(t, ", total: data.total", "")
	client := newClient(t, plainAccount(definition), scripted(0, payments(1), payments(2)), &logText{})
	pages := walk(t, client, schema.Payments, "")
	if len(pages) != 3 || len(rowsOf(pages)) != 2 || pages[0].Total != nil {
		t.Errorf("%d pages with %d records, total %v; want 3 with 2 and none", len(pages), len(rowsOf(pages)), pages[0].Total)
	}
}

// TestPagingThatRepeats stops a partner that ignores the page number: the walk would never end, or end with
// records missing.
func TestPagingThatRepeats(t *testing.T) {
	client := newClient(t, plainAccount(coinut(t)), scripted(9, payments(1, 2), payments(3, 4), payments(3, 4)), &logText{})
	position := extract.Position("")
	for range 2 {
		page, err := client.Fetch(t.Context(), schema.Payments, position)
		if err != nil {
			t.Fatal(err)
		}
		position = page.Next
	}
	restarted := newClient(t, plainAccount(coinut(t)), scripted(9, payments(1, 2), payments(3, 4), payments(3, 4)), &logText{})
	for name, c := range map[string]*extract.Client{"the same client": client, "after a restart": restarted} {
		_, err := c.Fetch(t.Context(), schema.Payments, position)
		if schema.ClassOf(err) != schema.ClassStream || !strings.Contains(err.Error(), "pages 2 and 3 hold the same records") {
			t.Errorf("%s: %v, want that pages 2 and 3 are the same", name, err)
		}
	}
}

// TestPagingWhatIsNoPage refuses answers that are well-formed and yet no page. Taking them for an empty list would
// end the walk and look complete.
func TestPagingWhatIsNoPage(t *testing.T) {
	tests := map[string]struct{ data, want string }{
		"list is null":         {`{"list":null,"total":1}`, "the answer has no list at data.list"},
		"no list":              {`{"total":1}`, "the answer has no list at data.list"},
		"data is null":         {`null`, "the answer has no total at data.total"},
		"list is an object":    {`{"list":{},"total":0}`, "what the answer has at data.list is no list"},
		"no total":             {`{"list":[]}`, "the answer has no total at data.total"},
		"total is null":        {`{"list":[],"total":null}`, "the answer has no total at data.total"},
		"total below zero":     {`{"list":[],"total":-1}`, "the total at data.total is no count"},
		"total with a point":   {`{"list":[],"total":1.0}`, "the total at data.total is no count"},
		"total is a list":      {`{"list":[],"total":[1]}`, "the total at data.total is no count"},
		"total beyond 63 bits": {`{"list":[],"total":9223372036854775808}`, "the total at data.total is no count"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, plainAccount(coinut(t)), answering(200, `{"status":"SUCCESS","data":`+test.data+`}`), &logText{})
			_, err := client.Fetch(t.Context(), schema.Payments, "")
			if schema.ClassOf(err) != schema.ClassStream || !strings.HasSuffix(err.Error(), "fetch coinut_main/payments page 1: "+test.want) {
				t.Errorf("%v, want a stream error: %s", err, test.want)
			}
			if _, err := client.Count(t.Context(), schema.Payments, ""); schema.ClassOf(err) != schema.ClassStream {
				t.Errorf("count: %v, want a stream error", err)
			}
		})
	}
	for _, data := range []string{`{"list":null,"total":0}`, `{"total":0}`} { // how some services write that there is nothing
		client := newClient(t, plainAccount(coinut(t)), answering(200, `{"status":"SUCCESS","data":`+data+`}`), &logText{})
		if page, err := client.Fetch(t.Context(), schema.Payments, ""); err != nil || page.Items != 0 || !page.Last {
			t.Errorf("%s: %+v (%v), want an empty list", data, page, err)
		}
	}
	client := newClient(t, plainAccount(coinut(t)), answering(200, `{"status":"SUCCESS","data":{"list":[],"total":"12"}}`), &logText{})
	if count, err := client.Count(t.Context(), schema.Payments, ""); err != nil || *count.Total != 12 {
		t.Errorf("a total as text: %v (%v), want 12", count, err)
	}
}

// TestPagingPositions refuses positions that nobody stored, without asking the partner.
func TestPagingPositions(t *testing.T) {
	refuse := roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("the partner was asked")
		return nil, http.ErrNotSupported
	})
	client := newClient(t, plainAccount(coinut(t)), refuse, &logText{})
	for _, position := range []extract.Position{
		"garbage", "{", "7", `{}`, `{"page":0}`, `{"page":-1}`, `{"page":"1"}`, `{"page":1,"part":-1}`, `{"page":1,"part":4}`, `{"page":1,"part":99999999999}`,
		`{"page":1.5}`, `{"page":1}{"page":2}`,
	} {
		if _, err := client.Fetch(t.Context(), schema.Deposits, position); schema.ClassOf(err) != schema.ClassStream || !strings.Contains(err.Error(), "stored position") {
			t.Errorf("%s: %v, want a stream error about the position", position, err)
		}
	}
	if _, err := client.Fetch(t.Context(), schema.Payments, `{"page":1,"part":1}`); schema.ClassOf(err) != schema.ClassStream {
		t.Errorf("a slice of a list without slices: %v", err)
	}
	single := parsed(t, small[:strings.Index(small, "resources:")]+
		"resources:\n  balances: {path: /b, paging: {style: none}, items: data, fields: {currency: code}}\n")
	alone := newClient(t, plainAccount(single), refuse, &logText{})
	if _, err := alone.Fetch(t.Context(), schema.Deposits, ""); schema.ClassOf(err) != schema.ClassConfiguration {
		t.Errorf("a list that the partner does not have: %v, want a configuration error", err)
	}
	if count, err := alone.Count(t.Context(), schema.Deposits, ""); count.Total != nil || schema.ClassOf(err) != schema.ClassConfiguration {
		t.Errorf("count of a list that the partner does not have: %v, %v", count, err)
	}
}

// TestPagingPastTheEnd resumes behind the last page, as after records vanished: an empty page ends the slice.
func TestPagingPastTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 50}, coinut(t))
		page, err := p.client.Fetch(t.Context(), schema.Payments, `{"page":9,"items":5}`)
		if err != nil || !page.Last || page.Items != 0 || page.Total == nil {
			t.Errorf("%+v (%v), want an empty last page with the total", page, err)
		}
		page, err = p.client.Fetch(t.Context(), schema.Deposits, `{"page":9,"part":1}`)
		if err != nil || page.Last || page.Next != `{"part":2,"page":1}` {
			t.Errorf("%+v (%v), want the next slice", page, err)
		}
	})
}
