package extract_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/schema"
)

// TestWalkEqualsTruth reads every list from its beginning to its end, in both orders of the partner and with pages
// of several sizes, and compares every column of every record with the generator's books.
func TestWalkEqualsTruth(t *testing.T) {
	for _, rows := range []int{7, 100} {
		for _, oldestFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("rows %d, oldest first %v", rows, oldestFirst), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					definition := coinut(t, "rows: 100", "rows: "+strconv.Itoa(rows))
					p := open(t, sandbox.Options{Seed: uint64(rows), Records: 300, OldestFirst: oldestFirst}, definition)
					truth := truthColumns(p.Truth())
					for _, resource := range schema.Resources() {
						compareWalk(t, walk(t, p.client, resource, ""), resource, truth[resource])
					}
				})
			})
		}
	}
}

// compareWalk holds the rows of a walk to the truth: the same records, once each, every column equal.
func compareWalk(t *testing.T, pages []extract.Page, resource schema.Resource, want map[string]map[string]string) {
	t.Helper()
	got := map[string]map[string]string{}
	items := 0
	for _, page := range pages {
		items += page.Items
		for _, rejected := range page.Rejected {
			t.Errorf("%s: rejected %s: %s", resource, rejected.RecordID, rejected.Reason)
		}
	}
	for _, row := range rowsOf(pages) {
		if got[row.Base().ID] != nil {
			t.Errorf("%s: %s came twice", resource, row.Base().ID)
		}
		columns := columnsOf(row)
		if len(row.Base().Payload) > 0 && resource != schema.Balances {
			columns["payload"] = string(row.Base().Payload)
		}
		got[row.Base().ID] = columns
	}
	if items != len(want) || len(got) != len(want) || len(want) == 0 {
		t.Errorf("%s: %d items, %d records, want %d and not none", resource, items, len(got), len(want))
	}
	for id, columns := range want {
		if !maps.Equal(got[id], columns) {
			t.Fatalf("%s %s:\ngot  %v\nwant %v", resource, id, got[id], columns)
		}
	}
}

// truthColumns writes down, from the sandbox's books, what every column must hold, by resource and identifier.
func truthColumns(truth sandbox.Truth) map[schema.Resource]map[string]map[string]string {
	all := map[schema.Resource]map[string]map[string]string{}
	add := func(resource schema.Resource, r sandbox.Record, status schema.Status, columns map[string]string) {
		columns["status"], columns["provider_status"] = string(status), r.Status
		columns["created_at"], columns["payload"] = r.CreatedAt.Format(time.RFC3339), string(r.Raw)
		if resource != schema.Payments {
			columns["listed_under"] = r.Status
		}
		maps.DeleteFunc(columns, func(_, value string) bool { return value == "" })
		if all[resource] == nil {
			all[resource] = map[string]map[string]string{}
		}
		all[resource][r.ID] = columns
	}
	deposits := map[string]schema.Status{"RECEIVED": "pending", "ACTION_REQUIRED": "pending", "CONFIRMED": "completed", "REJECTED": "failed"}
	for _, d := range truth.Deposits {
		add(schema.Deposits, d.Record, deposits[d.Status], map[string]string{
			"deposit_id": d.ID, "currency": d.Currency, "amount": d.Amount.String(), "network": d.Network, "txid": d.TxID,
			"customer_id": d.CustomerID, "reference": d.Reference,
		})
	}
	trades := map[string]schema.Status{"CREATED": "pending", "SETTLED": "completed", "CANCELED": "cancelled"}
	for _, d := range truth.Trades {
		deposit := d.DepositID
		if d.LegacyDepositID != 0 {
			deposit = strconv.FormatInt(d.LegacyDepositID, 10)
		}
		add(schema.Trades, d.Record, trades[d.Status], map[string]string{
			"trade_id": d.ID, "from_currency": d.FromCurrency, "from_amount": d.FromAmount.String(),
			"to_currency": d.ToCurrency, "to_amount": d.ToAmount.String(), "deposit_id": deposit,
		})
	}
	for _, d := range truth.Payments {
		add(schema.Payments, d.Record, schema.StatusUnknown, map[string]string{
			"payment_id": d.ID, "currency": d.DeductCurrency, "amount": d.DeductAmount.String(), "rate": d.Rate.String(),
			"received_currency": d.ReceivedCurrency, "received_amount": d.ReceivedAmount.String(),
			"fee": d.BankCharge.String(), "fee_currency": d.ReceivedCurrency, "reference": d.Reference,
		})
	}
	all[schema.Balances] = map[string]map[string]string{}
	for _, b := range truth.Balances {
		all[schema.Balances][b.Currency] = map[string]string{
			"currency": b.Currency, "status": "unknown", "available": b.Available.String(), "locked": b.Locked.String(), "total": b.Total.String(),
		}
	}
	return all
}

// TestWalkOrderOfRequests reads the slices one after the other in the order of the definition, and the pages of
// each from 1 on without a gap.
func TestWalkOrderOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := &requestLog{}
		p := open(t, sandbox.Options{Records: 300, BeforeRequest: asked.note}, coinut(t, "rows: 100", "rows: 50"))
		truth := p.Truth()
		pages := walk(t, p.client, schema.Deposits, "")
		want := []string{ // does the filter have an effect?
			"/deposit/list?pageNum=1&pageSize=1", "/deposit/list?pageNum=1&pageSize=1&status=RECEIVED",
		}
		for _, status := range []string{"RECEIVED", "ACTION_REQUIRED", "CONFIRMED", "REJECTED"} {
			count := truth.Count(schema.Deposits, status)
			for page := 1; page == 1 || (page-1)*50 < count; page++ {
				want = append(want, fmt.Sprintf("/deposit/list?pageNum=%d&pageSize=50&status=%s", page, status))
			}
		}
		if !slices.Equal(asked.targets, want) {
			t.Errorf("asked\n%s\nwant\n%s", strings.Join(asked.targets, "\n"), strings.Join(want, "\n"))
		}
		for i, page := range pages {
			requests := 1
			if i == 0 {
				requests = 3 // with the two counts
			}
			if page.Requests != requests || page.Total != nil {
				t.Errorf("page %d: %d requests, total %v; want %d, and none because the list is read in slices", i, page.Requests, page.Total, requests)
			}
			if left := len(pages) - 1 - i; page.PagesLeft > left {
				t.Errorf("page %d says that %d are left, %d are", i, page.PagesLeft, left)
			}
		}
		if left := pages[0].PagesLeft; left == 0 {
			t.Error("the first page says that none is left")
		}
	})
}

// requestLog keeps what the partner was asked, in order.
type requestLog struct {
	mu      sync.Mutex // guards all below
	targets []string
	headers []http.Header
	times   []time.Time
}

func (l *requestLog) note(r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.targets = append(l.targets, r.URL.RequestURI())
	l.headers = append(l.headers, r.Header.Clone())
	l.times = append(l.times, time.Now())
}

// TestWalkTotals gives the partner's count with every page of a list that is not sliced, and Count for any list
// that has one, whatever its slices.
func TestWalkTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 300}, coinut(t))
		truth := p.Truth()
		for _, page := range walk(t, p.client, schema.Payments, "") {
			if page.Total == nil || *page.Total != uint64(truth.Count(schema.Payments)) {
				t.Errorf("total %v, want %d", page.Total, truth.Count(schema.Payments))
			}
		}
		for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
			count, err := p.client.Count(t.Context(), resource, "")
			if err != nil || count.Total == nil || *count.Total != uint64(truth.Count(resource)) {
				t.Errorf("%s: count %v (%v), want %d", resource, count.Total, err, truth.Count(resource))
			}
		}
		if count, err := p.client.Count(t.Context(), schema.Balances, ""); err != nil || count.Total != nil {
			t.Errorf("balances: count %v (%v), want none: the partner gives none", count, err)
		}
		p.Inject(5, nil, sandbox.Answer(500, nil, "{}"))
		if _, err := p.client.Count(t.Context(), schema.Trades, ""); schema.ClassOf(err) != schema.ClassStream || !strings.HasPrefix(err.Error(), "count coinut_main/trades: ") {
			t.Errorf("count gave %v, want a stream error that names the stream", err)
		}
	})
}

// TestWalkResumes stops after every page in turn and goes on with a new client from the stored position: the
// records are the same, each once.
func TestWalkResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, sandbox.Options{Records: 100}, coinut(t, "rows: 100", "rows: 15"))
		truth := truthColumns(p.Truth())
		whole := walk(t, p.client, schema.Trades, "")
		if len(whole) < 6 {
			t.Fatalf("only %d pages", len(whole))
		}
		for stop := range len(whole) - 1 {
			fresh := p.reopened(t, func(*extract.Account) {})
			rest := walk(t, fresh, schema.Trades, whole[stop].Next)
			compareWalk(t, append(slices.Clone(whole[:stop+1]), rest...), schema.Trades, truth[schema.Trades])
		}
		again, err := p.client.Fetch(t.Context(), schema.Trades, whole[0].Next)
		if err != nil || again.Next != whole[1].Next || again.Items != whole[1].Items {
			t.Errorf("the same position gave another page (%v)", err)
		}
	})
}

// TestWalkWithinTheLimit reads with the documented limit from a partner that enforces it as a sliding log: never
// refused, and the waiting is reported.
func TestWalkWithinTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := []sandbox.Limit{{Requests: 20, Per: time.Minute}}
		p := open(t, sandbox.Options{Records: 300, RateLimits: limits}, coinut(t, "rows: 100", "rows: 5", "[100/1m]", "[20/1m]"))
		client := p.reopened(t, func(a *extract.Account) { a.Windows = nil }) // the definition's
		waited, begun := time.Duration(0), time.Now()
		for _, page := range walk(t, client, schema.Payments, "") {
			waited += page.LimitWait
		}
		if p.Refused() > 0 || waited != time.Since(begun) || waited < time.Minute {
			t.Errorf("%d refused, waited %s of %s; want none, and all of more than a minute", p.Refused(), waited, time.Since(begun))
		}
	})
}
