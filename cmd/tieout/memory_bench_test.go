package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
)

// memorySizes are the sizes of BenchmarkSyncMemory, in thousands of records, separated by commas. The largest of the
// promise takes several minutes, and its sandbox several gigabytes: 10,1000,5000.
const memorySizes = "TIEOUT_TEST_BENCH_THOUSANDS"

// BenchmarkSyncMemory runs tieout sync as a process, for the first time and with no limits but the sandbox's own speed,
// against a server, and prints the most memory that the process ever had. The sandbox and the server are processes of
// their own. It wants TIEOUT_TEST_CLICKHOUSE_DSN, of which it takes the first server.
func BenchmarkSyncMemory(b *testing.B) {
	dsn, _, _ := strings.Cut(strings.TrimSpace(os.Getenv("TIEOUT_TEST_CLICKHOUSE_DSN")), " ")
	if dsn == "" {
		b.Skip("TIEOUT_TEST_CLICKHOUSE_DSN names no server")
	}
	sizes := os.Getenv(memorySizes)
	if sizes == "" {
		sizes = "10,300"
	}
	for size := range strings.SplitSeq(sizes, ",") {
		thousands, err := strconv.Atoi(size)
		if err != nil {
			b.Fatalf("%s: %v", memorySizes, err)
		}
		b.Run(fmt.Sprintf("records=%dk", thousands), func(b *testing.B) {
			for b.Loop() {
				benchmarkMemory(b, dsn, thousands*1000)
			}
		})
	}
}

func benchmarkMemory(b *testing.B, dsn string, records int) {
	b.StopTimer()
	// Of 100 deposits come some 88 trades and 82 payments.
	environ := sandboxProcess(b, records*100/270)
	base, _, _ := strings.Cut(dsn, "?")
	database := "tieout_bench_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	environ = append(environ, asProgram+"=1", "PATH="+os.Getenv("PATH"), "HOME="+b.TempDir(),
		"TIEOUT_CLICKHOUSE_DSN="+base[:strings.LastIndexByte(base, '/')]+"/"+database)
	command := exec.CommandContext(b.Context(), programPath(b), "sync")
	var stdout, stderr bytes.Buffer
	command.Env, command.Dir, command.Stdout, command.Stderr = environ, b.TempDir(), &stdout, &stderr
	b.StartTimer()
	began := time.Now()
	if err := command.Run(); err != nil {
		b.Fatalf("tieout sync: %v\n%s%s", err, stdout.String(), stderr.String())
	}
	took := time.Since(began)
	b.StopTimer()
	defer b.StartTimer()
	usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Fatal("the system does not say what a process has used")
	}
	stored := storedRecords(b, stdout.String())
	b.ReportMetric(float64(usage.Maxrss)/1024, "peak-MiB")
	b.ReportMetric(float64(stored)/took.Seconds(), "records/s")
	b.ReportMetric(float64(stored)/(command.ProcessState.UserTime()+command.ProcessState.SystemTime()).Seconds(), "records/cpu-s")
	drop := exec.CommandContext(context.Background(), programPath(b), "sql", "--write", "DROP DATABASE "+database+" SYNC")
	drop.Env = environ
	if out, err := drop.CombinedOutput(); err != nil {
		b.Errorf("drop the database: %v\n%s", err, out)
	}
}

// storedRecords adds up the new versions of records in the table that sync prints.
func storedRecords(b *testing.B, table string) (stored int) {
	b.Helper()
	for line := range strings.Lines(table) {
		if cells := strings.Split(line, "|"); len(cells) > 5 && strings.Contains(cells[1], "/") && !strings.Contains(cells[1], "balances") {
			versions, err := strconv.Atoi(strings.TrimSpace(cells[5]))
			if err != nil {
				b.Fatalf("%v in\n%s", err, table)
			}
			stored += versions
		}
	}
	if stored == 0 {
		b.Fatalf("nothing was stored:\n%s", table)
	}
	return stored
}

// programPath is the program that the tests are, which is also tieout.
func programPath(b *testing.B) string {
	b.Helper()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	return program
}

// sandboxProcess serves a world in a process of its own until the benchmark is over, and returns the variables that
// point at it.
func sandboxProcess(b *testing.B, deposits int, more ...string) (environ []string) {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, programPath(b), append([]string{
		"sandbox", "--listen", "127.0.0.1:0", "--records", strconv.Itoa(deposits), "--rate-limits", "1000000/1s",
	}, more...)...)
	command.Env = []string{asProgram + "=1", "GOGC=30", "HOME=" + filepath.Join(b.TempDir())}
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stop()
		_ = command.Wait() // it was killed
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		variable, ok := strings.CutPrefix(lines.Text(), "export ")
		if !ok {
			break
		}
		environ = append(environ, variable)
		if strings.Contains(variable, "_RATE_LIMITS=") {
			return environ
		}
	}
	b.Fatalf("the sandbox printed %q: %v", environ, lines.Err())
	return nil
}
