package extract

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// plainWalk reads JSON that checkDocument has let through once more, without judging it again: it looks up paths and
// writes the canonical form in one go. It gives up, and leaves the work to the decoder, on what takes more than a look
// at the bytes: escapes and other letters than ASCII in names, names that are the same but for their case, many names.
// Its zero value is ready.
type plainWalk struct {
	document  []byte
	at        int // in document
	found     []jsontext.Value
	writes    bool   // the canonical form is wanted
	canonical []byte // as far as it is written
	members   []plainMember
	scratch   []byte
}

// plainMember is a member of an object that is open: its name, and where it stands in the canonical form.
type plainMember struct {
	name       []byte
	begin, end int
}

// record reads a whole record: the values at the finder's paths, and the canonical form behind destination. It returns
// false where the decoder must do it.
func (w *plainWalk) record(f *finder, record []byte, found []jsontext.Value, destination []byte) ([]jsontext.Value, []byte, bool) {
	if bytes.IndexByte(record, '\\') >= 0 || !utf8.Valid(record) {
		return found, destination, false
	}
	w.canonical, w.writes = destination, true
	found, ok := w.find(f, record, found)
	return found, w.canonical, ok
}

// find returns the values at the paths. It returns false where the decoder must do it.
func (w *plainWalk) find(f *finder, document []byte, found []jsontext.Value) ([]jsontext.Value, bool) {
	found = slices.Grow(found[:0], f.count)[:f.count]
	clear(found)
	w.document, w.at, w.found, w.members = document, 0, found, w.members[:0]
	ok := w.value(&f.root) && w.peek() == 0
	w.document, w.found = nil, nil
	return found, ok
}

// peek skips white space and returns the next byte, 0 at the end.
func (w *plainWalk) peek() byte {
	for ; w.at < len(w.document); w.at++ {
		switch c := w.document[w.at]; c {
		case ' ', '\n', '\r', '\t':
		default:
			return c
		}
	}
	return 0
}

// value reads the next value; at is where it stands among the paths, nil: off them.
func (w *plainWalk) value(at *step) bool {
	kind := w.peek()
	begin := w.at
	ok := false
	switch {
	case kind == '{' && (w.writes || at != nil && at.next != nil):
		ok = w.object(at)
	case kind == '[' && (w.writes || at != nil && at.next != nil):
		ok = w.array(at)
	default:
		ok = w.skip(kind)
		if w.writes && ok {
			w.canonical = append(w.canonical, w.document[begin:w.at]...)
		}
	}
	if ok && at != nil && kind != 'n' {
		for _, number := range at.ends {
			w.found[number] = w.document[begin:w.at:w.at]
		}
	}
	return ok
}

// skip passes over a value.
func (w *plainWalk) skip(kind byte) bool {
	switch kind {
	case 0, ',', ':', ']', '}':
		return false
	case '"':
		return w.text()
	case '{', '[':
		for level := 0; w.at < len(w.document); {
			switch w.document[w.at] {
			case '"':
				if !w.text() {
					return false
				}
				continue
			case '{', '[':
				level++
			case '}', ']':
				level--
			}
			if w.at++; level == 0 {
				return true
			}
		}
		return false
	}
	for ; w.at < len(w.document); w.at++ {
		switch w.document[w.at] {
		case ',', ']', '}', ' ', '\n', '\r', '\t':
			return true
		}
	}
	return true
}

// text passes over a text, from its first quote to behind its last.
func (w *plainWalk) text() bool {
	for from := w.at + 1; from <= len(w.document); {
		end := bytes.IndexByte(w.document[from:], '"')
		if end < 0 {
			return false
		}
		end += from
		escapes := 0
		for w.document[end-1-escapes] == '\\' {
			escapes++
		}
		if from = end + 1; escapes%2 == 0 {
			w.at = from
			return true
		}
	}
	return false
}

// plainNamesMax is how many names of an object are compared with each other here.
const plainNamesMax = namesMax

func (w *plainWalk) object(at *step) bool {
	first, begin := len(w.members), len(w.canonical)
	sorted := true
	w.open('{')
	for c := w.peek(); c != '}'; c = w.peek() {
		if len(w.members) > first {
			if c != ',' {
				return false
			}
			w.at++
			c = w.peek()
		}
		member := plainMember{begin: len(w.canonical)}
		start := w.at
		if c != '"' || !w.text() {
			return false
		}
		quoted := w.document[start:w.at]
		if member.name = quoted[1 : len(quoted)-1]; !w.newName(member.name, w.members[first:]) || w.peek() != ':' {
			return false
		}
		w.at++
		if w.writes {
			w.canonical = append(append(w.canonical, quoted...), ':')
			sorted = sorted && (len(w.members) == first || bytes.Compare(w.members[len(w.members)-1].name, member.name) < 0)
		}
		var next *step
		if at != nil && at.next != nil {
			next = at.next[string(member.name)]
		}
		// The member is known before its value is read: what stands inside comes behind it on the stack.
		w.members = append(w.members, member)
		place := len(w.members) - 1
		if !w.value(next) {
			return false
		}
		if w.writes {
			w.members[place].end = len(w.canonical)
			w.canonical = append(w.canonical, ',')
		}
	}
	if w.writes && !sorted {
		w.reorder(w.members[first:], begin+1)
	}
	w.close('}', len(w.members) > first)
	w.members = w.members[:first]
	return true
}

// open writes the first bracket.
func (w *plainWalk) open(bracket byte) {
	w.at++
	if w.writes {
		w.canonical = append(w.canonical, bracket)
	}
}

// close writes the last bracket over the comma behind the last element, if there is one.
func (w *plainWalk) close(bracket byte, filled bool) {
	w.at++
	switch {
	case !w.writes:
	case filled:
		w.canonical[len(w.canonical)-1] = bracket
	default:
		w.canonical = append(w.canonical, bracket)
	}
}

// newName reports whether a name is plain, and unlike the others of its object in whatever letters.
func (w *plainWalk) newName(name []byte, others []plainMember) bool {
	if len(others) >= plainNamesMax {
		return false
	}
	for _, b := range name {
		if b >= 0x80 || b == '\\' {
			return false
		}
	}
	for i := range others {
		if len(others[i].name) == len(name) && (bytes.Equal(others[i].name, name) || w.writes && bytes.EqualFold(others[i].name, name)) {
			return false
		}
	}
	return true
}

// reorder puts the members of an object, which are the canonical form from begin on, into the order of their names.
func (w *plainWalk) reorder(members []plainMember, begin int) {
	slices.SortFunc(members, func(a, b plainMember) int { return bytes.Compare(a.name, b.name) })
	w.scratch = w.scratch[:0]
	for _, member := range members {
		w.scratch = append(append(w.scratch, w.canonical[member.begin:member.end]...), ',')
	}
	w.canonical = append(w.canonical[:begin], w.scratch...)
}

// array reads a list; its elements stand under their numbers among the paths.
func (w *plainWalk) array(at *step) bool {
	w.open('[')
	count := 0
	for c := w.peek(); c != ']'; c = w.peek() {
		if count > 0 {
			if c != ',' {
				return false
			}
			w.at++
		}
		if !w.value(at.element(count)) {
			return false
		}
		if w.writes {
			w.canonical = append(w.canonical, ',')
		}
		count++
	}
	w.close(']', count > 0)
	return true
}

// elements returns the elements of a list, or false where the decoder must find them.
func (w *plainWalk) elements(array []byte) (all []jsontext.Value, ok bool) {
	w.document, w.at, w.writes = array, 0, false
	if w.peek() != '[' {
		return nil, false
	}
	w.at++
	for c := w.peek(); c != ']'; c = w.peek() {
		if len(all) > 0 {
			if c != ',' {
				return nil, false
			}
			w.at++
			c = w.peek()
		}
		begin := w.at
		if !w.skip(c) {
			return nil, false
		}
		all = append(all, w.document[begin:w.at:w.at])
	}
	w.at++
	return all, w.peek() == 0
}
