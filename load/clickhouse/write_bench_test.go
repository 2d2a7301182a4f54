package clickhouse_test

import (
	"fmt"
	"testing"

	"tieout/load"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// BenchmarkWrite writes batches of 10,000 records: new ones, and ones that are stored already.
func BenchmarkWrite(b *testing.B) {
	for _, name := range []string{"new", "unchanged"} {
		b.Run(name, func(b *testing.B) { benchmarkWrite(b, name == "new") })
	}
}

func benchmarkWrite(b *testing.B, fresh bool) {
	const size = 10_000
	conn := embeddedtest.Connect(b)
	database := embeddedtest.Database(b, conn)
	if _, err := schema.Migrate(b.Context(), conn, database, schema.Layout{}); err != nil {
		b.Fatal(err)
	}
	destination := clickhouse.NewDestination(&clickhouse.Connection{Conn: conn}, database)
	written := 0
	batch := func(number int) load.Batch {
		rows := make([]schema.Row, 0, size)
		for i := range size {
			id := i
			if fresh {
				id += number * size
			}
			rows = append(rows, deposit(fmt.Sprintf("deposit-%09d", id), schema.StatusPending, "12.5", 0))
			rows[i].Base().FirstSeenAt = noon.AddDate(0, 0, number)
		}
		return load.Batch{Stream: depositStream, RunID: fmt.Sprint("run ", number), Rows: rows}
	}
	if _, err := destination.Write(b.Context(), batch(0)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		written++
		b.StopTimer()
		next := batch(written)
		b.StartTimer()
		if _, err := destination.Write(b.Context(), next); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(written*size)/b.Elapsed().Seconds(), "rows/s")
}
