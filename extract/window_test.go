package extract_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tieout/extract"
)

// TestParseWindows reads what people write into TIEOUT_<ACCOUNT>_RATE_LIMITS, and says what is wrong with the rest.
func TestParseWindows(t *testing.T) {
	const form, few, span = `want a count of requests and a duration, like "100/1m"`, "at least 4 requests a window are needed", "the duration must lie between 1s and 24h"
	tests := map[string]struct {
		want []extract.Window
		err  string
	}{
		"100/1m":                    {[]extract.Window{{Requests: 100, Per: time.Minute}}, ""},
		"100/1m,1000/1h":            {[]extract.Window{{Requests: 100, Per: time.Minute}, {Requests: 1000, Per: time.Hour}}, ""},
		" 100/1m , 4/1s ":           {[]extract.Window{{Requests: 100, Per: time.Minute}, {Requests: 4, Per: time.Second}}, ""},
		"10/1m30s":                  {[]extract.Window{{Requests: 10, Per: 90 * time.Second}}, ""},
		"99999/24h":                 {[]extract.Window{{Requests: 99999, Per: 24 * time.Hour}}, ""},
		"":                          {nil, "rate limit 1 of the list: " + form},
		"100":                       {nil, form},
		"100/":                      {nil, span},
		"/1m":                       {nil, form},
		"100/1m,":                   {nil, "rate limit 2 of the list: " + form},
		"3/1m":                      {nil, few},
		"0/1m":                      {nil, few},
		"-100/1m":                   {nil, few},
		"0100/1m":                   {nil, form},
		"1e3/1m":                    {nil, form},
		"100 per 1m":                {nil, form},
		"100/m":                     {nil, span},
		"100/60":                    {nil, span},
		"100/500ms":                 {nil, span},
		"100/25h":                   {nil, span},
		"100/-1m":                   {nil, span},
		"100/1m/1h":                 {nil, span},
		"1000000000000000000000/1m": {nil, form},
	}
	for text, test := range tests {
		t.Run(text, func(t *testing.T) {
			got, err := extract.ParseWindows(text)
			switch {
			case test.err == "" && (err != nil || !slices.Equal(got, test.want)):
				t.Errorf("%v (%v), want %v", got, err, test.want)
			case test.err != "" && (err == nil || got != nil || !strings.HasSuffix(err.Error(), test.err)):
				t.Errorf("%v (%v), want the error %s", got, err, test.err)
			}
		})
	}
}

// TestWindowString writes a window as people do, so that what is shown can be typed in again.
func TestWindowString(t *testing.T) {
	tests := map[string]extract.Window{
		"100/1m": {Requests: 100, Per: time.Minute}, "1000/1h": {Requests: 1000, Per: time.Hour}, "5/10s": {Requests: 5, Per: 10 * time.Second},
		"5/1m30s": {Requests: 5, Per: 90 * time.Second}, "5/1h30m": {Requests: 5, Per: 90 * time.Minute}, "5/24h": {Requests: 5, Per: 24 * time.Hour},
		"5/1h0m10s": {Requests: 5, Per: time.Hour + 10*time.Second}, "5/10m": {Requests: 5, Per: 10 * time.Minute}, "5/1.5s": {Requests: 5, Per: 1500 * time.Millisecond},
	}
	for want, window := range tests {
		if got := window.String(); got != want {
			t.Errorf("%d in %s is written %s, want %s", window.Requests, window.Per, got, want)
		}
	}
}

// FuzzParseWindows looks for a text that is read as something which cannot be used or written down again.
func FuzzParseWindows(f *testing.F) {
	for _, text := range []string{"100/1m", "100/1m,1000/1h", "4/1s", "10/1m30s", "5/1.5s", "", ",", "100/1h0m0.000000001s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		windows, err := extract.ParseWindows(text)
		if err != nil {
			return
		}
		texts := make([]string, len(windows))
		for i, window := range windows {
			if window.Requests < 4 || window.Per < time.Second || window.Per > 24*time.Hour {
				t.Fatalf("%q was read as %v", text, window)
			}
			texts[i] = window.String()
		}
		again, err := extract.ParseWindows(strings.Join(texts, ","))
		if err != nil || !slices.Equal(again, windows) {
			t.Fatalf("%q was read as %v, and that as %v (%v)", text, windows, again, err)
		}
	})
}
