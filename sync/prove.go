package sync

import (
	"context"
	"fmt"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/schema"
)

// c3nAssumptions is what the count rests on: one answer is one snapshot (A1), an id is unique and never comes
// back (A2), a record once listed stays listed (A3), and no answer is older than the one before (A7).
const c3nAssumptions = "A1 A2 A3 A7"

// prove compares what is stored with what the partner counts. If no record ever leaves the list, every id that
// was ever seen is still in it; if there are as many of them as the partner counts at one instant, they are the
// list at that instant. A record that left the list since is not noticed by this proof, and a record that was
// replaced by another in the meantime is not either: that is what its assumptions say.
func (s *streamRun) prove(ctx context.Context, last extract.Page) (checkpoints.Certificate, error) {
	certificate := checkpoints.Certificate{Stream: s.stream, RunID: s.ID, Level: checkpoints.LevelUnproven, ProvenAt: last.AnsweredAt}
	if s.stream.Resource == schema.Balances {
		certificate.Level, certificate.Assumptions = checkpoints.LevelSnapshot, "A1"
		certificate.DistinctIDs = uint64(last.Items)
		switch counts := s.result.Counts; {
		case counts.Rejected > 0:
			certificate.Level, certificate.Reason = checkpoints.LevelUnproven, fmt.Sprintf("%d balances went to quarantine, see rejected_records", counts.Rejected)
		case counts.Pages > 1:
			certificate.Level, certificate.Reason = checkpoints.LevelUnproven, fmt.Sprintf("the balances came in %d answers, which speak of as many instants", counts.Pages)
		}
		return certificate, nil
	}
	certificate.Total = last.Total
	if last.Total == nil {
		var err error
		if certificate.Total, err = s.source.Count(ctx, s.stream.Resource); err != nil {
			return certificate, err
		}
		if certificate.Total != nil {
			certificate.ProvenAt = time.Now().UTC()
			s.result.Counts.Requests++
		}
	}
	var err error
	if certificate.DistinctIDs, err = s.Destination.CountIDs(ctx, s.stream); err != nil {
		return certificate, &stopError{fmt.Errorf("count %s: %w", s.stream, err)}
	}
	switch rejected := s.result.Counts.Rejected; {
	case certificate.Total == nil:
		certificate.Reason = "the partner gives no total"
	case rejected > 0:
		certificate.Reason = fmt.Sprintf("%d records went to quarantine, see rejected_records", rejected)
	case *certificate.Total != certificate.DistinctIDs:
		certificate.Reason = fmt.Sprintf("the partner counts %d records, %d are stored", *certificate.Total, certificate.DistinctIDs)
	default:
		certificate.Level, certificate.Assumptions = checkpoints.LevelC3n, c3nAssumptions
	}
	return certificate, nil
}

// certify records what the run could prove about the stream.
func (s *streamRun) certify(ctx context.Context, certificate checkpoints.Certificate) error {
	s.result.Certificate = certificate
	if err := s.Ledger.RecordCertificate(ctx, certificate); err != nil {
		return &stopError{fmt.Errorf("certify %s: %w", s.stream, err)}
	}
	return nil
}
