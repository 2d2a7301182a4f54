package main

import (
	"encoding/csv"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// renderers print rows, by the name of their format.
var renderers = map[string]func(*app, driver.Rows) error{
	"table": (*app).printTable,
	"csv":   func(a *app, rows driver.Rows) error { return a.printSeparated(rows, ',') },
	"tsv":   (*app).printTabs,
	"json":  (*app).printJSON,
}

// eachRow calls do with the values of every row; the slice is used again for the next.
func eachRow(rows driver.Rows, do func(values []sqlValue) error) error {
	types := rows.ColumnTypes()
	kinds := make([]columnType, len(types))
	pointers := make([]any, len(types))
	for i, column := range types {
		kinds[i] = parseColumnType(column.DatabaseTypeName())
		pointers[i] = reflect.New(column.ScanType()).Interface()
		if kinds[i].name == "Map" {
			pointers[i] = new(mapPairs)
		}
	}
	values := make([]sqlValue, len(types))
	for rows.Next() {
		for _, pointer := range pointers {
			reflect.ValueOf(pointer).Elem().SetZero() // nothing of the row before may stay
		}
		if err := rows.Scan(pointers...); err != nil {
			// Some types, as a tuple in a tuple, the driver reads and cannot hand out.
			return fmt.Errorf("%w (toString(…) prints what cannot be read)", err)
		}
		for i, pointer := range pointers {
			values[i] = newValue(kinds[i], reflect.ValueOf(pointer).Elem())
		}
		if err := do(values); err != nil {
			return err
		}
	}
	return nil
}

// cells returns the values as texts. Only a text that stands alone passes escape: the others hold nothing that a
// format could trip over.
func cells(values []sqlValue, escape func(string) string) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = value.text()
		if word, ok := value.value.(string); ok {
			texts[i] = escape(word)
		}
	}
	return texts
}

// numeric matches the types whose values are easiest to compare with their last digits below each other.
var numeric = regexp.MustCompile(`^(U?Int|B?Float|Decimal)`)

func (a *app) printTable(rows driver.Rows) error {
	t := a.newTable(rows.Columns()...)
	var layout []table.ColumnConfig
	for i, column := range rows.ColumnTypes() {
		if numeric.MatchString(parseColumnType(column.DatabaseTypeName()).name) {
			layout = append(layout, table.ColumnConfig{Number: i + 1, Align: text.AlignRight})
		}
	}
	t.SetColumnConfigs(layout)
	err := eachRow(rows, func(values []sqlValue) error {
		row := make(table.Row, len(values))
		for i, text := range cells(values, escaped) {
			row[i] = text
		}
		t.AppendRow(row)
		return nil
	})
	t.Render()
	return err
}

func (a *app) printSeparated(rows driver.Rows, separator rune) error {
	w := csv.NewWriter(a.stdout)
	w.Comma = separator
	if err := w.Write(rows.Columns()); err != nil {
		return err
	}
	asItIs := func(text string) string { return text }
	err := eachRow(rows, func(values []sqlValue) error { return w.Write(cells(values, asItIs)) })
	w.Flush()
	if err != nil {
		return err
	}
	return w.Error()
}

// tabEscaper writes what would break a line of tab-separated values, or end it for some reader, as ClickHouse does.
var tabEscaper = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\b", `\b`, "\f", `\f`, "\x00", `\0`)

func (a *app) printTabs(rows driver.Rows) error {
	names := rows.Columns()
	for i := range names {
		names[i] = tabEscaper.Replace(names[i])
	}
	if _, err := fmt.Fprintln(a.stdout, strings.Join(names, "\t")); err != nil {
		return err
	}
	return eachRow(rows, func(values []sqlValue) error {
		texts := cells(values, tabEscaper.Replace)
		for i, value := range values {
			if value.value == nil {
				texts[i] = `\N`
			}
		}
		_, err := fmt.Fprintln(a.stdout, strings.Join(texts, "\t"))
		return err
	})
}

// printJSON prints one object a line, names in the order of the columns.
func (a *app) printJSON(rows driver.Rows) error {
	names := rows.Columns()
	return eachRow(rows, func(values []sqlValue) error {
		var line []byte
		for i, value := range values {
			line = append(line, "{,"[min(i, 1)])
			line = append(appendJSONText(line, names[i]), ':')
			line = value.appendJSON(line)
		}
		_, err := fmt.Fprintf(a.stdout, "%s}\n", line)
		return err
	})
}
