package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tieout/extract/sandbox"
)

// everyType is a value of every type: what `tieout sql` prints of it and, if that differs, what ClickHouse's own
// toString makes of it, and its JSON. An empty JSON stands for the text as a JSON text.
var everyType = []struct{ expression, text, engine, json string }{
	{"toInt8(-7)", "-7", "", "-7"},
	{"toInt16(-32768)", "-32768", "", "-32768"},
	{"toInt32(-7)", "-7", "", "-7"},
	{"toInt64('-9223372036854775808')", "-9223372036854775808", "", ""},
	{"toInt128('-170141183460469231731687303715884105728')", "-170141183460469231731687303715884105728", "", ""},
	{"toInt256(-7)", "-7", "", ""},
	{"toUInt8(255)", "255", "", "255"},
	{"toUInt16(65535)", "65535", "", "65535"},
	{"toUInt32(4294967295)", "4294967295", "", "4294967295"},
	{"toUInt64('18446744073709551615')", "18446744073709551615", "", ""},
	{"toUInt128('340282366920938463463374607431768211455')", "340282366920938463463374607431768211455", "", ""},
	{"toUInt256('115792089237316195423570985008687907853269984665640564039457584007913129639935')", "115792089237316195423570985008687907853269984665640564039457584007913129639935", "", ""},
	{"toNullable(toInt256(7))", "7", "", ""},
	{"toFloat32(0.1)", "0.1", "", "0.1"},
	{"toFloat64(0.1) + 0.2", "0.30000000000000004", "", "0.30000000000000004"},
	{"toFloat64(1000000)", "1000000", "", "1000000"},
	{"1e20", "100000000000000000000", "", "100000000000000000000"},
	{"1e21", "1e21", "", "1e21"},
	{"-1.5e-7", "-1.5e-7", "", "-1.5e-7"},
	{"1e-6", "0.000001", "", "0.000001"},
	{"1.25e100", "1.25e100", "", "1.25e100"},
	{"1e-100", "1e-100", "", "1e-100"},
	{"nan", "nan", "", ""},
	{"inf", "inf", "", ""},
	{"-inf", "-inf", "", ""},
	{"toDecimal32('-1.5', 4)", "-1.5", "", ""},
	{"toDecimal64('12345678901234.5678', 4)", "12345678901234.5678", "", ""},
	{"toDecimal128('0.00000000000000000000000000000000000001', 38)", "0.00000000000000000000000000000000000001", "", ""},
	{"toDecimal256('1234567890123456789012345678901234567890.000000000000000001', 18)", "1234567890123456789012345678901234567890.000000000000000001", "", ""},
	{"toDate('2149-06-06')", "2149-06-06", "", ""},
	{"toDate32('1900-01-01')", "1900-01-01", "", ""},
	{"toDate32('2299-12-31')", "2299-12-31", "", ""},
	{"toNullable(toDate('2026-01-02'))", "2026-01-02", "", ""},
	{"toDateTime('2026-01-02 03:04:05', 'UTC')", "2026-01-02 03:04:05", "", ""},
	// The embedded engine keeps the zone of a plain DateTime to itself: its protocol is older than that.
	{"toDateTime('2026-01-02 03:04:05', 'Asia/Tokyo')", "2026-01-01 18:04:05", "2026-01-02 03:04:05", ""},
	{"toDateTime64('2026-07-02 03:04:05.5', 1, 'Europe/Berlin')", "2026-07-02 03:04:05.5", "", ""},
	{"[toDateTime('2026-01-02 03:04:05', 'Asia/Tokyo')]", "['2026-01-02 03:04:05']", "", `["2026-01-02 03:04:05"]`},
	{"toDateTime64('2026-01-02 03:04:05.1', 0, 'UTC')", "2026-01-02 03:04:05", "", ""},
	{"toDateTime64('2026-01-02 03:04:05.120', 3, 'UTC')", "2026-01-02 03:04:05.12", "2026-01-02 03:04:05.120", ""},
	{"toDateTime64('2026-01-02 03:04:05.000006', 6, 'UTC')", "2026-01-02 03:04:05.000006", "", ""},
	{"toDateTime64('2026-01-02 03:04:05.123456789', 9, 'UTC')", "2026-01-02 03:04:05.123456789", "", ""},
	{"toDateTime64('1900-01-01 00:00:00.5', 1, 'UTC')", "1900-01-01 00:00:00.5", "", ""},
	{"toDateTime64('2299-12-31 23:59:59.999999', 6, 'UTC')", "2299-12-31 23:59:59.999999", "", ""},
	{"toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "", ""},
	{"toIPv4('1.2.3.4')", "1.2.3.4", "", ""},
	{"toIPv6('2001:db8::1')", "2001:db8::1", "", ""},
	{"toIPv6('::ffff:1.2.3.4')", "::ffff:1.2.3.4", "", ""},
	{"CAST('b, (c)', 'Enum8(\\'a\\' = 1, \\'b, (c)\\' = 2)')", "b, (c)", "", ""},
	{"CAST('x', 'Enum16(\\'x\\' = 1000)')", "x", "", ""},
	{"'a\\tb\\\\c\\'d'", "a\tb\\c'd", "", `"a\tb\\c'd"`},
	{"toFixedString('ab', 4)", "ab\x00\x00", "ab", `"ab\u0000\u0000"`},
	{"unhex('ff00')", "\xff\x00", "", `"\\xFF\\0"`},
	{"CAST('x', 'LowCardinality(Nullable(String))')", "x", "", ""},
	{"CAST(NULL, 'LowCardinality(Nullable(String))')", "", "", "null"},
	{"NULL", "", "", "null"},
	{"true", "true", "", "true"},
	{"toNullable(false)", "false", "", "false"},
	{"[NULL, 1]", "[NULL,1]", "", "[null,1]"},
	{"['a b', 'c']", "['a b','c']", "", `["a b","c"]`},
	{"['it\\'s\\n', '\\\\', '']", `['it\'s\n','\\','']`, "", `["it's\n","\\",""]`},
	{"[[1, 2], [], [3]]", "[[1,2],[],[3]]", "", "[[1,2],[],[3]]"},
	{"CAST([], 'Array(Nullable(Decimal(76, 18)))')", "[]", "", "[]"},
	{"[toDecimal256('0.5', 18), NULL]", "[0.5,NULL]", "", `["0.5",null]`},
	{"[toInt256(-7)]", "[-7]", "", `["-7"]`},
	{"[toDate('2026-01-02')]", "['2026-01-02']", "", `["2026-01-02"]`},
	{"[toDateTime64('2026-01-02 03:04:05.120', 3, 'UTC')]", "['2026-01-02 03:04:05.12']", "['2026-01-02 03:04:05.120']", `["2026-01-02 03:04:05.12"]`},
	{"[toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')]", "['61f0c404-5cb3-11e7-907b-a6006ad3dba0']", "", `["61f0c404-5cb3-11e7-907b-a6006ad3dba0"]`},
	{"[toIPv4('1.2.3.4')]", "['1.2.3.4']", "", `["1.2.3.4"]`},
	{"[true, false]", "[true,false]", "", "[true,false]"},
	{"[nan, -inf, 1.5]", "[nan,-inf,1.5]", "", `["nan","-inf",1.5]`},
	{"[NULL]", "[NULL]", "", "[null]"},
	{"map('k', 1)", "{'k':1}", "", `{"k":1}`},
	{"map('z', toInt64(1), 'a', 2)", "{'z':1,'a':2}", "", `{"z":"1","a":"2"}`},
	{"map(toInt128(2), [NULL, 'x'])", "{2:[NULL,'x']}", "", `{"2":[null,"x"]}`},
	{"map(toDate('2026-01-02'), map('a', 1))", "{'2026-01-02':{'a':1}}", "", `{"2026-01-02":{"a":1}}`},
	{"[map(10, 'b', 9, 'a')]", "[{9:'a',10:'b'}]", "[{10:'b',9:'a'}]", `[{"9":"a","10":"b"}]`},
	{"CAST(map(), 'Map(String, UInt8)')", "{}", "", "{}"},
	{"(1, 'x')", "(1,'x')", "", `[1,"x"]`},
	{"tuple(1)", "(1)", "", "[1]"},
	{"(NULL, [1], 'y')", "(NULL,[1],'y')", "", `[null,[1],"y"]`},
	{"CAST((1, 'x', '2026-01-02'), 'Tuple(b UInt8, a String, day Date)')", "(1,'x','2026-01-02')", "", `{"b":1,"a":"x","day":"2026-01-02"}`},
	{"CAST([(1, ['x'])], 'Array(Tuple(b UInt8, a Array(String)))')", "[(1,['x'])]", "", `[{"b":1,"a":["x"]}]`},
	{"CAST((1, NULL), 'Tuple(b Int256, a Nullable(String))')", "(1,NULL)", "", `{"b":"1","a":null}`},
	{"CAST([(1, 2)], 'Nested(b UInt8, a UInt8)')", "[(1,2)]", "", `[{"b":1,"a":2}]`},
	{"(1.5, 2.)::Point", "(1.5,2)", "", "[1.5,2]"},
	{"[(1, 2), (3, 4)]::Ring", "[(1,2),(3,4)]", "", "[[1,2],[3,4]]"},
	{"toIntervalDay(3)", "3 Days", "3", ""},
}

// TestEveryType prints a value of every type in every format and holds it against ClickHouse's own text.
func TestEveryType(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	w.must(exitDone, "migrate")
	var columns, own []string
	for i, test := range everyType {
		columns = append(columns, fmt.Sprintf("%s AS c%d", test.expression, i))
		own = append(own, fmt.Sprintf("ifNull(toString(%s), '') AS c%d", test.expression, i))
	}
	ask := func(format string, columns []string) string {
		return w.must(exitDone, "sql", "--format", format, "SELECT "+strings.Join(columns, ", ")).stdout
	}
	records := func(text string) []string {
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) != 2 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		return rows[1]
	}
	texts, engine := records(ask("csv", columns)), records(ask("csv", own))
	tabs := strings.Split(strings.Split(ask("tsv", columns), "\n")[1], "\t")
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(ask("json", columns)), &object); err != nil {
		t.Fatal(err)
	}
	for i, test := range everyType {
		if texts[i] != test.text {
			t.Errorf("%s prints %q, want %q", test.expression, texts[i], test.text)
		}
		if want := test.engine; engine[i] != want && (want != "" || engine[i] != test.text) {
			t.Errorf("%s: ClickHouse's own text is %q", test.expression, engine[i])
		}
		want := test.json
		if want == "" {
			want = `"` + test.text + `"`
		}
		if got := string(object[fmt.Sprintf("c%d", i)]); got != want {
			t.Errorf("%s is %s in JSON, want %s", test.expression, got, want)
		}
		if strings.ContainsAny(tabs[i], "\x00\n\t") || strings.Contains(tabs[i], "0xc0") {
			t.Errorf("%s is %q between tabs", test.expression, tabs[i])
		}
	}
	table := ask("table", columns)
	for _, text := range []string{`| ab\0\0 |`, `| \xFF\0 |`, "['a b','c']", "[NULL,1]", "{'k':1}", "(1,'x')", `a\tb\\c'd`} {
		if !strings.Contains(table, text) {
			t.Errorf("the table does not show %s", text)
		}
	}
}

func TestParseColumnType(t *testing.T) {
	var show func(columnType) string
	show = func(t columnType) string {
		var arguments []string
		for _, argument := range t.arguments {
			arguments = append(arguments, strings.TrimSpace(argument.element+" "+show(argument)))
		}
		return t.name + strings.TrimSuffix(fmt.Sprintf("<%s>", strings.Join(arguments, ";")), "<>")
	}
	for text, want := range map[string]string{
		"String":                    "String",
		"Nullable(Decimal(76, 18))": "Decimal<76;18>",
		"LowCardinality(Nullable(FixedString(2)))":                             "FixedString<2>",
		"SimpleAggregateFunction(any, Nullable(DateTime64(6, 'UTC')))":         "DateTime64<6;'UTC'>",
		"Map(LowCardinality(String), Array(Nullable(Date)))":                   "Map<String;Array<Date>>",
		"Tuple(UInt8, Array(Tuple(a String, b Date)))":                         "Tuple<UInt8;Array<Tuple<a String;b Date>>>",
		"Tuple(`a b` Enum8('x, (' = 1, 'it\\'s' = 2), `c``d` DateTime('UTC'))": "Tuple<a b Enum8;c`d DateTime<'UTC'>>",
		"Nested(a UInt8, b Array(String))":                                     "Array<Tuple<a UInt8;b Array<String>>>",
		"Polygon":                                                              "Array<Array<Point>>",
		"":                                                                     "",
	} {
		if got := show(parseColumnType(text)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}
