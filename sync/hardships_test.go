package sync_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/extract/providers"
	"tieout/extract/sandbox"
	"tieout/schema"
	"tieout/sync"
)

// altered is a model whose pages a test changes on their way.
type altered struct {
	*model
	page func(*extract.Page)
}

func (a *altered) Fetch(ctx context.Context, resource schema.Resource, position extract.Position) (extract.Page, error) {
	page, err := a.model.Fetch(ctx, resource, position)
	if err == nil {
		a.page(&page)
	}
	return page, err
}

// nightOf runs a night against another source than the model itself.
func (w *modelWorld) nightOf(source sync.Source) sync.Result {
	w.nights++
	run := sync.Run{
		ID: "night-" + strconv.Itoa(w.nights), StartedAt: w.now, Destination: w.destination, Holdings: w.destination,
		Checkpoints: w.checkpoints, Ledger: w.checkpoints, Log: silence,
	}
	return run.Sync(context.Background(), []sync.Account{{Source: source, Streams: []schema.Stream{modelStream}}})[0]
}

func modelOf(h habit, records, rows int) *modelWorld {
	m := newModel(rand.New(rand.NewPCG(1, 1)), h, records)
	m.rows = rows
	return newModelWorld(m)
}

// complete gives a record another content and makes it final.
func (m *model) complete(at int) {
	m.editions++
	m.records[at].edition, m.records[at].status = m.editions, schema.StatusCompleted
}

// TestQuarantineStopsNothingElse: one record that cannot be read keeps the list unproven, costs no pass every night, and
// keeps no other record from being read again.
func TestQuarantineStopsNothingElse(t *testing.T) {
	w := modelOf(habit{order: extract.OrderNewest, counted: true, details: true, leaving: extract.LeavingNo}, 60, 5)
	w.records[22].status = schema.StatusPending
	poison := idText(w.records[40].id)
	source := &altered{w.model, func(p *extract.Page) {
		for i, row := range p.Rows {
			if row.Base().ID == poison {
				p.Rows = append(p.Rows[:i:i], p.Rows[i+1:]...)
				p.Rejected = append(p.Rejected, schema.Rejected{RecordID: poison, Reason: "no amount"})
				return
			}
		}
	}}
	if first := w.nightOf(source); first.Certificate.Proven() || first.Err != nil {
		t.Fatalf("the first night ended %s: %v", first.Certificate.Level, first.Err)
	}
	w.complete(22)
	night := w.nightOf(source)
	versions := w.destination.Versions(modelStream)[idText(w.records[22].id)]
	if last := versions[len(versions)-1].Base(); last.Status != schema.StatusCompleted || night.Certificate.Passes != 0 || night.Certificate.Proven() {
		t.Errorf("the record is %s after %d passes, and the list is %s", last.Status, night.Certificate.Passes, night.Certificate.Level)
	}
}

// TestCountThatStaysWrong: a partner that counts one record more than it lists costs passes for two nights, not for every one.
func TestCountThatStaysWrong(t *testing.T) {
	w := modelOf(habit{order: extract.OrderNewest, counted: true, leaving: extract.LeavingNo}, 300, 10)
	source := &altered{w.model, func(p *extract.Page) { *p.Total++ }}
	w.nightOf(source)
	w.nightOf(source)
	for range 3 {
		w.insert()
		night := w.nightOf(source)
		if night.Certificate.Proven() || night.Certificate.Passes > 0 || night.Certificate.Requests > 3 {
			t.Errorf("a night took %d passes and %d requests, and is %s", night.Certificate.Passes, night.Certificate.Requests, night.Certificate.Level)
		}
		if id := idText(w.next); len(w.destination.Versions(modelStream)[id]) == 0 {
			t.Errorf("the new record %s was not found", id)
		}
	}
}

// TestStableOverAnInterruption: a pass that was interrupted is one reading from its beginning. A record that leaves
// before the second reading makes the list unstable, wherever it stood.
func TestStableOverAnInterruption(t *testing.T) {
	w := modelOf(habit{order: extract.OrderNewest}, 60, 5)
	w.dieAt = 8
	w.night(false)
	w.dieAt = 0
	w.night(false)
	w.records, w.listed = append(w.records[:7:7], w.records[8:]...), nil // of the second page
	if again := w.night(true); again.Certificate.Level == checkpoints.LevelStable && again.Certificate.Passes == 1 {
		t.Errorf("a list that has lost a record is stable after a single pass")
	}
}

// TestStableSeesChangesBetween: what an ordinary night found between two readings was different in them.
func TestStableSeesChangesBetween(t *testing.T) {
	w := modelOf(habit{order: extract.OrderNewest, details: true}, 60, 5)
	w.records[22].status = schema.StatusPending
	for _, record := range w.records {
		if record.created.After(time.Now()) {
			t.Fatal("the records are older than the passes")
		}
	}
	w.night(false)
	w.complete(22)
	w.night(false) // an ordinary night reads it again
	if weekly := w.night(true); weekly.Certificate.Level == checkpoints.LevelStable && weekly.Certificate.Passes == 1 {
		t.Error("the list is stable by one more reading, and a record changed between the two")
	}
}

// TestBackfillOverNights reads lists without a count, and lists in spans, in nights that are too short for a pass: it
// ends after as many nights as it takes, and new records are found each night.
func TestBackfillOverNights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := modelOf(habit{order: extract.OrderNewest}, 400, 5)
		nights := 0
		for ; nights < 6; nights++ {
			w.now = time.Now()
			w.dieAt = w.requests + 40
			if result := w.night(false); result.Err == nil {
				break
			}
			wait(24 * time.Hour)
			w.now = time.Now()
			w.insert()
		}
		if nights > 3 || len(w.destination.Versions(modelStream)) != len(w.records) {
			t.Errorf("after %d nights %d of %d records are stored", nights, len(w.destination.Versions(modelStream)), len(w.records))
		}
		w.dieAt = 0
		wait(24 * time.Hour)
		w.now = time.Now()
		w.insert()
		if night := w.night(false); night.Certificate.Passes != 0 || len(w.destination.Versions(modelStream)) != len(w.records) {
			t.Errorf("the ordinary night took %d passes (%s), and %d of %d records are stored", night.Certificate.Passes, night.Certificate.Reason, len(w.destination.Versions(modelStream)), len(w.records))
		}
	})
}

// TestSharedListWithoutOurs reads a list that two resources share: pages full of the other one's records end no night.
func TestSharedListWithoutOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sandbox.Options{Partner: "kunapay", Seed: 3, Records: 120, Until: time.Now()})
		catalog, err := extract.LoadCatalog(providers.Files)
		if err != nil {
			t.Fatal(err)
		}
		w.definition = catalog["kunapay"]
		payments := schema.Stream{Account: "kuna", Provider: "kunapay", Resource: schema.Payments}
		night := func() {
			client := w.client(t, "kuna", w.sandbox.Transport())
			result := w.run().Sync(t.Context(), []sync.Account{{Source: client, Streams: []schema.Stream{payments}}})[0]
			if result.Err != nil {
				t.Fatal(result.Err)
			}
		}
		night()
		wait(24 * time.Hour)
		w.sandbox.Add(3)
		for range 250 {
			w.sandbox.AddDeposit("Processed")
		}
		night()
		if stored, listed := len(w.destination.Versions(payments)), len(w.sandbox.Truth().Payments); stored != listed {
			t.Errorf("%d of %d payments are stored", stored, listed)
		}
	})
}
