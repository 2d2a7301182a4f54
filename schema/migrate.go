package schema

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one step of the schema, rendered for a database.
type Migration struct {
	Version    uint32   // from 1 without gaps
	Name       string   // file name
	SHA256     string   // of the file before rendering, in hexadecimal
	Statements []string // each can be repeated without harm: DDL is not transactional, and a kill may fall between two
}

// Connection is what migrations need of a ClickHouse connection.
type Connection interface {
	// Exec runs a statement; it may run it twice, which every statement of ours bears.
	Exec(ctx context.Context, query string, args ...any) error
	// Select reads all rows into a slice of structs with ch tags.
	Select(ctx context.Context, dest any, query string, args ...any) error
}

// Migrations returns every migration in order, rendered for the database and the kind of ClickHouse that it is on.
func Migrations(database string, layout Layout) ([]Migration, error) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	migrations := make([]Migration, 0, len(files))
	r := &renderer{Layout: layout, database: database, sharded: map[string]bool{}}
	for i, file := range files {
		data, err := fs.ReadFile(migrationFiles, file)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		name := strings.TrimPrefix(file, "migrations/")
		number, _, _ := strings.Cut(name, "_")
		if version, err := strconv.ParseUint(number, 10, 32); err != nil || version != uint64(i+1) {
			return nil, fmt.Errorf("migration %s does not have number %d", name, i+1)
		}
		sum := sha256.Sum256(data)
		migrations = append(migrations, Migration{
			Version: uint32(i + 1), Name: name, SHA256: hex.EncodeToString(sum[:]),
			Statements: r.statements(string(data)),
		})
	}
	return migrations, nil
}

var commentLine = regexp.MustCompile(`(?m)^--.*\n`)

// statements returns what a file becomes. A statement ends with a semicolon at the end of a line.
func (r *renderer) statements(file string) []string {
	var all []string
	for statement := range strings.SplitSeq(commentLine.ReplaceAllString(file, ""), ";\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			all = append(all, r.render(statement)...)
		}
	}
	return all
}

// QuoteIdentifier returns a name as ClickHouse reads it back whatever it holds.
func QuoteIdentifier(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

// Pending returns the migrations that the database lacks. It refuses with ClassConfiguration if an applied file
// differs from ours, if the database has been migrated by a newer version of the program, or if what the applied
// migrations have made is not there any more (see Verify).
func Pending(ctx context.Context, conn Connection, database string, layout Layout) ([]Migration, error) {
	all, err := Migrations(database, layout)
	if err != nil {
		return nil, err
	}
	applied, err := journal(ctx, conn, database)
	if err != nil {
		return nil, err
	}
	for i, row := range applied {
		var drift string
		switch {
		case i >= len(all):
			drift = fmt.Sprintf("the database was migrated to step %d (%s), this program knows %d steps: use a newer program", row.Version, row.Name, len(all))
		case row.Version != all[i].Version || row.SHA256 != all[i].SHA256:
			drift = fmt.Sprintf("step %d of the database is not %s as this program knows it: another program has migrated it", row.Version, all[i].Name)
		default:
			continue
		}
		return nil, &Error{Class: ClassConfiguration, Op: "check schema of database " + database, Err: errors.New(drift)}
	}
	if err := verify(ctx, conn, database, layout, all[:len(applied)]); err != nil {
		return nil, err
	}
	return all[len(applied):], nil
}

type journalRow struct {
	Version uint32 `ch:"version"`
	Name    string `ch:"name"`
	SHA256  string `ch:"sha256"`
}

// journal returns what has been applied, in order; nothing if the database or its journal is not there yet.
func journal(ctx context.Context, conn Connection, database string) ([]journalRow, error) {
	var tables []struct {
		Name string `ch:"name"`
	}
	err := conn.Select(ctx, &tables, "SELECT name FROM system.tables WHERE database = $1 AND name = 'schema_migrations'", database)
	if err != nil {
		return nil, fmt.Errorf("look for the journal of migrations: %w", err)
	}
	if len(tables) == 0 {
		return nil, nil
	}
	var rows []journalRow
	err = conn.Select(ctx, &rows, "SELECT version, name, toString(sha256) AS sha256 FROM "+QuoteIdentifier(database)+".schema_migrations FINAL ORDER BY version")
	if err != nil {
		return nil, fmt.Errorf("read the journal of migrations: %w", err)
	}
	return rows, nil
}

// Migrate applies what is pending and returns it, then looks whether it is there (see Verify): a statement that
// finds another table of its name leaves that as it is. It can be killed anywhere and called again; two programs
// may call it at once.
func Migrate(ctx context.Context, conn Connection, database string, layout Layout) ([]Migration, error) {
	pending, err := Pending(ctx, conn, database, layout)
	if err != nil {
		return nil, err
	}
	for _, migration := range pending {
		for _, statement := range migration.Statements {
			if err := conn.Exec(ctx, statement); err != nil {
				return nil, fmt.Errorf("apply migration %s: %w", migration.Name, err)
			}
		}
		err := conn.Exec(ctx, "INSERT INTO "+QuoteIdentifier(database)+".schema_migrations (version, name, sha256, applied_at) "+
			"SELECT $1, $2, $3, now64(6, 'UTC')", migration.Version, migration.Name, migration.SHA256)
		if err != nil {
			return nil, fmt.Errorf("note migration %s in the journal: %w", migration.Name, err)
		}
	}
	if len(pending) > 0 { // else Pending has looked just now
		if err := Verify(ctx, conn, database, layout); err != nil {
			return nil, err
		}
	}
	return pending, nil
}
