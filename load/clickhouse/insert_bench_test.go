package clickhouse_test

import (
	"fmt"
	"testing"

	"tieout/load/embedded/embeddedtest"
)

// BenchmarkInsert writes batches of 10,000 rows with two decimals and eleven columns into the embedded engine.
func BenchmarkInsert(b *testing.B) {
	const rows = 10_000
	conn := embeddedtest.Connect(b)
	database := embeddedtest.Database(b, conn)
	if err := conn.Exec(b.Context(), fmt.Sprintf(moneyTable, database)); err != nil {
		b.Fatal(err)
	}
	example := exampleMoney()[1]
	inserted := uint64(0)
	for b.Loop() {
		batch, err := conn.PrepareBatch(inserting(b.Context(), fmt.Sprint(inserted)), "INSERT INTO "+database+
			".money (account, id, payload_hash, created_at, amount, fee, status, total, payload, first_seen_at, last_seen_at)")
		if err != nil {
			b.Fatal(err)
		}
		for range rows {
			inserted++
			m := example
			if err := batch.Append(m.Account, inserted, m.PayloadHash, m.CreatedAt, m.Amount, m.Fee, m.Status, m.Total, m.Payload, m.FirstSeenAt, m.LastSeenAt); err != nil {
				b.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(inserted)/b.Elapsed().Seconds(), "rows/s")
}
