package main

import (
	"slices"
	"strings"
)

// columnType is a ClickHouse type, taken apart: Array(Nullable(DateTime64(3, 'UTC'))).
type columnType struct {
	name      string       // Array, Tuple, DateTime64, …
	arguments []columnType // what stands in its brackets; of a parameter like 3 or 'UTC' only the name
	element   string       // its own name as an element of a named Tuple; empty in any other place
}

// geometries are names for types that are made of others.
var geometries = map[string]string{
	"Ring": "Array(Point)", "LineString": "Array(Point)", "Polygon": "Array(Ring)", "MultiLineString": "Array(LineString)",
	"MultiPolygon": "Array(Polygon)",
}

// parseColumnType takes a type apart and leaves out what does not show in a value: Nullable, LowCardinality and the
// function of an aggregate. It never fails: what it does not know has a name and no arguments.
func parseColumnType(text string) columnType {
	name, rest, _ := strings.Cut(strings.TrimSpace(text), "(")
	if geometry, ok := geometries[name]; ok {
		return parseColumnType(geometry)
	}
	t := columnType{name: name}
	if strings.HasPrefix(name, "Enum") || name == "JSON" || name == "Object" {
		return t // what stands in these brackets are no types
	}
	for _, argument := range splitArguments(strings.TrimSuffix(rest, ")")) {
		element := ""
		if name == "Tuple" || name == "Nested" {
			element, argument = splitElement(argument)
		}
		parsed := parseColumnType(argument)
		parsed.element = element
		t.arguments = append(t.arguments, parsed)
	}
	switch name {
	case "Nullable", "LowCardinality", "SimpleAggregateFunction":
		if len(t.arguments) > 0 {
			return t.arguments[len(t.arguments)-1]
		}
	case "Nested":
		return columnType{name: "Array", arguments: []columnType{{name: "Tuple", arguments: t.arguments}}}
	}
	return t
}

// argument returns an argument, or the type of nothing where there is none.
func (t columnType) argument(i int) columnType {
	if i >= 0 && i < len(t.arguments) {
		return t.arguments[i]
	}
	return columnType{}
}

// named reports whether the type is a Tuple whose elements have names.
func (t columnType) named() bool {
	return t.name == "Tuple" && len(t.arguments) > 0 &&
		!slices.ContainsFunc(t.arguments, func(element columnType) bool { return element.element == "" })
}

// splitArguments splits at the commas that stand in no brackets and in no quoted text.
func splitArguments(text string) []string {
	var parts []string
	begin := 0
	for i := range outside(text, ',') {
		parts = append(parts, text[begin:i])
		begin = i + 1
	}
	if last := strings.TrimSpace(text[begin:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}

// splitElement splits the element of a Tuple into its name, which may be quoted or missing, and its type.
func splitElement(text string) (name, kind string) {
	text = strings.TrimSpace(text)
	for i := range outside(text, ' ') {
		name = text[:i]
		if unquoted, ok := strings.CutPrefix(name, "`"); ok {
			name = strings.NewReplacer(`\\`, `\`, "\\`", "`", "``", "`").Replace(strings.TrimSuffix(unquoted, "`"))
		}
		return name, text[i+1:]
	}
	return "", text
}

// outside yields the places of a sign outside of brackets and quotation marks.
func outside(text string, sign byte) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		depth := 0
		var mark byte
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case mark != 0:
				switch c {
				case '\\':
					i++
				case mark:
					mark = 0
				}
			case c == '\'' || c == '`' || c == '"':
				mark = c
			case c == '(':
				depth++
			case c == ')':
				depth--
			case c == sign && depth == 0:
				if !yield(i) {
					return
				}
			}
		}
	}
}
