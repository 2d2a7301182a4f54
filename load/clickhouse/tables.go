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
	token   string // under which it is inserted: the digest, or more
	check   check
}

// rowInserts turns rows into blocks of their table.
func rowInserts(batch load.Batch, rows []schema.Row) []insert {
	var inserts []insert
	for _, block := range load.Cut(rows, partition(batch)) {
		i := insert{table: tables[batch.Stream.Resource].name, size: len(block.Rows), digest: blockDigest(batch, block), check: versionCheck(batch, block.Rows)}
		for _, row := range block.Rows {
			names, values := bind(row)
			ownNames, ownValues := recordColumns(batch, row.Base())
			i.columns = strings.Join(append(names, ownNames...), ", ")
			i.rows = append(i.rows, append(values, ownValues...))
		}
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

// bind returns the typed columns of a row as the driver takes them. What is unknown is NULL in a column that is
// not required.
func bind(row schema.Row) (names []string, values []any) {
	for _, column := range row.Columns() {
		names = append(names, column.Name)
		switch field := column.Field.(type) {
		case *string:
			values = append(values, *field)
		case *schema.Amount:
			if column.Required {
				values = append(values, field.Decimal())
			} else {
				values = append(values, field.NullableDecimal())
			}
		case *time.Time:
			values = append(values, bindTime(*field, column.Required))
		default:
			panic(fmt.Sprintf("clickhouse: column %s is bound to a %T", column.Name, column.Field))
		}
	}
	return names, values
}

func bindTime(t time.Time, required bool) any {
	utc := t.UTC()
	switch {
	case required:
		return utc
	case t.IsZero():
		return (*time.Time)(nil)
	}
	return &utc
}

// recordColumns returns the columns that no mapping feeds.
func recordColumns(batch load.Batch, r *schema.Record) (names []string, values []any) {
	if batch.Stream.Resource == schema.Balances {
		return []string{"account", "as_of", "observed_us", "observed_at", "provider", "run_id", "payload"},
			[]any{r.Account, batch.AsOf.UTC(), uint64(r.FirstSeenAt.UnixMicro()), r.FirstSeenAt.UTC(), r.Provider, batch.RunID, string(r.Payload)}
	}
	names = []string{
		"account", "version", "payload_hash", "provider", "status", "listed_under", "first_seen_at", "deleted_at", "evidence",
		"run_id", "payload",
	}
	values = []any{
		r.Account, r.Version, string(r.PayloadHash[:]), r.Provider, string(r.Status), r.ListedUnder,
		r.FirstSeenAt.UTC(), bindTime(r.DeletedAt, false), r.Evidence, batch.RunID, string(r.Payload),
	}
	return names, values
}

// rejectedInsert turns the rejected records of a batch into their block.
func rejectedInsert(batch load.Batch) insert {
	i := insert{
		table: "rejected_records", size: len(batch.Rejected),
		columns: "account, resource, record_id, payload_hash, provider, reason, listed_under, " +
			"first_seen_at, last_seen_at, run_id, payload",
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q\n", batch.Stream.Account, batch.Stream.Resource) // streams share the table, see blockDigest
	for _, r := range batch.Rejected {
		i.rows = append(i.rows, []any{
			batch.Stream.Account, string(batch.Stream.Resource), r.RecordID, string(r.PayloadHash[:]), batch.Stream.Provider,
			r.Reason, r.ListedUnder, r.SeenAt.UTC(), r.SeenAt.UTC(), batch.RunID, string(r.Payload),
		})
		fmt.Fprintf(sum, "%q %x %q %d\n", r.RecordID, r.PayloadHash, r.Reason, r.SeenAt.UnixMicro())
	}
	i.digest, i.check = hex.EncodeToString(sum.Sum(nil)), rejectedCheck(batch)
	return i
}
