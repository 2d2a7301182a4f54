package sync

import (
	"context"
	"fmt"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/load"
)

// What the proofs take for granted: one answer is one snapshot (A1), an id is unique and never comes back (A2), a
// record once listed stays listed (A3), nothing appears long after it was made (A5), the filter by time works (A6),
// and no answer is older than the one before (A7).
const (
	assumedByC3    = "A1 A2 A7"
	assumedByC3n   = "A1 A2 A3 A7"
	assumedBySpans = "A1 A2 A3 A5 A6 A7"
)

// prove says what is proven of the list by all that was read of it, and whether to leave it at that: another pass
// could not show more, or is not worth it.
func (l *listRun) prove(ctx context.Context) (certificate checkpoints.Certificate, done bool, err error) {
	certificate = checkpoints.Certificate{Level: checkpoints.LevelUnproven, ProvenAt: l.known.AnsweredAt, DistinctIDs: l.held}
	switch {
	case l.list.Spanned():
		return l.proveSpans(ctx, certificate)
	case !l.list.Counted || len(l.counted) == 0:
		return l.proveStable(ctx, certificate)
	case l.explained() != "":
		last := l.counted[len(l.counted)-1]
		certificate.ProvenAt, certificate.Total, certificate.Reason = last.AnsweredAt, &last.Total, l.explained()
		return certificate, true, nil
	case len(l.open) > 0 && l.agrees:
		certificate.Reason = l.lost()
		return certificate, false, nil
	}
	if l.passes > 0 { // the proof that takes less for granted first
		present, fresh, err := l.provePresence(ctx, certificate)
		switch {
		case err != nil || fresh:
			return present, fresh, err
		case present.Proven():
			l.earlier = &present // true, and no answer to what the list holds now
		}
	}
	if l.agrees && l.keeps() {
		return l.proveCount(ctx, certificate)
	}
	last := l.counted[len(l.counted)-1]
	certificate.ProvenAt, certificate.Total = last.AnsweredAt, &last.Total
	switch {
	case l.held != last.Total:
		certificate.Reason = fmt.Sprintf("the partner counts %d records, %d are stored", last.Total, l.held)
	default:
		certificate.Reason = "records leave this list, and no answer was met at which all that are present had been seen before and after"
	}
	return certificate, false, nil
}

// proveCount certifies by the count alone (C3n): if no record ever leaves the list, every id that was ever seen is
// still in it; if there are as many of them as the partner counts at one instant, they are the list at that instant.
func (l *listRun) proveCount(ctx context.Context, certificate checkpoints.Certificate) (checkpoints.Certificate, bool, error) {
	last := l.counted[len(l.counted)-1]
	ids := newRoll()
	err := l.sightings(ctx, func(s load.Sighting) {
		if !s.Gone {
			ids.add(s.ID)
		}
	})
	if err != nil {
		return certificate, false, err
	}
	certificate.ProvenAt, certificate.Total = last.AnsweredAt, &last.Total
	if certificate.DistinctIDs = ids.ids; ids.ids != last.Total {
		certificate.Reason = fmt.Sprintf("the partner counts %d records, %d are stored", last.Total, ids.ids)
		return certificate, false, nil
	}
	certificate.Level, certificate.Assumptions, certificate.IDsSHA256 = checkpoints.LevelC3n, assumedByC3n, ids.hex()
	return certificate, true, nil
}

// provePresence certifies by the sightings of records before and after an answer (C3), of this run and of earlier
// ones, and buries what the certified list lacks. It says whether the instant is one of this run.
func (l *listRun) provePresence(ctx context.Context, certificate checkpoints.Certificate) (checkpoints.Certificate, bool, error) {
	p := newPresence(append(append([]answer{}, l.known.Counted...), l.counted...))
	if err := l.sightings(ctx, p.see); err != nil {
		return certificate, false, err
	}
	at, proven := p.proven()
	if !proven {
		return certificate, false, nil
	}
	certificate.Level, certificate.Assumptions = checkpoints.LevelC3, assumedByC3
	certificate.ProvenAt, certificate.Total = at.AnsweredAt, &at.Total
	evidence := fmt.Sprintf("%s %s %s", l.ID, checkpoints.LevelC3, at.AnsweredAt.Format(time.RFC3339Nano))
	ids := newRoll()
	var gone []load.Gone
	err := l.sightings(ctx, func(s load.Sighting) {
		switch {
		case at.present(s):
			ids.add(s.ID)
		case at.left(s) && !s.Gone:
			gone = append(gone, load.Gone{ID: s.ID, At: at.AnsweredAt, KnownAt: l.known.AnsweredAt, Evidence: evidence})
		}
	})
	if err != nil {
		return certificate, false, err
	}
	certificate.DistinctIDs, certificate.IDsSHA256 = ids.ids, ids.hex()
	if err := l.bury(ctx, certificate, gone); err != nil {
		return certificate, false, err
	}
	return certificate, !at.AskedAt.Before(l.counted[0].AskedAt), nil
}

// bury marks records as gone, after the certificate that shows it is on record.
func (l *listRun) bury(ctx context.Context, evidence checkpoints.Certificate, gone []load.Gone) error {
	if len(gone) == 0 {
		return nil
	}
	if err := l.Ledger.RecordCertificate(ctx, l.signed(evidence)); err != nil {
		return l.broken("certify", err)
	}
	l.Log.Error("records have left the partner's list; each has a tombstone now, nothing was removed",
		"stream", l.stream.String(), "list", l.list.Name, "records", len(gone), "first", gone[0].ID)
	l.known.LeftAt = gone[0].At
	if _, err := l.write(ctx, load.Batch{Gone: gone}, nil); err != nil {
		return err
	}
	l.held -= uint64(len(gone))
	return nil
}

// proveSpans certifies a list that is read in spans of time, each of which the partner counts.
func (l *listRun) proveSpans(ctx context.Context, certificate checkpoints.Certificate) (checkpoints.Certificate, bool, error) {
	spans := l.settledSpans
	if spans.Silent || spans.Ended == 0 {
		return l.proveStable(ctx, certificate)
	}
	certificate.ProvenAt = spans.First.AnsweredAt
	switch {
	case l.rejected > 0 || l.known.Quarantined || len(l.known.Quarantine) > 0:
		certificate.Reason = fmt.Sprintf("%d records are in quarantine, see rejected_records", max(l.rejected, uint64(len(l.known.Quarantine))))
		return certificate, true, nil
	case !spans.agree():
		certificate.Reason = "the records from " + spans.Differs + " on are not as many as the partner counts there"
		return certificate, false, nil
	case l.passes == 0 && len(l.open) > 0:
		certificate.Reason = l.lost()
		return certificate, false, nil
	case l.passes == 0 && l.known.SettledAt.IsZero():
		certificate.Reason = "the spans before have not been counted"
		return certificate, false, nil
	}
	ids := newRoll()
	err := l.sightings(ctx, func(s load.Sighting) {
		if !s.Gone {
			ids.add(s.ID)
		}
	})
	if err != nil {
		return certificate, false, err
	}
	certificate.Level, certificate.Assumptions = checkpoints.LevelC3n, assumedBySpans
	certificate.DistinctIDs, certificate.IDsSHA256 = ids.ids, ids.hex()
	l.known.SettledAt = spans.First.AskedAt
	return certificate, true, nil
}

// proveStable is for lists that the partner does not count: all that can be shown is that reading the list twice gave
// the same both times, but for records that were made after the first reading. That is no proof.
func (l *listRun) proveStable(ctx context.Context, certificate checkpoints.Certificate) (checkpoints.Certificate, bool, error) {
	certificate.Reason = "the partner gives no total"
	if l.list.Counted {
		certificate.Reason = "the partner's total is as high as it ever gets"
	}
	switch {
	case l.rejected > 0:
		certificate.Reason += fmt.Sprintf(", and %d records went to quarantine, see rejected_records", l.rejected)
		return certificate, true, nil
	case l.passes == 0 && len(l.open) > 0:
		certificate.Reason = l.lost()
		return certificate, false, nil
	case l.passes == 0:
		return l.stillStable(certificate), true, nil
	}
	missed := 0
	err := l.sightings(ctx, func(s load.Sighting) {
		if !s.Gone && s.LastAt.After(l.pass.before) && !s.LastAt.After(l.pass.from) {
			missed++
		}
	})
	l.known.StableAt = time.Time{}
	switch {
	case err != nil:
		return certificate, false, err
	case l.pass.firstAt.IsZero():
		certificate.Reason += ", and the list was read only once"
		return certificate, l.pass.resumed, nil // one that takes several nights is read again when a pass is due
	case l.pass.changed > 0:
		certificate.Reason += fmt.Sprintf(", and between two readings %d older records had come or changed", l.pass.changed)
	case missed > 0:
		certificate.Reason += fmt.Sprintf(", and %d records that were listed before were not met again", missed)
	default:
		l.known.StableAt = l.pass.firstAt
		return l.stillStable(certificate), true, nil
	}
	return certificate, l.pass.resumed, nil
}

// lost says what was not found of what may have changed.
func (l *listRun) lost() string {
	return fmt.Sprintf("%d records that may have changed were not found where they were", len(l.open))
}

// stillStable gives a night without a pass what the last two readings have shown.
func (l *listRun) stillStable(certificate checkpoints.Certificate) checkpoints.Certificate {
	if !l.known.StableAt.IsZero() {
		certificate.Level, certificate.ProvenAt = checkpoints.LevelStable, l.known.StableAt
		certificate.Reason = "the partner gives no total; what it listed before was read twice, and was the same both times"
	}
	return certificate
}

// forgetOrder forgets the order of the list that was learned, if tonight's pages came in another one.
func (l *listRun) forgetOrder() {
	if l.order != (orderSeen{}) && l.order.learned() != l.known.Order {
		l.known.Order = extract.OrderUnknown
	}
}
