package clickhouse

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/go-faster/city"
	"github.com/google/uuid"

	"tieout/load"
	"tieout/schema"
)

// An insert that ClickHouse has acknowledged is read back before anything rests on it. It can be missing all the same:
// the server knows the token of a block whose rows somebody has deleted since, or that a restored backup lacks, and
// drops it without a word.
//
// What each kind of row proves by its key: of a version the content, as its payload_hash is a part of the key; of a
// quarantined record the content, and that it is as late as the block's; of a balance that it is as late. Sightings are
// not read back here: every certificate is counted from those that are stored, and one that is missing can only
// prevent a proof until its record is met again. The engine hashes the keys of distinct rows, so that a block which lies
// there twice and is not merged yet counts once. They are selected by what they are and not by the number of the batch:
// of a version that two runs have written, one number stays.
//
// In the ordinary case one question for a block suffices, whose answer is one row: the rows of this run in the block's
// span of keys and times are as many as the block has, and the XOR of their hashes is the same. Only if it is not, which
// may be innocent, are the identifiers asked for one by one.
//
// What was written last before a kill is not verified by the next run. It has no checkpoint, so its page is read again
// and written again: what is stored is recognised, what is missing is new. That shows the same, and needs no memory of
// what a batch was.

// check says how to find the rows of a block again. The zero check is of a block that is not looked for.
type check struct {
	column string   // holds the identifiers
	key    string   // SQL for what is hashed of a row
	ids    []string // of each row
	hashes []uint64 // of each row
	must   string   // what holds of every row that shows the block's, beside its account
	near   string   // what holds of the block's rows in the ordinary case, and of few others
	args   []any    // of both
}

// add notes a row.
func (c *check) add(id string, key []byte) {
	c.ids = append(c.ids, id)
	c.hashes = append(c.hashes, city.CH64(key))
}

// want returns how many distinct rows there must be, and the XOR of their hashes.
func (c *check) want() (rows, xor uint64) {
	distinct := slices.Clone(c.hashes)
	slices.Sort(distinct)
	distinct = slices.Compact(distinct)
	for _, hash := range distinct {
		xor ^= hash
	}
	return uint64(len(distinct)), xor
}

// span is the earliest and the latest of some instants.
type span struct{ from, until time.Time }

func (s *span) take(t time.Time) {
	t = t.UTC().Truncate(time.Microsecond)
	if s.from.IsZero() || t.Before(s.from) {
		s.from = t
	}
	if t.After(s.until) {
		s.until = t
	}
}

// named returns the span as the parameters <name>_from and <name>_until, in microseconds since 1970: as a text, the
// engine reads the last second of 1969 as another one.
func (s *span) named(name string) []any {
	return []any{clickhouse.Named(name+"_from", s.from.UnixMicro()), clickhouse.Named(name+"_until", s.until.UnixMicro())}
}

// within and since are the SQL for a column that lies in a span, and for one that is not before it.
func within(column, name string) string {
	return since(column, name) + " AND " + column + " <= fromUnixTimestamp64Micro({" + name + "_until:Int64}, 'UTC')"
}

func since(column, name string) string {
	return column + " >= fromUnixTimestamp64Micro({" + name + "_from:Int64}, 'UTC')"
}

// versionCheck is of versions and tombstones. The time of creation tells the engine which parts to look into.
func versionCheck(batch load.Batch, rows []schema.Row) check {
	if batch.Stream.Resource == schema.Balances {
		return balanceCheck(batch, rows)
	}
	c := check{
		column: tables[batch.Stream.Resource].id,
		must:   within("created_at", "created"), near: "run_id = {run_id:String} AND " + within("first_seen_at", "seen"),
	}
	c.key = "concat(" + c.column + ", reinterpretAsFixedString(version), payload_hash)"
	var created, seen span
	var key []byte
	for _, row := range rows {
		r := row.Base()
		created.take(r.CreatedAt)
		seen.take(r.FirstSeenAt)
		key = append(binary.LittleEndian.AppendUint64(append(key[:0], r.ID...), r.Version), r.PayloadHash[:]...)
		c.add(r.ID, key)
	}
	c.args = append(append(created.named("created"), seen.named("seen")...), clickhouse.Named("run_id", batch.RunID))
	return c
}

// balanceCheck is of balances: one that was observed later may have taken the place since.
func balanceCheck(batch load.Batch, rows []schema.Row) check {
	c := check{
		column: "currency", key: "toString(currency)", near: "true",
		must: "as_of = fromUnixTimestamp64Micro({as_of:Int64}, 'UTC') AND " + since("observed_at", "seen"),
	}
	var seen span
	for _, row := range rows {
		seen.take(row.Base().FirstSeenAt)
		c.add(row.Base().ID, []byte(row.Base().ID))
	}
	c.args = append(seen.named("seen"), clickhouse.Named("as_of", batch.AsOf.UnixMicro()))
	return c
}

// rejectedCheck is of quarantined records.
func rejectedCheck(batch load.Batch) check {
	c := check{
		column: "record_id", key: "concat(record_id, payload_hash)",
		must: "resource = {resource:String} AND " + since("last_seen_at", "seen"), near: within("last_seen_at", "seen"),
	}
	var seen span
	for _, r := range batch.Rejected {
		seen.take(r.SeenAt)
		c.add(r.RecordID, append([]byte(r.RecordID), r.PayloadHash[:]...))
	}
	c.args = append(seen.named("seen"), clickhouse.Named("resource", string(batch.Stream.Resource)))
	return c
}

// store inserts a block until it is there. The same rows in the same order with the same token first, which doubles
// nothing where only the answer was wrong. What is missing still was dropped for its token: once more under a token
// that nobody has used.
func (w *writing) store(ctx context.Context, i insert) error {
	var missing []string
	for _, token := range []string{i.digest, i.digest, i.digest + " " + uuid.NewString()} {
		if w.check != nil {
			if err := w.check(w.batch.Stream); err != nil {
				return err
			}
		}
		i.token = token
		err := w.insertBlock(ctx, w.batch.RunID, i)
		if err == nil {
			missing, err = w.missing(ctx, i)
		}
		if err != nil || len(missing) == 0 {
			return err
		}
	}
	return &schema.Error{
		Class: schema.ClassConfiguration,
		Err: fmt.Errorf("ClickHouse has acknowledged them three times, once under a new token, and %d of them are not there; the first is %q of account %s",
			len(missing), missing[0], w.batch.Stream.Account),
		Hint: "does a row policy hide rows from this user, or a TTL, a DELETE or a restore take them away? No checkpoint was written: run again when that is over",
	}
}

// missing returns the identifiers of those rows of a block that are not stored.
func (w *writing) missing(ctx context.Context, i insert) ([]string, error) {
	if len(i.check.hashes) == 0 {
		return nil, nil
	}
	whole, err := w.whole(ctx, i)
	if err != nil || whole {
		return nil, err
	}
	lost := make(map[uint64]string, len(i.check.hashes))
	for at, hash := range i.check.hashes {
		lost[hash] = i.check.ids[at]
	}
	err = lookUp(i.check.ids, func(some []string) error {
		found, err := w.found(ctx, i, some)
		for _, hash := range found {
			delete(lost, hash)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Values(lost)), nil
}

// whole reports whether the block is there by the one question of the ordinary case. Few identifiers are named; of
// many their span is, as a list of them would be many questions.
func (w *writing) whole(ctx context.Context, i insert) (bool, error) {
	c := i.check
	ids, args := "BETWEEN {first:String} AND {last:String}", []any{clickhouse.Named("first", slices.Min(c.ids)), clickhouse.Named("last", slices.Max(c.ids))}
	if len(c.ids) <= idsPerLookup {
		ids, args = "IN {ids:Array(String)}", []any{clickhouse.Named("ids", c.ids)}
	}
	var rows []struct {
		Rows uint64 `ch:"rows"`
		XOR  uint64 `ch:"xor"`
	}
	err := w.conn.Select(ctx, &rows, fmt.Sprintf(`SELECT count() AS rows, groupBitXor(hash) AS xor FROM (
			SELECT DISTINCT cityHash64(%s) AS hash FROM %s.%s WHERE account = {account:String} AND %s %s AND %s AND %s)`,
		c.key, w.database, i.table, c.column, ids, c.must, c.near), w.checkArgs(c, args...)...)
	if err != nil {
		return false, fmt.Errorf("verify them: %w", err)
	}
	count, xor := c.want()
	return rows[0].Rows == count && rows[0].XOR == xor, nil
}

// found returns the hashes of the rows with some identifiers that show rows of the block.
func (w *writing) found(ctx context.Context, i insert, ids []string) ([]uint64, error) {
	c := i.check
	var rows []struct {
		Hash uint64 `ch:"hash"`
	}
	err := w.conn.Select(ctx, &rows, fmt.Sprintf("SELECT DISTINCT cityHash64(%s) AS hash FROM %s.%s WHERE account = {account:String} AND %s IN {ids:Array(String)} AND %s",
		c.key, w.database, i.table, c.column, c.must), w.checkArgs(c, clickhouse.Named("ids", ids))...)
	if err != nil {
		return nil, fmt.Errorf("verify %d of them: %w", len(ids), err)
	}
	hashes := make([]uint64, len(rows))
	for at, row := range rows {
		hashes[at] = row.Hash
	}
	return hashes, nil
}

// checkArgs returns the parameters of a question about a block.
func (w *writing) checkArgs(c check, more ...any) []any {
	return append(append(more, c.args...), clickhouse.Named("account", w.batch.Stream.Account))
}
