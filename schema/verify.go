package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Verify compares the database with what the migrations make: every table and view must be there, with every
// column and its type. What somebody has added is left alone. It refuses with ClassConfiguration, a line for each
// difference with what to do about it.
//
// The journal cannot say this: it tells what was done, and not what was dropped or changed since.
func Verify(ctx context.Context, conn Connection, database string, layout Layout) error {
	all, err := Migrations(database, layout)
	if err != nil {
		return err
	}
	return verify(ctx, conn, database, layout, all)
}

// verify holds the database against those migrations that were applied.
func verify(ctx context.Context, conn Connection, database string, layout Layout, applied []Migration) error {
	if len(applied) == 0 {
		return nil
	}
	expected, err := expect(applied)
	if err != nil {
		return err
	}
	found, err := inspect(ctx, conn, database)
	if err != nil {
		return err
	}
	differences, err := replicaDifferences(ctx, conn, database, layout)
	if err != nil {
		return err
	}
	for _, want := range expected {
		differences = append(differences, want.differences(database, layout, found[want.name])...)
	}
	if len(differences) == 0 {
		return nil
	}
	if len(differences) > 1 {
		differences = slices.Insert(differences, 0, fmt.Sprintf("%d differences from what the migrations make", len(differences)))
	}
	return &Error{
		Class: ClassConfiguration, Op: "check schema of database " + database,
		Err: errors.New(strings.Join(differences, "\n  ")), Hint: "`tieout sql --write` runs SQL",
	}
}

// foundObject is a table or view as the server describes it.
type foundObject struct {
	view    bool
	engine  string
	columns map[string]string // type by name; none for a view with parameters
}

// inspect reads what the database has.
func inspect(ctx context.Context, conn Connection, database string) (map[string]*foundObject, error) {
	var tables []struct {
		Name   string `ch:"name"`
		Engine string `ch:"engine"`
	}
	if err := conn.Select(ctx, &tables, "SELECT name, engine FROM system.tables WHERE database = $1", database); err != nil {
		return nil, fmt.Errorf("list the tables of database %s: %w", database, err)
	}
	found := make(map[string]*foundObject, len(tables))
	for _, table := range tables {
		found[table.Name] = &foundObject{view: table.Engine == "View", engine: table.Engine, columns: map[string]string{}}
	}
	var columns []struct {
		Table string `ch:"table"`
		Name  string `ch:"name"`
		Type  string `ch:"type"`
	}
	if err := conn.Select(ctx, &columns, "SELECT table, name, type FROM system.columns WHERE database = $1", database); err != nil {
		return nil, fmt.Errorf("list the columns of database %s: %w", database, err)
	}
	for _, column := range columns {
		if object := found[column.Table]; object != nil {
			object.columns[column.Name] = column.Type
		}
	}
	return found, nil
}

// differences returns a line for everything that is not as it should be, with what to do about it.
func (o *object) differences(database string, layout Layout, found *foundObject) []string {
	quoted := QuoteIdentifier(database) + "." + o.name
	if layout.Cluster != "" {
		quoted += " ON CLUSTER " + QuoteIdentifier(layout.Cluster)
	}
	// The journal forgets the step and all after it; the steps create what is missing and leave the rest alone.
	again := fmt.Sprintf("DELETE FROM %s.schema_migrations WHERE version >= %d, then `tieout migrate`", QuoteIdentifier(database), o.step)
	switch {
	case found == nil && o.view:
		return []string{fmt.Sprintf("view %s is missing: to make it again, %s", o.name, again)}
	case found == nil:
		return []string{fmt.Sprintf("table %s is missing: restore it from a backup, or make it again without its rows: %s", o.name, again)}
	case o.view && !found.view:
		return []string{fmt.Sprintf("%s is a table and not our view: rename it, then %s", o.name, again)}
	case !o.view && found.view:
		return []string{fmt.Sprintf("%s is a view and not our table: DROP VIEW %s, then %s", o.name, quoted, again)}
	case !o.view && o.engine != layout.plainEngine(found.engine):
		return []string{fmt.Sprintf("table %s is a %s, want %s: it was made for another kind of ClickHouse than %s, is TIEOUT_CLICKHOUSE_CLUSTER as it was?",
			o.name, found.engine, o.engine, layout)}
	case o.parameterised: // the server tells its columns to nobody
		return nil
	}
	var differences []string
	for _, want := range o.columns {
		got, ok := found.columns[want.name]
		problem := ""
		switch {
		case !ok:
			problem = fmt.Sprintf("column %s.%s is missing, want %s", o.name, want.name, want.kind)
		case withoutSpaces(got) != withoutSpaces(want.kind):
			problem = fmt.Sprintf("column %s.%s is a %s, want %s", o.name, want.name, got, want.kind)
		default:
			continue
		}
		remedy := fmt.Sprintf("ALTER TABLE %s ADD COLUMN %s %s", quoted, want.name, want.kind)
		switch {
		case o.view:
			remedy = fmt.Sprintf("DROP VIEW %s, then %s", quoted, again)
		case ok:
			remedy = fmt.Sprintf("ALTER TABLE %s MODIFY COLUMN %s %s; what it holds may have lost digits already", quoted, want.name, want.kind)
		}
		differences = append(differences, problem+": "+remedy)
	}
	return differences
}

// plainEngine returns an engine as our statements name it: ClickHouse Cloud makes MergeTree a SharedMergeTree.
func (l Layout) plainEngine(engine string) string {
	if l.Cloud {
		return strings.TrimPrefix(engine, "Shared")
	}
	return engine
}

// withoutSpaces makes two spellings of a type comparable: DateTime64(6,'UTC') and DateTime64(6, 'UTC').
func withoutSpaces(kind string) string { return strings.Join(strings.Fields(kind), "") }
