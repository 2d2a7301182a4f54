package schema_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tieout/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// layouts are the kinds of ClickHouse, by the name of the file that keeps what they get.
var layouts = map[string]schema.Layout{
	"single_node":         {},
	"cluster":             {Cluster: "main"},
	"replicated_database": {Replicated: true},
	"cloud":               {Cloud: true},
}

// TestMigrationsGolden keeps the SQL that each kind of ClickHouse gets in a file, so that a review sees what a change
// of a migration or of its rendering does to a database. The file of a released migration never changes.
func TestMigrationsGolden(t *testing.T) {
	for name, layout := range layouts {
		var text strings.Builder
		for _, migration := range rendered(t, "tieout", layout) {
			fmt.Fprintf(&text, "-- %d %s\n\n", migration.Version, migration.Name)
			for _, statement := range migration.Statements {
				fmt.Fprintf(&text, "%s;\n\n", statement)
			}
		}
		golden := filepath.Join("testdata", name+".sql")
		if *update {
			if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if difference := cmp.Diff(string(want), text.String()); difference != "" {
			t.Errorf("the SQL for %s has changed; if that is meant, run the test with -update (-want +got):\n%s", layout, difference)
		}
	}
}

// TestMigrationsAreTheFiles: nothing is left out, and the journal's digest is that of the file as it lies there.
func TestMigrationsAreTheFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("migrations", "*"))
	if err != nil {
		t.Fatal(err)
	}
	all := migrations(t, "tieout")
	if len(all) != len(files) || len(all) == 0 {
		t.Fatalf("%d migrations of %d files", len(all), len(files))
	}
	for i, migration := range all {
		data, err := os.ReadFile(files[i])
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if migration.Version != uint32(i+1) || migration.Name != filepath.Base(files[i]) || migration.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("migration %d is %d %s %s", i+1, migration.Version, migration.Name, migration.SHA256)
		}
		if ends := strings.Count(string(data), ";\n"); len(migration.Statements) != ends || ends == 0 {
			t.Errorf("%s became %d statements, it has %d", migration.Name, len(migration.Statements), ends)
		}
	}
}

// TestStatementsCanBeRepeated: every statement says IF NOT EXISTS, has no placeholder left, names the database, and
// carries no comment line and no semicolon, whatever ClickHouse it is for.
func TestStatementsCanBeRepeated(t *testing.T) {
	begin := regexp.MustCompile("^CREATE (DATABASE|TABLE|VIEW) IF NOT EXISTS `my\\\\`db`")
	for _, layout := range layouts {
		for _, migration := range rendered(t, "my`db", layout) {
			for _, statement := range migration.Statements {
				if !begin.MatchString(statement) || strings.Contains(statement, "{{") || strings.HasSuffix(statement, ";") || strings.Contains(statement, "\n--") {
					t.Errorf("%s, %s: %.120s", layout, migration.Name, statement)
				}
			}
		}
	}
}

// TestMigrationsDescribeEverything reads the comments off the text. Views with a parameter cannot be described by
// the server before they get it, so for those this is the only look at their comments.
func TestMigrationsDescribeEverything(t *testing.T) {
	column := regexp.MustCompile(`^ {4}(\w+) +\S`)
	for _, migration := range migrations(t, "tieout") {
		for _, statement := range migration.Statements {
			lines := strings.Split(statement, "\n")
			if strings.HasPrefix(lines[0], "CREATE DATABASE") {
				continue
			}
			if last := lines[len(lines)-1]; !regexp.MustCompile(`^COMMENT '.+\.'$`).MatchString(last) {
				t.Errorf("%s has no comment at its end: %s", lines[0], last)
			}
			columns := 0
			for _, line := range lines[2:] { // CREATE and the bracket
				if line == ")" {
					break
				}
				columns++
				if name := column.FindStringSubmatch(line); name == nil || !regexp.MustCompile(` COMMENT '.+\.'( CODEC\(ZSTD\(3\)\))?,?$`).MatchString(line) {
					t.Errorf("%s: no comment in %s", lines[0], line)
				}
			}
			if columns < 3 {
				t.Errorf("%s: only %d columns were found", lines[0], columns)
			}
		}
	}
}

func TestQuoteIdentifier(t *testing.T) {
	for name, want := range map[string]string{"tieout": "`tieout`", "a`b": "`a\\`b`", `a\b`: "`a\\\\b`", "`; DROP": "`\\`; DROP`", "": "``"} {
		if got := schema.QuoteIdentifier(name); got != want {
			t.Errorf("%q became %s, want %s", name, got, want)
		}
	}
}

func migrations(t *testing.T, database string) []schema.Migration {
	t.Helper()
	return rendered(t, database, schema.Layout{})
}

func rendered(t *testing.T, database string, layout schema.Layout) []schema.Migration {
	t.Helper()
	all, err := schema.Migrations(database, layout)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// unreachable is a connection to a server that is gone.
type unreachable struct{ err error }

func (u unreachable) Exec(context.Context, string, ...any) error        { return u.err }
func (u unreachable) Select(context.Context, any, string, ...any) error { return u.err }

// TestMigrateKeepsTheClass: who migrates decides by the class of the connection's error what to tell the scheduler.
func TestMigrateKeepsTheClass(t *testing.T) {
	gone := unreachable{&schema.Error{Class: schema.ClassUnavailable, Err: os.ErrDeadlineExceeded}}
	if _, err := schema.Migrate(t.Context(), gone, "tieout", schema.Layout{}); schema.ClassOf(err) != schema.ClassUnavailable {
		t.Errorf("%v", err)
	}
}
