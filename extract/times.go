package extract

import (
	"fmt"
	"strconv"
	"time"
)

// namedFormats are the forms of an instant that have a name in a definition.
var namedFormats = []string{"rfc3339", "unix_seconds", "unix_milliseconds"}

// parse reads an instant in the first format that fits and returns it in UTC. A text without a zone is taken in
// the definition's zone.
func (t *Times) parse(text string) (time.Time, error) {
	for _, format := range t.Formats {
		if at, err := t.parseAs(format, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is none of the known forms of an instant", excerpt(text))
}

func (t *Times) parseAs(format, text string) (time.Time, error) {
	switch format {
	case "rfc3339":
		return time.Parse(time.RFC3339Nano, text)
	case "unix_seconds":
		seconds, err := strconv.ParseInt(text, 10, 64)
		return time.Unix(seconds, 0), err
	case "unix_milliseconds":
		milliseconds, err := strconv.ParseInt(text, 10, 64)
		return time.UnixMilli(milliseconds), err
	}
	return time.ParseInLocation(format, text, t.zone)
}

// excerptMax bounds what a reason or an error quotes of a partner's text.
const excerptMax = 60

// excerpt returns the beginning of a foreign text, fit to be quoted with %q.
func excerpt(text string) string {
	runes := []rune(text)
	if len(runes) <= excerptMax {
		return text
	}
	return string(runes[:excerptMax]) + "…"
}
