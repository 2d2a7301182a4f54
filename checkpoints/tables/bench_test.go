package tables_test

import (
	"testing"
	"time"

	"tieout/checkpoints"
	"tieout/checkpoints/checkpointstest"
	"tieout/checkpoints/tables"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

func BenchmarkLease(b *testing.B) {
	conn := embeddedtest.Connect(b)
	database := embeddedtest.Database(b, conn)
	if _, err := schema.Migrate(b.Context(), conn, database, schema.Layout{}); err != nil {
		b.Fatal(err)
	}
	leases := tables.NewLeases(&clickhouse.Connection{Conn: conn}, database, nil)
	store := tables.NewStore(&clickhouse.Connection{Conn: conn}, database)
	_ = checkpointstest.Pauses
	b.Run("take and release", func(b *testing.B) {
		for b.Loop() {
			l, err := leases.Take(b.Context(), checkpoints.Claim{Scope: "account a", Term: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			if err := leases.Release(b.Context(), l); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("append", func(b *testing.B) {
		seq := uint64(0)
		for b.Loop() {
			seq++
			if err := store.Append(b.Context(), checkpoints.Checkpoint{Stream: schema.Stream{Account: "b", Resource: "deposits"}, Epoch: 1, Seq: seq, WrittenAt: time.Now()}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("save key", func(b *testing.B) {
		for b.Loop() {
			if err := store.SaveKey(b.Context(), "k", "s"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
