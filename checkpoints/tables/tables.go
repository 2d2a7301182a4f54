// Package tables keeps checkpoints, runs and certificates in ClickHouse, beside the records that they speak of.
//
// Its one rule: rows are only added. Of rows that stand for the same thing the later one counts.
package tables

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/checkpoints"
	"tieout/schema"
)

// Store is a checkpoints.Store, a checkpoints.Ledger and a checkpoints.KeyStates in the tables of one database, which must be migrated.
type Store struct {
	conn     driver.Conn
	database string // quoted
}

var (
	_ checkpoints.Store     = (*Store)(nil)
	_ checkpoints.Ledger    = (*Store)(nil)
	_ checkpoints.KeyStates = (*Store)(nil)
)

// NewStore returns the store of a database.
func NewStore(conn driver.Conn, database string) *Store {
	return &Store{conn: conn, database: schema.QuoteIdentifier(database)}
}

// instant is a parameter with microseconds; without a scale the driver would cut them.
func instant(name string, t time.Time) any {
	return clickhouse.DateNamed(name, t.UTC(), clickhouse.MicroSeconds)
}

// Latest implements checkpoints.Store.
func (s *Store) Latest(ctx context.Context, stream schema.Stream) (checkpoints.Checkpoint, error) {
	var rows []struct {
		Epoch     uint64    `ch:"epoch"`
		Seq       uint64    `ch:"seq"`
		Source    string    `ch:"source"`
		Position  string    `ch:"position"`
		BatchID   string    `ch:"batch_id"`
		BatchRows uint64    `ch:"batch_rows"`
		RunID     string    `ch:"run_id"`
		WrittenAt time.Time `ch:"written_at"`
	}
	err := s.conn.Select(ctx, &rows, "SELECT epoch, seq, source, position, batch_id, batch_rows, run_id, written_at FROM "+s.database+`.sync_checkpoints
		WHERE account = {account:String} AND resource = {resource:String} ORDER BY epoch DESC, seq DESC LIMIT 1`,
		clickhouse.Named("account", stream.Account), clickhouse.Named("resource", string(stream.Resource)))
	if err != nil {
		return checkpoints.Checkpoint{}, fmt.Errorf("read the checkpoint of %s: %w", stream, err)
	}
	if len(rows) == 0 {
		return checkpoints.Checkpoint{Stream: stream}, nil
	}
	row := rows[0]
	return checkpoints.Checkpoint{
		Stream: stream, Epoch: row.Epoch, Seq: row.Seq, Source: row.Source, Position: row.Position,
		BatchID: row.BatchID, BatchRows: row.BatchRows, RunID: row.RunID, WrittenAt: row.WrittenAt.UTC(),
	}, nil
}

// codeThrown is ClickHouse's FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: our own statement has refused.
const codeThrown = 395

// Append implements checkpoints.Store. The statement that writes also looks whether a later run has begun. A run that
// begins in between finds the checkpoint or does not; it was true when it was written, and the first checkpoint of the
// later run has a higher epoch, so that this one never counts again.
func (s *Store) Append(ctx context.Context, c checkpoints.Checkpoint) error {
	err := s.conn.Exec(ctx, "INSERT INTO "+s.database+`.sync_checkpoints
		(account, resource, epoch, seq, source, position, batch_id, batch_rows, run_id, written_at)
		SELECT {account:String}, {resource:String}, {epoch:UInt64}, {seq:UInt64}, {source:String}, {position:String},
			{batch_id:String}, {batch_rows:UInt64}, {run_id:String}, {written_at:DateTime64(6, 'UTC')}
		WHERE throwIf(greatest(
			(SELECT max(epoch) FROM `+s.database+`.sync_checkpoints WHERE account = {account:String} AND resource = {resource:String}),
			(SELECT max(fence) FROM `+s.database+`.sync_leases WHERE scope = {scope:String})
		) > {epoch:UInt64}, 'a later run has taken over') = 0`,
		clickhouse.Named("scope", string(checkpoints.AccountScope(c.Stream.Account))), clickhouse.Named("account", c.Stream.Account), clickhouse.Named("resource", string(c.Stream.Resource)),
		clickhouse.Named("epoch", c.Epoch), clickhouse.Named("seq", c.Seq), clickhouse.Named("source", c.Source), clickhouse.Named("position", c.Position),
		clickhouse.Named("batch_id", c.BatchID), clickhouse.Named("batch_rows", c.BatchRows),
		clickhouse.Named("run_id", c.RunID), instant("written_at", c.WrittenAt))
	if exception, ok := errors.AsType[*clickhouse.Exception](err); ok && exception.Code == codeThrown {
		return checkpoints.Stale(c)
	}
	if err != nil {
		return fmt.Errorf("write the checkpoint of %s: %w", c.Stream, err)
	}
	return nil
}

// RecordRun implements checkpoints.Ledger.
func (s *Store) RecordRun(ctx context.Context, r checkpoints.StreamRun) error {
	err := s.conn.Exec(ctx, "INSERT INTO "+s.database+`.sync_runs
		(run_id, account, resource, provider, outcome, error_class, error, started_at, recorded_at,
			pages, requests, records, versions, rejected, refused, limit_wait_ms)
		SELECT {run_id:String}, {account:String}, {resource:String}, {provider:String}, {outcome:String}, {error_class:String},
			{error:String}, {started_at:DateTime64(6, 'UTC')}, now64(6, 'UTC'),
			{pages:UInt64}, {requests:UInt64}, {records:UInt64}, {versions:UInt64}, {rejected:UInt64}, {refused:UInt64}, {limit_wait_ms:UInt64}`,
		clickhouse.Named("run_id", r.RunID), clickhouse.Named("account", r.Stream.Account),
		clickhouse.Named("resource", string(r.Stream.Resource)), clickhouse.Named("provider", r.Stream.Provider),
		clickhouse.Named("outcome", string(r.Outcome)), clickhouse.Named("error_class", r.ErrorClass), clickhouse.Named("error", r.Error),
		instant("started_at", r.StartedAt), clickhouse.Named("pages", r.Counts.Pages), clickhouse.Named("requests", r.Counts.Requests),
		clickhouse.Named("records", r.Counts.Records), clickhouse.Named("versions", r.Counts.Versions),
		clickhouse.Named("rejected", r.Counts.Rejected), clickhouse.Named("refused", r.Counts.Refused), clickhouse.Named("limit_wait_ms", uint64(r.Counts.LimitWait.Milliseconds())))
	if err != nil {
		return fmt.Errorf("record the run of %s: %w", r.Stream, err)
	}
	return nil
}

// RecordCertificate implements checkpoints.Ledger.
func (s *Store) RecordCertificate(ctx context.Context, c checkpoints.Certificate) error {
	total := "NULL"
	var totals []any
	if c.Total != nil {
		total = "{total:UInt64}"
		totals = append(totals, clickhouse.Named("total", *c.Total))
	}
	err := s.conn.Exec(ctx, "INSERT INTO "+s.database+`.sync_certificates
		(account, resource, list, window, run_id, level, proven_at, total, distinct_ids, ids_sha256, passes, requests, assumptions, reason, recorded_at)
		SELECT {account:String}, {resource:String}, {list:String}, {window:String}, {run_id:String}, {level:String},
			{proven_at:DateTime64(6, 'UTC')}, `+total+`, {distinct_ids:UInt64}, {ids_sha256:String}, {passes:UInt64}, {requests:UInt64},
			{assumptions:String}, {reason:String}, now64(6, 'UTC')`,
		append(totals, clickhouse.Named("account", c.Stream.Account), clickhouse.Named("resource", string(c.Stream.Resource)),
			clickhouse.Named("list", c.List), clickhouse.Named("window", c.Window),
			clickhouse.Named("run_id", c.RunID), clickhouse.Named("level", c.Level), instant("proven_at", c.ProvenAt),
			clickhouse.Named("distinct_ids", c.DistinctIDs), clickhouse.Named("ids_sha256", c.IDsSHA256),
			clickhouse.Named("passes", c.Passes), clickhouse.Named("requests", c.Requests),
			clickhouse.Named("assumptions", c.Assumptions), clickhouse.Named("reason", c.Reason))...)
	if err != nil {
		return fmt.Errorf("record the certificate of %s: %w", c.Stream, err)
	}
	return nil
}

// RecordCuts implements checkpoints.Ledger. There is one cut for each currency of an account: few enough to be
// written one by one.
func (s *Store) RecordCuts(ctx context.Context, cuts []checkpoints.Cut) error {
	for _, c := range cuts {
		err := s.conn.Exec(ctx, "INSERT INTO "+s.database+`.balance_cuts
			(account, run_id, currency, provider, before_at, after_at, consistent, reason, recorded_at)
			SELECT {account:String}, {run_id:String}, {currency:String}, {provider:String}, {before_at:DateTime64(6, 'UTC')},
				{after_at:DateTime64(6, 'UTC')}, {consistent:Bool}, {reason:String}, now64(6, 'UTC')`,
			clickhouse.Named("account", c.Account), clickhouse.Named("run_id", c.RunID), clickhouse.Named("currency", c.Currency),
			clickhouse.Named("provider", c.Provider), instant("before_at", c.BeforeAt), instant("after_at", c.AfterAt),
			clickhouse.Named("consistent", c.Consistent), clickhouse.Named("reason", c.Reason))
		if err != nil {
			return fmt.Errorf("record the cut of %s of account %s: %w", c.Currency, c.Account, err)
		}
	}
	return nil
}
