package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load/clickhouse/clickhousetest"
)

// fault is something that happens to ClickHouse, or to the way there, in the middle of an insert.
type fault struct {
	table  string
	moment clickhousetest.Moment
	killed bool // ClickHouse is killed and started again on the same data; else the connection is cut
}

var momentNames = map[clickhousetest.Moment]string{
	clickhousetest.BeforeSend: "before", clickhousetest.WithinBlock: "within its rows", clickhousetest.AfterRows: "after its rows",
	clickhousetest.AfterCommit: "after its commit",
}

// String names it for the tally.
func (f fault) String() string {
	return fmt.Sprintf("%s, insert into %s, %s", map[bool]string{true: "server killed", false: "connection cut"}[f.killed], f.table, momentNames[f.moment])
}

// faults returns what is to happen. The inserts into the first tables carry rows, the others are one statement each.
func faults() []fault {
	var all []fault
	for _, killed := range []bool{true, false} {
		for _, table := range []string{"payment_versions", "deposit_versions", "record_sightings", "rejected_records", "balance_snapshots"} {
			for moment := clickhousetest.BeforeSend; moment <= clickhousetest.AfterCommit; moment++ {
				all = append(all, fault{table, moment, killed})
			}
		}
		for _, table := range []string{"sync_checkpoints", "sync_leases", "key_states", "sync_certificates", "sync_runs", "balance_cuts"} {
			for _, moment := range []clickhousetest.Moment{clickhousetest.BeforeSend, clickhousetest.AfterRows, clickhousetest.AfterCommit} {
				all = append(all, fault{table, moment, killed})
			}
		}
	}
	return all
}

// faultsInCI are those of them that happen where nobody asks for all.
var faultsInCI = []fault{
	{"payment_versions", clickhousetest.WithinBlock, true},
	{"payment_versions", clickhousetest.AfterCommit, true},
	{"sync_checkpoints", clickhousetest.AfterCommit, true},
	{"payment_versions", clickhousetest.AfterCommit, false},
	{"record_sightings", clickhousetest.WithinBlock, false},
}

// TestKilledClickHouse kills ClickHouse itself with SIGKILL in the middle of inserts, and cuts the connections to it before
// and after it has committed and in the middle of a block. The program goes on by itself, ends with 0, and everything
// that is stored is what the partner's books say: an answer that was lost after the commit doubles nothing.
func TestKilledClickHouse(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"native", "http"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			server := needServer(t)
			kind := map[string]driverpackage.Protocol{"native": driverpackage.Native, "http": driverpackage.HTTP}[protocol]
			proxy := clickhousetest.New(t, kind, map[string]string{"native": server.native, "http": server.http}[protocol])
			all := faults()
			if os.Getenv(killsSetting) == "" {
				all = faultsInCI
			}
			w := newDrillWorld(t, 71, dsnAt(protocol, proxy.Address()))
			w.suffer(0, nil, proxy, server) // the tables are made
			var tally []string
			for round, f := range all {
				took := w.suffer(round+1, &f, proxy, server)
				tally = append(tally, fmt.Sprintf("%6.1f s  %s", took.Seconds(), f))
				if t.Failed() {
					break
				}
			}
			t.Logf("%d faults:\n%s", len(tally), strings.Join(tally, "\n"))
		})
	}
}

// suffer plays a round in which one thing happens, or nothing, and returns how long the program took.
func (w *drillWorld) suffer(round int, f *fault, proxy *clickhousetest.Proxy, server *serverProcess) time.Duration {
	w.t.Helper()
	arguments := []string{"sync", "--allow", "unproven"}
	full := w.change(round)
	if full || f != nil && f.table == "rejected_records" { // an ordinary night does not come across what was rejected
		arguments = append(arguments, "--full")
	}
	w.noteStates()
	before, started := proxy.Harmed(), make(chan error, 1)
	if f != nil {
		harm := clickhousetest.Harm{Table: f.table, Number: 1, Moment: f.moment}
		if f.killed {
			harm.Do = func() {
				server.kill()
				go func() { started <- server.start() }()
			}
		}
		proxy.Order(harm)
	}
	begin := time.Now()
	w.nextKey().must(exitDone, arguments...)
	took := time.Since(begin)
	if f != nil && proxy.Harmed() != before+1 {
		w.t.Errorf("%s: it did not happen", f)
		return took
	}
	if f != nil && f.killed {
		if err := <-started; err != nil {
			w.t.Fatal(err)
		}
	}
	w.finish()
	return took
}
