package sync_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	stdsync "sync"
	"testing"

	"tieout/checkpoints"
	"tieout/extract"
)

// habits are all lists that the model knows.
func habits() []habit {
	var all []habit
	for _, order := range []extract.Order{extract.OrderNewest, extract.OrderOldest, extract.OrderUnknown} {
		for bits := range 32 {
			h := habit{
				order: order, leave: bits&1 > 0, change: bits&2 > 0, move: bits&4 > 0, counted: bits&8 > 0, details: bits&16 > 0,
				leaving: extract.LeavingNo,
			}
			if h.leave {
				h.leaving = extract.LeavingYes
			}
			all = append(all, h)
			h.leaving = extract.LeavingUnknown
			all = append(all, h)
		}
	}
	return all
}

// tally is what became of many lives.
type tally struct {
	lives, nights, requests, deaths int
	levels                          map[string]int // of the last certificate of each night
	proven                          int            // certificates that hold
	refuted                         int            // certificates by count alone that were wrong, because records left a list of which that was not known
}

func (t *tally) String() string {
	text := fmt.Sprintf("%d lives, %d nights, %d requests, %d deaths;", t.lives, t.nights, t.requests, t.deaths)
	for _, level := range slices.Sorted(maps.Keys(t.levels)) {
		text += fmt.Sprintf(" %s %d", level, t.levels[level])
	}
	return text + fmt.Sprintf("; %d certificates hold, %d rest on A3 where it was untrue", t.proven, t.refuted)
}

// life lets a list of a habit live through a few nights, in some of which the process dies, and then rest. No
// certificate may be wrong; once the list rests one must hold, and what is stored must be what is listed.
func (t *tally) life(seed uint64, h habit) error {
	random := rand.New(rand.NewPCG(seed, 0x1157))
	w := newModelWorld(newModel(random, h, random.IntN(40)))
	t.lives++
	for range 1 + random.IntN(3) {
		w.restless = []float64{0, 0.05, 0.15, 0.4}[random.IntN(4)]
		w.dieAt = 0
		if random.IntN(4) == 0 {
			w.dieAt = w.requests + 1 + random.IntN(12)
		}
		if err := t.night(w, random.IntN(5) == 0); err != nil {
			return err
		}
		for range random.IntN(12) { // the day
			w.mutate()
		}
	}
	w.restless, w.dieAt = 0, 0
	for _, full := range []bool{false, true} {
		if err := t.night(w, full); err != nil {
			return err
		}
		certificates := w.checkpoints.Certificates(modelStream)
		last := certificates[len(certificates)-1]
		if proven := last.Proven(); proven != h.counted {
			return fmt.Errorf("the list rests, and the certificate is %s: %s", last.Level, last.Reason)
		}
		if !h.counted && full && last.Level != checkpoints.LevelStable {
			return fmt.Errorf("the list rests, and what was read twice is %s: %s", last.Level, last.Reason)
		}
	}
	if text := w.differs(); text != "" {
		return fmt.Errorf("after a pass over the resting list: %s", text)
	}
	if text := w.unfounded(); text != "" {
		return fmt.Errorf("a tombstone without a certificate: %s", text)
	}
	t.requests += w.requests
	return nil
}

// night is one run, whose certificate is checked against the list's history.
func (t *tally) night(w *modelWorld, full bool) error {
	t.nights++
	result := w.night(full)
	if result.Err != nil {
		if w.dieAt == 0 || w.requests < w.dieAt {
			return fmt.Errorf("the run ended %s: %w", result.Outcome, result.Err)
		}
		t.deaths++
		return nil
	}
	c := result.Certificate
	t.levels[c.Level]++
	if c.Level == checkpoints.LevelStable && w.ends < 2 {
		return fmt.Errorf("the list was read to its end %d times, and is called stable", w.ends)
	}
	for _, c := range w.checkpoints.Certificates(modelStream) {
		if !c.Proven() || c.RunID != fmt.Sprint("night-", w.nights) {
			continue
		}
		switch text := w.wrong(c); {
		case text == "":
			t.proven++
		case c.Level == checkpoints.LevelC3n && w.leave && w.leaving != extract.LeavingYes:
			t.refuted++
		default:
			return fmt.Errorf("a certificate of level %s is wrong: %s", c.Level, text)
		}
	}
	return nil
}

// simSetting reads a number that `make sim` sets: TIEOUT_TEST_SIM_SCALE, which is 30 for a release, or
// TIEOUT_TEST_SIM_SEED; zero in ordinary tests.
func simSetting(t testing.TB, name string) uint64 {
	t.Helper()
	text := os.Getenv("TIEOUT_TEST_SIM_" + name)
	if text == "" {
		return 0
	}
	number, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("TIEOUT_TEST_SIM_%s: %v", name, err)
	}
	return number
}

// livesSimulated is how many lives to simulate: some in ordinary tests, a million at the scale of a release.
func livesSimulated(t testing.TB, some uint64) uint64 {
	t.Helper()
	if scale := simSetting(t, "SCALE"); scale > 0 {
		return (scale*1_000_000 + 29) / 30
	}
	return some
}

// TestSimLives lets many lists live, of every habit: see tally.life.
func TestSimLives(t *testing.T) {
	all, lives, seed := habits(), livesSimulated(t, 3000), simSetting(t, "SEED")
	workers := uint64(runtime.GOMAXPROCS(0))
	parts := make([]*tally, workers)
	var working stdsync.WaitGroup
	for worker := range workers {
		part := &tally{levels: map[string]int{}}
		parts[worker] = part
		working.Go(func() {
			for life := worker; life < lives && !t.Failed(); life += workers {
				h := all[life%uint64(len(all))]
				if err := part.life(seed+life, h); err != nil {
					t.Errorf("seed %d, life %d, %s: %v", seed, life, h, err)
				}
			}
		})
	}
	working.Wait()
	sum := &tally{levels: map[string]int{}}
	for _, part := range parts {
		sum.add(part)
	}
	t.Log(sum)
	for _, level := range []string{checkpoints.LevelC3, checkpoints.LevelC3n, checkpoints.LevelStable, checkpoints.LevelUnproven} {
		if sum.levels[level] == 0 {
			t.Errorf("no certificate had the level %s", level)
		}
	}
}

// add adds another tally.
func (t *tally) add(other *tally) {
	t.lives, t.nights, t.requests, t.deaths = t.lives+other.lives, t.nights+other.nights, t.requests+other.requests, t.deaths+other.deaths
	t.proven, t.refuted = t.proven+other.proven, t.refuted+other.refuted
	for level, count := range other.levels {
		t.levels[level] += count
	}
}
