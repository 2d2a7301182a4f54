package load

import (
	"context"
	"time"

	"tieout/schema"
)

// Stored is a version of a record as it is read now: by the last remap, or as it was read when it was seen.
type Stored struct {
	Row      schema.Row
	RunID    string    // that saw the version
	AsOf     time.Time // instant that a balance stands for, UTC; unused for other resources
	MappedAt time.Time // of its last remap, UTC; 1970: there was none
}

// Quarantined is a rejected record that nothing has resolved yet.
type Quarantined struct {
	schema.Rejected           // SeenAt is when its content was seen first, AskedAt the last time in a list
	LastAt          time.Time // when its content was seen last, UTC
	Provider        string    // the definition that rejected it
	RunID           string    // a run that met it
	MappedAt        time.Time // of its last remap, UTC; 1970: there was none
}

// Archive is what is stored, to be read again by another definition.
type Archive interface {
	// Versions calls do with the versions of a stream, tombstones included, by identifier and version, a part at a
	// time. A record's versions are never in two parts. An error of do ends it and is returned.
	Versions(ctx context.Context, stream schema.Stream, do func(part []Stored) error) error
	// Quarantine calls do with what is in quarantine of a stream, a part at a time. What has one identifier is not
	// in two parts, unless it is more than a part holds. An error of do ends it and is returned.
	Quarantine(ctx context.Context, stream schema.Stream, do func(part []Quarantined) error) error
	// Lives returns what is stored of records, by identifier; of those that are not stored nothing.
	Lives(ctx context.Context, stream schema.Stream, ids []string) (map[string]Life, error)
	// Remap stores readings. It only adds: what was known at an earlier instant stays known. Storing it again
	// changes nothing. After an error part of it may be stored; what is read again after that shows which.
	Remap(ctx context.Context, stream schema.Stream, remapped Remapped) error
}

// Remapped is what a part of a remap has found out. Versions and sightings are stored before what they resolve, so
// that nothing leaves the quarantine without being there.
type Remapped struct {
	RemapID  string
	Versions []Stored     // new readings of versions, and versions that were in quarantine
	Seen     []schema.Row // versions whose sightings are not stored yet, as their FirstSeenAt and AskedAt say
	Judged   []Judged     // what was in quarantine
}

// Judged is a record in quarantine that was read again. MappedAt is when.
type Judged struct {
	Quarantined      // with the reason why it still cannot be read
	Resolved    bool // it can be read
}

// NextMapping returns the instant of a reading at a time: after all readings that it must prevail over, and not before
// the version was known. It is in whole milliseconds, as the order of readings is.
func NextMapping(now time.Time, after ...time.Time) time.Time {
	at := now.UTC()
	for _, earlier := range after {
		if !at.After(earlier) {
			at = earlier.UTC().Add(time.Nanosecond)
		}
	}
	if whole := at.Truncate(time.Millisecond); whole.Before(at) {
		at = whole.Add(time.Millisecond)
	}
	return at
}
