package tables

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/checkpoints"
)

var _ checkpoints.Remaps = (*Store)(nil)

// RecordRemap implements checkpoints.Remaps.
func (s *Store) RecordRemap(ctx context.Context, r checkpoints.Remap) error {
	err := s.conn.Exec(ctx, "INSERT INTO "+s.database+`.remaps
		(remap_id, account, resource, provider, definition, outcome, started_at, recorded_at, versions, changed, kept, resolved, rejected)
		SELECT {remap_id:String}, {account:String}, {resource:String}, {provider:String}, {definition:String}, {outcome:String},
			{started_at:DateTime64(6, 'UTC')}, now64(6, 'UTC'), {versions:UInt64}, {changed:UInt64}, {kept:UInt64}, {resolved:UInt64}, {rejected:UInt64}`,
		clickhouse.Named("remap_id", r.ID), clickhouse.Named("account", r.Stream.Account), clickhouse.Named("resource", string(r.Stream.Resource)),
		clickhouse.Named("provider", r.Stream.Provider), clickhouse.Named("definition", r.Definition), clickhouse.Named("outcome", string(r.Outcome)),
		instant("started_at", r.StartedAt), clickhouse.Named("versions", r.Counts.Versions), clickhouse.Named("changed", r.Counts.Changed),
		clickhouse.Named("kept", r.Counts.Kept), clickhouse.Named("resolved", r.Counts.Resolved), clickhouse.Named("rejected", r.Counts.Rejected))
	if err != nil {
		return fmt.Errorf("record the remap of %s: %w", r.Stream, err)
	}
	return nil
}
