package sync_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/schema"
)

// growing is an account that grows by as many records every day, of which some change within three days.
type growing struct {
	*modelWorld
	perDay  int
	pending map[int]time.Time         // when a pending record becomes final, by its id
	visible map[string]map[uint64]int // nights at which an edition of a record was listed, by id and edition
}

// newGrowing returns the account with a history, in a bubble's time.
func newGrowing(h habit, records, perDay int) *growing {
	m := newModel(rand.New(rand.NewPCG(1, 0x60)), h, 0)
	m.rows, m.counted, m.now = perDay/5, true, time.Now().Add(-time.Duration(records)*time.Second-7*24*time.Hour)
	g := &growing{modelWorld: newModelWorld(m), perDay: perDay, pending: map[int]time.Time{}, visible: map[string]map[uint64]int{}}
	made := make([]modelRecord, records)
	for i := range made {
		m.next++
		m.editions++
		record := modelRecord{id: m.next, created: m.now.Add(time.Duration(i) * time.Second), status: schema.StatusCompleted, edition: m.editions}
		if h.order == extract.OrderOldest {
			made[i] = record
		} else {
			made[records-1-i] = record
		}
	}
	m.records = made
	return g
}

// day lets a day go by: records come, and those that are due become final.
func (g *growing) day() {
	begun := time.Now()
	for i := range g.perDay {
		g.now = begun.Add(time.Duration(i) * 24 * time.Hour / time.Duration(g.perDay))
		g.insert()
		at := 0
		if g.order == extract.OrderOldest {
			at = len(g.records) - 1
		}
		if g.random.IntN(50) == 0 { // 2 %
			g.records[at].status = schema.StatusPending
			g.pending[g.records[at].id] = g.now.Add(time.Duration(1+g.random.IntN(71)) * time.Hour)
		}
	}
	wait(24 * time.Hour)
	g.now = time.Now()
	for i := range g.records {
		record := &g.records[i]
		if due, ok := g.pending[record.id]; ok && !due.After(g.now) {
			g.editions++
			record.status, record.edition = schema.StatusCompleted, g.editions
			delete(g.pending, record.id)
		}
	}
}

// open is how many records are listed that may change, and how many pages are new.
func (g *growing) open() int { return len(g.pending) }

// see notes what is listed tonight.
func (g *growing) see(night int) {
	for _, record := range g.records {
		id := idText(record.id)
		if g.visible[id] == nil {
			g.visible[id] = map[uint64]int{}
		}
		g.visible[id][record.edition] = night
	}
}

// missing counts the editions that were listed at some night and are not stored.
func (g *growing) missing() (missing int) {
	stored := g.destination.Versions(modelStream)
	for id, editions := range g.visible {
		known := map[uint64]bool{}
		for _, row := range stored[id] {
			hash := row.Base().PayloadHash
			known[binary.BigEndian.Uint64(hash[:])] = true
		}
		for edition := range editions {
			if !known[edition] {
				missing++
			}
		}
	}
	return missing
}

// nights runs an account for sixty nights. A night costs the new pages, the records that may change and two requests
// more, whatever the history; the weekly pass from end to end comes on top.
func nights(t *testing.T, h habit, records, perDay int) (ordinary float64) {
	synctest.Test(t, func(t *testing.T) {
		g := newGrowing(h, records, perDay)
		if first := g.night(false); first.Outcome != checkpoints.Done {
			t.Fatalf("the first night ended %s: %v %s", first.Outcome, first.Err, first.Certificate.Reason)
		}
		spent, allowed, counted, worst := 0, 0, 0, 0.0
		for night := range 60 {
			mayChange := g.open() // at the last night, so that these are stored
			g.day()
			g.see(night)
			before := g.requests
			result := g.night(false)
			if result.Outcome != checkpoints.Done {
				t.Fatalf("night %d ended %s: %v %s", night, result.Outcome, result.Err, result.Certificate.Reason)
			}
			if text := g.wrong(result.Certificate); text != "" {
				t.Fatalf("night %d: %s", night, text)
			}
			if result.Certificate.Passes > 0 {
				continue // the weekly pass
			}
			requests, budget := g.requests-before, 5+mayChange+2
			spent, allowed, counted = spent+requests, allowed+budget, counted+1
			worst = max(worst, float64(requests)/float64(budget))
		}
		ordinary = float64(spent) / float64(counted)
		t.Logf("%s, %d records: %d ordinary nights, %.1f requests each of %.1f allowed, the worst %.2f of what is allowed", h.order, records, counted, ordinary, float64(allowed)/float64(counted), worst)
		if worst > 1.1 || counted < 50 {
			t.Errorf("a night took %.2f of the requests that are allowed, in %d ordinary nights", worst, counted)
		}
		if missing := g.missing(); missing > 0 {
			t.Errorf("%d versions that were listed at a night are not stored", missing)
		}
	})
	return ordinary
}

// TestSimSixtyNights grows an account for sixty nights, with a history of different lengths; in a simulation one of
// 200,000 records with 500 new ones a day.
func TestSimSixtyNights(t *testing.T) {
	perDay, history := 50, 4000
	if simSetting(t, "SCALE") >= 30 {
		perDay, history = 500, 200_000
	}
	for _, h := range []habit{
		{order: extract.OrderNewest, details: true}, {order: extract.OrderNewest}, {order: extract.OrderOldest, details: true},
	} {
		short, long := nights(t, h, history/10, perDay), nights(t, h, history, perDay)
		if long > short*1.1 {
			t.Errorf("%s: a night takes %.1f requests with a short history, %.1f with a long one", h.order, short, long)
		}
	}
}

// TestBackfillKilledTwentyTimes kills the first pass over a year of records twenty times: it goes on where it was.
func TestBackfillKilledTwentyTimes(t *testing.T) {
	for _, order := range []extract.Order{extract.OrderNewest, extract.OrderOldest} {
		synctest.Test(t, func(t *testing.T) {
			records := 365 * 500
			g := newGrowing(habit{order: order}, records, 500)
			pages := (records + g.rows - 1) / g.rows
			g.tick = func() { wait(600 * time.Millisecond) } // 100 a minute
			kills := 0
			for ; kills < 20; kills++ {
				g.dieAt = g.requests + 2 + g.random.IntN(pages/10)
				if g.dieAt > pages {
					break
				}
				if result := g.night(false); result.Outcome == checkpoints.Done {
					t.Fatal("the run survived")
				}
			}
			for ; kills < 20; kills++ { // close to the end
				g.dieAt = g.requests + 2
				if result := g.night(false); result.Outcome == checkpoints.Done {
					t.Fatal("the run survived")
				}
			}
			g.dieAt = 0
			if result := g.night(false); result.Outcome != checkpoints.Done {
				t.Fatalf("the last run ended %s: %v %s", result.Outcome, result.Err, result.Certificate.Reason)
			}
			t.Logf("%s: %d records, killed %d times: %d requests for %d pages, %.2f %% more", order, records, kills, g.requests, pages, 100*float64(g.requests-pages)/float64(pages))
			if g.requests*100 > pages*102 {
				t.Errorf("%d requests for %d pages", g.requests, pages)
			}
			if text := g.differs(); text != "" {
				t.Error(text)
			}
		})
	}
}
