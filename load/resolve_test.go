package load_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tieout/load"
	"tieout/schema"
)

// lifeOf is what a partner showed of one record, one content a minute, and how much of it could be read.
type lifeOf struct {
	contents string // letters
	readable []bool // whether the sight became a version at once; else it went to quarantine
}

func at(minute int) time.Time { return time.Date(2026, 7, 1, 0, minute, 0, 0, time.UTC) }

func row(content byte) *schema.Deposit {
	return &schema.Deposit{Record: schema.Record{ID: "a", PayloadHash: [32]byte{content}, Payload: []byte{content}}}
}

// stored returns what a destination holds of the life, and what is in quarantine, by content.
func (l lifeOf) stored() (load.Life, []load.Found) {
	var life load.Life
	found := map[byte]load.Found{}
	for minute := range len(l.contents) {
		content := l.contents[minute]
		hash := [32]byte{content}
		if !l.readable[minute] {
			f, met := found[content]
			if !met {
				f.Row, f.PayloadHash, f.SeenAt = row(content), hash, at(minute)
			}
			f.LastAt, f.AskedAt = at(minute), at(minute)
			found[content] = f
			continue
		}
		if last := len(life) - 1; last < 0 || life[last].PayloadHash != hash {
			life = append(life, load.Held{Version: uint64(last + 2), PayloadHash: hash, FirstSeenAt: at(minute), Row: row(content)})
		}
		life[len(life)-1].LastAt = at(minute)
	}
	var list []load.Found
	for _, content := range []byte("ABC") {
		if f, ok := found[content]; ok {
			list = append(list, f)
		}
	}
	return life, list
}

// with returns the life with further versions stored, as Lives would tell it.
func with(life load.Life, added []load.Stored) load.Life {
	life = slices.Clone(life)
	for _, stored := range added { // their sightings are not stored
		record := stored.Row.Base()
		life = append(life, load.Held{
			Version: record.Version, PayloadHash: record.PayloadHash, FirstSeenAt: record.FirstSeenAt, Remapped: true, Row: stored.Row,
		})
	}
	slices.SortStableFunc(life, func(a, b load.Held) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), a.FirstSeenAt.Compare(b.FirstSeenAt))
	})
	return life
}

func texts(life load.Life) []string {
	var texts []string
	for _, held := range life {
		texts = append(texts, fmt.Sprintf("%d %c %s", held.Version, held.PayloadHash[0], held.FirstSeenAt.Format("15:04")))
	}
	return texts
}

// TestResolve lives lives that were read in part. When the rest can be read, the last version is what was seen last, no
// version that is stored gets another number, the order by version and time is the order of time, and whatever of it
// was stored when a process died, the next one stores the rest and nothing else.
func TestResolve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.IntRange(1, 9).Draw(t, "length")
		l := lifeOf{contents: rapid.StringOfN(rapid.SampledFrom([]rune("ABC")), length, length, -1).Draw(t, "contents")}
		l.readable = rapid.SliceOfN(rapid.Bool(), length, length).Draw(t, "readable")
		life, found := l.stored()
		resolution := load.Resolve(life, found)
		if len(resolution.Doubtful) > 0 {
			t.Fatalf("%v are doubtful", resolution.Doubtful)
		}
		whole := with(life, resolution.Versions)
		if last := whole[len(whole)-1].PayloadHash[0]; last != l.contents[length-1] {
			t.Fatalf("the last version is %c: %v", last, texts(whole))
		}
		for i, held := range whole {
			if i > 0 && !held.FirstSeenAt.After(whole[i-1].FirstSeenAt) {
				t.Fatalf("not in the order of time: %v", texts(whole))
			}
			if content := l.contents[held.FirstSeenAt.Minute()]; content != held.PayloadHash[0] {
				t.Fatalf("%c was seen where there is %c", content, held.PayloadHash[0])
			}
		}
		for _, held := range life {
			if !slices.Contains(texts(whole), texts(load.Life{held})[0]) {
				t.Fatalf("version %d is another one: %v", held.Version, texts(whole))
			}
		}
		for _, content := range l.contents {
			if !slices.ContainsFunc(whole, func(h load.Held) bool { return h.PayloadHash[0] == byte(content) }) {
				t.Fatalf("%c is not among %v", content, texts(whole))
			}
		}
		dead := slices.DeleteFunc(slices.Clone(resolution.Versions), func(load.Stored) bool { return rapid.Bool().Draw(t, "lost") })
		if len(life)+len(dead) == 0 {
			return
		}
		half := with(life, dead)
		rest := load.Resolve(half, found)
		if difference := gocmp.Diff(texts(whole), texts(with(half, rest.Versions))); difference != "" {
			t.Fatalf("%d of %d were stored, then the rest (-whole +both):\n%s", len(dead), len(resolution.Versions), difference)
		}
		if difference := gocmp.Diff(sightings(resolution.Seen), sightings(rest.Seen)); len(dead) == len(resolution.Versions) && difference != "" {
			t.Fatalf("the sightings were lost (-whole +rest):\n%s", difference)
		}
	})
}

func sightings(seen []schema.Row) map[string]string {
	texts := map[string]string{}
	for _, row := range seen {
		record := row.Base()
		texts[fmt.Sprint(record.Version)] = fmt.Sprintf("%s to %s", record.FirstSeenAt.Format("15:04"), record.AskedAt.Format("2006 15:04"))
	}
	return texts
}

// TestResolveExamples says in words what TestResolve finds by chance.
func TestResolveExamples(t *testing.T) {
	for name, test := range map[string]struct {
		contents, readable string
		want               []string
	}{
		"all in quarantine":          {"AAB", "nnn", []string{"1 A 00:00", "2 B 00:02"}},
		"there and back":             {"ABA", "nnn", []string{"1 A 00:00", "2 B 00:01", "3 A 00:02"}},
		"the newest was unreadable":  {"AB", "yn", []string{"1 A 00:00", "2 B 00:01"}},
		"seen again as it was":       {"ABAA", "ynyy", []string{"1 A 00:00", "2 B 00:01", "3 A 00:03"}},
		"between two versions":       {"ABC", "yny", []string{"1 A 00:00", "1 B 00:01", "2 C 00:02"}},
		"before the first version":   {"AB", "ny", []string{"0 A 00:00", "1 B 00:01"}},
		"readable since a while":     {"AA", "ny", []string{"1 A 00:01"}},
		"unreadable since a while":   {"AA", "yn", []string{"1 A 00:00"}},
		"unreadable and back to old": {"ABA", "yyn", []string{"1 A 00:00", "2 B 00:01", "3 A 00:02"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := lifeOf{contents: test.contents}
			for _, letter := range test.readable {
				l.readable = append(l.readable, letter == 'y')
			}
			life, found := l.stored()
			if difference := gocmp.Diff(test.want, texts(with(life, load.Resolve(life, found).Versions))); difference != "" {
				t.Errorf("(-want +got):\n%s", difference)
			}
		})
	}
}

// TestResolveDoubtful: of two contents that one answer showed neither can be believed, and nothing is stored of them.
func TestResolveDoubtful(t *testing.T) {
	life, found := lifeOf{"AB", []bool{false, false}}.stored()
	found[1].SeenAt, found[1].LastAt = at(0), at(0)
	if got := load.Resolve(life, found); len(got.Versions) > 0 || !slices.Equal(got.Doubtful, []int{0, 1}) {
		t.Errorf("in quarantine: %+v", got)
	}
	life, found = lifeOf{"AB", []bool{true, false}}.stored()
	found[0].SeenAt, found[0].LastAt = at(0), at(0)
	if got := load.Resolve(life, found); len(got.Versions) > 0 || !slices.Equal(got.Doubtful, []int{0}) {
		t.Errorf("beside a version: %+v", got)
	}
	// A tombstone was seen in no answer.
	life[0].Tombstone = true
	if got := load.Resolve(life, found); len(got.Versions) != 1 {
		t.Errorf("beside a tombstone: %+v", got)
	}
}
