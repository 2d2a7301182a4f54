package checkpointstest_test

import (
	"context"
	"errors"
	"testing"

	"tieout/checkpoints"
	"tieout/checkpoints/checkpointstest"
	"tieout/schema"
)

func TestMemory(t *testing.T) {
	checkpointstest.Suite(t, func(*testing.T) checkpoints.Store { return &checkpointstest.Memory{} })
}

func TestMemoryLeases(t *testing.T) {
	checkpointstest.LeaseSuite(t, func(*testing.T) checkpointstest.LeaseStore { return &checkpointstest.Memory{} })
}

var stream = schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Deposits}

// TestMemoryLedger: of the rows of one run and stream the last one counts, as in the tables.
func TestMemoryLedger(t *testing.T) {
	memory := &checkpointstest.Memory{}
	other := schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Trades}
	for _, run := range []checkpoints.StreamRun{
		{RunID: "1", Stream: stream, Outcome: checkpoints.Running},
		{RunID: "2", Stream: stream, Outcome: checkpoints.Running},
		{RunID: "1", Stream: other, Outcome: checkpoints.Failed},
		{RunID: "1", Stream: stream, Outcome: checkpoints.Done},
	} {
		if err := memory.RecordRun(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		if err := memory.RecordCertificate(t.Context(), checkpoints.Certificate{RunID: run.RunID, Stream: run.Stream, Reason: string(run.Outcome)}); err != nil {
			t.Fatal(err)
		}
	}
	runs, certificates := memory.Runs(stream), memory.Certificates(stream)
	if len(runs) != 2 || runs[0].Outcome != checkpoints.Done || runs[1].Outcome != checkpoints.Running || len(memory.Runs(other)) != 1 {
		t.Errorf("runs are %+v", runs)
	}
	if len(certificates) != 2 || certificates[0].Reason != "done" || certificates[1].Reason != "running" || len(memory.Certificates(other)) != 1 {
		t.Errorf("certificates are %+v", certificates)
	}
}

// TestMemoryLedgerOfLists: a run certifies each list and each window on its own, and cuts each currency.
func TestMemoryLedgerOfLists(t *testing.T) {
	memory := &checkpointstest.Memory{}
	for _, c := range []checkpoints.Certificate{
		{RunID: "1", List: "PAID"},
		{RunID: "1", List: "OPEN"},
		{RunID: "1", List: "OPEN", Window: "a/b"},
		{RunID: "2", List: "OPEN"},
		{RunID: "1", List: "OPEN", Reason: "again"},
	} {
		c.Stream = stream
		if err := memory.RecordCertificate(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if got := memory.Certificates(stream); len(got) != 4 || got[1].Reason != "again" || got[0].Reason+got[2].Reason+got[3].Reason != "" {
		t.Errorf("certificates are %+v", got)
	}
	first, again := checkpoints.Cut{Account: "kuna_main", RunID: "1", Currency: "BTC"}, checkpoints.Cut{Account: "kuna_main", RunID: "1", Currency: "BTC", Consistent: true}
	other, next := checkpoints.Cut{Account: "second", RunID: "1", Currency: "BTC"}, checkpoints.Cut{Account: "kuna_main", RunID: "2", Currency: "BTC"}
	for _, cuts := range [][]checkpoints.Cut{{first, other}, {next, again}, nil} {
		if err := memory.RecordCuts(t.Context(), cuts); err != nil {
			t.Fatal(err)
		}
	}
	if got := memory.Cuts("kuna_main"); len(got) != 2 || got[0] != again || got[1] != next || len(memory.Cuts("second")) != 1 {
		t.Errorf("cuts are %+v", got)
	}
}

func TestMemoryWithoutContext(t *testing.T) {
	memory := &checkpointstest.Memory{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, latest := memory.Latest(ctx, stream)
	for _, err := range []error{
		latest, memory.Append(ctx, checkpoints.Checkpoint{Stream: stream}), memory.RecordRun(ctx, checkpoints.StreamRun{Stream: stream}),
		memory.RecordCertificate(ctx, checkpoints.Certificate{Stream: stream}), memory.RecordCuts(ctx, []checkpoints.Cut{{Account: "kuna_main"}}),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("without a context: %v", err)
		}
	}
	if len(memory.Checkpoints(stream))+len(memory.Runs(stream))+len(memory.Certificates(stream))+len(memory.Cuts("kuna_main")) != 0 {
		t.Error("something was stored without a context")
	}
}
