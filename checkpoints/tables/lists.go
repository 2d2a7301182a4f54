package tables

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/checkpoints"
)

// ListStatus is what is proven of one list of a stream, or of the records that it has in one span of time.
type ListStatus struct {
	Account     string     `ch:"account" json:"-"`                     // of the stream
	Resource    string     `ch:"resource" json:"-"`                    // of the stream
	List        string     `ch:"list" json:"list"`                     // as in checkpoints.Certificate
	Window      string     `ch:"window" json:"window,omitempty"`       // as in checkpoints.Certificate
	RunID       string     `ch:"run_id" json:"run_id"`                 // of the last certificate, as all up to Reason
	Level       string     `ch:"level" json:"level"`                   // one of the levels of checkpoints
	CertifiedAt time.Time  `ch:"certified_at" json:"certified_at"`     // instant that it speaks of, UTC
	Total       *uint64    `ch:"total" json:"total,omitempty"`         // the partner's count; nil: it gives none
	DistinctIDs uint64     `ch:"distinct_ids" json:"distinct_ids"`     // ours
	IDsSHA256   string     `ch:"ids_sha256" json:"ids_sha256"`         // of the identifiers; empty without a proof
	Passes      uint64     `ch:"passes" json:"passes"`                 // times that the list was read from end to end
	Requests    uint64     `ch:"requests" json:"requests"`             // that the run spent on the list
	Assumptions string     `ch:"assumptions" json:"assumptions"`       // what it takes for granted
	Reason      string     `ch:"reason" json:"reason,omitempty"`       // why it proves nothing
	ProvenAt    *time.Time `ch:"proven_at" json:"proven_at,omitempty"` // of the last certificate that holds, UTC; nil: never
	StableAt    *time.Time `ch:"stable_at" json:"stable_at,omitempty"` // of the last one that says stable, UTC; nil: never
}

// Name returns how people speak of it: the list, and the window if it is of one.
func (l ListStatus) Name() string { return strings.TrimSpace(l.List + " " + l.Window) }

// lists returns the last certificate of every list and window, and the last ones that hold, sorted.
func (s *Store) lists(ctx context.Context) ([]ListStatus, error) {
	var lists []ListStatus
	err := s.conn.Select(ctx, &lists, fmt.Sprintf(`
SELECT account, resource, list, window, run_id, level, c.proven_at AS certified_at, total, distinct_ids, ids_sha256,
	passes, requests, assumptions, reason, p.last_proven_at AS proven_at, p.last_stable_at AS stable_at
FROM (SELECT * FROM %[1]s.sync_certificates FINAL ORDER BY recorded_at DESC LIMIT 1 BY account, resource, list, window) AS c
INNER JOIN (SELECT account, resource, list, window,
		maxOrNullIf(proven_at, level IN ({proven:Array(String)})) AS last_proven_at, maxOrNullIf(proven_at, level = {stable:String}) AS last_stable_at
	FROM %[1]s.sync_certificates FINAL GROUP BY account, resource, list, window) AS p USING (account, resource, list, window)
ORDER BY account, resource, list, window`, s.database), provenLevels()...)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of the lists: %w", err)
	}
	for i := range lists {
		lists[i].CertifiedAt = lists[i].CertifiedAt.UTC()
		if lists[i].Level == checkpoints.LevelUnproven {
			lists[i].StableAt = nil // it was, and the last reading was another
		}
	}
	return lists, nil
}

// provenLevels are the levels of certificates that hold, as parameters.
func provenLevels() []any {
	var proven []string
	for _, level := range strengths {
		if (checkpoints.Certificate{Level: level}).Proven() {
			proven = append(proven, level)
		}
	}
	return []any{clickhouse.Named("proven", proven), clickhouse.Named("stable", checkpoints.LevelStable)}
}

// covers reports whether the window of one list takes in that of another: what is proven of the first is proven of
// the second.
func (l ListStatus) covers(other ListStatus) bool {
	if l.List != other.List || l.Window == other.Window || l.Window == "" {
		return l.List == other.List
	}
	from, before, ok := span(l.Window)
	otherFrom, otherBefore, otherOK := span(other.Window)
	return ok && otherOK && !from.After(otherFrom) && !before.Before(otherBefore)
}

// span reads a window.
func span(window string) (from, before time.Time, ok bool) {
	left, right, found := strings.Cut(window, "/")
	from, err := time.Parse(time.RFC3339, left)
	before, otherErr := time.Parse(time.RFC3339, right)
	return from, before, found && err == nil && otherErr == nil
}

// summarise derives what is of all lists together. Each list and window must be proven, by a certificate of its own
// or by one that covers it: the oldest of these proofs is that of the stream. Of what was certified, the last words
// are counted: a certificate that another one covers, and that is no newer, is not.
func (s *StreamStatus) summarise() {
	var proven, stable oldest
	var total uint64
	uncounted := len(s.Lists) == 0
	var reasons []string
	for _, list := range s.Lists {
		var provenAt, stableAt *time.Time
		outdated := false
		for _, other := range s.Lists {
			if !other.covers(list) {
				continue
			}
			provenAt = later(provenAt, other.ProvenAt)
			stableAt = later(stableAt, later(other.ProvenAt, other.StableAt))
			outdated = outdated || !list.covers(other) && !other.CertifiedAt.Before(list.CertifiedAt)
		}
		proven.add(provenAt)
		stable.add(stableAt)
		if outdated {
			continue
		}
		if s.Level == "" || strength(list.Level) < strength(s.Level) {
			s.Level = list.Level
		}
		s.DistinctIDs += list.DistinctIDs
		if list.Total != nil {
			total += *list.Total
		}
		uncounted = uncounted || list.Total == nil
		if reason := strings.TrimPrefix(list.Name()+": "+list.Reason, ": "); list.Reason != "" {
			reasons = append(reasons, reason)
		}
	}
	s.Reason = strings.Join(reasons, "; ")
	if s.ProvenAt = proven.at(); stable.at() != nil && (s.ProvenAt == nil || s.ProvenAt.Before(*stable.at())) {
		s.StableAt = stable.at()
	}
	if !uncounted {
		s.Total = &total
	}
}

// strengths are the levels, the weakest first. What is not among them shows nothing.
var strengths = []string{
	checkpoints.LevelStable, checkpoints.LevelC3n, checkpoints.LevelC3, checkpoints.LevelSnapshot,
}

func strength(level string) int { return slices.Index(strengths, level) }

// oldest is the oldest of instants that are all there.
type oldest struct {
	instant *time.Time
	missing bool
}

func (o *oldest) add(t *time.Time) {
	if t == nil {
		o.missing = true
	} else if o.instant == nil || t.Before(*o.instant) {
		o.instant = t
	}
}

func (o *oldest) at() *time.Time {
	if o.missing {
		return nil
	}
	return o.instant
}

// later returns the later instant; nil is before all.
func later(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.After(*a) {
		return b
	}
	return a
}
