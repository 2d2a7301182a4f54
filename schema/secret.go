package schema

import (
	"fmt"
	"log/slog"
	"unique"
)

// Secret is a text that no formatting verb, log, JSON or error can print: it always shows as "[redacted]". The
// text leaves it by Reveal only, so a search for that word finds every place that handles one. Secrets are equal if
// their texts are.
//
// The text lies behind a pointer because fmt prints by reflection, and asks no method, what is in an unexported
// field or stands under a wrong verb: it then shows an address.
type Secret struct{ text unique.Handle[string] }

const redacted = "[redacted]"

// NewSecret wraps a text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// Reveal returns the text, to be signed with or sent and never to be kept.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.text.Value()
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s == Secret{} }

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (s Secret) GoString() string { return redacted }

// Format implements fmt.Formatter, for every verb.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
