package extract

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// jsonMaker makes JSON values and writes the same value down in many ways.
type jsonMaker struct{ *rand.Rand }

// number is a JSON number as a partner writes it, kept as text.
type number string

func (m jsonMaker) number() number {
	return number(fmt.Sprintf("%d.%0*d", m.Int64N(1<<40)-1<<39, m.IntN(20)+1, m.IntN(1000)))
}

var makerTexts = []string{"", "x", "é", "a\"b", "line\nend", "\\", "漢字", "</script>", "0", "null"}

// value returns a map, a list or a scalar, at most depth deep.
func (m jsonMaker) value(depth int) any {
	kind := m.IntN(6)
	if depth == 0 {
		kind = m.IntN(4)
	}
	switch kind {
	case 0:
		return m.number()
	case 1:
		return makerTexts[m.IntN(len(makerTexts))]
	case 2:
		return m.IntN(2) == 0
	case 3:
		return nil
	case 4:
		list := make([]any, m.IntN(4))
		for i := range list {
			list[i] = m.value(depth - 1)
		}
		return list
	}
	object := map[string]any{}
	for range m.IntN(5) {
		object[makerTexts[m.IntN(len(makerTexts))]] = m.value(depth - 1)
	}
	return object
}

// write returns JSON with names in any order, white space anywhere and texts escaped or not.
func (m jsonMaker) write(value any) string {
	switch value := value.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(value))
		m.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		members := make([]string, len(names))
		for i, name := range names {
			members[i] = m.space() + m.quoted(name) + m.space() + ":" + m.space() + m.write(value[name]) + m.space()
		}
		return "{" + strings.Join(members, ",") + m.space() + "}"
	case []any:
		parts := make([]string, len(value))
		for i, element := range value {
			parts[i] = m.space() + m.write(element) + m.space()
		}
		return "[" + strings.Join(parts, ",") + "]"
	case string:
		return m.quoted(value)
	case number:
		return string(value)
	case bool:
		return strconv.FormatBool(value)
	}
	return "null"
}

func (m jsonMaker) space() string { return []string{"", " ", "\n\t", "\r\n"}[m.IntN(4)] }

// quoted writes each letter as itself or as an escape; what must be escaped always is.
func (m jsonMaker) quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if r < ' ' || r == '"' || r == '\\' || m.IntN(3) == 0 {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// changed returns the value with one thing in it replaced, somewhere at random.
func (m jsonMaker) changed(value any) any {
	switch value := value.(type) {
	case map[string]any:
		other := maps.Clone(value)
		names := slices.Sorted(maps.Keys(value))
		switch {
		case len(names) == 0 || m.IntN(4) == 0:
			other["new"] = nil
		default:
			name := names[m.IntN(len(names))]
			other[name] = m.changed(value[name])
		}
		return other
	case []any:
		if len(value) == 0 || m.IntN(4) == 0 {
			return append(slices.Clone(value), nil)
		}
		other, at := slices.Clone(value), m.IntN(len(value))
		other[at] = m.changed(value[at])
		return other
	case string:
		return value + "!"
	case number:
		return value + "0" // another scale is another text
	case bool:
		return !value
	}
	return "null"
}
