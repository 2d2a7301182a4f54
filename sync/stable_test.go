package sync_test

import (
	"math/rand/v2"
	"net/http"
	"strings"
	stdsync "sync"
	"testing"
	"testing/synctest"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/extract/sandbox"
	"tieout/load"
	"tieout/schema"
	"tieout/sync"
)

// TestStableMeansTwice reads a list that the partner does not count. It is stable when two readings of it were the
// same but for what is newer than the first, and says so as of the first; a change of what is older, or a record that
// is not met again, ends that.
func TestStableMeansTwice(t *testing.T) {
	fresh := func() *modelWorld {
		return newModelWorld(newModel(rand.New(rand.NewPCG(3, 3)), habit{order: extract.OrderNewest}, 25))
	}
	w := fresh()
	first := w.night(false)
	if first.Certificate.Level != checkpoints.LevelStable || first.Certificate.Passes != 2 || first.Certificate.Proven() {
		t.Fatalf("a resting list is %s after %d passes: %s", first.Certificate.Level, first.Certificate.Passes, first.Certificate.Reason)
	}
	w.insert()
	if night := w.night(false); night.Certificate.Level != checkpoints.LevelStable || night.Certificate.Passes != 0 ||
		!night.Certificate.ProvenAt.Equal(first.Certificate.ProvenAt) {
		t.Errorf("the night after it is %s as of %s after %d passes", night.Certificate.Level, night.Certificate.ProvenAt, night.Certificate.Passes)
	}

	w = fresh()
	w.tick = func() {
		w.editions++
		w.records[len(w.records)-1].edition = w.editions // each reading finds another content
	}
	changing := w.night(false).Certificate
	if changing.Level != checkpoints.LevelUnproven || !strings.Contains(changing.Reason, "older records had come or changed") {
		t.Errorf("a list that changes with every reading is %s: %s", changing.Level, changing.Reason)
	}

	w = fresh()
	w.tick = func() {
		if w.requests%3 == 0 && len(w.records) > 0 {
			w.records, w.listed = w.records[:len(w.records)-1], nil
		}
	}
	shrinking := w.night(false).Certificate
	if shrinking.Level != checkpoints.LevelUnproven || !strings.Contains(shrinking.Reason, "were not met again") {
		t.Errorf("a list that shrinks with every reading is %s: %s", shrinking.Level, shrinking.Reason)
	}
	for id, versions := range w.destination.Versions(modelStream) {
		if !versions[len(versions)-1].Base().DeletedAt.IsZero() {
			t.Errorf("record %s has a tombstone without a proof", id)
		}
	}
}

// TestOneRequestPerList never asks for two pages of a list at once, and reads the lists of an account side by side.
func TestOneRequestPerList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Seed: 31, Records: 900})
		var mu stdsync.Mutex
		under, most, all, sideBySide := map[string]int{}, map[string]int{}, 0, 0
		note := func(path string, difference int) {
			mu.Lock()
			defer mu.Unlock()
			under[path] += difference
			all += difference
			most[path], sideBySide = max(most[path], under[path]), max(sideBySide, all)
		}
		client := w.client(t, "coinut_main", roundTripper(func(r *http.Request) (*http.Response, error) {
			note(r.URL.Path, 1)
			defer note(r.URL.Path, -1)
			wait(2 * time.Second) // slower than the limit
			return w.sandbox.Transport().RoundTrip(r)
		}))
		for _, result := range w.run().Sync(t.Context(), []sync.Account{w.account("coinut_main", client)}) {
			if result.Outcome != checkpoints.Done {
				t.Errorf("%s ended %s: %v", result.Stream, result.Outcome, result.Err)
			}
		}
		for path, count := range most {
			if count > 1 {
				t.Errorf("%d requests for %s were under way at once", count, path)
			}
		}
		if sideBySide < 2 {
			t.Error("the lists were read one after the other")
		}
	})
}

// TestLookupIsNoSighting looks up a record that has left the list, as detail pages often still know it: that is no
// sighting in the list.
func TestLookupIsNoSighting(t *testing.T) {
	h := habit{order: extract.OrderNewest, counted: true, details: true, leave: true, leaving: extract.LeavingUnknown}
	w := newModelWorld(newModel(rand.New(rand.NewPCG(4, 4)), h, 30))
	last := &w.records[len(w.records)-1]
	last.status = schema.StatusPending
	pending := idText(last.id)
	if first := w.night(false); first.Outcome != checkpoints.Done {
		t.Fatalf("the first night ended %s: %v", first.Outcome, first.Err)
	}
	seen := w.lastSeen(t, pending)
	w.rows = 5 // far from the first page
	w.left[pending] = w.records[len(w.records)-1]
	w.records, w.listed = w.records[:len(w.records)-1], nil
	w.order = extract.OrderOldest
	w.insert() // far from the first page: the count gives nothing away
	if w.night(false); !w.lastSeen(t, pending).Equal(seen) {
		t.Errorf("the record was seen last at %s, and then at %s, when it had left", seen, w.lastSeen(t, pending))
	}
}

// lastSeen is when a record was last seen in the list.
func (w *modelWorld) lastSeen(t *testing.T, id string) (at time.Time) {
	t.Helper()
	err := w.destination.Sightings(t.Context(), modelStream, "", func(s load.Sighting) error {
		if s.ID == id {
			at = s.LastAt
		}
		return nil
	})
	if err != nil || at.IsZero() {
		t.Fatalf("record %s was seen at %s: %v", id, at, err)
	}
	return at
}

// TestLateRecords lets records come behind known ones, as an index that lags does: an ordinary night finds them.
func TestLateRecords(t *testing.T) {
	h := habit{order: extract.OrderNewest, counted: true}
	w := newModelWorld(newModel(rand.New(rand.NewPCG(5, 5)), h, 30))
	w.rows = 10 // it comes to stand on the second page, the first of which holds another new one
	w.night(false)
	w.insert()
	w.records[0], w.records[9] = w.records[9], w.records[0]
	w.insert()
	if night := w.night(false); night.Outcome != checkpoints.Done || night.Certificate.Passes > 0 || w.differs() != "" {
		t.Errorf("the night ended %s after %d passes: %v; %s", night.Outcome, night.Certificate.Passes, night.Err, w.differs())
	}
}
