package load

import (
	"slices"
	"time"

	"tieout/schema"
)

// Life is what is stored of one record: its versions by number, and of one number by when they were seen.
type Life []Held

// Held is one stored version of a record.
type Held struct {
	Version     uint64
	PayloadHash [32]byte
	FirstSeenAt time.Time // UTC
	LastAt      time.Time // when it was seen last, UTC; zero: no sighting of it is stored
	Tombstone   bool
	Remapped    bool // it was in quarantine, and is there by a remap only
	RunID       string
	Row         schema.Row // as it is read now; only of the versions that Needed names
}

// Needed returns the places of the versions whose rows Resolve needs: those that may have been seen again after what was
// in quarantine, and those whose sightings a process that died has not stored.
func (l Life) Needed() []int {
	needed := l.latest()
	for i := range l {
		if l[i].unseen() && !slices.Contains(needed, i) {
			needed = append(needed, i)
		}
	}
	return needed
}

// latest returns the places of the last version, and of the last one that is not there by a remap only.
func (l Life) latest() []int {
	var latest []int
	for i := len(l) - 1; i >= 0; i-- {
		if i == len(l)-1 || !l[i].Remapped {
			latest = append(latest, i)
		}
		if !l[i].Remapped {
			break
		}
	}
	return latest
}

// unseen reports whether a remap has stored the version and not come to its sighting.
func (h Held) unseen() bool { return h.Remapped && h.LastAt.IsZero() }

// Found is a record in quarantine that can be read now, with its identifier.
type Found struct {
	Quarantined
	Row schema.Row
}

// Resolution is what becomes of the records in quarantine that turn out to be one record.
type Resolution struct {
	Versions []Stored     // that are not stored yet
	Seen     []schema.Row // versions that were in quarantine, with what is known of their sightings
	Doubtful []int        // of the found ones: another content was seen in the same answer, and neither can be believed
}

// sight is an instant at which a content of a record was seen.
type sight struct {
	at    time.Time
	hash  [32]byte
	held  int // place of the version in Life that begins here, -1: none does
	again int // place of the version in Life that was seen again, -1: it was in quarantine
	found int // number of the record in quarantine, -1: it was in none
	last  bool
}

// Resolve finds the places of records that were in quarantine among the versions that are stored. Contents count in
// the order in which they were seen: A, then B in quarantine, then A again are three versions. The versions that are
// stored keep their numbers; what was seen between two of them has the number of the one before, unless one is free,
// and its later FirstSeenAt puts it behind that one. Resolving again what was resolved half gives the other half.
func Resolve(life Life, found []Found) Resolution {
	r := resolving{life: life, found: found, doubtful: doubtful(life, found), seen: map[int]schema.Row{}}
	sights := r.sights()
	for i, s := range sights {
		if s.held < 0 && r.hash != s.hash && storedNext(sights[i:]) {
			continue
		}
		r.see(s)
	}
	for i, held := range life {
		if held.unseen() && r.seen[i] == nil {
			row := schema.Copy(held.Row)
			record := row.Base()
			record.Version, record.FirstSeenAt, record.AskedAt = held.Version, held.FirstSeenAt, held.FirstSeenAt
			r.out.Seen = append(r.out.Seen, row)
		}
	}
	for i := range found {
		if r.doubtful[i] {
			r.out.Doubtful = append(r.out.Doubtful, i)
		}
	}
	return r.out
}

type resolving struct {
	life     Life
	found    []Found
	doubtful []bool
	out      Resolution

	known   bool     // a sight has passed
	hash    [32]byte // of the content that was seen last
	version uint64   // its number
	next    int      // the stored version that comes next
	open    bool     // the content was in quarantine: sights of it are noted
	row     schema.Row
	seen    map[int]schema.Row // sightings of stored versions that were in quarantine
}

// sights returns all sights in their order: at one instant the stored versions first.
func (r *resolving) sights() []sight {
	var sights []sight
	var latest time.Time
	for i, held := range r.life {
		if held.FirstSeenAt.After(latest) {
			latest = held.FirstSeenAt
		}
		sights = append(sights, sight{at: latest, hash: held.PayloadHash, held: i, again: -1, found: -1})
	}
	for _, i := range r.life.latest() {
		if r.life[i].LastAt.After(sights[i].at) && !r.life[i].Tombstone {
			sights = append(sights, sight{at: r.life[i].LastAt, hash: r.life[i].PayloadHash, held: -1, again: i, found: -1})
		}
	}
	for i, f := range r.found {
		if r.doubtful[i] {
			continue
		}
		once := !f.LastAt.After(f.SeenAt)
		sights = append(sights, sight{at: f.SeenAt, hash: f.PayloadHash, held: -1, again: -1, found: i, last: once})
		if !once {
			sights = append(sights, sight{at: f.LastAt, hash: f.PayloadHash, held: -1, again: -1, found: i, last: true})
		}
	}
	slices.SortStableFunc(sights, func(a, b sight) int { return a.at.Compare(b.at) })
	return sights
}

// storedNext reports whether the content of the first sight is stored as the next version: then it was only met a
// little earlier than that says.
func storedNext(sights []sight) bool {
	for _, s := range sights[1:] {
		if s.hash != sights[0].hash || s.held >= 0 {
			return s.hash == sights[0].hash
		}
	}
	return false
}

// see takes in one sight.
func (r *resolving) see(s sight) {
	if s.held >= 0 {
		held := r.life[s.held]
		r.known, r.hash, r.version, r.next = true, held.PayloadHash, held.Version, s.held+1
		r.open, r.row = held.Remapped, nil
		return
	}
	if !r.known || r.hash != s.hash {
		r.add(s)
	}
	if s.found >= 0 && r.open {
		r.note(s)
	}
}

// add puts a content that is not stored behind what was seen before it.
func (r *resolving) add(s sight) {
	if r.next >= len(r.life) || r.version+1 < r.life[r.next].Version {
		r.version++
	}
	stored := Stored{}
	if s.found >= 0 {
		stored.Row, stored.RunID = schema.Copy(r.found[s.found].Row), r.found[s.found].RunID
	} else {
		stored.Row, stored.RunID = schema.Copy(r.life[s.again].Row), r.life[s.again].RunID
	}
	record := stored.Row.Base()
	record.Version, record.PayloadHash, record.FirstSeenAt, record.AskedAt = r.version, s.hash, s.at, schema.NeverListed
	if s.found < 0 {
		record.AskedAt = s.at
	}
	r.known, r.hash, r.open, r.row = true, s.hash, true, stored.Row
	r.out.Versions = append(r.out.Versions, stored)
	r.out.Seen = append(r.out.Seen, stored.Row)
}

// note adds when a content that was in quarantine was listed last to the sightings of its version.
func (r *resolving) note(s sight) {
	f := r.found[s.found]
	if at := r.next - 1; r.row == nil {
		if r.seen[at] == nil {
			r.seen[at] = schema.Copy(f.Row)
			record := r.seen[at].Base()
			record.Version, record.FirstSeenAt, record.AskedAt = r.version, r.life[at].FirstSeenAt, schema.NeverListed
			r.out.Seen = append(r.out.Seen, r.seen[at])
		}
		r.row = r.seen[at]
	}
	if record := r.row.Base(); s.last && f.AskedAt.After(record.AskedAt) {
		record.AskedAt = f.AskedAt
	}
}

// doubtful reports of each found record whether another content was seen in the same answer: in quarantine, or among
// the stored versions.
func doubtful(life Life, found []Found) []bool {
	at := map[time.Time][32]byte{}
	several := map[time.Time]bool{}
	note := func(instant time.Time, hash [32]byte) {
		instant = instant.UTC()
		if other, ok := at[instant]; ok && other != hash {
			several[instant] = true
		}
		at[instant] = hash
	}
	for _, held := range life {
		if !held.Tombstone {
			note(held.FirstSeenAt, held.PayloadHash)
		}
	}
	for _, f := range found {
		note(f.SeenAt, f.PayloadHash)
		note(f.LastAt, f.PayloadHash)
	}
	doubtful := make([]bool, len(found))
	for i, f := range found {
		doubtful[i] = several[f.SeenAt.UTC()] || several[f.LastAt.UTC()]
	}
	return doubtful
}
