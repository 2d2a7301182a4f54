package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
)

// parts are where the time of the processors can go, each with what names its functions. The first part that has a
// function anywhere on a stack has the whole of it, so what is called by several is told apart by who called.
var parts = []struct {
	name      string
	functions []string
}{
	{"partner", []string{"tieout/extract/sandbox."}},
	{"engine", []string{"tieout/load/embedded.", "runtime._ExternalCode"}},
	{"garbage", []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge", "runtime.gcAssistAlloc"}},
	{"hashing", []string{"crypto/sha256.", "tieout/extract.(*reader).hash"}},
	{"validation", []string{"tieout/schema.Validate"}},
	{"json", []string{"jsontext", "tieout/extract.(*Client).page", "tieout/extract.(*Client).judge"}},
	{"encoding", []string{"clickhouse-go", "tieout/load"}},
	{"http", []string{"net/http.", "net.", "tieout/extract."}},
	{"rest", nil},
}

// profiled runs do under the processor's profile, and reports which share of the time went to each part.
func profiled(b *testing.B, do func()) {
	b.Helper()
	path := filepath.Join(b.TempDir(), "profile")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		do() // somebody else takes a profile
		return
	}
	do()
	pprof.StopCPUProfile()
	b.StopTimer()
	defer b.StartTimer()
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	traces, err := exec.CommandContext(b.Context(), "go", "tool", "pprof", "-traces", path).Output()
	if err != nil {
		b.Fatalf("read the profile: %v", err)
	}
	spent, total := map[string]time.Duration{}, time.Duration(0)
	for stack := range strings.SplitSeq(string(traces), "-----------+") {
		lines := strings.SplitN(stack, "\n", 2)
		if len(lines) < 2 {
			continue
		}
		value := strings.Fields(lines[1])
		if len(value) == 0 {
			continue
		}
		if took, err := time.ParseDuration(value[0]); err == nil {
			spent[partOf(lines[1])] += took
			total += took
		}
	}
	if total == 0 {
		b.Fatal("the profile is empty")
	}
	for _, part := range parts {
		b.ReportMetric(100*float64(spent[part.name])/float64(total), "%"+part.name)
	}
}

// partOf returns the part that a stack belongs to.
func partOf(stack string) string {
	for _, part := range parts {
		for _, function := range part.functions {
			if strings.Contains(stack, function) {
				return part.name
			}
		}
	}
	return "rest"
}
