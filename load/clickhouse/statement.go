package clickhouse

import (
	"slices"
	"strings"

	"tieout/schema"
)

// statementWords is the text of one statement as far as we read it: words in upper case, and every other sign, each
// quoted text and each quoted name as one sign. Comments are left out.
type statementWords []string

// quotedSign stands for a quoted text or name, which is no keyword whatever it says.
const quotedSign = "'"

// readingWords begin the statements that only read. Every other one changes something, if not always a table.
var readingWords = []string{"SELECT", "WITH", "FROM", "VALUES", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK"}

// writes reports whether the statement may change something, here or elsewhere. In doubt it may: a column that is
// called insert must be quoted.
func (w statementWords) writes() bool {
	first := slices.IndexFunc(w, func(word string) bool { return word != "(" })
	if first < 0 || !slices.Contains(readingWords, w[first]) {
		return true
	}
	for i, word := range w {
		// WITH … INSERT, EXPLAIN … INSERT, and INSERT INTO FUNCTION, which ClickHouse allows to who may only read.
		if word == "INSERT" && i+1 < len(w) && (isWord(w[i+1]) || w[i+1] == quotedSign) {
			return true
		}
		if word == "OUTFILE" && i > 0 && w[i-1] == "INTO" {
			return true
		}
	}
	return false
}

func isWord(sign string) bool { return wordByte(sign[0]) }

// statementError is a text that is refused before any server sees it.
type statementError struct{ text string }

// Error implements error.
func (e *statementError) Error() string { return e.text }

// readStatement reads the words of a text that must be one statement, and one that leaves the format to the driver.
func readStatement(text string) (statementWords, error) {
	words := scanWords(text)
	for len(words) > 0 && words[len(words)-1] == ";" {
		words = words[:len(words)-1]
	}
	problem := ""
	switch last := len(words) - 1; {
	case len(words) == 0:
		problem = "there is no statement"
	case slices.Contains(words, ";"):
		problem = "these are several statements: run them one at a time"
	case last > 1 && words[last-1] == "FORMAT" && isWord(words[last]) && !strings.HasPrefix(words[0], "INSERT"):
		problem = "the statement must not choose a FORMAT: the rows could not be read"
	default:
		return words, nil
	}
	return nil, &schema.Error{Class: schema.ClassUnclassified, Err: &statementError{problem}}
}

// scanWords is ClickHouse's lexer as far as keywords and semicolons need it.
func scanWords(text string) statementWords {
	var words statementWords
	for at := 0; at < len(text); {
		rest := text[at:]
		switch c := text[at]; {
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "# "), strings.HasPrefix(rest, "#!"):
			at += through(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			at += through(rest, "*/")
		case c == '\'' || c == '"' || c == '`':
			at += quotedLength(rest)
			words = append(words, quotedSign)
		case c == '$' && heredoc(rest) != "":
			mark := heredoc(rest)
			at += len(mark) + through(rest[len(mark):], mark)
			words = append(words, quotedSign)
		case wordByte(c):
			end := 1
			for end < len(rest) && wordByte(rest[end]) {
				end++
			}
			words = append(words, strings.ToUpper(rest[:end]))
			at += end
		case strings.IndexByte(" \t\r\n\v\f", c) >= 0:
			at++
		default:
			words = append(words, string(c))
			at++
		}
	}
	return words
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// through returns the length up to the end of the mark, or the whole if there is none.
func through(text, mark string) int {
	if at := strings.Index(text, mark); at >= 0 {
		return at + len(mark)
	}
	return len(text)
}

// quotedLength returns the length of the quoted text at the beginning. A doubled mark ends it and begins another,
// which comes to the same.
func quotedLength(text string) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case text[0]:
			return i + 1
		}
	}
	return len(text)
}

// heredoc returns the mark $name$ at the beginning of a text that ends with the same, or nothing.
func heredoc(text string) string {
	end := strings.IndexByte(text[1:], '$')
	if end < 0 {
		return ""
	}
	mark := text[:end+2]
	for i := 1; i < len(mark)-1; i++ {
		if !wordByte(mark[i]) {
			return ""
		}
	}
	if !strings.Contains(text[len(mark):], mark) {
		return ""
	}
	return mark
}
