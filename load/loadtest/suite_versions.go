package loadtest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tieout/load"
	"tieout/schema"
)

func testNothing(t *testing.T, b *bench) {
	b.write(t, rows(), 0, 0, 0)
	b.write(t, gone(5, "never seen"), 0, 0, 0)
	b.holds(t, "", 0)
	b.holds(t, "PAID", 0)
	b.wantSightings(t, "", []string{}...)
	b.wantHistory(t)
	if open := b.open(t, "", second(0), second(0)); open != "" {
		t.Errorf("open are %s", open)
	}
}

// testThereAndBack: a record that goes back to an old state has three versions, also if the batch comes again.
func testThereAndBack(t *testing.T, b *bench) {
	batches := func() []load.Batch {
		return []load.Batch{
			rows(deposit("a", schema.StatusPending, 1, 2), deposit("b", schema.StatusPending, 1, 2)),
			rows(deposit("a", schema.StatusFailed, 3, 4), deposit("a", schema.StatusPending, 5, 6)),
			rows(deposit("a", schema.StatusPending, 7, 8), deposit("b", schema.StatusPending, 7, 8)),
		}
	}
	for i, counts := range [][2]int{{2, 2}, {2, 0}, {0, 0}} {
		b.write(t, batches()[i], counts[0], counts[1], 0)
	}
	for range 2 {
		for _, batch := range batches() {
			b.write(t, batch, 0, 0, 0)
		}
		b.wantHistory(t, "a1 pending", "a2 failed", "a3 pending", "b1 pending")
		b.wantSightings(t, "", "a 2 to 7", "b 2 to 7")
	}
	b.write(t, by("next run", rows(deposit("a", schema.StatusFailed, 9, 10))), 1, 0, 0)
	b.holds(t, "", 2)
}

// testTombstone: the record that has gone is held no more, and nothing of it is lost.
func testTombstone(t *testing.T, b *bench) {
	b.write(t, rows(deposit("a", schema.StatusPending, 1, 2), deposit("b", schema.StatusPending, 1, 2)), 2, 2, 0)
	b.write(t, gone(5, "a", "a", "c"), 1, 0, 0)
	for _, again := range []load.Batch{gone(5, "a"), gone(6, "a"), by("next run", gone(7, "a"))} {
		b.write(t, again, 0, 0, 0) // it has gone already
	}
	b.wantHistory(t, "a1 pending", "a2 pending gone 5", "b1 pending")
	b.holds(t, "", 1)
	b.wantSightings(t, "", "a 2 to 1 gone", "b 2 to 1")
	if open := b.open(t, "", second(-9), second(-9)); open != "b pending 0" {
		t.Errorf("open are %s", open)
	}
}

// testTombstoneKeepsAll: a tombstone has every column of the version before, and is known from its certificate on.
func testTombstoneKeepsAll(t *testing.T, b *bench) {
	b.write(t, rows(under(deposit("a", schema.StatusCompleted, 1, 2), "PAID"), deposit("late", schema.StatusPending, 4, 7)), 2, 2, 0)
	b.write(t, by("next run", gone(5, "a", "late")), 2, 0, 0)
	versions := b.history(t, stream)
	if len(versions) != 4 {
		t.Fatalf("%d versions", len(versions))
	}
	for i, firstSeen := range map[int]int{1: 5, 3: 7} { // never before the version that it ends
		want := versions[i-1]
		want.Version, want.DeletedAt, want.Evidence, want.FirstSeenAt = 2, second(5), "certificate of 5", second(firstSeen)
		if difference := cmp.Diff(want, versions[i]); difference != "" {
			t.Errorf("tombstone (-want +got):\n%s", difference)
		}
	}
	b.holds(t, "PAID", 0)
	b.wantSightings(t, "PAID", "a 2 to 1 gone")
}

// testNoTombstone: what was seen in an answer to a later request is there.
func testNoTombstone(t *testing.T, b *bench) {
	b.write(t, rows(deposit("a", schema.StatusPending, 1, 2), deposit("b", schema.StatusPending, 6, 7)), 2, 2, 0)
	b.write(t, rows(deposit("a", schema.StatusPending, 8, 9)), 0, 0, 0)
	b.write(t, by("next run", gone(5, "a", "b")), 0, 0, 0)
	b.wantHistory(t, "a1 pending", "b1 pending")
	b.holds(t, "", 2)
}

// testGoneAndSeen: rows come before what is gone, whatever the batch says of one record.
func testGoneAndSeen(t *testing.T, b *bench) {
	b.write(t, rows(deposit("a", schema.StatusPending, 1, 2)), 1, 1, 0)
	batch := rows(deposit("a", schema.StatusFailed, 3, 4), deposit("b", schema.StatusPending, 3, 4), deposit("c", schema.StatusPending, 8, 9))
	batch.Gone = gone(6, "a", "b", "c").Gone
	b.write(t, batch, 5, 2, 0)
	b.wantHistory(t, "a1 pending", "a2 failed", "a3 failed gone 6", "b1 pending", "b2 pending gone 6", "c1 pending")
	b.holds(t, "", 1)
	b.write(t, batch, 0, 0, 0)
	b.holds(t, "", 1)
}

// testReturn: a record that comes back as it was is a new version, and was seen first when it came back.
func testReturn(t *testing.T, b *bench) {
	b.write(t, rows(deposit("a", schema.StatusPending, 1, 2)), 1, 1, 0)
	b.write(t, gone(5, "a"), 1, 0, 0)
	b.write(t, by("next run", rows(deposit("a", schema.StatusPending, 7, 8), deposit("b", schema.StatusPending, 7, 8))), 2, 2, 1)
	b.wantHistory(t, "a1 pending", "a2 pending gone 5", "a3 pending", "b1 pending")
	b.wantSightings(t, "", "a 8 to 7", "b 8 to 7")
	b.holds(t, "", 2)
	b.write(t, by("next run", rows(deposit("a", schema.StatusPending, 9, 10))), 0, 0, 0)
	b.wantSightings(t, "", "a 8 to 9", "b 8 to 7")
	b.write(t, by("third run", gone(11, "a")), 1, 0, 0)
	b.write(t, by("fourth run", rows(deposit("a", schema.StatusFailed, 12, 13))), 1, 1, 1)
	b.wantSightings(t, "", "a 13 to 12", "b 8 to 7")
	b.wantHistory(t, "a1 pending", "a2 pending gone 5", "a3 pending", "a4 pending gone 11", "a5 failed", "b1 pending")
}

// testStaleGone writes the batches before a return again: neither does the record go once more, nor was it there
// while it was gone.
func testStaleGone(t *testing.T, b *bench) {
	batches := func() []load.Batch {
		return []load.Batch{rows(deposit("a", schema.StatusPending, 1, 2)), gone(5, "a"), rows(deposit("a", schema.StatusPending, 7, 8))}
	}
	for i, counts := range [][3]int{{1, 1, 0}, {1, 0, 0}, {1, 1, 1}} {
		b.write(t, batches()[i], counts[0], counts[1], counts[2])
	}
	for _, batch := range batches() {
		b.write(t, batch, 0, 0, 0)
	}
	b.write(t, by("later run", batches()[1]), 0, 0, 0)
	b.wantHistory(t, "a1 pending", "a2 pending gone 5", "a3 pending")
	b.wantSightings(t, "", "a 8 to 7")
	b.holds(t, "", 1)
}

// testReturnAtOnce: a record can leave and come back in one instant of our clock.
func testReturnAtOnce(t *testing.T, b *bench) {
	b.write(t, rows(deposit("a", schema.StatusPending, 1, 2)), 1, 1, 0)
	b.write(t, gone(5, "a"), 1, 0, 0)
	b.write(t, rows(deposit("a", schema.StatusPending, 5, 5)), 1, 1, 1)
	for _, again := range []load.Batch{gone(5, "a"), rows(deposit("a", schema.StatusPending, 5, 5)), rows(deposit("a", schema.StatusPending, 1, 2))} {
		b.write(t, again, 0, 0, 0)
	}
	b.wantHistory(t, "a1 pending", "a2 pending gone 5", "a3 pending")
	b.wantSightings(t, "", "a 5 to 5")
}

// testGoneAgain: nobody has seen a tombstone. That it is known only late does not keep the record from leaving again.
func testGoneAgain(t *testing.T, b *bench) {
	b.write(t, rows(deposit("a", schema.StatusPending, 4, 9)), 1, 1, 0)
	b.write(t, gone(5, "a"), 1, 0, 0)
	b.write(t, by("next run", rows(deposit("a", schema.StatusPending, 6, 10))), 1, 1, 1)
	b.write(t, by("third run", gone(8, "a")), 1, 0, 0)
	b.wantHistory(t, "a1 pending", "a2 pending gone 5", "a3 pending", "a4 pending gone 8")
	b.holds(t, "", 0)
}

// life is a sequence of random batches of several runs.
type life struct {
	random *rand.Rand
	clock  int // seconds; it never goes back
	run    int
}

// live writes a number of batches to every bench. Those of a run are then written again in any order, which must
// change nothing.
func (l *life) live(t *testing.T, batches int, benches ...*bench) {
	t.Helper()
	random, lists := l.random, []string{"", "PAID", "OPEN"}
	statuses := schema.Statuses()
	var written []func() load.Batch
	for range batches {
		if random.IntN(4) == 0 || written == nil {
			l.run, written = l.run+1, nil
		}
		seed, now, runID := random.Uint64(), l.clock, fmt.Sprint("run ", l.run)
		next := func() load.Batch {
			r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // test data
			at, batch := now, rows()
			for range r.IntN(6) {
				row := deposit(fmt.Sprint("d", r.IntN(5)), statuses[r.IntN(2)], at, at+1)
				batch.Rows = append(batch.Rows, created(under(row, lists[r.IntN(len(lists))]), second(int(row.ID[1])%3)))
				at += 1 + r.IntN(2)
			}
			if r.IntN(2) == 0 {
				batch.Gone = gone(at+1, fmt.Sprint("d", r.IntN(5)), fmt.Sprint("d", r.IntN(5))).Gone
			}
			return by(runID, batch)
		}
		l.clock += 20
		written = append(written, next)
		for _, b := range benches {
			_, err := b.store.Write(t.Context(), next())
			must(t, err)
		}
		if random.IntN(3) > 0 {
			continue
		}
		for _, b := range benches {
			before := b.snapshot(t, "PAID")
			for range 4 {
				b.write(t, written[random.IntN(len(written))](), 0, 0, 0)
			}
			if difference := cmp.Diff(before, b.snapshot(t, "PAID")); difference != "" {
				t.Fatalf("batches were written again (-before +after):\n%s", difference)
			}
		}
	}
}

func born(t *testing.T) *life {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return &life{random: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // test data
}

func testRepetitions(t *testing.T, b *bench) { born(t).live(t, 12, b) }

// testLikeMemory lets a store and a destination in memory live the same life: they hold the same.
func testLikeMemory(t *testing.T, b *bench) {
	memory := &Memory{}
	model := &bench{memory, HistoryOf(memory)}
	life := born(t)
	for range 2 {
		life.live(t, 6, b, model)
		lists := []string{"PAID", "OPEN", "NONE"}
		if difference := cmp.Diff(model.snapshot(t, lists...), b.snapshot(t, lists...)); difference != "" {
			t.Fatalf("(-memory +store):\n%s", difference)
		}
	}
}
