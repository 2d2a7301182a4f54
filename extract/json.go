package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// depthMax bounds the nesting of an answer. Partners' records nest three or four deep; ten thousand levels only
// ever come from somebody who wants to hurt.
const depthMax = 32

var errTooDeep = fmt.Errorf("is nested more than %d deep", depthMax)

// lenient lets one odd record be told from the page that holds it: the page is walked in spite of it, and the record
// fails its own check.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// checkDocument returns nil if body is exactly one JSON value of bearable depth. A second value behind the first and
// a truncated one are errors; names given twice and invalid UTF-8 are left to recordCheck.
func checkDocument(body []byte) error {
	if depth(body) > depthMax {
		return errTooDeep
	}
	decoder := jsontext.NewDecoder(bytes.NewReader(body), lenient...)
	if err := decoder.SkipValue(); err != nil {
		return jsonError(err)
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("holds more than one JSON value")
	}
	return nil
}

// depth counts the deepest nesting of brackets outside strings. It needs no valid JSON.
func depth(body []byte) int {
	deepest, level, quoted := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// jsonError keeps what is wrong and where, and drops the excerpts that the library adds: they may hold personal
// data.
func jsonError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("ends in the middle of a JSON value")
	}
	syntactic, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return err
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("has a name twice at byte %d", syntactic.ByteOffset)
	}
	return fmt.Errorf("is not JSON at byte %d", syntactic.ByteOffset)
}

// finder looks up several paths of a JSON object in one walk over its bytes.
type finder struct {
	root  step
	count int
}

// step is one name on the way to the paths: which of them end here, and which go on.
type step struct {
	ends []int
	next map[string]*step
}

// add registers a path like data.list or errors.0.code and returns its number in the results of find.
func (f *finder) add(path string) int {
	at := &f.root
	for name := range splitPath(path) {
		if at.next == nil {
			at.next = map[string]*step{}
		}
		if at.next[name] == nil {
			at.next[name] = &step{}
		}
		at = at.next[name]
	}
	at.ends = append(at.ends, f.count)
	f.count++
	return f.count - 1
}

// addAll registers several paths.
func (f *finder) addAll(paths []string) []int {
	numbers := make([]int, len(paths))
	for i, path := range paths {
		numbers[i] = f.add(path)
	}
	return numbers
}

// find returns the raw value at each path, nil where there is none or null. The values share the bytes of
// document, which must have passed checkDocument.
func (f *finder) find(document []byte, found []jsontext.Value) ([]jsontext.Value, error) {
	if found, ok := new(plainWalk).find(f, document, found); ok {
		return found, nil
	}
	return f.decoded(document, found)
}

// decoded is find for every document: by the decoder.
func (f *finder) decoded(document []byte, found []jsontext.Value) ([]jsontext.Value, error) {
	found = append(found[:0], make([]jsontext.Value, f.count)...)
	walk := finderWalk{document: document, decoder: jsontext.NewDecoder(bytes.NewBuffer(document), lenient...), found: found}
	return found, walk.value(&f.root)
}

type finderWalk struct {
	document []byte
	decoder  *jsontext.Decoder
	found    []jsontext.Value
}

// value reads the next value; at is where it stands among the paths.
func (w *finderWalk) value(at *step) error {
	if len(at.ends) == 0 {
		switch w.decoder.PeekKind() {
		case '{':
			return w.object(at)
		case '[':
			return w.array(at)
		}
		return w.decoder.SkipValue()
	}
	value, err := w.decoder.ReadValue()
	if err != nil {
		return err
	}
	if value.Kind() != 'n' {
		end := int(w.decoder.InputOffset())
		for _, i := range at.ends {
			w.found[i] = w.document[end-len(value) : end]
		}
	}
	if at.next == nil || (value.Kind() != '{' && value.Kind() != '[') {
		return nil
	}
	inner := finderWalk{document: value.Clone(), found: w.found}
	inner.decoder = jsontext.NewDecoder(bytes.NewBuffer(inner.document), lenient...)
	return inner.value(&step{next: at.next})
}

func (w *finderWalk) object(at *step) error {
	if _, err := w.decoder.ReadToken(); err != nil {
		return err
	}
	var met []*step
	for w.decoder.PeekKind() != '}' {
		name, err := w.decoder.ReadToken()
		if err != nil {
			return err
		}
		if next := at.next[name.String()]; next != nil {
			if slices.Contains(met, next) {
				return fmt.Errorf("has the name %s twice", name.String())
			}
			met = append(met, next)
			err = w.value(next)
		} else {
			err = w.decoder.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := w.decoder.ReadToken()
	return err
}

// element returns where an element of a list stands among the paths, nil: off them.
func (s *step) element(index int) *step {
	if s == nil || s.next == nil {
		return nil
	}
	return s.next[strconv.Itoa(index)]
}

// array looks into those elements whose index is a name of a path.
func (w *finderWalk) array(at *step) error {
	if _, err := w.decoder.ReadToken(); err != nil {
		return err
	}
	for i := 0; w.decoder.PeekKind() != ']'; i++ {
		var err error
		if next := at.next[strconv.Itoa(i)]; next != nil {
			err = w.value(next)
		} else {
			err = w.decoder.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := w.decoder.ReadToken()
	return err
}

// elements returns the raw elements of a JSON array.
func elements(array jsontext.Value) ([]jsontext.Value, error) {
	if array.Kind() != '[' {
		return nil, errors.New("is no list")
	}
	if all, ok := new(plainWalk).elements(array); ok {
		return all, nil
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(array), lenient...)
	if _, err := decoder.ReadToken(); err != nil {
		return nil, jsonError(err)
	}
	var all []jsontext.Value
	for decoder.PeekKind() != ']' {
		value, err := decoder.ReadValue()
		if err != nil {
			return nil, jsonError(err)
		}
		end := int(decoder.InputOffset())
		all = append(all, array[end-len(value):end:end])
	}
	return all, nil
}

// members returns the members of a JSON object, each value with its name.
func members(object jsontext.Value) ([]item, error) {
	if object.Kind() != '{' {
		return nil, errors.New("is no map")
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(object), lenient...)
	if _, err := decoder.ReadToken(); err != nil {
		return nil, jsonError(err)
	}
	var all []item
	for decoder.PeekKind() != '}' {
		name, err := decoder.ReadToken()
		if err != nil {
			return nil, jsonError(err)
		}
		key := name.String()
		value, err := decoder.ReadValue()
		if err != nil {
			return nil, jsonError(err)
		}
		end := int(decoder.InputOffset())
		all = append(all, item{key: key, value: object[end-len(value) : end : end]})
	}
	return all, nil
}

// text returns a scalar as a partner means it: a string without its quotes, a number or a truth value as it is
// written. Numbers keep every digit. Anything else is returned as its JSON.
func text(value jsontext.Value) string {
	if value.Kind() != '"' {
		return string(value)
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return string(value)
	}
	return string(unquoted)
}

// canonical appends the form of a JSON value that does not depend on white space, on the order of names and on
// how a string is escaped. Numbers stay as they are written: 1.0 and 1.00 are different texts.
func canonical(destination []byte, value jsontext.Value) ([]byte, error) {
	return jsontext.AppendFormat(destination, value, jsontext.ReorderRawObjects(true))
}
