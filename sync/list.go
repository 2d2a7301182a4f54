package sync

import (
	"context"
	"fmt"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/load"
	"tieout/schema"
)

// listRun is one list of a stream in a run. Its requests go one after the other: two at once would lose rows.
type listRun struct {
	*streamRun
	list     extract.List
	known    *listStanding
	calendar calendar

	held     uint64               // records that are stored and have not left
	fresh    uint64               // of these, the ones that this run has found
	open     map[string]load.Open // records that may have changed and were not read again yet
	counted  []answer             // answers of this run that carry a count
	agrees   bool                 // the last count is as many as are held now
	requests uint64               // of the stream before this list
	rejected uint64               // records of this list that could not be read
	passes   uint64               // times it was read from end to end
	order    orderSeen
	pass     passSeen

	settledSpans spansSeen                // what the spans have shown that were read last: those of a pass, or the last ones in an ordinary night
	rested       bool                     // the partner's count was the same all through the last pass
	earlier      *checkpoints.Certificate // holds for an instant of an earlier run
}

// passesMax bounds how often a run reads a list from end to end because what it has seen proves nothing yet. A list
// that rests is proven by the second pass at the latest.
const passesMax = 3

// read is a list's night: what is new, what may have changed, and the proof; from end to end where that is due or
// where the proof does not hold otherwise.
func (l *listRun) read(ctx context.Context) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	for {
		if l.whole() {
			if err := l.readWhole(ctx); err != nil {
				return err
			}
		} else if err := l.readNew(ctx); err != nil {
			return err
		}
		certificate, done, err := l.prove(ctx)
		if err != nil {
			return err
		}
		if !done && l.passes < passesMax && !l.helpless() {
			l.Log.Info("reading the list from end to end", "stream", l.stream.String(), "list", l.list.Name, "reason", certificate.Reason)
			l.known.begin(time.Now().UTC())
			continue
		}
		l.noteGap(certificate)
		return l.certify(ctx, certificate)
	}
}

// missing is how many records more the partner counts than are held.
func (l *listRun) missing() int64 {
	if len(l.counted) == 0 {
		return 0
	}
	return int64(l.counted[len(l.counted)-1].Total) - int64(l.held) //nolint:gosec // counts of records
}

// noteGap remembers how a night with passes has ended.
func (l *listRun) noteGap(certificate checkpoints.Certificate) {
	missing := l.missing()
	switch {
	case l.passes == 0:
	case certificate.Proven() || !l.rested || missing <= 0:
		l.known.Gap = gap{}
	case missing != l.known.Gap.Missing:
		l.known.Gap = gap{At: time.Now().UTC(), Missing: missing, Nights: 1}
	default:
		l.known.Gap.At = time.Now().UTC()
		l.known.Gap.Nights++
	}
}

// helpless reports whether an ordinary night finds the list as the passes of two nights have left it: the partner
// counts more records by the same number, and another pass would not help. The next one comes by the schedule.
func (l *listRun) helpless() bool {
	gap := l.known.Gap
	return l.passes == 0 && gap.Nights > 1 && gap.Missing == l.missing() && time.Since(gap.At) < l.fullEvery()
}

// explained says why the count disagrees, where records that could not be read are the reason; else nothing.
func (l *listRun) explained() string {
	if len(l.counted) == 0 {
		return ""
	}
	total, in := l.counted[len(l.counted)-1].Total, uint64(len(l.known.Quarantine))
	switch {
	case l.rejected > 0:
		return fmt.Sprintf("%d records went to quarantine, see rejected_records", l.rejected)
	case l.known.Quarantined || in > 0 && l.held <= total && total <= l.held+in && !l.agrees:
		return fmt.Sprintf("%d records are in quarantine, see rejected_records", in)
	}
	return ""
}

// recount asks the store how many records are held: after a crash some may be there that no write of this run has
// told of.
func (l *listRun) recount(ctx context.Context) error {
	held, err := l.Holdings.CountIDs(ctx, l.stream, l.list.Name)
	if err != nil {
		return l.broken("count", err)
	}
	l.held = held
	l.agrees = len(l.counted) > 0 && l.missing() == 0
	return nil
}

// begin takes stock.
func (l *listRun) begin(ctx context.Context) error {
	l.requests = l.result.Counts.Requests
	var err error
	if l.held, err = l.Holdings.CountIDs(ctx, l.stream, l.list.Name); err != nil {
		return l.broken("count", err)
	}
	now := time.Now().UTC()
	if l.due(now) {
		l.known.begin(now)
		return nil
	}
	allSince := now.Add(-l.Lookback)
	if l.Lookback == 0 {
		allSince = never // also of records that the partner dates later than now
	}
	open, err := l.Holdings.Open(ctx, l.stream, l.list.Name, now.Add(-max(l.Lookback, unknownOpen)), allSince)
	if err != nil {
		return l.broken("look for what may change of", err)
	}
	l.open = make(map[string]load.Open, len(open))
	for _, record := range open {
		l.open[record.ID] = record
	}
	return nil
}

// never is later than any record can be made.
var never = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)

// unknownOpen is how long a record whose status we cannot read is taken for one that may still change.
const unknownOpen = 72 * time.Hour

// due reports whether a pass from end to end should begin: there never was one, the last one is long ago, only passes
// prove anything because records leave this list, or nothing tells where new records are.
func (l *listRun) due(now time.Time) bool {
	switch {
	case l.known.Open:
		return false
	case l.known.PassedAt.IsZero(), now.Sub(l.known.PassedAt) >= l.fullEvery():
		return true
	case l.list.Counted:
		return !l.keeps()
	}
	return !l.list.Spanned() && l.known.Order != extract.OrderNewest && l.known.Order != extract.OrderOldest
}

// whole reports whether a pass from end to end is under way.
func (l *listRun) whole() bool { return l.known.Open }

// keeps reports whether the list may be taken for one that no record leaves.
func (l *listRun) keeps() bool {
	switch l.list.Leaving {
	case extract.LeavingNo:
		return true
	case extract.LeavingYes:
		return false
	}
	return time.Since(l.known.LeftAt) > leftRemembered
}

// leftRemembered is how long a list is not trusted by its count alone after a record has left it.
const leftRemembered = 30 * 24 * time.Hour

// certify stores what is known of the list now, and the certificate.
func (l *listRun) certify(ctx context.Context, certificate checkpoints.Certificate) error {
	certificate = l.signed(certificate)
	if l.passes == 0 {
		l.forgetOrder()
	}
	l.known.Counted = append(l.known.Counted, l.counted...)
	l.known.Counted = l.known.Counted[max(0, len(l.known.Counted)-countedKept):]
	if _, err := l.write(ctx, load.Batch{}, nil); err != nil {
		return err
	}
	l.result.certified(certificate)
	if l.earlier != nil {
		if err := l.Ledger.RecordCertificate(ctx, l.signed(*l.earlier)); err != nil {
			return l.broken("certify", err)
		}
	}
	if err := l.Ledger.RecordCertificate(ctx, certificate); err != nil {
		return l.broken("certify", err)
	}
	return nil
}

// signed completes a certificate by what it is of.
func (l *listRun) signed(certificate checkpoints.Certificate) checkpoints.Certificate {
	certificate.Stream, certificate.List, certificate.RunID = l.stream, l.list.Name, l.ID
	certificate.Passes, certificate.Requests = l.passes, l.result.Counts.Requests-l.requests
	return certificate
}

// took takes in a page: its times, its count, its order, and what it says of records that may have changed.
func (l *listRun) took(page *extract.Page) {
	l.fetched(*page)
	asked, answered := l.calendar.note(page.AskedAt, page.AnsweredAt)
	l.known.AnsweredAt = answered
	for _, row := range page.Rows {
		record := row.Base()
		record.AskedAt, record.FirstSeenAt = asked, answered
		delete(l.open, record.ID)
	}
	l.rejected += uint64(len(page.Rejected))
	for i := range page.Rejected {
		rejected := &page.Rejected[i]
		rejected.AskedAt, rejected.SeenAt = asked, answered
		l.known.quarantined(nameOf(*rejected))
		delete(l.open, rejected.RecordID)
	}
	if page.Total != nil {
		l.note(answer{AskedAt: asked, AnsweredAt: answered, Total: *page.Total})
	}
	l.order.see(page.Rows)
}

// note keeps an answer with a count.
func (l *listRun) note(a answer) {
	l.counted = append(l.counted, a)
	l.agrees = false
}

// stored takes in what was written of the pages before, the last of which may have carried a count: then that count
// speaks of the records that are held now.
func (l *listRun) stored(receipt load.Receipt, current bool) {
	l.held += uint64(receipt.New)
	l.fresh += uint64(receipt.New)
	if receipt.Returned > 0 {
		l.Log.Error("records came back that had left the list: the partner's answers are not of one mind",
			"stream", l.stream.String(), "list", l.list.Name, "records", receipt.Returned)
	}
	if current && len(l.counted) > 0 {
		l.agrees = l.counted[len(l.counted)-1].Total == l.held
	}
}

// nameOf names a rejected record by its identifier, or by its content where it has none.
func nameOf(rejected schema.Rejected) string {
	if rejected.RecordID != "" {
		return rejected.RecordID
	}
	return fmt.Sprintf("sha256:%x", rejected.PayloadHash[:8])
}
