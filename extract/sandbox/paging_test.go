package sandbox_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tieout/extract/sandbox"
	"tieout/schema"
)

var unlimited = []sandbox.Limit{}

// lists are the paged resources with their paths and the words of their filters.
var lists = []struct {
	resource schema.Resource
	path     string
	words    []string
}{
	{schema.Deposits, "/deposit/list", []string{"RECEIVED", "CONFIRMED", "ACTION_REQUIRED", "REJECTED"}},
	{schema.Trades, "/trade/list", []string{"CREATED", "SETTLED", "CANCELED"}},
	{schema.Payments, "/payment/list", []string{"CONFIRMED", "PROCESSING"}},
}

// walk reads all pages of a list and checks on each what it says of itself.
func walk(t testing.TB, c caller, path, filter string, size int) (items []json.RawMessage, total int) {
	t.Helper()
	for number := 1; ; number++ {
		p := c.list(t, fmt.Sprintf("%s?pageNum=%d&pageSize=%d%s", path, number, size, filter))
		if p.PageNum != number || p.PageSize != size || (number > 1 && p.Total != total) {
			t.Fatalf("%s page %d says %d, size %d, total %d", path, number, p.PageNum, p.PageSize, p.Total)
		}
		total = p.Total
		if want := min(size, max(0, total-(number-1)*size)); len(p.List) != want {
			t.Fatalf("%s page %d of size %d has %d items, want %d", path, number, size, len(p.List), want)
		}
		if len(p.List) == 0 {
			return items, total
		}
		items = append(items, p.List...)
	}
}

// TestWalkGivesEveryRecordOnce reads every list with several page sizes: the items, byte for byte, are the
// truth in the promised order, and total is their number.
func TestWalkGivesEveryRecordOnce(t *testing.T) {
	for _, oldestFirst := range []bool{false, true} {
		s := open(t, sandbox.Options{Records: 230, RateLimits: unlimited, OldestFirst: oldestFirst})
		c, truth := callerOf(s), s.Truth()
		for _, list := range lists {
			var want []json.RawMessage
			for _, record := range truth.Records(list.resource) {
				want = append(want, record.Raw)
			}
			if !oldestFirst {
				slices.Reverse(want)
			}
			for _, size := range []int{1, 7, 10, 99, 100} {
				items, total := walk(t, c, list.path, "", size)
				if !slices.EqualFunc(items, want, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
					t.Errorf("%s by %d: %d items are not the %d of the truth", list.path, size, len(items), len(want))
				}
				if total != len(want) || total != truth.Count(list.resource) || total < 150 {
					t.Errorf("%s by %d: total %d, want %d", list.path, size, total, len(want))
				}
			}
		}
	}
}

// TestDefaultPage asks for nothing in particular.
func TestDefaultPage(t *testing.T) {
	c := callerOf(open(t, sandbox.Options{Records: 50}))
	if p := c.list(t, "/deposit/list"); p.PageNum != 1 || p.PageSize != 10 || len(p.List) != 10 || p.Total != 50 {
		t.Errorf("page %d, size %d, %d items of %d", p.PageNum, p.PageSize, len(p.List), p.Total)
	}
}

// TestStatusFilterPartitionsTheList: every record is listed under exactly one word, and under the one that the
// truth says, in the order of the whole list.
func TestStatusFilterPartitionsTheList(t *testing.T) {
	s := open(t, sandbox.Options{Records: 800, RateLimits: unlimited})
	c := callerOf(s)
	for _, list := range lists {
		records := s.Truth().Records(list.resource)
		slices.Reverse(records)
		sum := 0
		for _, word := range list.words {
			var want, got []string
			for _, record := range records {
				if record.Status == word {
					want = append(want, record.ID)
				}
			}
			items, total := walk(t, c, list.path, "&status="+word, 100)
			for _, item := range items {
				got = append(got, idOf(t, item))
			}
			if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
				t.Errorf("%s %s (-truth +served):\n%s", list.path, word, diff)
			}
			sum += total
		}
		if sum != len(records) {
			t.Errorf("%s: the words have %d records, the list %d", list.path, sum, len(records))
		}
	}
}

// TestCustomerFilter: every deposit is listed under its customer, alone and together with its status; those
// without a customer under none.
func TestCustomerFilter(t *testing.T) {
	s := open(t, sandbox.Options{Records: 400, RateLimits: unlimited})
	c := callerOf(s)
	byCustomer := map[string][]string{} // customer, and customer/status
	for _, d := range slices.Backward(s.Truth().Deposits) {
		byCustomer[d.CustomerID] = append(byCustomer[d.CustomerID], d.ID)
		both := d.CustomerID + "&status=" + d.Status
		byCustomer[both] = append(byCustomer[both], d.ID)
	}
	if len(byCustomer[""]) == 0 {
		t.Error("every deposit has a customer")
	}
	for _, key := range slices.Sorted(maps.Keys(byCustomer)) {
		if key == "" || key[0] == '&' {
			continue
		}
		var got []string
		items, _ := walk(t, c, "/deposit/list", "&customerId="+key, 100)
		for _, item := range items {
			got = append(got, idOf(t, item))
		}
		if diff := cmp.Diff(byCustomer[key], got); diff != "" {
			t.Errorf("customer %s (-truth +served):\n%s", key, diff)
		}
	}
	if _, total := walk(t, c, "/deposit/list", "&customerId=nobody", 100); total != 0 {
		t.Errorf("nobody has %d deposits", total)
	}
	gone := s.AddDeposit("CONFIRMED")
	for gone.CustomerID == "" {
		gone = s.AddDeposit("CONFIRMED")
	}
	filter := "&customerId=" + gone.CustomerID
	_, before := walk(t, c, "/deposit/list", filter, 100)
	must(t, s.Remove(schema.Deposits, gone.ID))
	if _, after := walk(t, c, "/deposit/list", filter, 100); after != before-1 {
		t.Errorf("%d deposits of a customer after one of %d was removed", after, before)
	}
}

// TestChangesKeepThePagingLaws plays random changes against a plain model of the list.
func TestChangesKeepThePagingLaws(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t, sandbox.Options{Records: 30, RateLimits: unlimited, Seed: rapid.Uint64().Draw(rt, "seed")})
		words := []string{"RECEIVED", "CONFIRMED", "MADE_UP"}
		model := map[string]string{} // id -> status
		var order []string           // oldest first
		for _, d := range s.Truth().Deposits {
			model[d.ID], order = d.Status, append(order, d.ID)
		}
		for range rapid.IntRange(1, 20).Draw(rt, "changes") {
			word := rapid.SampledFrom(words).Draw(rt, "word")
			switch {
			case len(order) == 0 || rapid.Bool().Draw(rt, "add"):
				d := s.AddDeposit(word)
				model[d.ID], order = word, append(order, d.ID)
			case rapid.Bool().Draw(rt, "remove"):
				id := rapid.SampledFrom(order).Draw(rt, "id")
				must(rt, s.Remove(schema.Deposits, id))
				delete(model, id)
				order = slices.DeleteFunc(order, func(other string) bool { return other == id })
			default:
				id := rapid.SampledFrom(order).Draw(rt, "id")
				must(rt, s.SetStatus(schema.Deposits, id, word))
				model[id] = word
			}
		}
		c := callerOf(s)
		for _, word := range append(words, "") {
			var want, got []string
			for _, id := range slices.Backward(order) {
				if word == "" || model[id] == word {
					want = append(want, id)
				}
			}
			if word == "MADE_UP" && len(want) == 0 {
				continue // a word that nobody has used may be refused
			}
			items, _ := walk(t, c, "/deposit/list", "&status="+word, 7)
			for _, item := range items {
				got = append(got, idOf(t, item))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("status %q (-model +served):\n%s", word, diff)
			}
		}
		checkBooks(rt, s.Truth())
	})
}

func must(t interface {
	Helper()
	Fatal(...any)
}, err error,
) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestHookMovesRowsWhileTheClientPages adds a record before each request: the client then meets rows again, as
// it would at the partner, and each answer is still of one piece.
func TestHookMovesRowsWhileTheClientPages(t *testing.T) {
	var s *sandbox.Sandbox
	s = open(t, sandbox.Options{Records: 40, RateLimits: unlimited, BeforeRequest: func(*http.Request) { s.Add(1) }})
	c := callerOf(s)
	first := c.list(t, "/deposit/list?pageNum=1&pageSize=10")
	second := c.list(t, "/deposit/list?pageNum=2&pageSize=10")
	if first.Total != 41 || second.Total != 42 {
		t.Errorf("totals %d and %d, want 41 and 42", first.Total, second.Total)
	}
	if last, again := idOf(t, first.List[9]), idOf(t, second.List[0]); last != again {
		t.Errorf("the row at the edge did not move: %s, then %s", last, again)
	}
}

// TestEverythingAtOnce reads and changes at the same time; the race detector looks on. Each page agrees with
// its own total, whenever it was made.
func TestEverythingAtOnce(t *testing.T) {
	const workers, rounds = 4, 25
	s := open(t, sandbox.Options{Records: 100, RateLimits: []sandbox.Limit{{Requests: 1_000_000, Per: time.Second}}})
	c := callerOf(s)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range rounds {
				p := c.list(t, "/deposit/list?pageSize=100&pageNum=2")
				if len(p.List) != min(100, p.Total-100) {
					t.Errorf("%d items of %d on page 2", len(p.List), p.Total)
				}
				c.get(t, "/balance")
				c.get(t, "/trade/list?status=SETTLED")
				s.Add(1)
				deposit := s.AddDeposit("RECEIVED")
				if err := s.SetStatus(schema.Deposits, deposit.ID, "CONFIRMED"); err != nil {
					t.Error(err)
				}
				if i%5 == 0 {
					if err := s.Remove(schema.Deposits, deposit.ID); err != nil {
						t.Error(err)
					}
					checkBooks(t, s.Truth())
				}
			}
		})
	}
	group.Wait()
	truth := s.Truth()
	if want := 100 + workers*(2*rounds-rounds/5); truth.Count(schema.Deposits) != want {
		t.Errorf("%d deposits, want %d", truth.Count(schema.Deposits), want)
	}
	if want := workers * rounds * 3; s.Requests() != want || s.Counts()["/balance"].Requests != workers*rounds {
		t.Errorf("%d requests counted, want %d; by path %v", s.Requests(), want, s.Counts())
	}
}
