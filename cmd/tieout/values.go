package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"
)

// sqlValue is one value of a result with the ClickHouse type of its column: what the driver scans does not say
// whether an instant is a day, or in which order a tuple has its elements.
type sqlValue struct {
	kind  columnType
	value any // nil is NULL; a pointer only where it is a *big.Int
}

// newValue takes the pointers and interfaces off what was scanned. A Variant or Dynamic becomes what it holds.
func newValue(kind columnType, scanned reflect.Value) sqlValue {
	for scanned.Kind() == reflect.Pointer || scanned.Kind() == reflect.Interface {
		if scanned.IsNil() {
			return sqlValue{kind: kind}
		}
		if scanned.Type() == reflect.TypeFor[*big.Int]() {
			break
		}
		scanned = scanned.Elem()
	}
	if !scanned.IsValid() {
		return sqlValue{kind: kind}
	}
	value := scanned.Interface()
	if whole, ok := value.(big.Int); ok { // only ever read: its digits may be shared
		return sqlValue{kind, &whole}
	}
	if variant, ok := value.(clickhouse.Variant); ok { // Dynamic is the same type
		if variant.Nil() {
			return sqlValue{kind: kind}
		}
		return newValue(parseColumnType(variant.Type()), reflect.ValueOf(variant.Any()))
	}
	return sqlValue{kind, value}
}

// text is the value as ClickHouse writes it, exact: amounts in plain digits, arrays as ['a b',NULL], maps as
// {'k':1}, tuples as (1,'x'). Instants are in the zone of their column, or UTC, with what they have of a second. A text that
// stands alone is not quoted and nothing in it is escaped; NULL alone is empty.
func (v sqlValue) text() string {
	switch value := v.value.(type) {
	case nil:
		return ""
	case string:
		return value
	}
	return string(v.appendText(nil, false))
}

// appendText adds the value as it stands inside of others, or alone if it is not nested.
func (v sqlValue) appendText(text []byte, nested bool) []byte {
	if word, ok := v.word(); ok {
		if nested && v.quoted() {
			return appendQuoted(text, word)
		}
		return append(text, word...)
	}
	parts, pairs := v.parts()
	marks := "[]"
	switch {
	case pairs:
		marks = "{}"
	case v.kind.name == "Tuple" || v.kind.name == "Point":
		marks = "()"
	}
	text = append(text, marks[0])
	for i, part := range parts {
		if i > 0 {
			text = append(text, ",:"[i%2*toInt(pairs)])
		}
		text = part.appendText(text, true)
	}
	return append(text, marks[1])
}

func toInt(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// word is the text of a value that has no parts.
func (v sqlValue) word() (string, bool) {
	switch value := v.value.(type) {
	case nil:
		return "NULL", true
	case string:
		return value, true
	case decimal.Decimal:
		return value.String(), true
	case *big.Int:
		return value.String(), true
	case time.Time:
		return v.instant(value), true
	case time.Duration:
		return clock(value), true
	case uuid.UUID:
		return value.String(), true
	case net.IP:
		return v.address(value), true
	case float32:
		return float(float64(value), 32), true
	case float64:
		return float(value, 64), true
	case clickhouse.JSON:
		document, err := value.MarshalJSON()
		if err != nil {
			return fmt.Sprint(value.NestedMap()), true
		}
		return string(document), true
	}
	switch kind := reflect.ValueOf(v.value).Kind(); kind {
	case reflect.Slice, reflect.Array, reflect.Map:
		return "", false
	default: // integers and truth values
		return fmt.Sprint(v.value), true
	}
}

// quoted reports whether ClickHouse quotes the value inside of others.
func (v sqlValue) quoted() bool {
	switch v.value.(type) {
	case string, time.Time, time.Duration, uuid.UUID, net.IP:
		return true
	}
	return false
}

// parts returns the elements of an array or tuple, or of a map the keys and values in turn.
func (v sqlValue) parts() (parts []sqlValue, pairs bool) {
	if scanned, ok := v.value.(mapPairs); ok {
		for i, part := range scanned {
			parts = append(parts, newValue(v.kind.argument(i%2), reflect.ValueOf(part)))
		}
		return parts, true
	}
	value := reflect.ValueOf(v.value)
	if value.Kind() == reflect.Map {
		return v.mapParts(value)
	}
	for i := range value.Len() {
		kind := v.kind.argument(0)
		if v.kind.name == "Tuple" {
			kind = v.kind.argument(i)
		}
		parts = append(parts, newValue(kind, value.Index(i)))
	}
	return parts, false
}

// mapParts orders what the driver has put into a Go map: a named tuple by its type. A map inside of others has lost
// its order, so its keys are sorted.
func (v sqlValue) mapParts(value reflect.Value) (parts []sqlValue, pairs bool) {
	if v.kind.named() {
		for _, element := range v.kind.arguments {
			parts = append(parts, newValue(element, value.MapIndex(reflect.ValueOf(element.element))))
		}
		return parts, false
	}
	type pair struct{ key, value sqlValue }
	var all []pair
	for _, key := range value.MapKeys() {
		all = append(all, pair{newValue(v.kind.argument(0), key), newValue(v.kind.argument(1), value.MapIndex(key))})
	}
	slices.SortFunc(all, func(a, b pair) int {
		x, y := a.key.text(), b.key.text()
		if one, ok := new(big.Int).SetString(x, 10); ok {
			if other, ok := new(big.Int).SetString(y, 10); ok {
				return one.Cmp(other)
			}
		}
		return cmp.Compare(x, y)
	})
	for _, p := range all {
		parts = append(parts, p.key, p.value)
	}
	return parts, true
}

// wrap is how far the driver is off for instants after 2262: it counts in 64 bits of nanoseconds.
const wrap = 1 << 63

// instant is a day or an instant in its column's zone. ClickHouse has nothing before 1900: what the driver puts
// there has gone round.
func (v sqlValue) instant(t time.Time) string {
	if strings.HasPrefix(v.kind.name, "Date") && !strings.HasPrefix(v.kind.name, "DateTime") {
		return t.Format(time.DateOnly)
	}
	if t.UTC().Year() < 1899 {
		t = t.Add(wrap - 1).Add(wrap - 1).Add(2)
	}
	// The zone is the last parameter: DateTime('UTC'), DateTime64(3, 'UTC'). Without one it is the server's, which the
	// driver knows.
	if last := v.kind.argument(len(v.kind.arguments) - 1).name; strings.HasPrefix(last, "'") {
		if zone, err := time.LoadLocation(strings.Trim(last, "'")); err == nil {
			t = t.In(zone)
		}
	}
	return t.Format("2006-01-02 15:04:05.999999999")
}

// clock is a Time or Time64, which may be negative or longer than a day.
func clock(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	text := fmt.Sprintf("%s%03d:%02d:%02d", sign, d/time.Hour, d/time.Minute%60, d/time.Second%60)
	if d%time.Second != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%09d", d%time.Second), "0")
	}
	return text
}

// address keeps an IPv6 column's ::ffff:1.2.3.4 apart from an IPv4 column's 1.2.3.4.
func (v sqlValue) address(ip net.IP) string {
	if whole := ip.To16(); v.kind.name == "IPv6" && whole != nil {
		return netip.AddrFrom16([16]byte(whole)).String()
	}
	return ip.String()
}

// float is the shortest text that reads back as the same number, in ClickHouse's spelling.
func float(f float64, bits int) string {
	switch size := math.Abs(f); {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, bits), "+"))
	case size != 0 && (size < 1e-6 || size >= 1e21):
		mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, bits), "e")
		return mantissa + "e" + strings.TrimPrefix(strings.Replace(strings.TrimPrefix(exponent, "+"), "-0", "-", 1), "0")
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}

// appendQuoted adds a text in quotation marks, with everything escaped that could be mistaken or acted on.
func appendQuoted(text []byte, word string) []byte {
	return append(append(append(text, '\''), strings.ReplaceAll(escaped(word), `'`, `\'`)...), '\'')
}

// letters are the escapes that ClickHouse has letters for.
var letters = map[rune]string{'\\': `\\`, '\t': `\t`, '\n': `\n`, '\r': `\r`, '\b': `\b`, '\f': `\f`, 0: `\0`}

// escaped writes what would break a line, what a terminal could act on, and bytes that are no UTF-8, as ClickHouse
// reads them back.
func escaped(word string) string {
	var text strings.Builder
	for i := 0; i < len(word); {
		r, size := utf8.DecodeRuneInString(word[i:])
		switch letter, ok := letters[r]; {
		case ok:
			text.WriteString(letter)
		case r == utf8.RuneError && size == 1, !unicode.IsPrint(r):
			for _, b := range []byte(word[i : i+size]) {
				fmt.Fprintf(&text, `\x%02X`, b)
			}
		default:
			text.WriteString(word[i : i+size])
		}
		i += size
	}
	return text.String()
}

// appendJSON adds the value as JSON. Decimals and integers of 64 bits and more are texts, because most readers would
// lose digits of a number; nan and inf are texts because JSON has no such numbers; bytes that are no UTF-8 are
// escaped as in ClickHouse's text.
func (v sqlValue) appendJSON(text []byte) []byte {
	switch value := v.value.(type) {
	case nil:
		return append(text, "null"...)
	case bool, int8, int16, int32, uint8, uint16, uint32:
		return fmt.Append(text, value)
	case float32, float64:
		word, _ := v.word()
		if strings.HasSuffix(word, "nan") || strings.HasSuffix(word, "inf") {
			return appendJSONText(text, word)
		}
		return append(text, word...)
	case clickhouse.JSON:
		word, _ := v.word()
		if json.Valid([]byte(word)) {
			return append(text, word...)
		}
	}
	if word, ok := v.word(); ok {
		return appendJSONText(text, word)
	}
	parts, pairs := v.parts()
	names := pairs
	if !pairs && v.kind.named() {
		names = true
		var named []sqlValue
		for i, part := range parts {
			named = append(named, sqlValue{value: v.kind.arguments[i].element}, part)
		}
		parts = named
	}
	marks := []string{"[]", "{}"}[toInt(names)]
	text = append(text, marks[0])
	for i, part := range parts {
		if i > 0 {
			text = append(text, ",:"[i%2*toInt(names)])
		}
		if names && i%2 == 0 {
			text = appendJSONText(text, part.text())
			continue
		}
		text = part.appendJSON(text)
	}
	return append(text, marks[1])
}

func appendJSONText(text []byte, word string) []byte {
	if !utf8.ValidString(word) {
		word = escaped(word)
	}
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(word); err != nil {
		panic(err) // a text always has a JSON form
	}
	return append(text, strings.TrimSuffix(line.String(), "\n")...)
}

// mapPairs scans a Map as it is: in its order, and with what stands in it twice.
type mapPairs []any

var _ column.IterableOrderedMap = (*mapPairs)(nil)

// Put implements column.IterableOrderedMap, by which the driver hands out a Map.
func (m *mapPairs) Put(key, value any) { *m = append(*m, key, value) }

// Iterator implements column.IterableOrderedMap. The driver asks for it when it writes, which we do not.
func (m *mapPairs) Iterator() column.MapIterator { return nil }
