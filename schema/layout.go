package schema

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
)

// Layout is the kind of ClickHouse that our tables lie on, and the one place that decides what follows from it:
// what a table is made of, where its rows go and come from, and which settings a statement needs to be sure of
// them. Its zero value is a server of its own, or the engine inside the process.
//
// In every layout rows are written to and read from the table of the plain name: nobody else need know of the
// layout. DetectLayout tells it.
type Layout struct {
	Cluster    string // name of a self-run cluster whose nodes share nothing but a Keeper; empty: there is none
	Replicated bool   // the database has the engine Replicated, which carries DDL to its nodes itself; Cluster is empty then
	Cloud      bool   // ClickHouse Cloud, which replicates by itself; the rest is empty then
}

// String names the layout to people.
func (l Layout) String() string {
	switch {
	case l.Cloud:
		return "ClickHouse Cloud"
	case l.Replicated:
		return "a Replicated database"
	case l.Cluster != "":
		return "the cluster " + l.Cluster
	}
	return "a single server"
}

// Quorum reports whether an insert is only good when a majority of nodes has it. Then the table takes one insert
// at a time: a second one is refused until the first has its majority.
func (l Layout) Quorum() bool { return l.Cluster != "" || l.Replicated }

// Settings returns what every statement of ours is sent with, by name; nothing on a single server.
//
// On several nodes a statement may be answered by another node than the one that took the last insert. What was
// written must be seen all the same: a look-up that misses a version or a lease would write a second one. Only
// inserts that wait for a majority, one after the other, together with reads that insist on all of them, promise it.
func (l Layout) Settings() map[string]any {
	settings := map[string]any{}
	if l.Quorum() {
		maps.Copy(settings, map[string]any{
			"insert_quorum": "auto", "insert_quorum_timeout": 60_000, // milliseconds
			"insert_quorum_parallel": 0, "select_sequential_consistency": 1,
		})
	}
	if l.Cluster != "" {
		// In the background the rows of several inserts are sent on together, and their tokens lose their meaning.
		settings["distributed_foreground_insert"] = 1
		// What a statement looks up inside another look-up is in all shards, not only in the one that asks.
		settings["distributed_product_mode"] = "global"
	}
	if l.Cloud {
		settings["select_sequential_consistency"] = 1 // inserts wait for a majority there by themselves
	}
	return settings
}

// What the tables are made with. A single server forgets tokens at once unless it is told, and a power cut could
// take acknowledged rows. A replicated table has them on several nodes; its tokens are kept for 30 days.
const (
	settingsAlone      = "non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1"
	settingsReplicated = "replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 2592000"
)

// localSuffix ends the name of the table that holds a shard's rows. The plain name is that of the Distributed table.
const localSuffix = "_local"

// LocalTable returns the table of a node's own rows, for a table of records: on a cluster the plain name stands for
// all shards.
func (l Layout) LocalTable(name string) string {
	if l.Cluster != "" {
		return name + localSuffix
	}
	return name
}

// OnCluster returns the clause that makes a statement run on every node; empty where there is one, or where the
// database sees to it.
func (l Layout) OnCluster() string {
	if l.Cluster == "" {
		return ""
	}
	return "ON CLUSTER " + QuoteIdentifier(l.Cluster)
}

// groupArguments make a table one replication group over all nodes, whatever their shard: everything in it is on
// every node. Two shards may call their replicas by the same name.
const groupArguments = "'/clickhouse/tables/{uuid}/all', '{shard}_{replica}'"

// The placeholders of the migrations. {{sharded a, b}} and {{replicated}} stand before the engine of a table:
//
//   - {{sharded a, b}}: on a cluster each shard has the rows for which a and b hash to it. All rows with the same
//     sorting key must have the same a and b: rows of two shards never merge.
//   - {{replicated}}: on a cluster every node has all rows. For what is small and must be read consistently.
var (
	shardedEngine    = regexp.MustCompile(`\{\{sharded ([\w, ]+)\}\}`)
	replicatedEngine = regexp.MustCompile(`\{\{replicated\}\}(\w+)(?:\(([^()]*)\))?`)
	madeTable        = regexp.MustCompile(`^CREATE TABLE IF NOT EXISTS \{\{db\}\}\.(\w+)`)
	changedTable     = regexp.MustCompile(`^ALTER TABLE \{\{db\}\}\.(\w+)`)
	lastComment      = regexp.MustCompile(`\nCOMMENT '[^\n]*'$`)
	lookup           = regexp.MustCompile(`\b(?:NOT )?IN\s*\(\s*SELECT\b|\b(?:(?:ANY|ALL|ASOF|SEMI|ANTI|INNER|LEFT|RIGHT|FULL|OUTER) )*JOIN\b`)
)

// renderer turns the statements of the migrations, in their order, into those of a layout.
type renderer struct {
	Layout
	database string
	sharded  map[string]bool // tables of which each shard has a part
}

// render returns the statements that one statement of a migration becomes.
func (r *renderer) render(statement string) []string {
	if made := madeTable.FindStringSubmatch(statement); made != nil {
		if by := shardedEngine.FindStringSubmatch(statement); by != nil && r.Cluster != "" {
			r.sharded[made[1]] = true
			local := madeTable.ReplaceAllString(statement, "${0}"+localSuffix)
			return []string{
				r.fill(shardedEngine.ReplaceAllString(local, "Replicated")), // without arguments: by the server's default path
				r.fill(fmt.Sprintf("%s {{on_cluster}}\nAS {{db}}.%s\nENGINE = Distributed(%s, %s, '%s', cityHash64(%s))%s",
					made[0], made[1]+localSuffix, quoteText(r.Cluster), quoteText(r.database), made[1]+localSuffix, by[1],
					lastComment.FindString(statement))),
			}
		}
	}
	if changed := changedTable.FindStringSubmatch(statement); changed != nil && r.Quorum() {
		statement += "\nSETTINGS alter_sync = 2" // until every replica has the column
		if r.sharded[changed[1]] {
			return []string{r.fill(changedTable.ReplaceAllString(statement, "${0}"+localSuffix)), r.fill(statement)}
		}
	}
	return []string{r.fill(statement)}
}

// fill replaces the placeholders.
func (r *renderer) fill(statement string) string {
	onCluster, settings, replicated := "", settingsAlone, ""
	switch {
	case r.Cluster != "":
		onCluster, settings = r.OnCluster(), settingsReplicated
		statement = replicatedEngine.ReplaceAllStringFunc(statement, group)
		statement = globalLookups(statement)
	case r.Replicated:
		settings, replicated = settingsReplicated, "Replicated"
	case r.Cloud:
		settings = settingsReplicated // and the server makes it SharedMergeTree
	}
	statement = shardedEngine.ReplaceAllString(statement, replicated)
	return strings.TrimSpace(strings.NewReplacer("{{db}}", QuoteIdentifier(r.database), "{{on_cluster}}", onCluster,
		"{{replicated}}", replicated, "{{settings}}", settings).Replace(statement))
}

// group writes an engine, as `{{replicated}}ReplacingMergeTree(version)`, for one replication group over all nodes.
func group(engine string) string {
	parts := replicatedEngine.FindStringSubmatch(engine)
	arguments := groupArguments
	if parts[2] != "" {
		arguments += ", " + parts[2]
	}
	return "Replicated" + parts[1] + "(" + arguments + ")"
}

// globalLookups makes the look-ups inside a view see all shards. Without the word each shard would look into its
// own rows, or the server refuses.
func globalLookups(statement string) string {
	quoted := quotes(statement)
	var text strings.Builder
	end := 0
	for _, at := range lookup.FindAllStringIndex(statement, -1) {
		if quoted[at[0]] {
			continue
		}
		text.WriteString(statement[end:at[0]] + "GLOBAL ")
		end = at[0]
	}
	return text.String() + statement[end:]
}

// quoteText returns a text as ClickHouse reads it back whatever it holds.
func quoteText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
