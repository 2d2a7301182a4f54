package load_test

import (
	"fmt"
	"testing"
	"time"

	"tieout/load"
)

// seen is a version that was seen in a list between two seconds; a negative first second stands for a tombstone.
func seen(version uint64, list string, first, last int) load.VersionSeen {
	v := load.VersionSeen{Version: version, ListedUnder: list, FirstAt: dawn.Add(time.Duration(first) * time.Second), LastAt: dawn.Add(time.Duration(last) * time.Second)}
	if first < 0 {
		v.Tombstone, v.FirstAt = true, dawn.Add(-time.Duration(first)*time.Second)
	}
	return v
}

// TestPresence: what is called an interval must be one in which the record was in the list all the time.
func TestPresence(t *testing.T) {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return fmt.Sprint(t.Sub(dawn).Seconds())
	}
	for name, test := range map[string]struct {
		list     string
		versions []load.VersionSeen
		want     string
	}{
		"nothing":                   {"", nil, "no"},
		"one version":               {"", []load.VersionSeen{seen(1, "A", 3, 2)}, "3 to 2"},
		"its list":                  {"A", []load.VersionSeen{seen(1, "A", 3, 2)}, "3 to 2"},
		"another list":              {"B", []load.VersionSeen{seen(1, "A", 3, 2)}, "no"},
		"two versions":              {"A", []load.VersionSeen{seen(1, "A", 3, 9), seen(2, "A", 6, 7)}, "3 to 9"},
		"an older sight comes late": {"A", []load.VersionSeen{seen(1, "A", 5, 9), seen(2, "A", 3, 7)}, "3 to 9"},
		"moved":                     {"B", []load.VersionSeen{seen(1, "A", 3, 4), seen(2, "B", 6, 7)}, "6 to 7"},
		"moved, the whole":          {"", []load.VersionSeen{seen(1, "A", 3, 4), seen(2, "B", 6, 7)}, "3 to 7"},
		"there and back":            {"A", []load.VersionSeen{seen(1, "A", 3, 4), seen(2, "B", 6, 7), seen(3, "A", 8, 9)}, "8 to 9"},
		"gone":                      {"A", []load.VersionSeen{seen(1, "A", 3, 4), seen(2, "A", -6, 6)}, "3 to 4 gone"},
		"gone from another list":    {"B", []load.VersionSeen{seen(1, "A", 3, 4), seen(2, "A", -6, 6)}, "no"},
		"back":                      {"A", []load.VersionSeen{seen(1, "A", 3, 4), seen(2, "A", -6, 6), seen(3, "A", 8, 9)}, "8 to 9"},
		"gone twice":                {"A", []load.VersionSeen{seen(1, "A", 3, 4), seen(2, "A", -6, 6), seen(3, "A", 8, 9), seen(4, "A", -10, 10)}, "8 to 9 gone"},
		"back, by an older batch":   {"A", []load.VersionSeen{seen(1, "A", 3, 4), seen(2, "A", -6, 6), seen(3, "A", 1, 9)}, "6 to 9"},
		"a sighting is lost":        {"A", []load.VersionSeen{seen(1, "A", 3, 4), seen(3, "A", 8, 9)}, "8 to 9"},
		"the first one is lost":     {"A", []load.VersionSeen{seen(2, "A", 8, 9)}, "8 to 9"},
		"lost before the end":       {"A", []load.VersionSeen{seen(1, "A", 3, 4), seen(3, "A", -8, 8)}, "never to never gone"},
		"only the end is left":      {"A", []load.VersionSeen{seen(3, "A", -8, 8)}, "never to never gone"},
	} {
		got := "no"
		if s, ok := load.Presence("x", test.list, test.versions); ok {
			if got = at(s.FirstAt) + " to " + at(s.LastAt); s.Gone {
				got += " gone"
			}
			if s.ID != "x" {
				t.Errorf("%s: the sighting is of %q", name, s.ID)
			}
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
