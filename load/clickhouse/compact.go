package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/schema"
)

// Compacted is a closed month of a table, before it was made one part.
type Compacted struct {
	Table string        // that the rows lie in
	Month string        // as 202607
	Parts uint64        // that there were
	Rows  uint64        // in all of them
	Took  time.Duration // to make them one
}

// compactRate is how many rows a second are taken for granted before it is known better. A merge writes every row anew.
const compactRate = 100_000

// worthwhile finds the months to compact: those that are over, whose rows lie in several parts of which the largest has
// less than nineteen twentieths, or in many. Views read a month of one part without looking for equal keys in it. A few
// rows that a night adds to an old month cost a reader little, and to write the whole month again for them, each night,
// would cost much.
const worthwhile = `SELECT table, partition_id AS month, count() AS parts, sum(p.rows) AS in_all
	FROM system.parts AS p
	WHERE active AND database = {database:String} AND table IN {tables:Array(String)} AND toUInt32OrZero(partition_id) < toYYYYMM(now('UTC'))
	GROUP BY table, partition_id
	HAVING parts > 1 AND (max(p.rows) * 20 < in_all * 19 OR parts > 16) OR parts = 1 AND max(level) = 0
	ORDER BY month DESC, table`

// Compact makes the rows of months that are over one part each, the last months first, for as long as it takes less
// than the time that is given: no month is begun that would probably take longer. It returns how many are left.
//
// It changes nothing that a query could see. The server merges parts by itself when it sees fit, and this is the same
// merge: it stands in no insert's way, a month that is being compacted is read as it was, and a merge that is killed
// never was. Done is called after each month. It needs the privilege OPTIMIZE, which who loads does not have. On a
// cluster the parts of the node that is asked decide, and all shards compact that month.
func Compact(ctx context.Context, conn *Connection, database string, layout schema.Layout, within time.Duration, done func(Compacted)) (left int, err error) {
	names := []string{}
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments, schema.Balances} {
		names = append(names, layout.LocalTable(tables[resource].name))
	}
	var months []struct {
		Table string `ch:"table"`
		Month string `ch:"month"`
		Parts uint64 `ch:"parts"`
		Rows  uint64 `ch:"in_all"`
	}
	if err := conn.Select(ctx, &months, worthwhile, clickhouse.Named("database", database), clickhouse.Named("tables", names)); err != nil {
		return 0, fmt.Errorf("look for months to compact: %w", err)
	}
	begun, rate := time.Now(), float64(compactRate)
	for i, month := range months {
		if expected := time.Duration(float64(month.Rows) / rate * float64(time.Second)); time.Since(begun)+expected > within {
			left++
			continue
		}
		started := time.Now()
		// The identifier is digits only: the query above lets nothing else through.
		statement := fmt.Sprintf("OPTIMIZE TABLE %s.%s %s PARTITION ID '%s' FINAL", schema.QuoteIdentifier(database), month.Table, layout.OnCluster(), month.Month)
		if err := conn.Exec(ctx, statement); err != nil {
			return len(months) - i + left, fmt.Errorf("compact %s of %s: %w", month.Month, month.Table, err)
		}
		took := time.Since(started)
		if month.Rows > compactRate {
			rate = float64(month.Rows) / took.Seconds()
		}
		done(Compacted{Table: month.Table, Month: month.Month, Parts: month.Parts, Rows: month.Rows, Took: took})
	}
	return left, nil
}
