package schema_test

import (
	"context"
	"maps"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// TestLayoutsParse hands every statement of every layout to the real engine's parser, which knows replication and
// clusters although the engine has none.
func TestLayoutsParse(t *testing.T) {
	conn := embeddedtest.Connect(t)
	for name, layout := range layouts {
		count := 0
		for _, migration := range rendered(t, "my`db", layout) {
			for _, statement := range migration.Statements {
				count++
				var rows []struct {
					Line string `ch:"explain"`
				}
				if err := conn.Select(t.Context(), &rows, "EXPLAIN AST "+statement); err != nil || len(rows) < 2 {
					t.Errorf("%s, %s: %d lines, %v\n%s", name, migration.Name, len(rows), err, statement)
				}
			}
		}
		if count < 18 {
			t.Errorf("%s has %d statements", name, count)
		}
	}
	if err := conn.Exec(t.Context(), "EXPLAIN AST CREATE TABLE t ON CLUSTER (n UInt8)"); err == nil {
		t.Error("the parser takes anything")
	}
}

// eachStatement calls look with every statement of a layout, its first line and the rest.
func eachStatement(t *testing.T, layout schema.Layout, look func(first, statement string)) {
	t.Helper()
	for _, migration := range rendered(t, "tieout", layout) {
		for _, statement := range migration.Statements {
			first, _, _ := strings.Cut(statement, "\n")
			look(first, statement)
		}
	}
}

var engineOf = regexp.MustCompile(`\nENGINE = (\w+)(\(.*\))?\n`)

// TestClusterStatements holds what a self-run cluster gets to the rules: DDL goes to every node, engines replicate,
// the rows of records are spread over the shards so that equal keys meet, and everything else is on every node.
func TestClusterStatements(t *testing.T) {
	sharded := map[string]string{
		"deposit_versions": "account, deposit_id", "trade_versions": "account, trade_id", "payment_versions": "account, payment_id",
		"balance_snapshots": "account, currency", "rejected_records": "account, resource",
		"record_sightings": "account, resource, record_id",
	}
	local, distributed := map[string]string{}, map[string]string{}
	eachStatement(t, schema.Layout{Cluster: "main"}, func(first, statement string) {
		if !strings.HasSuffix(first, " ON CLUSTER `main`") {
			t.Errorf("not on every node: %s", first)
		}
		name := regexp.MustCompile("`tieout`\\.(\\w+)").FindStringSubmatch(first)
		engine := engineOf.FindStringSubmatch(statement)
		if engine == nil {
			return // the database, or a view
		}
		switch table, isLocal := strings.CutSuffix(name[1], "_local"); {
		case engine[1] == "Distributed":
			distributed[table] = engine[2]
		case isLocal:
			local[table] = regexp.MustCompile(`\nORDER BY \((.*)\)\n`).FindStringSubmatch(statement)[1]
			if strings.Contains(engine[2], "/") {
				t.Errorf("%s does not lie at the server's default path: %s", table, engine[0])
			}
			fallthrough
		default:
			if !strings.HasPrefix(engine[1], "Replicated") {
				t.Errorf("%s has the engine %s", name[1], engine[1])
			}
			if !isLocal && !strings.HasPrefix(engine[2], "('/clickhouse/tables/{uuid}/all', '{shard}_{replica}'") {
				t.Errorf("%s is not on every node: %s", name[1], engine[0])
			}
			if strings.Contains(statement, "SETTINGS") && !strings.Contains(statement,
				"\nSETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 2592000\n") {
				t.Errorf("%s forgets its tokens:\n%s", name[1], statement)
			}
		}
	})
	for table, by := range sharded {
		if want := "('main', 'tieout', '" + table + "_local', cityHash64(" + by + "))"; distributed[table] != want {
			t.Errorf("%s is spread by %s, want %s", table, distributed[table], want)
		}
		// Rows with equal keys merge only within a shard.
		if !strings.HasPrefix(local[table]+", ", by+", ") {
			t.Errorf("%s is sorted by %s and spread by %s", table, local[table], by)
		}
	}
	if len(distributed) != len(sharded) || len(local) != len(sharded) {
		t.Errorf("spread are %v, kept in shards %v", distributed, local)
	}
}

// TestOtherStatements: neither a Replicated database nor ClickHouse Cloud may be told of a cluster, and only the
// former is told to replicate.
func TestOtherStatements(t *testing.T) {
	engines := map[string]map[string]bool{}
	for name, layout := range layouts {
		engines[name] = map[string]bool{}
		eachStatement(t, layout, func(first, statement string) {
			if name != "cluster" && (strings.Contains(first, "CLUSTER") || strings.Contains(statement, "_local") || strings.Contains(statement, "GLOBAL")) {
				t.Errorf("%s: %s", name, first)
			}
			if engine := engineOf.FindStringSubmatch(statement); engine != nil {
				engines[name][engine[1]] = true
			}
			if alone := strings.Contains(statement, "non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1"); alone &&
				name != "single_node" || strings.Contains(statement, "SETTINGS replicated_") && name == "single_node" {
				t.Errorf("%s: wrong settings:\n%s", name, statement)
			}
		})
	}
	plain := map[string]bool{"AggregatingMergeTree": true, "ReplacingMergeTree": true, "MergeTree": true}
	replicated := map[string]bool{"ReplicatedAggregatingMergeTree": true, "ReplicatedReplacingMergeTree": true, "ReplicatedMergeTree": true}
	both := maps.Clone(replicated)
	both["Distributed"] = true
	want := map[string]map[string]bool{"single_node": plain, "cloud": plain, "replicated_database": replicated, "cluster": both}
	if difference := cmp.Diff(want, engines); difference != "" {
		t.Errorf("engines (-want +got):\n%s", difference)
	}
}

// TestLayoutSettings: what a statement is sent with. On a single server it is nothing, so that a user with few rights
// can send it.
func TestLayoutSettings(t *testing.T) {
	quorum := map[string]any{"insert_quorum": "auto", "insert_quorum_timeout": 60_000, "insert_quorum_parallel": 0, "select_sequential_consistency": 1}
	cluster := maps.Clone(quorum)
	cluster["distributed_foreground_insert"], cluster["distributed_product_mode"] = 1, "global"
	for name, want := range map[string]map[string]any{
		"single_node": {}, "cluster": cluster, "replicated_database": quorum, "cloud": {"select_sequential_consistency": 1},
	} {
		if difference := cmp.Diff(want, layouts[name].Settings()); difference != "" {
			t.Errorf("%s (-want +got):\n%s", name, difference)
		}
		if layouts[name].Quorum() != (name == "cluster" || name == "replicated_database") {
			t.Errorf("%s: quorum is %v", name, layouts[name].Quorum())
		}
	}
	// The engine knows every one of them.
	conn := embeddedtest.Connect(t)
	for setting := range cluster {
		var rows []struct {
			Count uint64 `ch:"count"`
		}
		must(t, conn.Select(t.Context(), &rows, "SELECT count() AS count FROM system.settings WHERE name = $1", setting))
		if rows[0].Count != 1 {
			t.Errorf("the engine has no setting %s", setting)
		}
	}
}

// servers answers the questions of DetectLayout as a server of some kind would: none of them can run here. The
// names and types of the columns are the real engine's, see TestDetectLayoutAsks.
type servers struct {
	cloud    bool
	engine   string
	clusters map[string][]shard
}

type shard struct {
	replicas             uint64
	internalReplication  uint8
	oursIsAmongItsServer uint8
}

func (s *servers) Exec(context.Context, string, ...any) error { return nil }

func (s *servers) Select(_ context.Context, destination any, query string, args ...any) error {
	switch {
	case strings.Contains(query, "cloud_mode"):
		appendRow(destination, s.cloud, s.engine)
	case strings.Contains(query, "system.clusters"):
		for i, one := range s.clusters[args[0].(string)] {
			appendRow(destination, uint32(i+1), one.replicas, one.internalReplication, one.oursIsAmongItsServer)
		}
	}
	return nil
}

func TestDetectLayout(t *testing.T) {
	main := map[string][]shard{"main": {{2, 1, 1}, {2, 1, 0}}}
	for name, test := range map[string]struct {
		server  servers
		cluster string
		want    schema.Layout
		refused string
	}{
		"a single server":                  {servers{}, "", schema.Layout{}, ""},
		"a database is there":              {servers{engine: "Atomic"}, "", schema.Layout{}, ""},
		"a cluster that is not asked for":  {servers{clusters: main}, "", schema.Layout{}, ""},
		"a cluster":                        {servers{engine: "Atomic", clusters: main}, "main", schema.Layout{Cluster: "main"}, ""},
		"an unknown cluster":               {servers{clusters: main}, "mian", schema.Layout{}, "knows no cluster mian"},
		"without internal replication":     {servers{clusters: map[string][]shard{"main": {{1, 0, 1}, {2, 0, 0}}}}, "main", schema.Layout{}, "internal_replication"},
		"one replica a shard needs none":   {servers{clusters: map[string][]shard{"main": {{1, 0, 1}, {1, 0, 0}}}}, "main", schema.Layout{Cluster: "main"}, ""},
		"a Replicated database":            {servers{engine: "Replicated", clusters: map[string][]shard{"tieout": {{3, 1, 1}}}}, "", schema.Layout{Replicated: true}, ""},
		"a Replicated database in shards":  {servers{engine: "Replicated", clusters: map[string][]shard{"tieout": main["main"]}}, "", schema.Layout{}, "2 shards"},
		"ON CLUSTER in a Replicated one":   {servers{engine: "Replicated", clusters: main}, "main", schema.Layout{Replicated: true}, ""},
		"Cloud":                            {servers{cloud: true, engine: "Shared"}, "", schema.Layout{Cloud: true}, ""},
		"Cloud, which has Replicated, too": {servers{cloud: true, engine: "Replicated"}, "", schema.Layout{Cloud: true}, ""},
		"Cloud has no clusters of ours":    {servers{cloud: true}, "main", schema.Layout{}, "unset TIEOUT_CLICKHOUSE_CLUSTER"},
	} {
		got, err := schema.DetectLayout(t.Context(), &test.server, "tieout", test.cluster)
		if test.refused != "" {
			if schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, test.want)
		}
	}
}

// TestDetectLayoutAsks asks the real engine, which is a single server and knows no cluster.
func TestDetectLayoutAsks(t *testing.T) {
	conn := embeddedtest.Connect(t)
	database := embeddedtest.Database(t, conn)
	for _, name := range []string{database, "absent"} {
		if layout, err := schema.DetectLayout(t.Context(), conn, name, ""); err != nil || layout != (schema.Layout{}) {
			t.Errorf("%s: %s, %v", name, layout, err)
		}
	}
	if _, err := schema.DetectLayout(t.Context(), conn, database, "main"); schema.ClassOf(err) != schema.ClassConfiguration {
		t.Errorf("an absent cluster: %v", err)
	}
}

// appendRow adds a struct with the values to the slice that a driver would fill.
func appendRow(destination any, values ...any) {
	slice := reflect.ValueOf(destination).Elem()
	row := reflect.New(slice.Type().Elem()).Elem()
	for i, value := range values {
		row.Field(i).Set(reflect.ValueOf(value))
	}
	slice.Set(reflect.Append(slice, row))
}
