package extract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// nested returns brackets around a value, so many deep.
func nested(depth int, inner string) string {
	return strings.Repeat(`{"a":[`, depth/2) + strings.Repeat("[", depth%2) + inner +
		strings.Repeat("]", depth%2) + strings.Repeat("]}", depth/2)
}

// manyNames returns the members of an object.
func manyNames(count int) string {
	members := make([]string, count)
	for i := range members {
		members[i] = fmt.Sprintf(`"n%d":%d`, i, i)
	}
	return strings.Join(members, ",")
}

// strict marks what only recordCheck refuses, so that one odd record does not hide a page of good ones.
const strict = "record: "

// TestCheckDocument holds the gate for every answer: exactly one JSON value, no deep nesting; and the gate for every
// record: no name twice, in whatever case, and valid UTF-8. The reasons hold no part of the document, which may be personal data.
func TestCheckDocument(t *testing.T) {
	const middle, notJSON, twice, more, deep = "ends in the middle", "is not JSON at byte", "has a name twice at byte", "more than one JSON value", "nested more than 32 deep"
	const inCase = "has two names that differ in case alone"
	tests := map[string]struct{ document, want string }{
		"object":                       {`{"a":1,"b":[true,null,"x"]}`, ""},
		"white space around":           {" \r\n\t{} \n", ""},
		"a bare number":                {`1.50`, ""},
		"empty":                        {``, middle},
		"white space only":             {"  \n", middle},
		"truncated object":             {`{"a":{"b":1`, middle},
		"truncated text":               {`{"a":"secre`, middle},
		"truncated word":               {`{"a":tru`, middle},
		"a second value":               {`{"a":1}{"a":2}`, more},
		"a second value on a new line": {"{}\n1", more},
		"rubbish behind":               {`{"a":1}]`, more},
		"name twice":                   {`{"a":1,"b":2,"a":3}`, strict + twice},
		"name twice, escaped":          {`{"amount":1,"\u0061mount":2}`, strict + twice},
		"name twice, deep":             {`{"x":[{"a":1,"a":1}]}`, strict + twice},
		"same name in two objects":     {`[{"a":1},{"a":2}]`, ""},
		"names that differ in case":    {`{"amount":1,"AMOUNT":2}`, strict + inCase},
		"in case, deep":                {`{"x":[{"y":{"aB":1,"b":2,"Ab":1}}]}`, strict + inCase},
		"in case, behind an object":    {`{"a":{"c":1,"d":[{"e":1}]},"A":2}`, strict + inCase},
		"in case, escaped":             {`{"\u0041mount":1,"AMOUNT":2}`, strict + inCase},
		"in case, beyond ASCII":        {`{"é":1,"É":2}`, strict + inCase},
		"in case, escaped beyond":      {`{"\u00e9":1,"É":2}`, strict + inCase},
		"in case, a sign for kelvin":   {`{"k":1,"\u212a":2}`, strict + inCase},
		"in case, a long s":            {`{"ſtatus":1,"STATUS":2}`, strict + inCase},
		"in case, many names":          {"{" + manyNames(100) + `,"N99":1}`, strict + inCase},
		"in case, among the first":     {"{" + manyNames(100) + `,"N0":1}`, strict + inCase},
		"in case, of two objects":      {`[{"a":{"B":1},"b":2},{"A":{"b":1},"B":2}]`, ""},
		"many names":                   {`[{` + manyNames(100) + `},{` + manyNames(33) + `,"x":{` + manyNames(32) + `}}]`, ""},
		"accents are no case":          {`{"e":1,"é":2}`, ""},
		"a dotted capital I":           {`{"i":1,"İ":2}`, ""},
		"invalid UTF-8 in a text":      {"{\"a\":\"\xff\"}", strict + notJSON},
		"invalid UTF-8 in a name":      {"{\"\xc3\x28\":1}", strict + notJSON},
		"half a surrogate":             {`{"a":"\ud800"}`, strict + notJSON},
		"HTML":                         {`<html>secret</html>`, notJSON},
		"a comment":                    {`{"a":1 /* secret */}`, notJSON},
		"a comma too many":             {`{"a":1,}`, notJSON},
		"no quotes":                    {`{a:1}`, notJSON},
		"a number with zeros before":   {`{"a":007}`, notJSON},
		"NaN":                          {`{"a":NaN}`, notJSON},
		"32 deep":                      {nested(32, "1"), ""},
		"33 deep":                      {nested(33, "1"), deep},
		"33 deep and truncated":        {nested(33, "1")[:97], deep},
		"brackets in a text":           {`{"a":"` + strings.Repeat("[{", 40) + `"}`, ""},
		"brackets behind a quote":      {`{"a":"\"` + strings.Repeat("[", 40) + `"}`, ""},
		"brackets behind a backslash":  {`{"a":"\\","b":` + nested(32, "1") + `}`, deep},
		"brackets side by side":        {`[` + strings.Repeat("[],", 40) + `[]]`, ""},
		"ten thousand deep":            {strings.Repeat("[", 10_000), deep},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := checkDocument([]byte(test.document))
			want, record := strings.CutPrefix(test.want, strict)
			if record && err == nil {
				err = new(recordCheck).record(jsontext.Value(test.document))
			}
			switch test.want = want; {
			case test.want == "" && err != nil:
				t.Errorf("%v, want no error", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want an error that holds %q", err, test.want)
			case err != nil && strings.Contains(err.Error(), "secre"):
				t.Errorf("%v quotes the document", err)
			}
		})
	}
}

// TestFinder finds several paths in one walk: those that end inside of others, those that are not there, and
// those that are there but say nothing.
func TestFinder(t *testing.T) {
	const document = ` {"a" : {"b": {"c":"deep"}, "n": null, "list":[{"b":1}]},
		"b": 1.00, "e\u0073c.aped":"x", "b\u0062":"escaped name", "x":{"a":"inside"}, "null":null, "false":false, "empty":{}, "":"no name"} `
	paths := map[string]string{ // path -> raw value; empty: nothing is found
		"a.b.c":       `"deep"`,
		"a.b":         `{"c":"deep"}`,
		"a":           `{"b": {"c":"deep"}, "n": null, "list":[{"b":1}]}`,
		"a.list":      `[{"b":1}]`,
		"a.list.b":    "", // not through lists
		"a.list.0":    `{"b":1}`,
		"a.list.0.b":  `1`,
		"a.list.1":    "",
		"a.list.00":   "", // an index is written in one way
		"a.list.-1":   "",
		"a.n":         "", // null is not there
		"a.n.x":       "",
		"b":           `1.00`,
		"b.c":         "", // not through numbers
		"bb":          `"escaped name"`,
		"esc.aped":    "", // a point separates, whatever the names hold
		"x.a":         `"inside"`,
		"c":           "", // not deeper than said
		"null":        "",
		"false":       `false`,
		"empty":       `{}`,
		"empty.empty": "",
		"B":           "", // case counts
	}
	if err := checkDocument([]byte(document)); err != nil {
		t.Fatal(err)
	}
	var together finder
	numbers := map[string]int{}
	for path := range paths {
		numbers[path] = together.add(path)
	}
	again := together.add("a.b") // the same path for two columns
	found, err := together.find([]byte(document), nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range paths {
		if got := string(found[numbers[path]]); got != want {
			t.Errorf("%s: found %s, want %s", path, got, want)
		}
		var alone finder
		alone.add(path)
		if got, err := alone.find([]byte(document), nil); err != nil || string(got[0]) != want {
			t.Errorf("%s alone: found %s (%v), want %s", path, got[0], err, want)
		}
	}
	if got := string(found[again]); got != paths["a.b"] {
		t.Errorf("second a.b: found %s", got)
	}
	if found, err = together.find([]byte(`[]`), found); err != nil || slices.ContainsFunc(found, func(v jsontext.Value) bool { return v != nil }) {
		t.Errorf("in a list: found %s (%v), want nothing left from before", found, err)
	}
}

func TestElements(t *testing.T) {
	tests := map[string]struct {
		array string
		want  []string
	}{
		"empty":  {`[]`, nil},
		"spaces": {" [ 1 , {\"a\" : [2]} ,\n\"x]\" ]", []string{"1", `{"a" : [2]}`, `"x]"`}},
		"null":   {`[null,[[]]]`, []string{"null", "[[]]"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := elements(jsontext.Value(strings.TrimSpace(test.array)))
			if err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, element := range got {
				texts = append(texts, string(element))
			}
			if !slices.Equal(texts, test.want) {
				t.Errorf("elements %q, want %q", texts, test.want)
			}
		})
	}
	for _, other := range []string{`{}`, `"[]"`, `1`, `null`} {
		if got, err := elements(jsontext.Value(other)); err == nil {
			t.Errorf("%s has the elements %q, want an error", other, got)
		}
	}
}

// TestText keeps every digit of a number and every letter of a text.
func TestText(t *testing.T) {
	tests := map[string]string{
		`"x"`: "x", `""`: "", `"\u00e9\n\"\\"`: "é\n\"\\", `1.50`: "1.50", `-0`: "-0", `1E+3`: "1E+3",
		`12345678901234567890.123456789012345678`: "12345678901234567890.123456789012345678",
		`true`: "true", `{"a":1}`: `{"a":1}`, `[1]`: "[1]",
	}
	for value, want := range tests {
		if got := text(jsontext.Value(value)); got != want {
			t.Errorf("text of %s is %q, want %q", value, got, want)
		}
	}
}

// TestCanonical makes random values, writes each down twice in different ways, and changes each in one place:
// the canonical form must not see the first and must see the second.
func TestCanonical(t *testing.T) {
	form := func(document string) string {
		t.Helper()
		got, err := canonical([]byte("before"), jsontext.Value(document))
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		return strings.TrimPrefix(string(got), "before")
	}
	for seed := range uint64(500) {
		made := jsonMaker{rand.New(rand.NewPCG(seed, 1))}
		value := map[string]any{"record": made.value(4), "amount": made.number()}
		first, second := made.write(value), made.write(value)
		if form(first) != form(second) {
			t.Fatalf("seed %d: one value, two forms\n%s\n%s", seed, form(first), form(second))
		}
		var back, want any
		decodeNumbers(t, form(first), &back)
		decodeNumbers(t, first, &want)
		if fmt.Sprint(back) != fmt.Sprint(want) {
			t.Fatalf("seed %d: %s became %s", seed, first, form(first))
		}
		if other := made.write(made.changed(value)); form(other) == form(first) {
			t.Fatalf("seed %d: two values, one form\n%s\n%s", seed, first, other)
		}
	}
	for _, pair := range [][2]string{
		{`{"a":1.0}`, `{"a":1.00}`},
		{`{"a":1}`, `{"a":"1"}`},
		{`{"a":null}`, `{}`},
		{`[1,2]`, `[2,1]`},
		{`{"a":1e2}`, `{"a":100}`},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`},
		{`{"a":"x"}`, `{"a":"x "}`},
		{`{"a":{}}`, `{"a":[]}`},
		{`0`, `-0`},
	} {
		if form(pair[0]) == form(pair[1]) {
			t.Errorf("%s and %s have one form: %s", pair[0], pair[1], form(pair[0]))
		}
	}
}

func decodeNumbers(t testing.TB, document string, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader([]byte(document)))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", document, err)
	}
}
