package extract

import (
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
	statuses map[string]schema.Status
}

type mappedColumn struct {
	index int // in Row.Columns
	name  string
	paths []string
	found []int // numbers of the paths in the finder
}

func newMapping(resource schema.Resource, l *Listing) *mapping {
	m := &mapping{resource: resource, slice: -1, statuses: map[string]schema.Status{}}
	for i, column := range schema.NewRow(resource).Columns() {
		if column.Name == l.Slices.Column && column.Name != "" {
			m.slice = i
		}
		paths := l.Fields[column.Name]
		if len(paths) == 0 {
			continue
		}
		mapped := mappedColumn{index: i, name: column.Name, paths: paths}
		for _, path := range paths {
			mapped.found = append(mapped.found, m.finder.add(path))
		}
		m.columns = append(m.columns, mapped)
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
	at      time.Time // when the answer arrived
	slice   string    // value of the list's filter
	def     *Definition
	mapping *mapping
	uses    []map[int]int // per mapped column: path -> records that used it
	found   []jsontext.Value
	scratch []byte
}

func newReader(account Account, resource schema.Resource, slice string, at time.Time) *reader {
	m := account.Definition.Resources[resource].mapping
	r := &reader{account: account.Name, at: at.UTC(), slice: slice, def: account.Definition, mapping: m}
	r.uses = make([]map[int]int, len(m.columns))
	for i := range r.uses {
		r.uses[i] = map[int]int{}
	}
	return r
}

// read maps one item. It returns a row that has passed schema.Validate, or else a rejected record.
func (r *reader) read(item jsontext.Value) (schema.Row, *schema.Rejected) {
	row := schema.NewRow(r.mapping.resource)
	record := row.Base()
	record.Account, record.Provider = r.account, r.def.Name
	record.FirstSeenAt, record.ListedUnder = r.at, r.slice
	record.Payload = slices.Clone(item)
	record.PayloadHash = r.hash(item)
	problems := r.fill(row, item)
	record.Status = cmp.Or(r.mapping.statuses[strings.ToLower(record.ProviderStatus)], schema.StatusUnknown)
	if len(problems) == 0 {
		if err := schema.Validate(row); err != nil {
			problems = append(problems, reason(err))
		}
	}
	if len(problems) == 0 {
		return row, nil
	}
	return nil, &schema.Rejected{
		RecordID: record.ID, ListedUnder: r.slice, Reason: strings.Join(problems, "; "),
		Payload: record.Payload, PayloadHash: record.PayloadHash, SeenAt: r.at,
	}
}

// hash identifies the content: the same for the same facts, however they are written down.
func (r *reader) hash(item jsontext.Value) [sha256.Size]byte {
	var err error
	if r.scratch, err = canonical(r.scratch[:0], item); err != nil {
		r.scratch = append(r.scratch[:0], item...) // not JSON: its bytes are all that can be compared
	}
	r.scratch = append(r.scratch, 0)
	r.scratch = append(r.scratch, r.slice...)
	return sha256.Sum256(r.scratch)
}

// fill sets every column that a path or the slice feeds and returns what could not be read.
func (r *reader) fill(row schema.Row, item jsontext.Value) []string {
	if item.Kind() != '{' {
		return []string{"the record is no JSON object"}
	}
	var err error
	if r.found, err = r.mapping.finder.find(item, r.found); err != nil {
		return []string{"the record " + jsonError(err).Error()}
	}
	var problems []string
	columns := row.Columns()
	if r.mapping.slice >= 0 {
		*columns[r.mapping.slice].Field.(*string) = r.slice
	}
	for i, mapped := range r.mapping.columns {
		for nth, number := range mapped.found {
			if r.found[number] == nil {
				continue
			}
			r.uses[i][nth]++
			if err := r.set(columns[mapped.index], r.found[number]); err != nil {
				problems = append(problems, fmt.Sprintf("%s %v", mapped.name, err))
			}
			break
		}
	}
	return problems
}

func (r *reader) set(column schema.Column, value jsontext.Value) (err error) {
	literal := text(value)
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
		if *field, err = schema.ParseAmount(literal); err != nil {
			return fmt.Errorf("%q %w", excerpt(literal), err)
		}
	case *time.Time:
		if literal == "" {
			return nil
		}
		*field, err = r.def.Times.parse(literal)
	}
	return err
}

// fields reports what fed each column of the page.
func (r *reader) fields() []FieldUse {
	uses := make([]FieldUse, len(r.mapping.columns))
	for i, mapped := range r.mapping.columns {
		uses[i].Column = mapped.name
		most := 0
		for nth, records := range r.uses[i] {
			uses[i].Records += records
			if records > most || (records == most && mapped.paths[nth] < uses[i].Path) {
				most, uses[i].Path = records, mapped.paths[nth]
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
