package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tieout/checkpoints/tables"
	"tieout/extract"
	"tieout/extract/providers"
	"tieout/extract/sandbox"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
	"tieout/sync"
)

// throughputDeposits is the size of the world that is read: about three times as many records.
const throughputDeposits = 70_000

// BenchmarkSync reads a partner's deposits, trades and payments for the first time, without limits: from the handler of
// the sandbox through HTTP on the loopback into the embedded engine, with the proofs. It prints records a second, how
// much time of the processors a record takes, and which part of it goes where.
func BenchmarkSync(b *testing.B) {
	for _, rows := range []int{1000, 100} {
		b.Run(fmt.Sprintf("page=%d", rows), func(b *testing.B) { benchmarkSync(b, rows) })
	}
}

func benchmarkSync(b *testing.B, rows int) {
	partner, err := sandbox.New(sandbox.Options{Records: throughputDeposits, PageSizeMax: rows, RateLimits: []sandbox.Limit{}})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(partner)
	defer server.Close()
	connection, err := clickhouse.Open(b.Context(), clickhouse.Target{Database: "bench", Path: b.TempDir()},
		clickhouse.Options{Embedded: embeddedtest.Opener(embeddedtest.Library(b))})
	if err != nil {
		b.Fatal(err)
	}
	defer connection.Close()
	records, night := 0, 0
	var used time.Duration
	for b.Loop() {
		b.StopTimer()
		night++
		database := fmt.Sprintf("bench_%d", night)
		if _, err := schema.Migrate(b.Context(), connection, database, schema.Layout{}); err != nil {
			b.Fatal(err)
		}
		account := throughputAccount(b, partner, server.URL, rows)
		destination, ledger := clickhouse.NewDestination(connection, database), tables.NewStore(connection, database)
		run := sync.Run{
			ID: database, StartedAt: time.Now().UTC(), Destination: destination, Holdings: destination,
			Checkpoints: ledger, Ledger: ledger, RowsHeld: embeddedRowsHeld, Log: slog.New(slog.DiscardHandler),
		}
		b.StartTimer()
		before := processorTime()
		var results []sync.Result
		profiled(b, func() {
			results = run.Sync(context.Background(), []sync.Account{account})
			used += processorTime() - before
		})
		for _, result := range results {
			if result.Err != nil || !result.Certificate.Proven() {
				b.Fatalf("%s: %v, %q", result.Stream, result.Err, result.Certificate.Reason)
			}
			records += int(result.Counts.Versions)
		}
		b.StopTimer()
		if err := connection.Exec(b.Context(), "DROP DATABASE "+database+" SYNC"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(records)/used.Seconds(), "records/cpu-s")
}

// throughputAccount is an account whose lists come in pages of so many rows.
func throughputAccount(b *testing.B, partner *sandbox.Sandbox, url string, rows int) sync.Account {
	b.Helper()
	folder := b.TempDir()
	definition := "name: bench\nextends: coinut\nresources:\n"
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
		definition += fmt.Sprintf("  %s: {paging: {rows: %d}}\n", resource, rows)
	}
	if err := os.WriteFile(filepath.Join(folder, "bench.yaml"), []byte(definition), 0o600); err != nil {
		b.Fatal(err)
	}
	catalog, err := extract.LoadCatalog(providers.Files, os.DirFS(folder))
	if err != nil {
		b.Fatal(err)
	}
	known := partner.Accounts()[0]
	client, err := extract.NewClient(extract.Account{
		Name: "bench", Definition: catalog["bench"], BaseURL: url, Windows: []extract.Window{{Requests: 1_000_000, Per: time.Second}},
		Credentials: map[string]schema.Secret{"api_key": schema.NewSecret(known.Key), "api_secret": schema.NewSecret(known.Secret)},
	}, extract.NewTransport(), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	account := sync.Account{Source: client, Place: client.Place()}
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
		account.Streams = append(account.Streams, client.Account().Stream(resource))
	}
	return account
}

// processorTime is what the process has used of the processors so far, by the program and by the system for it.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
