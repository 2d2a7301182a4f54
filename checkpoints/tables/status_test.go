package tables_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"tieout/checkpoints"
	"tieout/checkpoints/tables"
	"tieout/schema"
)

// status reads the status of every stream. The time of recording is the server's: it is looked at and cut out. So are
// the lists, at which testStatusOfLists looks.
func status(t *testing.T, store *tables.Store) []tables.StreamStatus {
	t.Helper()
	streams, err := store.Status(t.Context())
	must(t, err)
	for i := range streams {
		if streams[i].RecordedAt.IsZero() || streams[i].RecordedAt.Location() != time.UTC {
			t.Errorf("recorded at %s", streams[i].RecordedAt)
		}
		if streams[i].Lists == nil {
			t.Error("no lists are null and not empty") // scripts read them
		}
		streams[i].RecordedAt, streams[i].Lists = time.Time{}, nil
	}
	return streams
}

func wantStatus(t *testing.T, store *tables.Store, want ...tables.StreamStatus) {
	t.Helper()
	if difference := cmp.Diff(want, status(t, store)); difference != "" {
		t.Errorf("status (-want +got):\n%s", difference)
	}
}

func testStatusOfNothing(t *testing.T, conn driver.Conn) {
	store, _ := newStore(t, conn)
	if streams := status(t, store); len(streams) != 0 {
		t.Errorf("without any run: %+v", streams)
	}
	// A checkpoint alone is no run.
	must(t, store.Append(t.Context(), checkpoints.Checkpoint{Stream: streamOf("kuna", schema.Deposits), Epoch: 1, Seq: 1, WrittenAt: evening}))
	if streams := status(t, store); len(streams) != 0 {
		t.Errorf("with a checkpoint alone: %+v", streams)
	}
}

// testStatus has four streams: proven tonight, proven last night but not tonight, never certified, and another
// account that is proven with other figures. Each row must hold its own.
func testStatus(t *testing.T, conn driver.Conn) {
	store, _ := newStore(t, conn)
	five, six := uint64(5), uint64(6)
	deposits, trades := streamOf("kuna", schema.Deposits), streamOf("kuna", schema.Trades)
	balances, other := streamOf("kuna", schema.Balances), streamOf("coinut", schema.Deposits)
	for number, runID := range []string{"first", "second"} {
		for _, stream := range []schema.Stream{trades, deposits, balances, other} {
			run := checkpoints.StreamRun{RunID: runID, Stream: stream, Outcome: checkpoints.Done, StartedAt: night(number)}
			if run.Counts.Pages = uint64(number + 1); number == 1 && stream == trades {
				run.Outcome, run.Error, run.Counts.LimitWait = checkpoints.Failed, "404", 1500*time.Millisecond
			}
			record(t, store, run)
		}
	}
	later := func(number int) *time.Time { at := night(number).Add(time.Hour); return &at }
	certify(t, store,
		checkpoints.Certificate{Stream: trades, RunID: "first", Level: checkpoints.LevelC3n, ProvenAt: *later(0), Total: &five, DistinctIDs: 5},
		checkpoints.Certificate{Stream: trades, RunID: "second", Level: checkpoints.LevelUnproven, ProvenAt: *later(1), Total: &six, DistinctIDs: 5, Reason: "one is missing"},
		checkpoints.Certificate{Stream: deposits, RunID: "first", Level: checkpoints.LevelUnproven, ProvenAt: *later(0), DistinctIDs: 1, Reason: "no total"},
		checkpoints.Certificate{Stream: deposits, RunID: "second", Level: checkpoints.LevelC3n, ProvenAt: *later(1), Total: &six, DistinctIDs: 6},
		checkpoints.Certificate{Stream: other, RunID: "second", Level: checkpoints.LevelUnproven, ProvenAt: *later(1), DistinctIDs: 9, Reason: "never"},
	)
	written := night(1).Add(time.Minute)
	for _, c := range []checkpoints.Checkpoint{
		{Stream: deposits, Epoch: 1, Seq: 9, Position: "old", WrittenAt: night(9)},
		{Stream: deposits, Epoch: 2, Seq: 1, Position: `it's\here`, WrittenAt: written},
		{Stream: trades, Epoch: 1, Seq: 1, WrittenAt: written},
	} {
		must(t, store.Append(t.Context(), c))
	}
	wantStatus(t, store,
		tables.StreamStatus{
			Account: "coinut", Provider: "provider of coinut", Resource: "deposits", RunID: "second", Outcome: "done", StartedAt: night(1), Pages: 2,
			Level: "unproven", DistinctIDs: 9, Reason: "never",
		},
		tables.StreamStatus{
			Account: "kuna", Provider: "provider of kuna", Resource: "balances", RunID: "second", Outcome: "done", StartedAt: night(1), Pages: 2,
		},
		tables.StreamStatus{
			Account: "kuna", Provider: "provider of kuna", Resource: "deposits", RunID: "second", Outcome: "done", StartedAt: night(1), Pages: 2,
			Level: "C3n", ProvenAt: later(1), Total: &six, DistinctIDs: 6, Position: `it's\here`, WrittenAt: &written,
		},
		tables.StreamStatus{
			Account: "kuna", Provider: "provider of kuna", Resource: "trades", RunID: "second", Outcome: "failed", Error: "404", StartedAt: night(1), Pages: 2,
			LimitWaitMS: 1500, Level: "unproven", ProvenAt: later(0), Total: &six, DistinctIDs: 5, Reason: "one is missing", WrittenAt: &written,
		},
	)
}

// testStatusOfKilledRun: a process that dies records nothing more, so its run stays running, and what was proven
// before stands beside it.
func testStatusOfKilledRun(t *testing.T, conn driver.Conn) {
	store, _ := newStore(t, conn)
	five := uint64(5)
	stream := streamOf("kuna", schema.Payments)
	done := checkpoints.StreamRun{RunID: "first", Stream: stream, Outcome: checkpoints.Running, StartedAt: night(0)}
	killed := checkpoints.StreamRun{RunID: "second", Stream: stream, Outcome: checkpoints.Running, StartedAt: night(1)}
	record(t, store, done)
	done.Outcome, done.Counts = checkpoints.Done, checkpoints.Counts{Pages: 1, Requests: 2, Records: 3, Versions: 4}
	proven := night(0).Add(time.Hour)
	certify(t, store, checkpoints.Certificate{Stream: stream, RunID: "first", Level: checkpoints.LevelC3n, ProvenAt: proven, Total: &five, DistinctIDs: 5})
	record(t, store, done)
	want := tables.StreamStatus{
		Account: "kuna", Provider: "provider of kuna", Resource: "payments", RunID: "first", Outcome: "done", StartedAt: night(0),
		Pages: 1, Requests: 2, Records: 3, Versions: 4, Level: "C3n", ProvenAt: &proven, Total: &five, DistinctIDs: 5,
	}
	wantStatus(t, store, want)
	record(t, store, killed)
	want.RunID, want.Outcome, want.StartedAt = "second", "running", night(1)
	want.Pages, want.Requests, want.Records, want.Versions = 0, 0, 0, 0
	wantStatus(t, store, want)
	// What was recorded of an older run later on does not hide the newer run.
	done.Outcome = checkpoints.Interrupted
	record(t, store, done)
	wantStatus(t, store, want)
}

// testStatusOfQuarantine counts contents, however often they were met, and each under its own stream.
func testStatusOfQuarantine(t *testing.T, conn driver.Conn) {
	store, database := newStore(t, conn)
	for _, stream := range []schema.Stream{streamOf("kuna", schema.Deposits), streamOf("kuna", schema.Trades), streamOf("kuna_second", schema.Deposits)} {
		record(t, store, checkpoints.StreamRun{RunID: "run", Stream: stream, Outcome: checkpoints.Done, StartedAt: evening})
	}
	for night, values := range []string{
		"('kuna', 'deposits', 'a', repeat('1', 32)", "('kuna', 'deposits', 'a', repeat('1', 32)", "('kuna', 'deposits', 'a', repeat('2', 32)",
		"('kuna', 'deposits', '', repeat('1', 32)", "('kuna_second', 'deposits', 'a', repeat('1', 32)", "('kuna', 'payments', 'a', repeat('1', 32)",
	} {
		must(t, conn.Exec(t.Context(), "INSERT INTO "+database+".rejected_records (account, resource, record_id, payload_hash, last_seen_at) VALUES "+
			values+fmt.Sprintf(", toDateTime64(%d, 6))", night)))
	}
	got := map[string]uint64{}
	for _, stream := range status(t, store) {
		got[stream.Account+"/"+stream.Resource] = stream.Quarantine
	}
	if difference := cmp.Diff(map[string]uint64{"kuna/deposits": 3, "kuna/trades": 0, "kuna_second/deposits": 1}, got); difference != "" {
		t.Errorf("in quarantine (-want +got):\n%s", difference)
	}
}
