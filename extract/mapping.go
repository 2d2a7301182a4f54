package extract

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"tieout/schema"
)

// mapping turns items of one list into rows: the compiled form of Listing.Fields.
type mapping struct {
	resource schema.Resource
	finder   finder
	columns  []mappedColumn // those that have paths, in the order of the table
	slice    int            // the column that the slice's value feeds, -1: none
	split    int            // number of the path that tells resources apart, -1: the list holds one only
	take     []string       // its values for this resource
	leave    []string       // its values for others
	statuses map[string]schema.Status
}

type mappedColumn struct {
	index int // in Row.Columns
	name  string
	Field
	found []int // numbers of the paths in the finder; keyNumber for @key
}

// keyPath is the path of the key in a map of records, and keyNumber its number.
const (
	keyPath   = "@key"
	keyNumber = -1
)

func newMapping(resource schema.Resource, l *Listing) *mapping {
	m := &mapping{resource: resource, slice: -1, split: -1, statuses: map[string]schema.Status{}}
	for i, column := range schema.NewRow(resource).Columns() {
		if column.Name == l.Slices.Column && column.Name != "" {
			m.slice = i
		}
		field, mapped := l.Fields[column.Name]
		if !mapped {
			continue
		}
		c := mappedColumn{index: i, name: column.Name, Field: field}
		for _, path := range field.Paths {
			number := keyNumber
			if path != keyPath {
				number = m.finder.add(path)
			}
			c.found = append(c.found, number)
		}
		m.columns = append(m.columns, c)
	}
	if l.Split.Path != "" {
		m.split, m.take, m.leave = m.finder.add(l.Split.Path), l.Split.Take, l.Split.Leave
	}
	for _, word := range slices.Sorted(maps.Keys(l.Statuses)) {
		m.statuses[strings.ToLower(word)] = l.Statuses[word]
	}
	return m
}

// splitPath yields the names of a path like data.list.
func splitPath(path string) iter.Seq[string] { return strings.SplitSeq(path, ".") }

// reader maps the items of one page.
type reader struct {
	account string
	sentAt  time.Time // when the request for the answer was sent
	at      time.Time // when the answer arrived
	slice   string    // value of the list's filter
	def     *Definition
	mapping *mapping
	uses    []map[int]int // per mapped column: path -> records that used it
	found   []jsontext.Value
	scratch []byte
	check   recordCheck
	plain   plainWalk
	isPlain bool   // the record was read by plain: found is filled, and nothing is wrong with its names
	secrets sought // of the account: no record may repeat one
	bare    bareText
	lastID  string // identifier of the last record that was read
	left    bool   // the last record is of another resource
}

func newReader(account Account, resource schema.Resource, slice string, asked answer) *reader {
	m := account.Definition.Resources[resource].mapping
	r := &reader{account: account.Name, sentAt: asked.sentAt.UTC(), at: asked.at.UTC(), slice: slice, def: account.Definition, mapping: m}
	r.secrets = soughtAmong([]schema.Secret{asked.signature, account.Credentials["api_key"], account.Credentials["api_secret"]}, secretLengthMin)
	r.uses = make([]map[int]int, len(m.columns))
	for i := range r.uses {
		r.uses[i] = map[int]int{}
	}
	return r
}

// page maps the items of a page. A record of another resource is left out. One that stands twice in the same words is
// taken once; in different words, or two balances of one currency, none of them can be believed and all are rejected.
func (r *reader) page(items []item, page *Page) {
	first := map[string]schema.Row{}
	doubled := map[string]bool{}
	var rows []schema.Row
	for _, i := range items {
		row, rejected := r.read(i)
		switch {
		case rejected != nil:
			page.Rejected = append(page.Rejected, *rejected)
		case row != nil:
			id := row.Base().ID
			if earlier := first[id]; earlier != nil && earlier.Base().PayloadHash == row.Base().PayloadHash && r.mapping.resource != schema.Balances {
				continue
			} else if earlier != nil {
				doubled[id] = true
			}
			first[id] = row
			rows = append(rows, row)
		}
	}
	for _, row := range rows {
		if doubled[row.Base().ID] {
			page.Rejected = append(page.Rejected, *r.reject(row.Base(), schema.ReasonDoubled))
			continue
		}
		page.Rows = append(page.Rows, row)
	}
	page.Fields = r.fields()
}

// read maps one item. It returns a row that has passed schema.Validate, or else a rejected record; neither for a
// record of another resource.
func (r *reader) read(i item) (schema.Row, *schema.Rejected) {
	row := schema.NewRow(r.mapping.resource)
	record := row.Base()
	record.Account, record.Provider = r.account, r.def.Name
	record.FirstSeenAt, record.AskedAt, record.ListedUnder = r.at, r.sentAt, r.slice
	record.Payload = i.payload()
	if r.repeatsSecret(record) {
		record.PayloadHash = r.hash(record.Payload)
		rejected := r.reject(record, "the record repeats a credential of ours, which was taken out of it")
		rejected.Permanent = true
		return nil, rejected
	}
	if r.found, r.scratch, r.isPlain = r.readPlain(i); r.isPlain {
		record.PayloadHash = r.sum()
	} else {
		record.PayloadHash = r.hash(record.Payload)
	}
	problems := r.fill(row, i)
	r.lastID = record.ID
	if r.left {
		return nil, nil
	}
	record.Status = cmp.Or(r.mapping.statuses[strings.ToLower(record.ProviderStatus)], schema.StatusUnknown)
	if len(problems) == 0 {
		if err := schema.Validate(row); err != nil {
			problems = append(problems, reason(err))
		}
	}
	if len(problems) > 0 {
		return nil, r.reject(record, strings.Join(problems, "; "))
	}
	return row, nil
}

// secretLengthMin is the least length of a credential that is looked for in records: a shorter one is found in
// anything.
const secretLengthMin = 8

// repeatsSecret reports whether the payload holds one of our credentials, however it is spelled, and takes it out:
// quarantine keeps what a partner sent, but no secret.
func (r *reader) repeatsSecret(record *schema.Record) bool {
	if !r.secrets.stands(record.Payload, &r.bare) {
		return false
	}
	clean := r.secrets.withoutJSON(record.Payload)
	if bytes.Equal(clean, record.Payload) {
		return false
	}
	record.Payload = clean
	return true
}

func (r *reader) reject(record *schema.Record, reason string) *schema.Rejected {
	return &schema.Rejected{
		RecordID: record.ID, ListedUnder: r.slice, Reason: reason,
		Payload: record.Payload, PayloadHash: record.PayloadHash, SeenAt: r.at, AskedAt: r.sentAt,
	}
}

// refused is the record of a look-up that the partner refuses for good, with the partner's answer in its place.
func (r *reader) refused(id string, refused *refusal) *schema.Rejected {
	reason := "the look-up was refused: " + refused.Error()
	if refused.request != "" {
		reason += " [request " + refused.request + "]"
	}
	rejected := r.reject(&schema.Record{ID: id, Payload: refused.body, PayloadHash: r.hash(refused.body)}, reason)
	rejected.Permanent = true
	return rejected
}

// payload is what is kept of an item: the partner's bytes. A member of a map keeps its name, without which it could
// not be understood.
func (i item) payload() []byte {
	if i.key == "" {
		return slices.Clone(i.value)
	}
	name, err := jsontext.AppendQuote([]byte{'{'}, i.key)
	if err != nil {
		name = append([]byte{'{'}, `"?"`...) // no text: its record is rejected for its name
	}
	return append(append(append(name, ':'), i.value...), '}')
}

// hash identifies the content: the same for the same facts, however they are written down.
func (r *reader) hash(item jsontext.Value) [sha256.Size]byte {
	var err error
	if r.scratch, err = canonical(r.scratch[:0], item); err != nil {
		r.scratch = append(r.scratch[:0], item...) // not JSON: its bytes are all that can be compared
	}
	return r.sum()
}

// sum hashes the canonical form in scratch.
func (r *reader) sum() [sha256.Size]byte {
	r.scratch = append(r.scratch, 0)
	r.scratch = append(r.scratch, r.slice...)
	return sha256.Sum256(r.scratch)
}

// readPlain finds the values of a record and its canonical form at once, where it can.
func (r *reader) readPlain(i item) ([]jsontext.Value, []byte, bool) {
	if i.key != "" || i.value.Kind() != '{' {
		return r.found, r.scratch, false
	}
	return r.plain.record(&r.mapping.finder, i.value, r.found, r.scratch[:0])
}

// fill sets every column that a path, a constant or the slice feeds, and returns what could not be read. It also
// finds out whether the record is of another resource.
func (r *reader) fill(row schema.Row, i item) []string {
	r.left = false
	if i.value.Kind() != '{' {
		return []string{"the record is no JSON object"}
	}
	var err error
	if !r.isPlain {
		err = r.check.record(i.value)
	}
	if err == nil && !r.isPlain {
		r.found, err = r.mapping.finder.find(i.value, r.found)
	}
	if err != nil {
		return []string{"the record " + jsonError(err).Error()}
	}
	var problems []string
	columns := row.Columns()
	if r.mapping.slice >= 0 {
		*columns[r.mapping.slice].Field.(*string) = r.slice
	}
	for n, mapped := range r.mapping.columns {
		literal, nth, found := r.literal(mapped, i)
		if !found {
			continue
		}
		if nth >= 0 {
			r.uses[n][nth]++
			if number := mapped.found[nth]; number != keyNumber && !isScalar(r.found[number]) {
				problems = append(problems, fmt.Sprintf("%s is no text and no number", mapped.name))
				continue
			}
		}
		if err := r.set(columns[mapped.index], mapped.Field, literal); err != nil {
			problems = append(problems, fmt.Sprintf("%s %v", mapped.name, err))
		}
	}
	return append(problems, r.belongs()...)
}

// isScalar reports whether a value is a text or a number: what a column can hold. A truth value, a list or an object
// where one of those is expected means that the partner's field is not what the definition takes it for.
func isScalar(value jsontext.Value) bool { return value.Kind() == '"' || value.Kind() == '0' }

// literal returns the text that feeds a column, and which of its paths held it; -1 for the constant.
func (r *reader) literal(mapped mappedColumn, i item) (literal string, nth int, found bool) {
	for nth, number := range mapped.found {
		if number == keyNumber {
			return i.key, nth, true
		}
		if r.found[number] != nil {
			return text(r.found[number]), nth, true
		}
	}
	return mapped.Constant, -1, mapped.Constant != ""
}

// belongs decides whose record it is in a list that several resources share.
func (r *reader) belongs() []string {
	if r.mapping.split < 0 {
		return nil
	}
	value := ""
	if found := r.found[r.mapping.split]; found != nil {
		value = text(found)
	}
	if slices.Contains(r.mapping.leave, value) {
		r.left = true
	} else if !slices.Contains(r.mapping.take, value) {
		return []string{fmt.Sprintf("no resource takes records of the kind %q", excerpt(value))}
	}
	return nil
}

func (r *reader) set(column schema.Column, how Field, literal string) (err error) {
	switch field := column.Field.(type) {
	case *string:
		*field = literal
		if strings.HasSuffix(column.Name, "currency") {
			*field = strings.ToUpper(literal)
		}
	case *schema.Amount:
		if literal == "" {
			return nil
		}
		amount, err := schema.ParseAmount(literal)
		if err != nil {
			return fmt.Errorf("%q %w", excerpt(literal), err)
		}
		*field = how.convert(amount)
	case *time.Time:
		if literal == "" {
			return nil
		}
		*field, err = r.def.Times.parse(literal)
	}
	return err
}

// convert moves the point and turns the sign of an amount, exactly.
func (f Field) convert(amount schema.Amount) schema.Amount {
	amount = amount.Shift(f.Shift)
	if f.Sign == SignFlip || (f.Sign == SignAbsolute && amount.Negative()) {
		return amount.Negate()
	}
	return amount
}

// fields reports what fed each column of the page.
func (r *reader) fields() []FieldUse {
	uses := make([]FieldUse, len(r.mapping.columns))
	for i, mapped := range r.mapping.columns {
		uses[i].Column = mapped.name
		most := 0
		for nth, records := range r.uses[i] {
			uses[i].Records += records
			if records > most || (records == most && mapped.Paths[nth] < uses[i].Path) {
				most, uses[i].Path = records, mapped.Paths[nth]
			}
		}
	}
	return uses
}

// reason returns what Validate found, without the operation around it.
func reason(err error) string {
	if classified, ok := err.(*schema.Error); ok { //nolint:errorlint // Validate returns it unwrapped
		return classified.Err.Error()
	}
	return err.Error()
}
