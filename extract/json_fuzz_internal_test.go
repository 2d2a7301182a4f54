package extract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// fuzzPaths are looked up together: some begin like others, some end inside of others.
var fuzzPaths = []string{"a", "a.b", "a.b.c", "b", "data.list", "data.total", "status", "é", "a.é", "0", "0.a", "data.list.1", "data.list.0.id", "b.10"}

// halfSurrogate finds escapes on which encoding/json is more lenient than we are.
var halfSurrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)

// comparePlain holds the plain walk, where it does not give up, to what the decoder has found and written.
func comparePlain(t *testing.T, document []byte, paths *finder, want []jsontext.Value, form []byte) {
	t.Helper()
	byDecoder, err := paths.decoded(document, nil)
	if err != nil || !reflect.DeepEqual(byDecoder, want) {
		t.Fatalf("%q: the decoder finds %q, %v; the other way gave %q", document, byDecoder, err, want)
	}
	found, written, ok := new(plainWalk).record(paths, document, nil, []byte("before"))
	if !ok {
		return
	}
	if !reflect.DeepEqual(found, want) || string(written) != "before"+string(form) {
		t.Fatalf("%q: found %q and wrote %q, want %q and %q", document, found, written, want, form)
	}
}

// FuzzFinder compares gate, finder, elements and canonical form with the plain way: encoding/json into maps.
func FuzzFinder(f *testing.F) {
	for _, document := range []string{
		`{"a":{"b":{"c":1}},"b":[1,2],"status":"OK"}`, `{"data":{"list":[{"id":1},null],"total":"7"}}`, `{"a":1,"\u0061":2}`,
		`[{"a":1}]`, `{"a":{"b":null}}`, ` { "a" : { "b" : "x" } } `, `{"é":1,"a":{"\u00e9":2}}`, `{"a":1,"b":{"A":1,"a\u0301":2},"B":3}`, `{"ſ":1,"S":2}`, `{}{}`, `{"a":`, "\"\xff\"", nested(33, "{}"), nested(32, ""), `"\udC000"`,
	} {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		err := checkDocument(document)
		if wrong := naiveCheck(document, false); (err == nil) != (wrong == nil) {
			t.Fatalf("%q: the gate says %v, the reference %v", document, err, wrong)
		}
		if err != nil {
			return
		}
		err = new(recordCheck).record(document)
		if wrong := naiveCheck(document, true); (err == nil) != (wrong == nil) && !halfSurrogate.Match(document) {
			t.Fatalf("%q: the gate of records says %v, the reference %v", document, err, wrong)
		}
		if err != nil {
			if _, _, ok := new(plainWalk).record(&finder{}, document, nil, nil); ok {
				t.Fatalf("%q: the plain walk takes what the gate refuses: %v", document, err)
			}
			walkAnyway(t, document)
			return
		}
		if halfSurrogate.Match(document) {
			return
		}
		var whole any
		decodeNumbers(t, string(document), &whole)
		var paths finder
		for _, path := range fuzzPaths {
			paths.add(path)
		}
		found, err := paths.find(document, nil)
		if err != nil {
			t.Fatalf("%q: %v", document, err)
		}
		for i, path := range fuzzPaths {
			var got any
			if found[i] != nil {
				decodeNumbers(t, string(found[i]), &got)
			}
			if want := naiveFind(whole, path); !reflect.DeepEqual(got, want) {
				t.Fatalf("%q: at %s stands %v, want %v", document, path, got, want)
			}
			if list, isList := got.([]any); isList {
				compareElements(t, found[i], list)
			}
		}
		form, err := canonical(nil, document)
		if err != nil {
			t.Fatalf("%q has no canonical form: %v", document, err)
		}
		comparePlain(t, document, &paths, found, form)
		var back any
		decodeNumbers(t, string(form), &back)
		if !reflect.DeepEqual(back, whole) {
			t.Fatalf("%q became %q", document, form)
		}
	})
}

// walkAnyway walks a page that holds an odd record: all of its elements and members are still found.
func walkAnyway(t *testing.T, document jsontext.Value) {
	t.Helper()
	var paths finder
	for _, path := range fuzzPaths {
		paths.add(path)
	}
	found, err := paths.find(document, nil)
	if err != nil && !strings.HasSuffix(err.Error(), " twice") {
		t.Fatalf("%q: %v", document, err)
	}
	for _, value := range append(found, bytes.TrimSpace(document)) {
		if value == nil {
			continue
		}
		if _, err := elements(value); err != nil && value.Kind() == '[' {
			t.Fatalf("%q: elements of %q: %v", document, value, err)
		}
		if _, err := members(value); err != nil && value.Kind() == '{' {
			t.Fatalf("%q: members of %q: %v", document, value, err)
		}
	}
}

func compareElements(t *testing.T, array []byte, want []any) {
	t.Helper()
	all, err := elements(array)
	if err != nil || len(all) != len(want) {
		t.Fatalf("%q has %d elements (%v), want %d", array, len(all), err, len(want))
	}
	for i, element := range all {
		var got any
		decodeNumbers(t, string(element), &got)
		if !reflect.DeepEqual(got, want[i]) {
			t.Fatalf("element %d of %q is %v, want %v", i, array, got, want[i])
		}
	}
}

// naiveFind walks the decoded document name by name.
func naiveFind(value any, path string) any {
	for _, name := range strings.Split(path, ".") {
		switch within := value.(type) {
		case map[string]any:
			value = within[name]
		case []any:
			value = nil
			for i, element := range within {
				if fmt.Sprint(i) == name {
					value = element
				}
			}
		default:
			return nil
		}
	}
	return value
}

// naiveCheck is the gate as its comment promises it, written with encoding/json: that of records, or that of answers.
func naiveCheck(document []byte, strict bool) error {
	if strict && !utf8.Valid(document) {
		return errors.New("not UTF-8")
	}
	if !json.Valid(document) {
		return errors.New("not JSON, or not one value")
	}
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	return naiveValue(decoder, 1, strict)
}

func naiveValue(decoder *json.Decoder, depth int, strict bool) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	open, isDelim := token.(json.Delim)
	if !isDelim {
		return nil
	}
	if depth > 32 {
		return errors.New("too deep")
	}
	var names []string
	for decoder.More() {
		if open == '{' {
			name, err := decoder.Token()
			if err != nil {
				return err
			}
			for _, other := range names {
				if strict && strings.EqualFold(other, name.(string)) {
					return errors.New("name twice")
				}
			}
			names = append(names, name.(string))
		}
		if err := naiveValue(decoder, depth+1, strict); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
