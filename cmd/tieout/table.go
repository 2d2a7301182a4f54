package main

import (
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// tableWidth is the terminal that our own tables and bars are made for. Nothing is ever cut to fit: a shortened
// amount is a wrong amount.
const tableWidth = 100

// newTable returns a table on standard output: with lines on a terminal, plain columns elsewhere.
func (a *app) newTable(headers ...string) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(a.stdout)
	style := table.StyleDefault
	if isTerminal(a.stdout) {
		style = table.StyleRounded
	}
	style.Format.Header = text.FormatDefault
	style.Options.SeparateRows = false
	t.SetStyle(style)
	row := make(table.Row, len(headers))
	for i, header := range headers {
		row[i] = header
	}
	t.AppendHeader(row)
	return t
}
