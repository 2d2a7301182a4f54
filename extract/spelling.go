package extract

import (
	"bytes"
	"cmp"
	"errors"
	"html"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"tieout/schema"
)

// sought are secrets that are looked for in what the other side has had a hand in, the longest first: one may be the
// beginning of another.
type sought []soughtSecret

// soughtSecret is one of them, in the forms in which it is looked for.
type soughtSecret struct {
	plain   []byte
	bare    []byte   // as bareText.of leaves it
	spelled []string // as Go quotes it, as a page of HTML shows it, as a form or an address holds it
}

// soughtAmong takes those secrets that have so many bytes at least.
func soughtAmong(secrets []schema.Secret, lengthMin int) sought {
	var all sought
	for _, secret := range secrets {
		plain := secret.Reveal()
		if len(plain) < max(1, lengthMin) {
			continue
		}
		quoted := strconv.Quote(plain)
		one := soughtSecret{plain: []byte(plain), spelled: []string{quoted[1 : len(quoted)-1], html.EscapeString(plain)}}
		for _, escaped := range []string{url.QueryEscape(plain), url.PathEscape(plain)} {
			one.spelled = append(one.spelled, escaped, lowerPercent(escaped))
		}
		var bare bareText
		bare.of(one.plain)
		one.bare = bare.text
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b soughtSecret) int { return cmp.Compare(len(b.plain), len(a.plain)) })
	return all
}

// lowerPercent writes the hex digits behind each percent sign in small letters, as some encoders do.
func lowerPercent(escaped string) string {
	parts := strings.Split(escaped, "%")
	for i, part := range parts[1:] {
		parts[i+1] = strings.ToLower(part[:2]) + part[2:]
	}
	return strings.Join(parts, "%")
}

// bareText is a text with its escapes undone, however often it was escaped: the \u sequences stand for their letters, and
// the backslashes, of which each round of escaping adds some, are left out. All spellings of a secret are the same then.
type bareText struct {
	text   []byte
	begins []int // where what each byte of text stands for begins, its backslashes included, and where all ends
}

// of fills it.
func (b *bareText) of(spelled []byte) {
	b.text, b.begins = b.text[:0], b.begins[:0]
	for i := 0; i < len(spelled); {
		begin := i
		for i < len(spelled) && spelled[i] == '\\' {
			i++
		}
		if i == len(spelled) {
			break
		}
		if unit, ok := escapedUnit(spelled[begin:i], spelled[i:]); ok {
			i += escapedBytes
			letter := rune(unit)
			if low := bytes.TrimLeft(spelled[i:], `\`); utf16.IsSurrogate(letter) {
				second, _ := escapedUnit(spelled[i:len(spelled)-len(low)], low)
				if pair := utf16.DecodeRune(letter, rune(second)); pair != utf8.RuneError {
					letter, i = pair, len(spelled)-len(low)+escapedBytes
				}
			}
			if letter != '\\' {
				b.text = utf8.AppendRune(b.text, letter)
			}
		} else {
			b.text = append(b.text, spelled[i])
			i++
		}
		for len(b.begins) < len(b.text) {
			b.begins = append(b.begins, begin)
		}
	}
	b.begins = append(b.begins, len(spelled))
}

// escapedBytes is the length of u002b, behind its backslash.
const escapedBytes = 5

// escapedUnit reads u002b behind one backslash or more.
func escapedUnit(backslashes, text []byte) (unit uint16, ok bool) {
	if len(backslashes) == 0 || len(text) < escapedBytes || text[0] != 'u' {
		return 0, false
	}
	number, err := strconv.ParseUint(string(text[1:escapedBytes]), 16, 16)
	return uint16(number), err == nil
}

// stands reports whether one of the secrets may stand in a text, in any spelling of JSON. It is asked of every record, so
// that a text without a secret and without an escape costs no more than to look through it; scratch is used again.
func (s sought) stands(text []byte, scratch *bareText) bool {
	for i := range s {
		if bytes.Contains(text, s[i].plain) {
			return true
		}
	}
	if len(s) == 0 || bytes.IndexByte(text, '\\') < 0 {
		return false
	}
	scratch.of(text)
	for i := range s {
		if len(s[i].bare) > 0 && bytes.Contains(scratch.text, s[i].bare) {
			return true
		}
	}
	return false
}

// without takes the secrets out of a text, in any of their spellings.
func (s sought) without(text string) string {
	for _, secret := range s {
		text = strings.ReplaceAll(text, string(secret.plain), schema.Secret{}.String())
		for _, spelled := range secret.spelled {
			text = strings.ReplaceAll(text, spelled, schema.Secret{}.String())
		}
		text = secret.withoutEscaped(text)
	}
	return text
}

// withoutEscaped takes out the spellings that have escapes.
func (s soughtSecret) withoutEscaped(text string) string {
	if len(s.bare) == 0 || strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var bare bareText
	bare.of([]byte(text))
	var kept strings.Builder
	from := 0 // in text
	for at := 0; ; {
		found := bytes.Index(bare.text[at:], s.bare)
		if found < 0 {
			kept.WriteString(text[from:])
			return kept.String()
		}
		at += found
		kept.WriteString(text[from:max(from, bare.begins[at])])
		kept.WriteString(schema.Secret{}.String())
		at += len(s.bare)
		from = bare.begins[at]
	}
}

// withoutJSON takes the secrets out of the names, the texts and the numbers of JSON, which remains JSON. What is none is
// taken for a text.
func (s sought) withoutJSON(document []byte) []byte {
	kept, err := s.rewritten(document)
	if err != nil {
		return []byte(s.without(string(document)))
	}
	for i := range s {
		if bytes.Contains(kept, s[i].plain) { // across several values: nothing less can be taken out
			return jsontext.Value(strconv.Quote(schema.Secret{}.String()))
		}
	}
	return kept
}

// rewritten writes JSON again with every scalar that holds a secret replaced, and all else byte for byte.
func (s sought) rewritten(document []byte) ([]byte, error) {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(document), lenient...)
	var kept []byte
	copied := 0 // of document
	for {
		switch decoder.PeekKind() {
		case '{', '}', '[', ']':
			if _, err := decoder.ReadToken(); err != nil {
				return nil, err
			}
			continue
		}
		scalar, err := decoder.ReadValue()
		if errors.Is(err, io.EOF) {
			return append(kept, document[copied:]...), nil
		}
		if err != nil {
			return nil, err
		}
		held := string(scalar)
		if scalar.Kind() == '"' {
			unquoted, _ := jsontext.AppendUnquote(nil, scalar) // what is no UTF-8 is replaced
			held = string(unquoted)
		}
		clean := s.without(held)
		if clean == held {
			continue
		}
		end := int(decoder.InputOffset())
		kept = append(kept, document[copied:end-len(scalar)]...)
		kept, _ = jsontext.AppendQuote(kept, clean) // what is no UTF-8 is replaced
		copied = end
	}
}
