package load_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tieout/load"
	"tieout/schema"
)

var dawn = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// sighting is one record in one answer of a partner: its id, a letter for its content, and when it arrived.
type sighting struct {
	ID      string
	Content string
	At      int // seconds since dawn
}

func (s sighting) row() schema.Row {
	return &schema.Deposit{Record: schema.Record{
		ID: s.ID, PayloadHash: sha256.Sum256([]byte(s.Content)), FirstSeenAt: dawn.Add(time.Duration(s.At) * time.Second),
		CreatedAt: dawn, Payload: []byte(s.Content),
	}}
}

func rowsOf(sightings []sighting) []schema.Row {
	rows := make([]schema.Row, 0, len(sightings))
	for _, s := range sightings {
		rows = append(rows, s.row())
	}
	return rows
}

// shown is a version that was found new, in words.
func shown(rows []schema.Row) []string {
	words := []string{}
	for _, row := range rows {
		record := row.Base()
		words = append(words, fmt.Sprintf("%s%d=%s", record.ID, record.Version, record.Payload))
	}
	return words
}

func TestNewVersions(t *testing.T) {
	a, b := sighting{"x", "A", 1}, sighting{"x", "B", 2}
	hash := func(s sighting) [32]byte { return s.row().Base().PayloadHash }
	for name, test := range map[string]struct {
		rows    []sighting
		current map[string]load.Current
		want    []string
	}{
		"nothing":                {nil, nil, []string{}},
		"first sight":            {[]sighting{a}, nil, []string{"x1=A"}},
		"seen twice":             {[]sighting{a, a}, nil, []string{"x1=A"}},
		"there and back":         {[]sighting{a, b, {"x", "A", 3}}, nil, []string{"x1=A", "x2=B", "x3=A"}},
		"known":                  {[]sighting{a}, map[string]load.Current{"x": {Version: 4, PayloadHash: hash(a)}}, []string{}},
		"changed":                {[]sighting{b}, map[string]load.Current{"x": {Version: 4, PayloadHash: hash(a)}}, []string{"x5=B"}},
		"back to an older state": {[]sighting{b, {"x", "A", 3}}, map[string]load.Current{"x": {Version: 4, PayloadHash: hash(a)}}, []string{"x5=B", "x6=A"}},
		"two records":            {[]sighting{a, {"y", "A", 1}, b}, nil, []string{"x1=A", "y1=A", "x2=B"}},
		"another record's state": {[]sighting{a}, map[string]load.Current{"y": {Version: 4, PayloadHash: hash(a)}}, []string{"x1=A"}},
	} {
		if difference := cmp.Diff(test.want, shown(load.NewVersions(rowsOf(test.rows), test.current))); difference != "" {
			t.Errorf("%s (-want +got):\n%s", name, difference)
		}
	}
}

// stored is a version in the model of a table.
type stored struct {
	content string
	at      int
	run     int
}

// currentFor tells what is stored as a destination does it for a run.
func currentFor(table map[string][]stored, run int) map[string]load.Current {
	current := map[string]load.Current{}
	for id, versions := range table {
		last := versions[len(versions)-1]
		c := load.Current{Version: uint64(len(versions)), PayloadHash: sha256.Sum256([]byte(last.content))}
		for i, version := range versions {
			if version.run != run {
				continue
			}
			if c.Sights == nil && i > 0 {
				c.Sights = append(c.Sights, load.Sight{Version: uint64(i), PayloadHash: sha256.Sum256([]byte(versions[i-1].content))})
			}
			c.Sights = append(c.Sights, load.Sight{Version: uint64(i + 1), PayloadHash: sha256.Sum256([]byte(version.content)), FirstSeenAt: dawn.Add(time.Duration(version.at) * time.Second)})
		}
		current[id] = c
	}
	return current
}

// TestNewVersionsAgainstModel lets runs write batches of any records in any states. The model is the plain history
// of each record: its states in the order of their sight, without repetitions.
func TestNewVersionsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := map[string][]stored{}
		clock := 0
		for run := range rapid.IntRange(1, 5).Draw(t, "runs") {
			var batch []sighting
			for range rapid.IntRange(0, 12).Draw(t, "rows") {
				clock += rapid.IntRange(0, 1).Draw(t, "seconds") // rows of one answer share their time
				// One answer has one state of a record.
				s := sighting{rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "id"), rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "content"), clock}
				for _, other := range batch {
					if other.ID == s.ID && other.At == s.At {
						s.Content = other.Content
					}
				}
				batch = append(batch, s)
			}
			var want []string
			after := maps.Clone(table)
			for _, s := range batch {
				history := after[s.ID]
				if len(history) > 0 && history[len(history)-1].content == s.Content {
					continue
				}
				after[s.ID] = append(history[:len(history):len(history)], stored{s.Content, s.At, run})
				want = append(want, fmt.Sprintf("%s%d=%s", s.ID, len(after[s.ID]), s.Content))
			}
			current := currentFor(table, run)
			if got := shown(load.NewVersions(rowsOf(batch), current)); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("run %d of %v on %v is %v, want %v", run, batch, table, got, want)
			}
			if difference := cmp.Diff(currentFor(table, run), current); difference != "" {
				t.Fatalf("current was changed (-want +got):\n%s", difference)
			}
			// The answer of the write is lost: the same batch again is nothing new, and what only a part of it
			// left is completed.
			if again := shown(load.NewVersions(rowsOf(batch), currentFor(after, run))); len(again) != 0 {
				t.Fatalf("run %d writes %v once more: %v", run, batch, again)
			}
			checkCompletion(t, table, after, batch, run)
			table = after
		}
	})
}

// checkCompletion stores only the first versions that the batch brought of each record and writes the batch again:
// the table must become the same as if nothing had happened.
func checkCompletion(t *rapid.T, before, after map[string][]stored, batch []sighting, run int) {
	partial, want := map[string][]stored{}, map[string]int{}
	for id, history := range after {
		kept := rapid.IntRange(len(before[id]), len(history)).Draw(t, "versions stored")
		if kept > 0 {
			partial[id] = history[:kept]
		}
		want[id] = len(history) - kept
	}
	for _, row := range load.NewVersions(rowsOf(batch), currentFor(partial, run)) {
		record := row.Base()
		if record.Version > uint64(len(after[record.ID])) || string(record.Payload) != after[record.ID][record.Version-1].content {
			t.Fatalf("%v on %v: version %d of %s is %s", batch, partial, record.Version, record.ID, record.Payload)
		}
		want[record.ID]--
	}
	for id, missing := range want {
		if missing != 0 {
			t.Fatalf("%v on %v: %d versions of %s are missing", batch, partial, missing, id)
		}
	}
}

// TestNewVersionsAfterClockStep: a clock that was set back must not make a change look like old news of another run.
func TestNewVersionsAfterClockStep(t *testing.T) {
	table := map[string][]stored{"x": {{"A", 100, 1}, {"B", 200, 2}}}
	if got := shown(load.NewVersions(rowsOf([]sighting{{"x", "A", 150}}), currentFor(table, 3))); fmt.Sprint(got) != "[x3=A]" {
		t.Errorf("became %v, want [x3=A]", got)
	}
}

// TestNewVersionsOfOneAnswer: an answer that lists a record twice, in two states, cannot be told by its time. The
// batch that holds it can still be written again.
func TestNewVersionsOfOneAnswer(t *testing.T) {
	batch := []sighting{{"x", "A", 1}, {"x", "B", 1}}
	if got := shown(load.NewVersions(rowsOf(batch), nil)); fmt.Sprint(got) != "[x1=A x2=B]" {
		t.Errorf("became %v", got)
	}
	table := map[string][]stored{"x": {{"A", 1, 1}, {"B", 1, 1}}}
	if again := shown(load.NewVersions(rowsOf(batch), currentFor(table, 1))); len(again) != 0 {
		t.Errorf("once more became %v", again)
	}
	table = map[string][]stored{"x": {{"A", 1, 1}}}
	if rest := shown(load.NewVersions(rowsOf(batch), currentFor(table, 1))); fmt.Sprint(rest) != "[x2=B]" {
		t.Errorf("the rest became %v", rest)
	}
}
