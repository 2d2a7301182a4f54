package load

import (
	"time"

	"tieout/schema"
)

// VersionSeen is when one version of a record was seen: what is stored for Holdings.
type VersionSeen struct {
	Version     uint64    // number of the change
	FirstAt     time.Time // when the first answer that held it had arrived, UTC
	LastAt      time.Time // when the last request whose answer held it was sent, UTC
	ListedUnder string    // as in schema.Record
	Tombstone   bool      // it says that the record has gone
}

// AskedAt returns when the request was sent that showed the record. Where nobody said, the instant of its answer
// stands for it.
func AskedAt(record *schema.Record) time.Time {
	if record.AskedAt.IsZero() {
		return record.FirstSeenAt
	}
	return record.AskedAt
}

// Presence folds the versions of one record, in their order, into its sighting in a list, and reports whether its
// last version is of that list. A record is in its list from one instant to another and never comes back: so only
// those sightings count that came after it was elsewhere, after a tombstone, and after a version whose sighting was
// lost by a crash, as that may have been either.
func Presence(id, list string, versions []VersionSeen) (Sighting, bool) {
	at := len(versions) - 1
	if at < 0 || list != "" && versions[at].ListedUnder != list {
		return Sighting{}, false
	}
	sighting := Sighting{ID: id, Gone: versions[at].Tombstone}
	next := versions[at].Version
	if sighting.Gone {
		at--
	} else {
		next++
	}
	for ; at >= 0; at-- {
		seen := versions[at]
		if seen.Tombstone || list != "" && seen.ListedUnder != list || seen.Version+1 != next {
			if sighting.FirstAt.Before(seen.FirstAt) && !sighting.FirstAt.IsZero() {
				sighting.FirstAt = seen.FirstAt // what is older was written by a batch of an older run
			}
			break
		}
		if sighting.FirstAt.IsZero() || seen.FirstAt.Before(sighting.FirstAt) {
			sighting.FirstAt = seen.FirstAt
		}
		if seen.LastAt.After(sighting.LastAt) {
			sighting.LastAt = seen.LastAt
		}
		next = seen.Version
	}
	return sighting, true
}
