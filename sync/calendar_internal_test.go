package sync

import (
	"testing"
	"time"
)

// TestCalendar gives answers times that only rise, whatever the clock does, and keeps times that do.
func TestCalendar(t *testing.T) {
	at := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	var c calendar
	type pair struct{ asked, answered time.Duration }
	for i, test := range []struct{ is, want pair }{
		{pair{0, 5}, pair{0, 5}},
		{pair{6, 9}, pair{6, 9}},
		{pair{9, 9}, pair{10, 11}},         // asked for in the same microsecond
		{pair{-3600, -3599}, pair{12, 13}}, // the clock was set back
		{pair{11, 20}, pair{14, 20}},
		{pair{30, 25}, pair{30, 31}}, // set back between question and answer
	} {
		asked, answered := c.note(at.Add(test.is.asked*time.Microsecond), at.Add(test.is.answered*time.Microsecond))
		if got := (pair{asked.Sub(at) / time.Microsecond, answered.Sub(at) / time.Microsecond}); got != test.want {
			t.Errorf("answer %d: %v became %v, want %v", i, test.is, got, test.want)
		}
	}
}
