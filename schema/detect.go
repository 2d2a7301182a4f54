package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// DetectLayout asks the server what it is. Cluster is the name of the self-run cluster that the operator wants the
// tables on; empty: none. It refuses with ClassConfiguration what cannot hold our tables: a cluster that the server
// does not know, or whose Distributed tables would write every replica themselves.
func DetectLayout(ctx context.Context, conn Connection, database, cluster string) (Layout, error) {
	refuse := func(hint, format string, args ...any) (Layout, error) {
		return Layout{}, &Error{Class: ClassConfiguration, Op: "look what kind of ClickHouse this is", Err: fmt.Errorf(format, args...), Hint: hint}
	}
	cloud, engine, err := askServer(ctx, conn, database)
	switch {
	case err != nil:
		return Layout{}, err
	case cloud && cluster != "":
		return refuse("unset TIEOUT_CLICKHOUSE_CLUSTER", "ClickHouse Cloud replicates by itself, and cluster %s is of no use there", cluster)
	case cloud:
		return Layout{Cloud: true}, nil
	case engine == "Replicated":
		// ON CLUSTER must not be used here. The database's own cluster has its name.
		shards, err := clusterShards(ctx, conn, database)
		if err != nil {
			return Layout{}, err
		}
		if len(shards) > 1 {
			return refuse("name an ordinary database in the DSN and the cluster in TIEOUT_CLICKHOUSE_CLUSTER",
				"database %s has the engine Replicated and %d shards: its tables would be in pieces", database, len(shards))
		}
		return Layout{Replicated: true}, nil
	case cluster == "":
		return Layout{}, nil
	}
	shards, err := clusterShards(ctx, conn, cluster)
	if err != nil {
		return Layout{}, err
	}
	if len(shards) == 0 {
		return refuse("TIEOUT_CLICKHOUSE_CLUSTER names one of system.clusters", "the server knows no cluster %s", cluster)
	}
	for _, shard := range shards {
		if shard.Replicas > 1 && shard.InternalReplication == 0 {
			return refuse("set internal_replication to true in the server's remote_servers",
				"cluster %s has shards without internal_replication: every row would be written twice", cluster)
		}
	}
	return Layout{Cluster: cluster}, nil
}

// askServer returns whether the server is ClickHouse Cloud, and the engine of the database, empty if it is not there.
func askServer(ctx context.Context, conn Connection, database string) (cloud bool, engine string, err error) {
	var rows []struct {
		Cloud  bool   `ch:"cloud"`
		Engine string `ch:"engine"`
	}
	err = conn.Select(ctx, &rows, `SELECT (SELECT count() > 0 FROM system.settings WHERE name = 'cloud_mode' AND value IN ('1', 'true')) = 1 AS cloud,
		(SELECT max(engine) FROM system.databases WHERE name = $1) AS engine`, database)
	if err != nil {
		return false, "", fmt.Errorf("ask the server what it is: %w", err)
	}
	if len(rows) != 1 {
		return false, "", errors.New("ask the server what it is: it does not say")
	}
	return rows[0].Cloud, rows[0].Engine, nil
}

// shardOf is a shard of a cluster as the server is configured.
type shardOf struct {
	Number              uint32 `ch:"shard_num"`
	Replicas            uint64 `ch:"replicas"`
	InternalReplication uint8  `ch:"internal_replication"`
	Ours                uint8  `ch:"ours"` // the server that we ask is one of its replicas
}

// clusterShards returns the shards of a cluster, none if the server does not know it.
func clusterShards(ctx context.Context, conn Connection, cluster string) ([]shardOf, error) {
	var shards []shardOf
	err := conn.Select(ctx, &shards, `SELECT shard_num, count() AS replicas, min(internal_replication) AS internal_replication, max(is_local) AS ours
		FROM system.clusters WHERE cluster = $1 GROUP BY shard_num ORDER BY shard_num`, cluster)
	if err != nil {
		return nil, fmt.Errorf("list the shards of cluster %s: %w", cluster, err)
	}
	return shards, nil
}

// replicaDifferences returns a line for every table that does not have as many replicas as its nodes are. A table
// that was made on one node apart from the others, or nodes whose macros do not tell them apart, would else pass for
// replicated.
func replicaDifferences(ctx context.Context, conn Connection, database string, layout Layout) ([]string, error) {
	if layout.Cluster == "" {
		return nil, nil
	}
	shards, err := clusterShards(ctx, conn, layout.Cluster)
	if err != nil {
		return nil, err
	}
	var nodes, shard uint64
	for _, s := range shards {
		nodes += s.Replicas
		if s.Ours == 1 {
			shard = s.Replicas
		}
	}
	if shard == 0 {
		return []string{fmt.Sprintf("the server is no node of cluster %s: the DSN must name one", layout.Cluster)}, nil
	}
	var tables []struct {
		Name     string `ch:"table"`
		Replicas uint32 `ch:"total_replicas"`
	}
	if err := conn.Select(ctx, &tables, "SELECT table, total_replicas FROM system.replicas WHERE database = $1 ORDER BY table", database); err != nil {
		return nil, fmt.Errorf("list the replicas of database %s: %w", database, err)
	}
	var differences []string
	for _, table := range tables {
		want := nodes
		if strings.HasSuffix(table.Name, localSuffix) {
			want = shard
		}
		if uint64(table.Replicas) != want {
			differences = append(differences, fmt.Sprintf("table %s has %d replicas, want %d: is it on every node, with macros shard and replica of its own, and the same UUID?",
				table.Name, table.Replicas, want))
		}
	}
	return differences, nil
}
