package load_test

import (
	"testing"
	"time"

	"tieout/load"
	"tieout/schema"
)

// TestTombstoneIsKnownWhenItWasShown: a departure that is proven later, for an earlier instant, does not change what
// was known before.
func TestTombstoneIsKnownWhenItWasShown(t *testing.T) {
	made := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	last := &schema.Deposit{}
	last.ID, last.Version, last.FirstSeenAt = "a", 4, made
	gone := load.Gone{ID: "a", At: made.Add(time.Hour), KnownAt: made.Add(25 * time.Hour), Evidence: "run 7"}
	known := func(string) load.Last { return load.Last{Row: last, SeenAt: made} }
	tombstones := load.NewTombstones([]load.Gone{gone, gone}, known)
	if len(tombstones) != 1 {
		t.Fatalf("%d tombstones", len(tombstones))
	}
	record := tombstones[0].Base()
	if record.Version != 5 || !record.DeletedAt.Equal(gone.At) || !record.FirstSeenAt.Equal(gone.KnownAt) || record.Evidence != "run 7" {
		t.Errorf("version %d left by %s, known at %s by %q", record.Version, record.DeletedAt, record.FirstSeenAt, record.Evidence)
	}
	if last.Version != 4 || !last.DeletedAt.IsZero() {
		t.Error("the version before was changed")
	}
	seenSince := func(string) load.Last { return load.Last{Row: last, SeenAt: gone.At.Add(time.Second)} }
	if again := load.NewTombstones([]load.Gone{gone}, seenSince); len(again) != 0 {
		t.Errorf("a record that was seen since got %d tombstones", len(again))
	}
}
