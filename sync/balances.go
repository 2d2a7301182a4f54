package sync

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/load"
	"tieout/schema"
)

// snapshot is what the balances of an account were at one instant.
type snapshot struct {
	asOf        time.Time                  // under which it is stored
	askedAt     time.Time                  // when the first request for it was sent
	answeredAt  time.Time                  // when the last answer had come
	balances    map[string]*schema.Balance // by currency
	certificate checkpoints.Certificate
}

// snapshot reads the balances and stores them under an instant.
func (s *streamRun) snapshot(ctx context.Context, asOf time.Time) (*snapshot, error) {
	if err := s.resume(ctx); err != nil {
		return nil, err
	}
	taken := &snapshot{asOf: asOf, balances: map[string]*schema.Balance{}}
	batch := load.Batch{AsOf: asOf}
	pages := 0
	for position := extract.Position(""); ; pages++ {
		page, err := s.source.Fetch(ctx, s.stream.Resource, position)
		s.spend(page)
		if err != nil {
			return nil, err
		}
		s.fetched(page)
		if pages == 0 {
			taken.askedAt = page.AskedAt
		}
		taken.answeredAt = page.AnsweredAt
		for _, row := range page.Rows {
			if balance, ok := row.(*schema.Balance); ok {
				taken.balances[balance.ID] = balance
			}
		}
		batch.Rows, batch.Rejected = append(batch.Rows, page.Rows...), append(batch.Rejected, page.Rejected...)
		if position = page.Next; page.Last {
			break
		}
	}
	if _, err := s.write(ctx, batch, nil); err != nil {
		return nil, err
	}
	certificate := checkpoints.Certificate{
		Stream: s.stream, RunID: s.ID, Level: checkpoints.LevelSnapshot, ProvenAt: taken.answeredAt, Assumptions: "A1",
		DistinctIDs: uint64(len(taken.balances)), Passes: 1, Requests: s.result.Counts.Requests,
	}
	switch {
	case len(batch.Rejected) > 0:
		certificate.Level, certificate.Assumptions = checkpoints.LevelUnproven, ""
		certificate.Reason = fmt.Sprintf("%d balances went to quarantine, see rejected_records", len(batch.Rejected))
	case pages > 0:
		certificate.Level, certificate.Assumptions = checkpoints.LevelUnproven, ""
		certificate.Reason = fmt.Sprintf("the balances came in %d answers, which speak of as many instants", pages+1)
	}
	taken.certificate = certificate
	s.result.Certificates = nil
	s.result.certified(certificate)
	if err := s.Ledger.RecordCertificate(ctx, certificate); err != nil {
		return nil, s.broken("certify", err)
	}
	return taken, nil
}

// cut records for each currency whether the two snapshots and the lists between them speak of one state.
func (s *streamRun) cut(ctx context.Context, before, after *snapshot, lists []*Result) error {
	unproven := before.doubt(after, lists)
	currencies := maps.Clone(before.balances)
	maps.Copy(currencies, after.balances)
	var cuts []checkpoints.Cut
	for _, currency := range slices.Sorted(maps.Keys(currencies)) {
		cut := checkpoints.Cut{
			Account: s.stream.Account, Provider: s.stream.Provider, RunID: s.ID, Currency: currency,
			BeforeAt: before.asOf, AfterAt: after.asOf, Reason: unproven,
		}
		if !sameBalance(before.balances[currency], after.balances[currency]) {
			cut.Reason = "the balance moved while the lists were read"
		}
		cut.Consistent = cut.Reason == ""
		cuts = append(cuts, cut)
	}
	if err := s.Ledger.RecordCuts(ctx, cuts); err != nil {
		return s.broken("record the cuts of", err)
	}
	return nil
}

// doubt says why two snapshots show nothing about the lists that were read between them; empty if they may.
func (b *snapshot) doubt(after *snapshot, lists []*Result) string {
	for _, taken := range []*snapshot{b, after} {
		if !taken.certificate.Proven() {
			return taken.certificate.Reason
		}
	}
	for _, result := range lists {
		switch {
		case result.Err != nil:
			return fmt.Sprintf("the %s could not be read", result.Stream.Resource)
		case !result.Certificate.Proven():
			return fmt.Sprintf("the %s are not proven complete", result.Stream.Resource)
		}
		for _, certificate := range result.Certificates {
			if certificate.ProvenAt.Before(b.answeredAt) || certificate.ProvenAt.After(after.askedAt) {
				return fmt.Sprintf("the %s are proven complete as of another time than the balances", result.Stream.Resource)
			}
		}
	}
	return ""
}

func sameBalance(a, b *schema.Balance) bool {
	return a != nil && b != nil && a.Available.Equal(b.Available) && a.Locked.Equal(b.Locked) && a.Total.Equal(b.Total)
}
