package extract

import (
	"errors"
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
		return plausible(time.Unix(seconds, 0), err)
	case "unix_milliseconds":
		milliseconds, err := strconv.ParseInt(text, 10, 64)
		return plausible(time.UnixMilli(milliseconds), err)
	}
	return time.ParseInLocation(format, text, t.zone)
}

// plausible refuses a count of seconds or milliseconds that lies outside the years 2000 to 2099: it is the other of the
// two, or no instant at all. That lets a definition name both where it is not known which a partner means.
func plausible(at time.Time, err error) (time.Time, error) {
	if year := at.UTC().Year(); err == nil && (year < 2000 || year > 2099) {
		err = errors.New("lies outside the years 2000 to 2099")
	}
	return at, err
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

// write writes an instant for a partner: in UTC, or in the definition's zone where the form carries none.
func (t *Times) write(format string, at time.Time) string {
	switch at = at.UTC(); format {
	case "rfc3339":
		return at.Format(time.RFC3339)
	case "unix_seconds":
		return strconv.FormatInt(at.Unix(), 10)
	case "unix_milliseconds":
		return strconv.FormatInt(at.UnixMilli(), 10)
	}
	return at.In(t.zone).Format(format)
}
