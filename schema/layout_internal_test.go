package schema

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRender shows what becomes of the forms that no migration has yet, and of texts that only look like one.
func TestRender(t *testing.T) {
	const sharded = "CREATE TABLE IF NOT EXISTS {{db}}.t {{on_cluster}}\n(\n    a String\n)\nENGINE = {{sharded a, b}}MergeTree\nORDER BY (a, b)\nCOMMENT 'It''s.'"
	cluster := Layout{Cluster: "it's"}
	for name, test := range map[string]struct {
		layout     Layout
		statements []string
		want       []string
	}{
		"a sharded table": {cluster, []string{sharded}, []string{
			"CREATE TABLE IF NOT EXISTS `d`.t_local ON CLUSTER `it's`\n(\n    a String\n)\nENGINE = ReplicatedMergeTree\nORDER BY (a, b)\nCOMMENT 'It''s.'",
			"CREATE TABLE IF NOT EXISTS `d`.t ON CLUSTER `it's`\nAS `d`.t_local\nENGINE = Distributed('it\\'s', 'd', 't_local', cityHash64(a, b))\nCOMMENT 'It''s.'",
		}},
		"an ALTER of a sharded table": {cluster, []string{sharded, "ALTER TABLE {{db}}.t {{on_cluster}} ADD COLUMN IF NOT EXISTS n UInt8"}, []string{
			"", "", // as above
			"ALTER TABLE `d`.t_local ON CLUSTER `it's` ADD COLUMN IF NOT EXISTS n UInt8\nSETTINGS alter_sync = 2",
			"ALTER TABLE `d`.t ON CLUSTER `it's` ADD COLUMN IF NOT EXISTS n UInt8\nSETTINGS alter_sync = 2",
		}},
		"an ALTER of a table on every node": {cluster, []string{"ALTER TABLE {{db}}.u {{on_cluster}} ADD COLUMN IF NOT EXISTS n UInt8"}, []string{
			"ALTER TABLE `d`.u ON CLUSTER `it's` ADD COLUMN IF NOT EXISTS n UInt8\nSETTINGS alter_sync = 2",
		}},
		"an ALTER in a Replicated database": {Layout{Replicated: true}, []string{sharded, "ALTER TABLE {{db}}.t {{on_cluster}} ADD COLUMN IF NOT EXISTS n UInt8"}, []string{
			"", "ALTER TABLE `d`.t  ADD COLUMN IF NOT EXISTS n UInt8\nSETTINGS alter_sync = 2",
		}},
		"an ALTER on Cloud": {Layout{Cloud: true}, []string{"ALTER TABLE {{db}}.t {{on_cluster}} ADD COLUMN IF NOT EXISTS n UInt8"}, []string{
			"ALTER TABLE `d`.t  ADD COLUMN IF NOT EXISTS n UInt8",
		}},
		"an engine with arguments on every node": {cluster, []string{"ENGINE = {{replicated}}ReplacingMergeTree(version)"}, []string{
			"ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/all', '{shard}_{replica}', version)",
		}},
		"look-ups": {cluster, []string{"AS SELECT 'x IN (SELECT 1) JOIN' FROM a LEFT ANY JOIN (b) ON c WHERE d IN (SELECT 1) AND e NOT IN (\n SELECT 2) AND f IN (1, 2)"}, []string{
			"AS SELECT 'x IN (SELECT 1) JOIN' FROM a GLOBAL LEFT ANY JOIN (b) ON c WHERE d GLOBAL IN (SELECT 1) AND e GLOBAL NOT IN (\n SELECT 2) AND f IN (1, 2)",
		}},
	} {
		r := &renderer{Layout: test.layout, database: "d", sharded: map[string]bool{}}
		var got []string
		for _, statement := range test.statements {
			got = append(got, r.render(statement)...)
		}
		for i := range min(len(got), len(test.want)) {
			if test.want[i] == "" {
				got[i] = ""
			}
		}
		if difference := cmp.Diff(test.want, got); difference != "" {
			t.Errorf("%s (-want +got):\n%s", name, difference)
		}
	}
}

// TestExpectCluster: what Verify expects of a cluster is each shard's table and the Distributed one, with the same
// columns, also after an ALTER.
func TestExpectCluster(t *testing.T) {
	r := &renderer{Layout: Layout{Cluster: "c"}, database: "d", sharded: map[string]bool{}}
	var statements []string
	for _, statement := range []string{
		"CREATE TABLE IF NOT EXISTS {{db}}.t {{on_cluster}}\n(\n    a String\n)\nENGINE = {{sharded a}}MergeTree\nORDER BY a",
		"ALTER TABLE {{db}}.t {{on_cluster}} ADD COLUMN IF NOT EXISTS n UInt8 AFTER a",
	} {
		statements = append(statements, r.render(statement)...)
	}
	objects, err := expect([]Migration{{Version: 1, Name: "0001_test.sql", Statements: statements}})
	if err != nil {
		t.Fatal(err)
	}
	columns := []columnText{{"a", "String"}, {"n", "UInt8"}}
	want := []*object{{name: "t_local", engine: "ReplicatedMergeTree", step: 1, columns: columns}, {name: "t", engine: "Distributed", step: 1, columns: columns}}
	if difference := cmp.Diff(want, objects, cmp.AllowUnexported(object{}, columnText{})); difference != "" {
		t.Errorf("objects (-want +got):\n%s", difference)
	}
}

// TestDifferencesOfLayouts: tables that were made for another kind of ClickHouse are not written to.
func TestDifferencesOfLayouts(t *testing.T) {
	for name, test := range map[string]struct {
		layout      Layout
		want, found string
		differs     bool
	}{
		"as it should be":                     {Layout{}, "MergeTree", "MergeTree", false},
		"Cloud makes it shared":               {Layout{Cloud: true}, "AggregatingMergeTree", "SharedAggregatingMergeTree", false},
		"the cluster's variable is gone":      {Layout{}, "MergeTree", "Distributed", true},
		"the cluster's variable is new":       {Layout{Cluster: "c"}, "Distributed", "AggregatingMergeTree", true},
		"a plain table is not replicated":     {Layout{Cluster: "c"}, "ReplicatedMergeTree", "MergeTree", true},
		"another engine merges in other ways": {Layout{}, "AggregatingMergeTree", "ReplacingMergeTree", true},
	} {
		o := &object{name: "t", engine: test.want}
		got := o.differences("d", test.layout, &foundObject{engine: test.found})
		if (len(got) == 1 && strings.Contains(got[0], "TIEOUT_CLICKHOUSE_CLUSTER")) != test.differs || !test.differs && len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// clusterNode answers as a node of a cluster with two shards of two replicas would.
type clusterNode struct {
	ours     uint8
	replicas map[string]uint32
}

func (clusterNode) Exec(context.Context, string, ...any) error { return nil }

func (n clusterNode) Select(_ context.Context, destination any, query string, _ ...any) error {
	switch rows := destination.(type) {
	case *[]shardOf:
		*rows = []shardOf{{Number: 1, Replicas: 2, Ours: n.ours}, {Number: 2, Replicas: 2}}
	case *[]struct {
		Name     string `ch:"table"`
		Replicas uint32 `ch:"total_replicas"`
	}:
		for name, replicas := range n.replicas {
			*rows = append(*rows, struct {
				Name     string `ch:"table"`
				Replicas uint32 `ch:"total_replicas"`
			}{name, replicas})
		}
	}
	return nil
}

// TestReplicaDifferences: a table of which a node has a copy of its own is no replica of anything.
func TestReplicaDifferences(t *testing.T) {
	cluster := Layout{Cluster: "c"}
	for name, test := range map[string]struct {
		node clusterNode
		want string
	}{
		"as it should be":          {clusterNode{1, map[string]uint32{"t_local": 2, "u": 4}}, ""},
		"alone at its path":        {clusterNode{1, map[string]uint32{"t_local": 1, "u": 4}}, "table t_local has 1 replicas, want 2"},
		"shards at one path":       {clusterNode{1, map[string]uint32{"t_local": 4, "u": 4}}, "table t_local has 4 replicas, want 2"},
		"not in every shard":       {clusterNode{1, map[string]uint32{"t_local": 2, "u": 2}}, "table u has 2 replicas, want 4"},
		"a node of something else": {clusterNode{0, map[string]uint32{}}, "the server is no node of cluster c"},
	} {
		got, err := replicaDifferences(t.Context(), test.node, "d", cluster)
		if text := strings.Join(got, "\n"); err != nil || !strings.Contains(text, test.want) || test.want == "" && text != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := replicaDifferences(t.Context(), clusterNode{}, "d", Layout{}); len(got) > 0 || err != nil {
		t.Errorf("a single server: %q, %v", got, err)
	}
}
