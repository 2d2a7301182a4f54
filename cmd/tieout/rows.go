package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/shopspring/decimal"
)

// renderers print rows, by the name of their format.
var renderers = map[string]func(*app, driver.Rows) error{
	"table": (*app).printTable,
	"csv":   func(a *app, rows driver.Rows) error { return a.printSeparated(rows, ',') },
	"tsv":   (*app).printTabs,
	"json":  (*app).printJSON,
}

// eachRow calls do with the values of every row; the slice is used again for the next.
func eachRow(rows driver.Rows, do func(values []any) error) error {
	types := rows.ColumnTypes()
	pointers := make([]any, len(types))
	for i, column := range types {
		pointers[i] = reflect.New(column.ScanType()).Interface()
	}
	values := make([]any, len(types))
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		for i, pointer := range pointers {
			values[i] = plain(reflect.ValueOf(pointer).Elem())
			if day, ok := values[i].(time.Time); ok && strings.Contains(types[i].DatabaseTypeName(), "Date") &&
				!strings.Contains(types[i].DatabaseTypeName(), "DateTime") {
				values[i] = day.Format(time.DateOnly)
			}
		}
		if err := do(values); err != nil {
			return err
		}
	}
	return nil
}

// plain returns a scanned value without pointers: nil for NULL.
func plain(value reflect.Value) any {
	for value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return nil
		}
		value = value.Elem()
	}
	return value.Interface()
}

// cell is a value as text, exact: amounts in plain digits, instants in UTC with what they have of a second.
func cell(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case decimal.Decimal:
		return v.String()
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.999999")
	case string:
		return v
	}
	return fmt.Sprint(value)
}

func (a *app) printTable(rows driver.Rows) error {
	t := a.newTable(rows.Columns()...)
	var layout []table.ColumnConfig
	for i, column := range rows.ColumnTypes() {
		if strings.Contains(column.DatabaseTypeName(), "Decimal") {
			layout = append(layout, table.ColumnConfig{Number: i + 1, Align: text.AlignRight})
		}
	}
	t.SetColumnConfigs(layout)
	err := eachRow(rows, func(values []any) error {
		row := make([]any, len(values))
		for i, value := range values {
			switch value.(type) {
			case decimal.Decimal, string, time.Time, nil:
				row[i] = oneLine(cell(value))
			default:
				row[i] = value
			}
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
	err := eachRow(rows, func(values []any) error { return w.Write(cells(values)) })
	w.Flush()
	if err != nil {
		return err
	}
	return w.Error()
}

func cells(values []any) []string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = cell(value)
	}
	return texts
}

// tabEscaper writes what would break a line of tab-separated values as ClickHouse does.
var tabEscaper = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

func (a *app) printTabs(rows driver.Rows) error {
	line := func(texts []string) error {
		for i := range texts {
			texts[i] = tabEscaper.Replace(texts[i])
		}
		_, err := fmt.Fprintln(a.stdout, strings.Join(texts, "\t"))
		return err
	}
	if err := line(rows.Columns()); err != nil {
		return err
	}
	return eachRow(rows, func(values []any) error {
		texts := cells(values)
		for i, value := range values {
			if value == nil {
				texts[i] = `\N`
				continue
			}
			texts[i] = tabEscaper.Replace(texts[i])
		}
		_, err := fmt.Fprintln(a.stdout, strings.Join(texts, "\t"))
		return err
	})
}

// printJSON prints one object a line, names in the order of the columns. Amounts are strings: a JSON number would
// lose digits in most readers.
func (a *app) printJSON(rows driver.Rows) error {
	names := rows.Columns()
	return eachRow(rows, func(values []any) error {
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		for i, value := range values {
			line.WriteByte("{,"[min(i, 1)])
			switch v := value.(type) {
			case decimal.Decimal, time.Time:
				value = cell(v)
			}
			if err := encoder.Encode(names[i]); err != nil {
				return err
			}
			line.WriteByte(':')
			if err := encoder.Encode(value); err != nil {
				return err
			}
		}
		object := bytes.ReplaceAll(line.Bytes(), []byte("\n"), nil) // Encode ends each part with one; inside a text it is escaped
		_, err := fmt.Fprintf(a.stdout, "%s}\n", object)
		return err
	})
}
