package extract

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTimesParse reads every form in the order of the definition; what none fits is an error that quotes a bounded
// part of it.
func TestTimesParse(t *testing.T) {
	kyiv, err := time.LoadLocation("Europe/Kyiv")
	if err != nil {
		t.Fatal(err)
	}
	const second = "2006-01-02 15:04:05"
	tests := []struct {
		formats []string
		text    string
		want    string // RFC 3339 in UTC; empty: an error
	}{
		{[]string{"rfc3339"}, "2026-03-12T17:22:04Z", "2026-03-12T17:22:04Z"},
		{[]string{"rfc3339"}, "2026-03-12T17:22:04.123456789+05:30", "2026-03-12T11:52:04.123456789Z"},
		{[]string{"rfc3339"}, "2026-03-12 17:22:04", ""},
		{[]string{"rfc3339"}, "2026-02-30T17:22:04Z", ""},
		{[]string{"rfc3339"}, "", ""},
		{[]string{second}, "2026-03-12 17:22:04", "2026-03-12T15:22:04Z"},
		{[]string{second}, "2026-03-12 17:22:04.5", "2026-03-12T15:22:04.5Z"},
		{[]string{second}, "2026-03-12T17:22:04", ""},
		{[]string{"unix_seconds"}, "0", ""}, // outside the years 2000 to 2099: a placeholder, or milliseconds
		{[]string{"unix_seconds"}, "-1", ""},
		{[]string{"unix_seconds"}, "946684799", ""},
		{[]string{"unix_seconds"}, "946684800", "2000-01-01T00:00:00Z"},
		{[]string{"unix_seconds"}, "4102444799", "2099-12-31T23:59:59Z"},
		{[]string{"unix_seconds"}, "4102444800", ""},
		{[]string{"unix_seconds"}, "9223372036854775807", ""},
		{[]string{"unix_milliseconds"}, "946684799999", ""},
		{[]string{"unix_milliseconds"}, "946684800000", "2000-01-01T00:00:00Z"},
		{[]string{"unix_milliseconds"}, "4102444799999", "2099-12-31T23:59:59.999Z"},
		{[]string{"unix_milliseconds"}, "4102444800000", ""},
		{[]string{"unix_milliseconds"}, "1773336124", ""},
		{[]string{"unix_milliseconds", "unix_seconds"}, "1773336124", "2026-03-12T17:22:04Z"},
		{[]string{"unix_seconds"}, "1.5", ""},
		{[]string{"unix_seconds"}, "1e9", ""},
		{[]string{"unix_seconds"}, "9223372036854775808", ""},
		{[]string{"unix_milliseconds"}, "1773336124567", "2026-03-12T17:22:04.567Z"},
		{[]string{"rfc3339", second, "unix_seconds"}, "1773336124", "2026-03-12T17:22:04Z"},
		{nil, "2026-03-12T17:22:04Z", ""},
	}
	for _, test := range tests {
		times := Times{Formats: test.formats, zone: kyiv}
		got, err := times.parse(test.text)
		switch {
		case test.want == "" && err == nil:
			t.Errorf("%q in %v is %s, want an error", test.text, test.formats, got)
		case test.want != "" && (err != nil || got.Format(time.RFC3339Nano) != test.want || got.Location() != time.UTC):
			t.Errorf("%q in %v is %s (%v), want %s", test.text, test.formats, got, err, test.want)
		}
	}
	var none Times
	if _, err := none.parse(strings.Repeat("é", 1000)); err == nil || len(err.Error()) > 300 {
		t.Errorf("a long text gave %v", err)
	}
}

// FuzzTimesParse writes what was read in every form and reads it again: the instant is the same, and always in UTC.
func FuzzTimesParse(f *testing.F) {
	for _, text := range []string{"2026-03-12T17:22:04Z", "2026-03-12 17:22:04", "1773336124", "1773336124567", "-62135596800", "0000-01-01T00:00:00Z", "2026-03-29 03:30:00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		times := Times{Formats: []string{"rfc3339", "2006-01-02 15:04:05", "unix_seconds"}, zone: time.UTC}
		at, err := times.parse(text)
		if err != nil {
			if !strings.Contains(err.Error(), "none of the known forms") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if at.Location() != time.UTC {
			t.Fatalf("%q was read in %s", text, at.Location())
		}
		if year := at.Year(); year < 0 || year > 9999 {
			return // RFC 3339 cannot write it, and schema.Validate refuses it
		}
		if again, err := times.parse(at.Format(time.RFC3339Nano)); err != nil || !again.Equal(at) {
			t.Fatalf("%q was read as %s, and that as %s (%v)", text, at, again, err)
		}
	})
}

// TestRetryAfter believes a stated wait between a second and an hour. Nought means that none was stated.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 12, 17, 22, 4, 0, time.UTC)
	date := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	tests := map[string]time.Duration{
		"7": 7 * time.Second, "0": time.Second, "1": time.Second, "3600": time.Hour, "3601": time.Hour, "4294967295": time.Hour,
		date(90 * time.Second): 90 * time.Second, date(0): time.Second, date(-time.Hour): time.Second, date(48 * time.Hour): time.Hour,
		now.Add(time.Minute).Format(time.RFC850): time.Minute, now.Add(time.Minute).Format(time.ANSIC): time.Minute,
		"": 0, "soon": 0, "-5": 0, "+5": 0, "1.5": 0, "5s": 0, "5, 6": 0, " 5": 0, "99999999999999999999": 0, "0x10": 0,
		"2026-03-12T17:23:04Z": 0,
	}
	for header, want := range tests {
		if got := retryAfter(http.Header{"Retry-After": {header}}, now); got != want {
			t.Errorf("%q means %s, want %s", header, got, want)
		}
	}
	// A date is the partner's: it is measured against the date of the answer, and only where there is one.
	for skew, want := range map[string]time.Duration{date(-10 * time.Minute): 11 * time.Minute, date(30 * time.Second): 30 * time.Second, date(time.Hour): time.Second, date(-48 * time.Hour): time.Hour, "today": time.Minute, "": time.Minute} {
		if got := retryAfter(http.Header{"Retry-After": {date(time.Minute)}, "Date": {skew}}, now); got != want {
			t.Errorf("in an answer of %q: %s, want %s", skew, got, want)
		}
		if got := retryAfter(http.Header{"Retry-After": {"60"}, "Date": {skew}}, now); got != time.Minute {
			t.Errorf("seconds in an answer of %q: %s, want a minute", skew, got)
		}
	}
}

// TestBudgetRest rests for what a header states, at most for the longest window; for some of it where that cannot be
// read; and not at all where something is left.
func TestBudgetRest(t *testing.T) {
	now := time.Date(2026, 3, 12, 17, 22, 4, 0, time.UTC)
	const some, longest = 5 * time.Minute, time.Hour
	unix := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	tests := []struct {
		remaining, reset, date string
		want                   time.Duration
	}{
		{"0", "7", "", 7 * time.Second},
		{"0", "3000", "", 50 * time.Minute}, // of an hour's window
		{"0", "86400", "", time.Hour},
		{"0", unix(40 * time.Minute), "", 40 * time.Minute},
		{"0", unix(2 * time.Hour), "", time.Hour},
		{"0", unix(-time.Minute), "", 0},
		{"0", unix(40 * time.Minute), now.Add(30 * time.Minute).Format(http.TimeFormat), 10 * time.Minute},
		{"0", fmt.Sprint(now.Add(time.Minute).UnixMilli()), "", some},
		{"0", "9223372036854775807", "", some},
		{"0", "99999999999999999999", "", some},
		{"0", "-1", "", some},
		{"0", "soon", "", some},
		{"0", "", "", some},
		{"0", "0", "", 0},
		{"1", "3000", "", 0},
		{"", "3000", "", 0},
		{"none", "3000", "", 0},
	}
	for _, test := range tests {
		for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
			header := http.Header{}
			header.Set(prefix+"Remaining", test.remaining)
			header.Set(prefix+"Reset", test.reset)
			header.Set("Date", test.date)
			if got := budgetRest(header, now, some, longest); got != test.want {
				t.Errorf("%s%+v: %s, want %s", prefix, test, got, test.want)
			}
		}
	}
}

// TestLongestWindow bounds the pause after a refusal that states none.
func TestLongestWindow(t *testing.T) {
	tests := map[string]time.Duration{"100/1m": time.Minute, "10/1s,60/1m": time.Minute, "60/1m,1000/1h": 5 * time.Minute, "4/1s": time.Second}
	for text, want := range tests {
		client := &Client{account: Account{Definition: &Definition{}, Windows: windowsOf(t, text)}}
		if got := client.longestWindow(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if got, want := client.wholeWindow(), map[bool]time.Duration{true: time.Hour, false: want}[strings.Contains(text, "1h")]; got != want {
			t.Errorf("all of %s: %s, want %s", text, got, want)
		}
		for lockout, want := range map[time.Duration]time.Duration{time.Millisecond: want, 24 * time.Hour: 24 * time.Hour} {
			client.account.Definition.Lockout = Duration(lockout)
			if got := client.longestWindow(); got != want {
				t.Errorf("%s with a lockout of %s: %s, want %s", text, lockout, got, want)
			}
		}
	}
}
