package sandbox

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// fact is a record of any kind: *Deposit, *Trade or *Payment.
type fact interface{ base() *Record }

// row is a fact in its place. Rows are compared by seq, never by time: two records may share a second, and the
// order of a list must not depend on chance. One row may stand in several tables.
type row struct {
	seq      uint64
	customer string // for the filter by customer; may be empty
	fact     fact
}

// table is records in the order of their creation, with an index for every filter, so that a
// page costs the same wherever it lies and however it is filtered. It has no lock: world does.
type table struct {
	rows       []*row
	byStatus   map[string][]*row
	byCustomer map[string][]*row
	byID       map[string]*row
}

func newTable() *table {
	return &table{byStatus: map[string][]*row{}, byCustomer: map[string][]*row{}, byID: map[string]*row{}}
}

// expect makes room for so many rows in an empty table.
func (t *table) expect(rows int) {
	t.rows = make([]*row, 0, rows)
	t.byID = make(map[string]*row, rows)
}

// add puts a row behind all others.
func (t *table) add(r *row) {
	record := r.fact.base()
	t.rows = append(t.rows, r)
	t.byID[record.ID] = r
	t.byStatus[record.Status] = append(t.byStatus[record.Status], r)
	if r.customer != "" {
		t.byCustomer[r.customer] = append(t.byCustomer[r.customer], r)
	}
}

// remove takes a row out of the list and of every index; all rows behind it move up.
func (t *table) remove(r *row) {
	record := r.fact.base()
	delete(t.byID, record.ID)
	t.rows = without(t.rows, r)
	t.byStatus[record.Status] = without(t.byStatus[record.Status], r)
	if r.customer != "" {
		t.byCustomer[r.customer] = without(t.byCustomer[r.customer], r)
	}
}

// restatus notes that a row has got another status; it keeps its place in the list and among those of that
// status.
func (t *table) restatus(r *row, before string) {
	status := r.fact.base().Status
	t.byStatus[before] = without(t.byStatus[before], r)
	at, _ := find(t.byStatus[status], r)
	t.byStatus[status] = slices.Insert(t.byStatus[status], at, r)
}

func find(rows []*row, r *row) (int, bool) {
	return slices.BinarySearchFunc(rows, r, func(a, b *row) int { return cmp.Compare(a.seq, b.seq) })
}

func without(rows []*row, r *row) []*row {
	if at, found := find(rows, r); found {
		return slices.Delete(rows, at, at+1)
	}
	return rows
}

// filter chooses rows; an empty field chooses all.
type filter struct {
	status, customer, currency string
	since, until               time.Time // since <= created < until
}

// matching returns the rows that pass the filter, oldest first. Nobody may change the slice.
func (t *table) matching(f filter) []*row {
	rows := t.rows
	switch {
	case f.customer != "":
		rows = t.byCustomer[f.customer]
	case f.status != "":
		rows = t.byStatus[f.status]
	}
	if !f.since.IsZero() {
		rows = rows[firstFrom(rows, f.since):]
	}
	if !f.until.IsZero() {
		rows = rows[:firstFrom(rows, f.until)]
	}
	if f.currency == "" && (f.customer == "" || f.status == "") {
		return rows
	}
	var chosen []*row
	for _, r := range rows {
		if (f.status == "" || r.fact.base().Status == f.status) && (f.currency == "" || currencyOf(r.fact) == f.currency) {
			chosen = append(chosen, r)
		}
	}
	return chosen
}

// firstFrom is where the rows begin that were created at an instant or later: rows are in order of time, too.
func firstFrom(rows []*row, at time.Time) int {
	return sort.Search(len(rows), func(i int) bool { return !rows[i].fact.base().CreatedAt.Before(at) })
}

// page returns the items from skip on, take at most, and how many match in all.
func (t *table) page(f filter, skip, take int, oldestFirst bool) (items [][]byte, total int) {
	rows := t.matching(f)
	total = len(rows)
	for i := skip; i < min(skip+take, total); i++ {
		at := i
		if !oldestFirst {
			at = total - 1 - i
		}
		items = append(items, rows[at].fact.base().Raw)
	}
	return items, total
}

// after returns the items that follow a place in the list, take at most: the place of the last one, and whether
// there are more. The place nil is the begin. A row that is added or removed elsewhere moves nothing.
func (t *table) after(place *uint64, take int, oldestFirst bool) (items [][]byte, last uint64, more bool) {
	rows := t.rows
	if place != nil {
		at, found := find(rows, &row{seq: *place})
		switch {
		case !oldestFirst:
			rows = rows[:at]
		case found:
			rows = rows[at+1:]
		default:
			rows = rows[at:]
		}
	}
	for i := range min(take, len(rows)) {
		r := rows[i]
		if !oldestFirst {
			r = rows[len(rows)-1-i]
		}
		items, last = append(items, r.fact.base().Raw), r.seq
	}
	return items, last, len(rows) > take
}
