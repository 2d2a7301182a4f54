package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load"
	"tieout/schema"
)

// Lives implements load.Archive.
func (d *Destination) Lives(ctx context.Context, stream schema.Stream, ids []string) (map[string]load.Life, error) {
	lives := map[string]load.Life{}
	err := lookUp(ids, func(some []string) error {
		held, err := d.heldVersions(ctx, stream, some, lives)
		if err != nil || len(held) == 0 {
			return err
		}
		if err := d.sightsOf(ctx, stream, held, lives); err != nil {
			return err
		}
		if err := d.quarantineSights(ctx, stream, held, lives); err != nil {
			return err
		}
		rows, err := d.rowsOf(ctx, stream, held, tables[stream.Resource].id+", version, payload_hash")
		for _, row := range rows {
			record := row.Base()
			life := lives[record.ID]
			for _, at := range life.Needed() {
				if life[at].Version == record.Version && life[at].PayloadHash == record.PayloadHash {
					life[at].Row = row
				}
			}
		}
		return err
	})
	return lives, err
}

// heldVersions adds the versions that are stored of records, and returns the identifiers of those of which there are any.
func (d *Destination) heldVersions(ctx context.Context, stream schema.Stream, ids []string, lives map[string]load.Life) (held []string, err error) {
	t := tables[stream.Resource]
	var rows []struct {
		ID          string    `ch:"id"`
		Version     uint64    `ch:"version"`
		PayloadHash string    `ch:"payload_hash"`
		FirstAt     time.Time `ch:"first_at"`
		Gone        bool      `ch:"gone"`
		Remapped    bool      `ch:"remapped"`
		RunID       string    `ch:"by_run"`
	}
	err = d.conn.Select(ctx, &rows, fmt.Sprintf(`SELECT %[1]s AS id, version, payload_hash, min(first_seen_at) AS first_at,
			max(isNotNull(deleted_at)) AS gone, min(mapped_at) > toDateTime64(0, 6, 'UTC') AS remapped, any(run_id) AS by_run
		FROM %[2]s.%[3]s WHERE account = {account:String} AND %[1]s IN {ids:Array(String)}
		GROUP BY id, version, payload_hash ORDER BY id, version, first_at, payload_hash`, t.id, d.database, t.name),
		clickhouse.Named("account", stream.Account), clickhouse.Named("ids", ids))
	if err != nil {
		return nil, fmt.Errorf("look up the versions of %d records in %s: %w", len(ids), t.name, err)
	}
	for _, row := range rows {
		if lives[row.ID] == nil {
			held = append(held, row.ID)
		}
		lives[row.ID] = append(lives[row.ID], load.Held{
			Version: row.Version, PayloadHash: [32]byte([]byte(row.PayloadHash)), FirstSeenAt: row.FirstAt.UTC(),
			Tombstone: row.Gone, Remapped: row.Remapped, RunID: row.RunID,
		})
	}
	return held, nil
}

// sightsOf adds when the versions were seen last.
func (d *Destination) sightsOf(ctx context.Context, stream schema.Stream, ids []string, lives map[string]load.Life) error {
	var rows []struct {
		ID      string    `ch:"record_id"`
		Version uint64    `ch:"version"`
		LastAt  time.Time `ch:"last_at"`
	}
	err := d.conn.Select(ctx, &rows, `SELECT record_id, version, max(last_seen_at) AS last_at FROM `+d.database+`.record_sightings
		WHERE account = {account:String} AND resource = {resource:String} AND record_id IN {ids:Array(String)} AND NOT tombstone
		GROUP BY record_id, version`,
		clickhouse.Named("account", stream.Account), clickhouse.Named("resource", string(stream.Resource)), clickhouse.Named("ids", ids))
	if err != nil {
		return fmt.Errorf("look up when %d records were seen: %w", len(ids), err)
	}
	for _, row := range rows {
		for at := range lives[row.ID] {
			if held := &lives[row.ID][at]; held.Version == row.Version {
				held.LastAt = row.LastAt.UTC()
			}
		}
	}
	return nil
}

// quarantineSights adds when the last versions were seen last in quarantine, of those that are there by a remap.
func (d *Destination) quarantineSights(ctx context.Context, stream schema.Stream, ids []string, lives map[string]load.Life) error {
	last := map[string]*load.Held{} // by hash
	var hashes []string
	for _, id := range ids {
		if held := &lives[id][len(lives[id])-1]; held.Remapped && !held.LastAt.IsZero() {
			hash := hex.EncodeToString(held.PayloadHash[:])
			hashes, last[hash] = append(hashes, hash), held
		}
	}
	if len(hashes) == 0 {
		return nil
	}
	var rows []struct {
		Hash   string    `ch:"hash"`
		LastAt time.Time `ch:"last_at"`
	}
	err := d.conn.Select(ctx, &rows, `SELECT lower(hex(payload_hash)) AS hash, max(last_seen_at) AS last_at FROM `+d.database+`.rejected_records
		WHERE account = {account:String} AND resource = {resource:String} AND hash IN {hashes:Array(String)} GROUP BY hash`,
		clickhouse.Named("account", stream.Account), clickhouse.Named("resource", string(stream.Resource)), clickhouse.Named("hashes", hashes))
	if err != nil {
		return fmt.Errorf("look up when %d contents were seen in quarantine: %w", len(hashes), err)
	}
	for _, row := range rows {
		if held := last[row.Hash]; row.LastAt.After(held.LastAt) {
			held.LastAt = row.LastAt.UTC()
		}
	}
	return nil
}
