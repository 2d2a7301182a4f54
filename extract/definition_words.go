package extract

import (
	"errors"
	"time"
)

// The types of this file are the words of the definition language: each has a closed set of values or a form of its
// own. Values is what a mistake is answered with, and what the JSON Schema offers.

// Credential is something that an account must have; the environment's variables end in the same words.
type Credential string

// Values returns what a definition may say.
func (Credential) Values() []string { return []string{"api_key", "api_secret", "email"} }

// Meaning is what to do about a refused request.
type Meaning string

// The meanings.
const (
	MeansRetry         Meaning = "retry"         // the same request again, later
	MeansStream        Meaning = "stream"        // this list cannot be read; the others go on
	MeansCredentials   Meaning = "credentials"   // the partner does not accept the key: stop using it
	MeansConfiguration Meaning = "configuration" // a person must change a setting, as a missing scope
	MeansQuarantine    Meaning = "quarantine"    // the record that is looked up goes to quarantine; a page is never skipped, so there it is stream
	MeansLimit         Meaning = "limit"         // we were too fast: the whole key rests, then goes on at half the rate
)

// Values returns what a definition may say.
func (Meaning) Values() []string {
	return []string{string(MeansRetry), string(MeansStream), string(MeansCredentials), string(MeansConfiguration), string(MeansQuarantine), string(MeansLimit)}
}

// Method is how a list is asked for.
type Method string

// The methods.
const (
	MethodGet  Method = "GET"
	MethodPost Method = "POST" // parameters travel in a JSON body
)

// Values returns what a definition may say.
func (Method) Values() []string { return []string{string(MethodGet), string(MethodPost)} }

// Style is a way of paging.
type Style string

// The styles.
const (
	StyleNone   Style = "none"    // one answer is the whole list
	StylePage   Style = "page"    // numbered pages
	StyleOffset Style = "offset"  // records to skip
	StyleCursor Style = "cursor"  // a token from the answer before
	StyleLastID Style = "last_id" // the identifier of the last record before
	StyleLink   Style = "link"    // a ready-made address from the answer before
)

// Values returns what a definition may say.
func (Style) Values() []string {
	return []string{string(StyleNone), string(StylePage), string(StyleOffset), string(StyleCursor), string(StyleLastID), string(StyleLink)}
}

// Stop is what ends a list.
type Stop string

// What ends a list.
const (
	StopTotal Stop = "total"
	StopEmpty Stop = "empty"
	StopShort Stop = "short"
	StopMore  Stop = "more"
	StopNext  Stop = "next"
)

// Values returns what a definition may say.
func (Stop) Values() []string {
	return []string{string(StopTotal), string(StopEmpty), string(StopShort), string(StopMore), string(StopNext)}
}

// ItemsAs is the form in which an answer holds its records.
type ItemsAs string

// The forms.
const (
	ItemsList ItemsAs = "list"
	ItemsMap  ItemsAs = "map"
)

// Values returns what a definition may say.
func (ItemsAs) Values() []string { return []string{string(ItemsList), string(ItemsMap)} }

// Order is the order of a list.
type Order string

// The orders.
const (
	OrderUnknown Order = "unknown"
	OrderNewest  Order = "newest"
	OrderOldest  Order = "oldest"
)

// Values returns what a definition may say.
func (Order) Values() []string {
	return []string{string(OrderUnknown), string(OrderNewest), string(OrderOldest)}
}

// Sign is what to do with the sign of an amount.
type Sign string

// The signs.
const (
	SignKeep     Sign = "keep"
	SignFlip     Sign = "flip"     // partners that write what leaves as negative
	SignAbsolute Sign = "absolute" // partners that are not consistent about it
)

// Values returns what a definition may say.
func (Sign) Values() []string {
	return []string{string(SignKeep), string(SignFlip), string(SignAbsolute)}
}

// Leaving is whether records leave a list again.
type Leaving string

// What is known about records that leave.
const (
	LeavingUnknown Leaving = "unknown" // not known: taken for no until a full pass shows the opposite
	LeavingYes     Leaving = "yes"     // some do
	LeavingNo      Leaving = "no"      // none does, by the partner's word
)

// Values returns what a definition may say.
func (Leaving) Values() []string {
	return []string{string(LeavingUnknown), string(LeavingYes), string(LeavingNo)}
}

// Algorithm is how a signature is made.
type Algorithm string

// Values returns what a definition may say.
func (Algorithm) Values() []string { return []string{"hmac-sha256", "hmac-sha384", "hmac-sha512"} }

// Encoding is how a signature is written.
type Encoding string

// Values returns what a definition may say.
func (Encoding) Values() []string { return []string{"hex", "base64"} }

// Stamp is the form of a request's timestamp.
type Stamp string

// Values returns what a definition may say.
func (Stamp) Values() []string { return []string{"unix_seconds", "unix_milliseconds"} }

// NonceKind is how a request's nonce is made.
type NonceKind string

// The kinds of nonces.
const (
	NonceUUID   NonceKind = "uuid"                // random
	NonceRising NonceKind = "rising_milliseconds" // the clock, and always above the last one of the key
)

// Values returns what a definition may say.
func (NonceKind) Values() []string { return []string{string(NonceUUID), string(NonceRising)} }

// BodyHash is what {body_sha256} is when there is no body.
type BodyHash string

// Values returns what a definition may say.
func (BodyHash) Values() []string { return []string{"empty", "sha256"} }

// Duration is a length of time as Go writes it: 90s, 10m, 168h.
type Duration time.Duration

// UnmarshalText reads a duration that is not negative.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return errors.New("want a duration like 90s, 10m or 168h")
	}
	*d = Duration(parsed)
	return nil
}

// Date is a day in UTC as 2020-01-31.
type Date struct{ time.Time }

// UnmarshalText reads a day.
func (d *Date) UnmarshalText(text []byte) (err error) {
	if d.Time, err = time.ParseInLocation(time.DateOnly, string(text), time.UTC); err != nil {
		return errors.New("want a day like 2020-01-31")
	}
	return nil
}

// Paths are the places where a value may be, the first that holds one counts. In YAML one text or a list.
type Paths []string

// UnmarshalYAML reads a single path or a list of them.
func (p *Paths) UnmarshalYAML(decode func(any) error) error {
	var one string
	if err := decode(&one); err == nil {
		*p = Paths{one}
		return nil
	}
	var many []string
	if err := decode(&many); err != nil {
		return err
	}
	*p = many
	return nil
}

// UnmarshalYAML reads a field: paths alone, or a map with the paths and what is done with the value.
func (f *Field) UnmarshalYAML(decode func(any) error) error {
	if err := decode(&f.Paths); err == nil {
		return nil
	}
	type plain Field
	return decode((*plain)(f))
}
