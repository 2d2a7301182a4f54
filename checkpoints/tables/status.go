package tables

import (
	"context"
	"fmt"
	"time"
)

// StreamStatus is where one stream stands: its last run, its last certificate and what is in quarantine.
type StreamStatus struct {
	Account     string     `ch:"account" json:"account"`                    // name of the account
	Provider    string     `ch:"provider" json:"provider"`                  // name of the definition
	Resource    string     `ch:"resource" json:"resource"`                  // what is listed
	RunID       string     `ch:"run_id" json:"run_id"`                      // of the last run
	Outcome     string     `ch:"outcome" json:"outcome"`                    // of the last run, one of checkpoints.Outcome
	Error       string     `ch:"error" json:"error,omitempty"`              // of the last run; empty without one
	StartedAt   time.Time  `ch:"started_at" json:"started_at"`              // of the last run, UTC
	RecordedAt  time.Time  `ch:"recorded_at" json:"recorded_at"`            // of its last word, UTC
	Pages       uint64     `ch:"pages" json:"pages"`                        // answers that the last run read
	Requests    uint64     `ch:"requests" json:"requests"`                  // attempts that it sent
	Records     uint64     `ch:"records" json:"records"`                    // records in those answers
	Versions    uint64     `ch:"versions" json:"versions"`                  // record versions that it wrote
	Refused     uint64     `ch:"refused" json:"refused"`                    // attempts that the partner refused for their rate
	LimitWaitMS uint64     `ch:"limit_wait_ms" json:"limit_wait_ms"`        // its wait for the partner's limit, milliseconds
	Level       string     `ch:"level" json:"level"`                        // of the last certificate; empty: none yet
	ProvenAt    *time.Time `ch:"proven_at" json:"proven_at,omitempty"`      // of the last certificate that holds; nil: never
	Total       *uint64    `ch:"total" json:"total,omitempty"`              // the partner's count in the last certificate
	DistinctIDs uint64     `ch:"distinct_ids" json:"distinct_ids"`          // ours in the last certificate
	Reason      string     `ch:"reason" json:"reason,omitempty"`            // why the last certificate proves nothing
	Rejected    uint64     `ch:"rejected" json:"rejected_records"`          // records in quarantine
	Position    string     `ch:"position" json:"position"`                  // of the last checkpoint; empty: at the beginning
	WrittenAt   *time.Time `ch:"written_at" json:"checkpoint_at,omitempty"` // of the last checkpoint; nil: none yet
}

// statusQuery joins the last row of each kind for every stream that ever ran. Its %[1]s is the quoted database.
const statusQuery = `
SELECT r.account AS account, r.provider AS provider, r.resource AS resource, r.run_id AS run_id, r.outcome AS outcome, r.error AS error,
	r.started_at AS started_at, r.recorded_at AS recorded_at, r.pages AS pages, r.requests AS requests, r.records AS records,
	r.versions AS versions, r.refused AS refused, r.limit_wait_ms AS limit_wait_ms,
	c.level AS level, p.proven_at AS proven_at, c.total AS total, c.distinct_ids AS distinct_ids, c.reason AS reason,
	q.rejected AS rejected, k.position AS position, k.written_at AS written_at
FROM (SELECT * FROM %[1]s.sync_runs FINAL ORDER BY started_at DESC LIMIT 1 BY account, resource) AS r
LEFT JOIN (SELECT account, resource, level, total, distinct_ids, reason FROM %[1]s.sync_certificates FINAL
	ORDER BY proven_at DESC LIMIT 1 BY account, resource) AS c ON c.account = r.account AND c.resource = r.resource
LEFT JOIN (SELECT account, resource, toNullable(max(proven_at)) AS proven_at FROM %[1]s.sync_certificates FINAL
	WHERE level IN ('C3n', 'snapshot') GROUP BY account, resource) AS p ON p.account = r.account AND p.resource = r.resource
LEFT JOIN (SELECT account, resource, count() AS rejected FROM %[1]s.rejected_records FINAL
	GROUP BY account, resource) AS q ON q.account = r.account AND q.resource = r.resource
LEFT JOIN (SELECT account, resource, position, toNullable(written_at) AS written_at FROM %[1]s.sync_checkpoints
	ORDER BY epoch DESC, seq DESC LIMIT 1 BY account, resource) AS k ON k.account = r.account AND k.resource = r.resource
ORDER BY account, indexOf(['balances', 'deposits', 'trades', 'payments'], resource)
SETTINGS join_use_nulls = 0`

// Status returns where every stream that ever ran stands, sorted by account and resource.
func (s *Store) Status(ctx context.Context) ([]StreamStatus, error) {
	var streams []StreamStatus
	if err := s.conn.Select(ctx, &streams, fmt.Sprintf(statusQuery, s.database)); err != nil {
		return nil, fmt.Errorf("read the status of the streams: %w", err)
	}
	for i := range streams {
		streams[i].StartedAt, streams[i].RecordedAt = streams[i].StartedAt.UTC(), streams[i].RecordedAt.UTC()
	}
	return streams, nil
}
