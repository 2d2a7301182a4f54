package sync

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"tieout/load"
	"tieout/schema"
)

// differences returns the columns in which a stored row and what is read now differ.
func differences(stored, read schema.Row) []Example {
	record, now := stored.Base(), read.Base()
	var changes []Example
	note := func(column, before, after string) {
		if before != after {
			changes = append(changes, Example{ID: record.ID, Version: record.Version, Column: column, Old: before, New: after})
		}
	}
	if _, ok := stored.(*schema.Balance); !ok {
		note("status", string(record.Status), string(now.Status))
	}
	columns := read.Columns()
	for i, column := range stored.Columns() {
		note(column.Name, text(column.Field), text(columns[i].Field))
	}
	return changes
}

// text is the value of a column: the same for the same stored value.
func text(field any) string {
	switch field := field.(type) {
	case *string:
		return *field
	case *schema.Amount:
		return field.String()
	case *time.Time:
		if field.IsZero() {
			return "unknown"
		}
		return field.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
	}
	panic("sync: a column of an unknown type")
}

// reread returns the stored version with the columns as they are read now. What comes from the answers that showed it
// stays: its number, its hash, its times, its list, and whether it is a tombstone.
func reread(stored, read schema.Row) schema.Row {
	row := schema.Copy(stored)
	record, now := row.Base(), read.Base()
	record.Moved = record.Moved || !record.CreatedAt.Equal(now.CreatedAt.Truncate(time.Microsecond))
	columns := read.Columns()
	for i, column := range row.Columns() {
		switch field := column.Field.(type) {
		case *string:
			*field = *columns[i].Field.(*string)
		case *schema.Amount:
			*field = *columns[i].Field.(*schema.Amount)
		case *time.Time:
			*field = *columns[i].Field.(*time.Time)
		}
	}
	record.Status, record.Provider = now.Status, now.Provider
	return row
}

// quarantine reads a part of the quarantine again.
func (m *remapping) quarantine(ctx context.Context, part []load.Quarantined) error {
	if ctx.Err() != nil {
		return &schema.Error{Class: schema.ClassCancelled, Op: "read " + m.of.Stream.String() + " again", Err: context.Cause(ctx)}
	}
	out, found := load.Remapped{RemapID: m.ID}, map[string][]load.Found{}
	now := time.Now()
	for _, q := range part {
		if q.Permanent {
			m.stays(&out, q, q.Reason, now)
			continue
		}
		row, reason := m.of.Reader.Reread(q.Payload, q.ListedUnder)
		switch {
		case reason != "":
			m.stays(&out, q, reason, now)
		case row == nil:
			m.leaves(&out, q, "the record is of another resource", now)
		case m.of.Stream.Resource == schema.Balances:
			m.leaves(&out, q, "the snapshots since then hold what the account has", now)
		default:
			record := row.Base()
			record.PayloadHash, record.Payload = q.PayloadHash, q.Payload
			found[record.ID] = append(found[record.ID], load.Found{Quarantined: q, Row: row})
		}
	}
	if len(found) > 0 {
		if err := m.resolve(ctx, &out, found, now); err != nil {
			return err
		}
	}
	return m.store(ctx, out)
}

// resolve finds the places of records that can be read now among what is stored of them.
func (m *remapping) resolve(ctx context.Context, out *load.Remapped, found map[string][]load.Found, now time.Time) error {
	ids := slices.Sorted(maps.Keys(found))
	lives, err := m.Archive.Lives(ctx, m.of.Stream, ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		resolution := load.Resolve(lives[id], found[id])
		for _, version := range resolution.Versions {
			version.Row.Base().Moved = true // nobody compared when the versions say that the partner made it
			version.MappedAt = load.NextMapping(now, version.Row.Base().FirstSeenAt, lastOf(found[id]))
			out.Versions = append(out.Versions, version)
		}
		out.Seen = append(out.Seen, resolution.Seen...)
		for i, f := range found[id] {
			if slices.Contains(resolution.Doubtful, i) {
				m.stays(out, f.Quarantined, schema.ReasonDoubled, now)
				continue
			}
			m.leaves(out, f.Quarantined, cmp.Or(f.Reason, "none"), now)
		}
	}
	return nil
}

// lastOf is when the last of the found records was seen.
func lastOf(found []load.Found) time.Time {
	var last time.Time
	for _, f := range found {
		last = later(last, f.LastAt)
	}
	return last
}

// stays notes that a record stays in quarantine, and why if that is news.
func (m *remapping) stays(out *load.Remapped, q load.Quarantined, reason string, now time.Time) {
	m.result.Counts.Rejected++
	m.result.Unread = example(m.result.Unread, Example{ID: q.RecordID, New: reason})
	if name := nameOf(q.Rejected); m.named(name) { // as many as a checkpoint names, however many there are
		m.unread[name] = true
	}
	if reason == q.Reason {
		return
	}
	q.Reason, q.Provider = reason, m.of.Stream.Provider
	q.MappedAt = load.NextMapping(now, q.LastAt, q.MappedAt)
	out.Judged = append(out.Judged, load.Judged{Quarantined: q})
}

// named reports whether the checkpoint names a record in quarantine.
func (m *remapping) named(name string) bool {
	_, named := m.unread[name]
	return named
}

// leaves notes that a record leaves the quarantine.
func (m *remapping) leaves(out *load.Remapped, q load.Quarantined, reason string, now time.Time) {
	m.result.Counts.Resolved++
	q.Reason, q.Provider = reason, m.of.Stream.Provider
	q.MappedAt = load.NextMapping(now, q.LastAt, q.MappedAt)
	out.Judged = append(out.Judged, load.Judged{Quarantined: q, Resolved: true})
}
