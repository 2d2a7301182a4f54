package clickhouse_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load/clickhouse"
	"tieout/schema"
)

// TestLayoutServer: what a layout asks for is sent with every statement, also with one that has settings of its own,
// by every protocol; a single server is asked for nothing.
func TestLayoutServer(t *testing.T) {
	texts := strings.Fields(os.Getenv("TIEOUT_TEST_CLICKHOUSE_DSN"))
	if len(texts) == 0 {
		t.Skip("TIEOUT_TEST_CLICKHOUSE_DSN names no server")
	}
	for _, text := range texts {
		target, err := clickhouse.ParseDSN(text)
		must(t, err)
		for _, layout := range []schema.Layout{{Cluster: "main"}, {Replicated: true}, {Cloud: true}, {}} {
			t.Run(target.Protocol.String()+" "+layout.String(), func(t *testing.T) { testLayoutSettings(t, target, layout) })
		}
	}
}

func testLayoutSettings(t *testing.T, target clickhouse.Target, layout schema.Layout) {
	connection, err := clickhouse.Open(t.Context(), target, clickhouse.Options{Version: "test", Layout: layout})
	must(t, err)
	defer connection.Close()
	ctx := driverpackage.Context(t.Context(), driverpackage.WithSettings(driverpackage.Settings{"log_comment": "mine"}))
	var rows []struct {
		Name  string `ch:"name"`
		Value string `ch:"value"`
	}
	must(t, connection.Select(ctx, &rows, "SELECT name, value FROM system.settings WHERE changed AND name IN $1", []string{
		"log_comment", "insert_quorum", "insert_quorum_timeout", "insert_quorum_parallel", "select_sequential_consistency",
		"distributed_foreground_insert", "distributed_product_mode",
	}))
	got := map[string]string{}
	for _, row := range rows {
		got[row.Name] = row.Value
	}
	want := layout.Settings()
	want["log_comment"] = "mine"
	if len(got) != len(want) {
		t.Errorf("sent were %v, want %v", got, want)
	}
	for name, value := range want {
		if got[name] != fmt.Sprint(value) {
			t.Errorf("%s is %q, want %v", name, got[name], value)
		}
	}
}
