package clickhouse

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"tieout/load"
	"tieout/schema"
)

// table says where the records of a resource are stored.
type table struct {
	name string
	id   string // its column of the partner's identifier
}

var tables = map[schema.Resource]table{
	schema.Deposits: {"deposit_versions", "deposit_id"},
	schema.Trades:   {"trade_versions", "trade_id"},
	schema.Payments: {"payment_versions", "payment_id"},
	schema.Balances: {"balance_snapshots", "currency"},
}

// insert is one block, ready for the driver, either as rows or as the values of each column.
type insert struct {
	table   string
	columns string
	size    int // rows
	rows    [][]any
	values  []any // a slice for each column
	digest  string
	// distinct says that no two rows have the same key: then the server need not look for such before it stores the
	// block, which takes as long as all else.
	distinct bool
	token    string // under which it is inserted: the digest, or more
	check    check
}

// rowInserts turns rows into blocks of their table.
func rowInserts(batch load.Batch, rows []schema.Row) []insert {
	var inserts []insert
	for _, block := range load.Cut(rows, partition(batch)) {
		i := insert{table: tables[batch.Stream.Resource].name, size: len(block.Rows), digest: blockDigest(batch, block), check: versionCheck(batch, block.Rows)}
		names, columns := columnsOf(batch, block.Rows)
		i.columns, i.values, i.distinct = strings.Join(names, ", "), columns, batch.Stream.Resource != schema.Balances
		inserts = append(inserts, i)
	}
	return inserts
}

// blockDigest identifies a block in its table, which the streams of all accounts share: the server drops a block
// whose digest it has seen, so whatever else decides about the stored rows must be part of it.
func blockDigest(batch load.Batch, block load.Block) string {
	var asOf int64
	if batch.Stream.Resource == schema.Balances {
		asOf = batch.AsOf.UnixMicro()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %s", batch.Stream.Account, batch.Stream.Resource, asOf, block.Digest))
	return hex.EncodeToString(sum[:])
}

// rejectedInsert turns the rejected records of a batch into their block.
func rejectedInsert(batch load.Batch) insert {
	i := insert{
		table: "rejected_records", size: len(batch.Rejected),
		columns: "account, resource, record_id, payload_hash, provider, reason, listed_under, " +
			"first_seen_at, last_seen_at, listed_at, permanent, run_id, payload",
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q\n", batch.Stream.Account, batch.Stream.Resource) // streams share the table, see blockDigest
	for _, r := range batch.Rejected {
		i.rows = append(i.rows, []any{
			batch.Stream.Account, string(batch.Stream.Resource), r.RecordID, string(r.PayloadHash[:]), batch.Stream.Provider,
			r.Reason, r.ListedUnder, r.SeenAt.UTC(), r.SeenAt.UTC(), listedAt(r), r.Permanent, batch.RunID, string(r.Payload),
		})
		fmt.Fprintf(sum, "%q %x %q %d %d\n", r.RecordID, r.PayloadHash, r.Reason, r.SeenAt.UnixMicro(), listedAt(r).UnixMicro())
	}
	i.digest, i.check = hex.EncodeToString(sum.Sum(nil)), rejectedCheck(batch)
	return i
}

// listedAt is when the request was sent whose answer had a rejected record in a list. Where nobody said, it is not
// shown that it stood in one.
func listedAt(r schema.Rejected) time.Time {
	if r.AskedAt.IsZero() {
		return schema.NeverListed
	}
	return r.AskedAt.UTC()
}
