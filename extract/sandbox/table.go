package sandbox

import (
	"cmp"
	"slices"
)

// fact is a record of any kind: *Deposit, *Trade or *Payment.
type fact interface{ base() *Record }

// row is a fact in its place. Rows are compared by seq, never by time: two records may share a second, and the
// order of a list must not depend on chance.
type row struct {
	seq      uint64
	customer string // for the filter by customer; may be empty
	fact     fact
}

// table is all records of one kind in the order of their creation, with an index for every filter, so that a
// page costs the same wherever it lies and however it is filtered. It has no lock: world does.
type table struct {
	rows       []*row
	byStatus   map[string][]*row
	byCustomer map[string][]*row
	byID       map[string]*row
	next       uint64 // seq of the next row
}

func newTable() *table {
	return &table{byStatus: map[string][]*row{}, byCustomer: map[string][]*row{}, byID: map[string]*row{}}
}

// expect makes room for so many rows in an empty table.
func (t *table) expect(rows int) {
	t.rows = make([]*row, 0, rows)
	t.byID = make(map[string]*row, rows)
}

// add puts a fact behind all others.
func (t *table) add(f fact, customer string) {
	added := &row{seq: t.next, customer: customer, fact: f}
	t.next++
	t.rows = append(t.rows, added)
	t.byID[f.base().ID] = added
	status := f.base().Status
	t.byStatus[status] = append(t.byStatus[status], added)
	if customer != "" {
		t.byCustomer[customer] = append(t.byCustomer[customer], added)
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

// restatus gives a row another status; it keeps its place in the list and among those of that status.
func (t *table) restatus(r *row, status string) {
	record := r.fact.base()
	t.byStatus[record.Status] = without(t.byStatus[record.Status], r)
	record.Status = status
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
type filter struct{ status, customer string }

// matching returns the rows that pass the filter, oldest first. Nobody may change the slice.
func (t *table) matching(f filter) []*row {
	switch {
	case f == filter{}:
		return t.rows
	case f.customer == "":
		return t.byStatus[f.status]
	case f.status == "":
		return t.byCustomer[f.customer]
	}
	var rows []*row
	for _, r := range t.byCustomer[f.customer] {
		if r.fact.base().Status == f.status {
			rows = append(rows, r)
		}
	}
	return rows
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
