package tables

import (
	"context"
	"fmt"
	"time"
)

// StreamStatus is where one stream stands: its last run, what is proven of its lists, and what is in quarantine.
type StreamStatus struct {
	Account     string     `ch:"account" json:"account"`                       // name of the account
	Provider    string     `ch:"provider" json:"provider"`                     // name of the definition
	Resource    string     `ch:"resource" json:"resource"`                     // what is listed
	RunID       string     `ch:"run_id" json:"run_id"`                         // of the last run
	Outcome     string     `ch:"outcome" json:"outcome"`                       // of the last run, one of checkpoints.Outcome
	Error       string     `ch:"error" json:"error,omitempty"`                 // of the last run; empty without one
	StartedAt   time.Time  `ch:"started_at" json:"started_at"`                 // of the last run, UTC
	RecordedAt  time.Time  `ch:"recorded_at" json:"recorded_at"`               // of its last word, UTC
	Pages       uint64     `ch:"pages" json:"pages"`                           // answers that the last run read
	Requests    uint64     `ch:"requests" json:"requests"`                     // attempts that it sent
	Records     uint64     `ch:"records" json:"records"`                       // records in those answers
	Versions    uint64     `ch:"versions" json:"versions"`                     // record versions that it wrote
	Refused     uint64     `ch:"refused" json:"refused"`                       // attempts that the partner refused for their rate
	LimitWaitMS uint64     `ch:"limit_wait_ms" json:"limit_wait_ms"`           // its wait for the partner's limit, milliseconds
	Quarantine  uint64     `ch:"quarantine" json:"quarantine"`                 // records that cannot be read
	RemapOpen   *time.Time `ch:"remap_open" json:"remap_unfinished,omitempty"` // when the last remap began, if it has not read everything; nil: it has, or there was none
	Position    string     `ch:"position" json:"position"`                     // of the last checkpoint; empty: at the beginning
	WrittenAt   *time.Time `ch:"written_at" json:"checkpoint_at,omitempty"`    // of the last checkpoint; nil: none yet

	// What follows is of all its lists together.
	Level       string       `ch:"-" json:"level"`               // the weakest of their last certificates; empty: none yet
	ProvenAt    *time.Time   `ch:"-" json:"proven_at,omitempty"` // the oldest of their last proofs; nil: one of them never was
	StableAt    *time.Time   `ch:"-" json:"stable_at,omitempty"` // the same if stable ones count as well; nil where that is no later
	Total       *uint64      `ch:"-" json:"total,omitempty"`     // the partner's counts; nil: it does not count all of them
	DistinctIDs uint64       `ch:"-" json:"distinct_ids"`        // our counts
	Reason      string       `ch:"-" json:"reason,omitempty"`    // why their last certificates prove nothing
	Lists       []ListStatus `ch:"-" json:"lists"`               // each list and window that was ever certified
}

// statusQuery joins the last row of each kind for every stream that ever ran. Its %[1]s is the quoted database.
const statusQuery = `
SELECT r.account AS account, r.provider AS provider, r.resource AS resource, r.run_id AS run_id, r.outcome AS outcome, r.error AS error,
	r.started_at AS started_at, r.recorded_at AS recorded_at, r.pages AS pages, r.requests AS requests, r.records AS records,
	r.versions AS versions, r.refused AS refused, r.limit_wait_ms AS limit_wait_ms,
	q.records AS quarantine, m.began AS remap_open, k.position AS position, k.written_at AS written_at
FROM (SELECT * FROM %[1]s.sync_runs FINAL ORDER BY started_at DESC LIMIT 1 BY account, resource) AS r
LEFT JOIN (SELECT account, resource, count() AS records FROM %[1]s.quarantine
	GROUP BY account, resource) AS q ON q.account = r.account AND q.resource = r.resource
LEFT JOIN (SELECT account, resource, if(outcome = 'done', NULL, toNullable(started_at)) AS began FROM %[1]s.remaps FINAL
	ORDER BY started_at DESC LIMIT 1 BY account, resource) AS m ON m.account = r.account AND m.resource = r.resource
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
	lists, err := s.lists(ctx)
	if err != nil {
		return nil, err
	}
	for i := range streams {
		stream := &streams[i]
		stream.StartedAt, stream.RecordedAt = stream.StartedAt.UTC(), stream.RecordedAt.UTC()
		stream.Lists = []ListStatus{}
		for _, list := range lists {
			if list.Account == stream.Account && list.Resource == stream.Resource {
				stream.Lists = append(stream.Lists, list)
			}
		}
		stream.summarise()
	}
	return streams, nil
}
