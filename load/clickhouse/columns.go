package clickhouse

import (
	"fmt"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"tieout/load"
	"tieout/schema"
)

// values are the values of one column, in the order of the rows: one of the slices below, the one that fits the
// column. Rows of boxed values would cost the driver several times as much.
type values struct {
	texts        []string
	amounts      []decimal.Decimal
	maybeAmounts []*decimal.Decimal // nil: NULL
	times        []time.Time
	maybeTimes   []*time.Time // nil: NULL
}

// add appends what a column of a row is bound to. What is unknown is NULL in a column that is not required.
func (v *values) add(column schema.Column) {
	switch field := column.Field.(type) {
	case *string:
		v.texts = append(v.texts, *field)
	case *schema.Amount:
		if column.Required {
			v.amounts = append(v.amounts, field.Decimal())
		} else {
			v.maybeAmounts = append(v.maybeAmounts, field.NullableDecimal())
		}
	case *time.Time:
		if column.Required {
			v.times = append(v.times, field.UTC())
		} else {
			v.maybeTimes = append(v.maybeTimes, maybeTime(*field))
		}
	default:
		panic(fmt.Sprintf("clickhouse: column %s is bound to a %T", column.Name, column.Field))
	}
}

// slice returns the slice that has been filled.
func (v *values) slice() any {
	switch {
	case v.texts != nil:
		return v.texts
	case v.amounts != nil:
		return v.amounts
	case v.maybeAmounts != nil:
		return v.maybeAmounts
	case v.times != nil:
		return v.times
	}
	return v.maybeTimes
}

// maybeTime is an instant that may be unknown: then it is NULL.
func maybeTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// columnsOf returns the columns of some rows, one at least, and the values of each.
func columnsOf(batch load.Batch, rows []schema.Row) (names []string, columns []any) {
	mapped := rows[0].Columns()
	gathered := make([]values, len(mapped))
	for _, row := range rows {
		for at, column := range row.Columns() {
			gathered[at].add(column)
		}
	}
	for at := range mapped {
		names, columns = append(names, mapped[at].Name), append(columns, gathered[at].slice())
	}
	ownNames, own := recordColumns(batch, rows)
	return append(names, ownNames...), append(columns, own...)
}

// mappedNames returns the names of the columns that a mapping feeds, in the order of the table.
func mappedNames(resource schema.Resource) string {
	var names []string
	for _, column := range schema.NewRow(resource).Columns() {
		names = append(names, column.Name)
	}
	return strings.Join(names, ", ")
}

// recordColumns returns the columns that no mapping feeds.
func recordColumns(batch load.Batch, rows []schema.Row) (names []string, columns []any) {
	if batch.Stream.Resource == schema.Balances {
		return []string{"account", "as_of", "observed_us", "observed_at", "provider", "run_id", "payload"}, []any{
			each(rows, func(r *schema.Record) string { return r.Account }),
			each(rows, func(*schema.Record) time.Time { return batch.AsOf.UTC() }),
			each(rows, func(r *schema.Record) uint64 { return uint64(r.FirstSeenAt.UnixMicro()) }),
			each(rows, func(r *schema.Record) time.Time { return r.FirstSeenAt.UTC() }),
			each(rows, func(r *schema.Record) string { return r.Provider }),
			each(rows, func(*schema.Record) string { return batch.RunID }),
			each(rows, func(r *schema.Record) []byte { return r.Payload }),
		}
	}
	names = []string{
		"account", "version", "payload_hash", "provider", "status", "listed_under", "first_seen_at", "deleted_at", "evidence",
		"moved", "run_id", "payload",
	}
	columns = []any{
		each(rows, func(r *schema.Record) string { return r.Account }),
		each(rows, func(r *schema.Record) uint64 { return r.Version }),
		each(rows, func(r *schema.Record) []byte { return r.PayloadHash[:] }),
		each(rows, func(r *schema.Record) string { return r.Provider }),
		each(rows, func(r *schema.Record) string { return string(r.Status) }),
		each(rows, func(r *schema.Record) string { return r.ListedUnder }),
		each(rows, func(r *schema.Record) time.Time { return r.FirstSeenAt.UTC() }),
		each(rows, func(r *schema.Record) *time.Time { return maybeTime(r.DeletedAt) }),
		each(rows, func(r *schema.Record) string { return r.Evidence }),
		each(rows, func(r *schema.Record) bool { return r.Moved }),
		each(rows, func(*schema.Record) string { return batch.RunID }),
		each(rows, func(r *schema.Record) []byte { return r.Payload }),
	}
	return names, columns
}

// each returns one value of every row.
func each[T any](rows []schema.Row, value func(*schema.Record) T) []T {
	all := make([]T, len(rows))
	for i, row := range rows {
		all[i] = value(row.Base())
	}
	return all
}
