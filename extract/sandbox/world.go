package sandbox

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"tieout/schema"
)

// world is the partner's data. Every answer is made under one read lock and every change under the write lock,
// so a page and its total always belong to the same state.
type world struct {
	render      func(fact) []byte
	listOf      func(fact) string
	words       lexicon
	oldestFirst bool
	mixed       bool // a list shows records of several kinds

	mu        sync.RWMutex               // guards all below
	tables    map[schema.Resource]*table // what there is
	lists     map[string]*table          // what each list shows, by path: often one of the tables
	next      uint64                     // seq of the next row
	books     books
	generator *generator
	newest    time.Time // creation of the youngest record
}

func newWorld(d dialect, seed uint64, oldestFirst bool) *world {
	w := &world{
		render:      d.render,
		listOf:      d.listOf,
		words:       d.words,
		oldestFirst: oldestFirst,
		tables: map[schema.Resource]*table{
			schema.Deposits: newTable(), schema.Trades: newTable(), schema.Payments: newTable(),
		},
		books:     newBooks(d.words),
		generator: newGenerator(seed, d.words),
		lists:     make(map[string]*table, len(d.lists)),
	}
	for _, l := range d.lists {
		w.mixed = w.mixed || len(l.of) > 1
		w.lists[l.path] = newTable()
		if resource := l.of[0]; len(l.of) == 1 && countLists(d.lists, resource) == 1 {
			w.lists[l.path] = w.tables[resource]
		}
	}
	return w
}

// countLists is how many lists a resource is spread over.
func countLists(lists []listing, resource schema.Resource) (count int) {
	for _, l := range lists {
		if slices.Contains(l.of, resource) {
			count++
		}
	}
	return count
}

// populate fills an empty world with about so many deposits, and what became of them.
func (w *world) populate(deposits int, since, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = until
	w.generator.openFor(deposits)
	step := until.Sub(since) / time.Duration(max(1, deposits))
	facts, later := make([]fact, 0, 3*deposits), make([]fact, 0, 2*deposits)
	for i := range deposits {
		at := since.Add(step * time.Duration(i)).Add(w.generator.within(step))
		deposit := w.generator.deposit(at, w.generator.word(w.words.deposits).text)
		facts = append(facts, deposit)
		later = append(later, w.generator.aftermath(deposit, until)...)
	}
	// Trades and payments follow their deposits by minutes or days, so they come out of order.
	slices.SortStableFunc(later, olderFirst)
	facts = append(facts, later...)
	if w.mixed {
		slices.SortStableFunc(facts, olderFirst)
	}
	w.renderAll(facts)
	for _, t := range w.tables {
		t.expect(deposits)
	}
	for _, f := range facts {
		w.list(f)
	}
}

// renderAll renders with all processors, as that is half of the work of a large world. Each fact is rendered by
// itself, so the bytes do not depend on how many there are.
func (w *world) renderAll(facts []fact) {
	var group sync.WaitGroup
	defer group.Wait()
	share := len(facts)/runtime.GOMAXPROCS(0) + 1
	for part := range slices.Chunk(facts, share) {
		group.Go(func() {
			for _, f := range part {
				w.complete(f)
			}
		})
	}
}

func olderFirst(a, b fact) int { return a.base().CreatedAt.Compare(b.base().CreatedAt) }

// complete fills in what follows from a fact.
func (w *world) complete(f fact) {
	record := f.base()
	record.List = w.listOf(f)
	record.Reading = w.words.find(resourceOf(f), record.Status).status
	record.Raw = w.render(f)
}

// add completes a fact, lists it and books it. The caller holds the lock.
func (w *world) add(f fact) {
	w.complete(f)
	w.list(f)
}

// list puts a complete fact behind all others, and into the books. The caller holds the lock.
func (w *world) list(f fact) {
	added := &row{seq: w.next, fact: f}
	w.next++
	if deposit, ok := f.(*Deposit); ok {
		added.customer = deposit.CustomerID
	}
	for _, t := range w.tablesOf(f) {
		t.add(added)
	}
	w.books.post(f, one)
}

// tablesOf returns the one or two tables in which a fact stands.
func (w *world) tablesOf(f fact) []*table {
	all, shown := w.tables[resourceOf(f)], w.lists[f.base().List]
	if all == shown {
		return []*table{all}
	}
	return []*table{all, shown}
}

func resourceOf(f fact) schema.Resource {
	switch f.(type) {
	case *Deposit:
		return schema.Deposits
	case *Trade:
		return schema.Trades
	}
	return schema.Payments
}

// currencyOf is the currency of the balance that a fact is about first of all.
func currencyOf(f fact) string {
	switch f := f.(type) {
	case *Deposit:
		return f.Currency
	case *Trade:
		return f.FromCurrency
	case *Payment:
		return f.DeductCurrency
	}
	return ""
}

// tick returns the time of the next record that is added: a second after the youngest, so that it is the first
// or the last of its list. The caller holds the lock.
func (w *world) tick() time.Time {
	w.newest = w.newest.Add(time.Second)
	return w.newest
}

// Add makes n deposits, n trades that convert them, where the partner has trades, and n payments out of these,
// all completed and each younger than every record before it.
func (s *Sandbox) Add(n int) {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for range n {
		deposit := w.generator.deposit(w.tick(), w.words.deposits[0].text)
		w.add(deposit)
		if !w.words.hasTrades() {
			w.add(w.generator.payout(deposit, w.tick(), w.words.payments[0].text))
			continue
		}
		trade := w.generator.trade(deposit, w.tick(), w.words.trades[0].text)
		w.add(trade)
		w.add(w.generator.payment(trade, w.tick(), w.words.payments[0].text))
	}
}

// AddDeposit makes one deposit, younger than every record before it, with the partner's word for its status. Any
// word will do: partners invent new ones.
func (s *Sandbox) AddDeposit(status string) Deposit {
	w := s.world
	w.mu.Lock()
	defer w.mu.Unlock()
	deposit := w.generator.deposit(w.tick(), status)
	w.add(deposit)
	return *deposit
}

// SetStatus gives a record another status, in place: its time and its place in the list stay. Balances follow,
// and may become negative if what is taken back has been spent. It fails if there is no such record.
func (s *Sandbox) SetStatus(resource schema.Resource, id, status string) error {
	w := s.world
	return w.change(resource, id, func(r *row) {
		before := r.fact.base().Status
		r.fact.base().Status = status
		w.complete(r.fact)
		for _, t := range w.tablesOf(r.fact) {
			t.restatus(r, before)
		}
		w.books.post(r.fact, one)
	})
}

// Remove makes a record vanish from the lists, as partners do. Balances follow, and may become negative if what
// is removed has been spent. It fails if there is no such record.
func (s *Sandbox) Remove(resource schema.Resource, id string) error {
	return s.world.change(resource, id, func(r *row) {
		for _, t := range s.world.tablesOf(r.fact) {
			t.remove(r)
		}
	})
}

// change takes a record out of the books and hands it over for change.
func (w *world) change(resource schema.Resource, id string, apply func(*row)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.tables[resource]
	if t == nil {
		return fmt.Errorf("%s have no records", resource)
	}
	r := t.byID[id]
	if r == nil {
		return fmt.Errorf("no record %s among the %s", id, resource)
	}
	w.books.post(r.fact, one.Neg())
	apply(r)
	return nil
}

// page returns items of a list and how many match, both of one instant.
func (w *world) page(list string, f filter, skip, take int) (items [][]byte, total int) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.lists[list].page(f, skip, take, w.oldestFirst)
}

// after returns the items of a list that follow a place, see table.after.
func (w *world) after(list string, place *uint64, take int) (items [][]byte, last uint64, more bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.lists[list].after(place, take, w.oldestFirst)
}

// item returns the JSON of one record of a list, or nil.
func (w *world) item(list, id string) []byte {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if r := w.lists[list].byID[id]; r != nil {
		return r.fact.base().Raw
	}
	return nil
}

// hasStatus reports whether the partner knows the word, or a test made it up.
func (w *world) hasStatus(resource schema.Resource, status string) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	_, used := w.tables[resource].byStatus[status]
	return used || slices.ContainsFunc(w.words.of(resource), func(known word) bool { return known.text == status })
}

func (w *world) balances() []Balance {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.books.balances()
}

// books are the running balances, posted record by record and never added up again. It has no lock: world does.
type books struct {
	words         lexicon
	total, locked map[string]decimal.Decimal // by currency
}

func newBooks(words lexicon) books {
	b := books{words: words, total: map[string]decimal.Decimal{}, locked: map[string]decimal.Decimal{}}
	for _, c := range currencies {
		b.total[c.code], b.locked[c.code] = decimal.Zero, decimal.Zero
	}
	return b
}

var one = decimal.NewFromInt(1)

// post books what a record does to the balances, with the sign 1, or takes it back, with the sign -1.
func (b *books) post(f fact, sign decimal.Decimal) {
	move := func(book map[string]decimal.Decimal, currency string, amount decimal.Decimal) {
		book[currency] = book[currency].Add(amount.Mul(sign))
	}
	effect := b.words.find(resourceOf(f), f.base().Status).books
	switch f := f.(type) {
	case *Deposit:
		if effect == moves {
			move(b.total, f.Currency, f.Amount)
		}
	case *Trade:
		switch effect {
		case moves:
			move(b.total, f.FromCurrency, f.FromAmount.Neg())
			move(b.total, f.ToCurrency, f.ToAmount)
		case locks:
			move(b.locked, f.FromCurrency, f.FromAmount)
		}
	case *Payment:
		switch effect {
		case moves:
			move(b.total, f.DeductCurrency, f.DeductAmount.Neg())
		case locks:
			move(b.locked, f.DeductCurrency, f.DeductAmount)
		}
	}
}

// balances lists every currency, those with nothing in them too: nothing and not listed are different facts.
func (b *books) balances() []Balance {
	list := make([]Balance, 0, len(b.total))
	for currency, total := range b.total {
		locked := b.locked[currency]
		list = append(list, Balance{Currency: currency, Available: total.Sub(locked), Locked: locked, Total: total})
	}
	slices.SortFunc(list, func(a, b Balance) int { return strings.Compare(a.Currency, b.Currency) })
	return list
}
