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
		if err := d.heldVersions(ctx, stream, some, lives); err != nil {
			return err
		}
		var held []string
		for _, id := range some {
			if len(lives[id].Versions) > 0 {
				held = append(held, id)
			}
		}
		if len(held) == 0 {
			return nil
		}
		rows, err := d.lastRows(ctx, stream, held)
		if err != nil {
			return err
		}
		for _, row := range rows {
			life := lives[row.Base().ID]
			life.Last = row
			lives[row.Base().ID] = life
		}
		return d.lastSights(ctx, stream, held, lives)
	})
	return lives, err
}

// heldVersions adds the versions that are stored of records.
func (d *Destination) heldVersions(ctx context.Context, stream schema.Stream, ids []string, lives map[string]load.Life) error {
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
	err := d.conn.Select(ctx, &rows, fmt.Sprintf(`SELECT %[1]s AS id, version, payload_hash, min(first_seen_at) AS first_at,
			max(isNotNull(deleted_at)) AS gone, min(mapped_at) > toDateTime64(0, 6, 'UTC') AS remapped, any(run_id) AS by_run
		FROM %[2]s.%[3]s WHERE account = {account:String} AND %[1]s IN {ids:Array(String)}
		GROUP BY id, version, payload_hash ORDER BY id, version, first_at, payload_hash`, t.id, d.database, t.name),
		clickhouse.Named("account", stream.Account), clickhouse.Named("ids", ids))
	if err != nil {
		return fmt.Errorf("look up the versions of %d records in %s: %w", len(ids), t.name, err)
	}
	for _, row := range rows {
		life := lives[row.ID]
		life.Versions = append(life.Versions, load.Held{
			Version: row.Version, PayloadHash: [32]byte([]byte(row.PayloadHash)), FirstSeenAt: row.FirstAt.UTC(), Tombstone: row.Gone, Remapped: row.Remapped,
		})
		life.LastRunID = row.RunID
		lives[row.ID] = life
	}
	return nil
}

// lastSights adds when the last versions of records were seen last: as what is stored, and as what is or was in
// quarantine.
func (d *Destination) lastSights(ctx context.Context, stream schema.Stream, ids []string, lives map[string]load.Life) error {
	var seen []struct {
		ID     string    `ch:"record_id"`
		LastAt time.Time `ch:"last_at"`
	}
	var versions []uint64
	byHash := map[[32]byte]string{}
	var hashes []string
	for _, id := range ids {
		last := lives[id].Versions[len(lives[id].Versions)-1]
		versions = append(versions, last.Version)
		if last.Remapped {
			byHash[last.PayloadHash] = id
			hashes = append(hashes, hex.EncodeToString(last.PayloadHash[:]))
		}
	}
	err := d.conn.Select(ctx, &seen, `SELECT record_id, max(last_seen_at) AS last_at FROM `+d.database+`.record_sightings
		WHERE account = {account:String} AND resource = {resource:String} AND record_id IN {ids:Array(String)}
			AND version = transform(record_id, {ids:Array(String)}, {versions:Array(UInt64)}, toUInt64(0)) AND NOT tombstone
		GROUP BY record_id`, clickhouse.Named("account", stream.Account), clickhouse.Named("resource", string(stream.Resource)),
		clickhouse.Named("ids", ids), clickhouse.Named("versions", versions))
	if err != nil {
		return fmt.Errorf("look up when %d records were seen: %w", len(ids), err)
	}
	for _, s := range seen {
		life := lives[s.ID]
		life.LastAt = s.LastAt.UTC()
		lives[s.ID] = life
	}
	return d.quarantineSights(ctx, stream, hashes, byHash, lives)
}

// quarantineSights adds when contents were seen last that were in quarantine.
func (d *Destination) quarantineSights(ctx context.Context, stream schema.Stream, hashes []string, byHash map[[32]byte]string, lives map[string]load.Life) error {
	if len(hashes) == 0 {
		return nil
	}
	var rows []struct {
		PayloadHash string    `ch:"payload_hash"`
		LastAt      time.Time `ch:"last_at"`
	}
	err := d.conn.Select(ctx, &rows, `SELECT payload_hash, max(last_seen_at) AS last_at FROM `+d.database+`.rejected_records
		WHERE account = {account:String} AND resource = {resource:String} AND hex(payload_hash) IN (SELECT upper(arrayJoin({hashes:Array(String)})))
		GROUP BY payload_hash`, clickhouse.Named("account", stream.Account), clickhouse.Named("resource", string(stream.Resource)), clickhouse.Named("hashes", hashes))
	if err != nil {
		return fmt.Errorf("look up when %d contents were seen in quarantine: %w", len(hashes), err)
	}
	for _, row := range rows {
		id := byHash[[32]byte([]byte(row.PayloadHash))]
		// Where no sighting is stored yet there is none: the zero time asks for it.
		if life := lives[id]; !life.LastAt.IsZero() && row.LastAt.After(life.LastAt) {
			life.LastAt = row.LastAt.UTC()
			lives[id] = life
		}
	}
	return nil
}
