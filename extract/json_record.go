package extract

import (
	"bytes"
	"fmt"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// recordCheck looks at records one after the other. Its zero value is ready.
type recordCheck struct {
	decoder *jsontext.Decoder
	names   [][]byte // folded, of the objects that are open, outermost first
	folded  []byte   // the bytes of names
}

// record returns nil if a value that checkDocument has let through is valid UTF-8 and no object in it holds a name
// twice, or two names that differ in case alone: who reads it later, in whatever language, reads the same. Many
// readers take amount and AMOUNT for one name, and which of the two wins differs.
func (c *recordCheck) record(value jsontext.Value) error {
	if c.decoder == nil {
		c.decoder = new(jsontext.Decoder)
	}
	c.decoder.Reset(bytes.NewBuffer(value)) // it refuses what is no UTF-8, and names that are the same
	c.names, c.folded = c.names[:0], c.folded[:0]
	if err := c.value(); err != nil {
		return jsonError(err)
	}
	return nil
}

// value reads the next value. Its depth is bounded by checkDocument.
func (c *recordCheck) value() error {
	switch c.decoder.PeekKind() {
	case '{':
		return c.object()
	case '[':
		if _, err := c.decoder.ReadToken(); err != nil {
			return err
		}
		for c.decoder.PeekKind() != ']' {
			if err := c.value(); err != nil {
				return err
			}
		}
		_, err := c.decoder.ReadToken()
		return err
	}
	return c.decoder.SkipValue()
}

// namesMax is how many names of an object are compared one by one; in a larger one they are looked up.
const namesMax = 32

func (c *recordCheck) object() error {
	if _, err := c.decoder.ReadToken(); err != nil {
		return err
	}
	first, start := len(c.names), len(c.folded)
	var many map[string]bool
	for c.decoder.PeekKind() != '}' {
		name, err := c.decoder.ReadValue()
		if err != nil {
			return err
		}
		begin := len(c.folded)
		c.folded = appendFolded(c.folded, name)
		folded := c.folded[begin:len(c.folded):len(c.folded)]
		if many == nil && len(c.names)-first == namesMax {
			many = map[string]bool{}
			for _, earlier := range c.names[first:] {
				many[string(earlier)] = true
			}
		}
		if many[string(folded)] || (many == nil && contains(c.names[first:], folded)) {
			return fmt.Errorf("has two names that differ in case alone, the second before byte %d", c.decoder.InputOffset())
		}
		if many != nil {
			many[string(folded)] = true
		}
		c.names = append(c.names, folded)
		if err := c.value(); err != nil {
			return err
		}
	}
	c.names, c.folded = c.names[:first], c.folded[:start]
	_, err := c.decoder.ReadToken()
	return err
}

func contains(names [][]byte, name []byte) bool {
	for _, other := range names {
		if bytes.Equal(other, name) {
			return true
		}
	}
	return false
}

// appendFolded appends a name in the form that all its spellings in capital and small letters share.
func appendFolded(destination []byte, quoted jsontext.Value) []byte {
	begin := len(destination)
	for _, b := range quoted[1 : len(quoted)-1] {
		if b >= 0x80 || b == '\\' {
			return append(destination[:begin], foldedText(text(quoted))...)
		}
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		destination = append(destination, b)
	}
	return destination
}

// foldedText is the fold of any letters: each stands for the least of those that are the same but for their case.
func foldedText(name string) string {
	runes := []rune(name)
	for i, r := range runes {
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			runes[i] = min(runes[i], other)
		}
	}
	return string(runes)
}
