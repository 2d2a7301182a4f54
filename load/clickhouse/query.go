package clickhouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/schema"
)

// ErrReadOnly is the cause of what QueryReadOnly refuses because it would write.
var ErrReadOnly = errors.New("the statement would write, and only reading is allowed")

// codeReadonly is ClickHouse's READONLY. Where we asked for it, it is the answer to a statement that writes.
const codeReadonly = 164

// Query runs a statement that returns rows, again if its answer was lost before it began: every statement of ours
// may run twice. Rows that were read are never read again. Its errors and those of the rows are classified.
func (c *Connection) Query(ctx context.Context, query string, args ...any) (rows driver.Rows, err error) {
	err = repeat(ctx, func() error {
		rows, err = c.Conn.Query(ctx, query, args...) //nolint:rowserrcheck // the caller reads them
		return err
	})
	if err != nil {
		return nil, err
	}
	return classifiedRows{rows}, nil
}

// QueryRow runs a statement that returns one row, again if its answer was lost. Its errors are classified.
func (c *Connection) QueryRow(ctx context.Context, query string, args ...any) (row driver.Row) {
	err := repeat(ctx, func() error {
		row = c.Conn.QueryRow(ctx, query, args...)
		return row.Err()
	})
	return classifiedRow{row, err}
}

// QueryReadOnly runs a person's statement, and refuses with ErrReadOnly what would write: by its words, and by the
// server's own setting for what the words do not tell. Several statements in one text are refused, too. Otherwise
// it is like Query.
func (c *Connection) QueryReadOnly(ctx context.Context, query string) (driver.Rows, error) {
	words, err := readStatement(query)
	if err != nil {
		return nil, err
	}
	if words.writes() {
		return nil, readOnly(nil)
	}
	// A user who may only read may not say so, either: that would be a change of a setting.
	var settings []struct {
		ReadOnly uint64 `ch:"readonly"`
	}
	if err := c.Select(ctx, &settings, "SELECT toUInt64(getSetting('readonly')) AS readonly"); err != nil {
		return nil, err
	}
	if len(settings) != 1 || settings[0].ReadOnly == 0 {
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"readonly": 2}))
	}
	var rows driver.Rows
	err = repeat(ctx, func() error {
		rows, err = c.Conn.Query(ctx, query) //nolint:rowserrcheck // the caller reads them
		if exception, ok := errors.AsType[*clickhouse.Exception](err); ok && exception.Code == codeReadonly {
			return readOnly(err)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return classifiedRows{rows}, nil
}

// readOnly is a refusal, by the server if there is a cause.
func readOnly(cause error) error {
	err := ErrReadOnly
	if cause != nil {
		err = fmt.Errorf("%w: %w", ErrReadOnly, cause)
	}
	return &schema.Error{Class: schema.ClassUnclassified, Err: err}
}

// QueryOnce runs a person's statement, which may write, once: nobody knows whether it may run twice. When its answer
// is lost, the error says that the statement may have run, and is of no class that somebody repeats. It returns nil
// rows for a statement that returns none. Several statements in one text are refused.
func (c *Connection) QueryOnce(ctx context.Context, query string) (driver.Rows, error) {
	words, err := readStatement(query)
	if err != nil {
		return nil, err
	}
	if words.writes() {
		return nil, once(c.Conn.Exec(ctx, query))
	}
	rows, err := c.Conn.Query(ctx, query) //nolint:rowserrcheck // the caller reads them
	if err != nil {
		return nil, once(err)
	}
	return classifiedRows{rows}, nil
}

// once classifies the error of a statement that must not be repeated.
func once(err error) error {
	failure := Classify("", err)
	if schema.ClassOf(failure) == schema.ClassTransient {
		return &schema.Error{
			Class: schema.ClassUnclassified, Err: failure,
			Hint: "the statement may have run: look before you repeat it",
		}
	}
	return failure
}

// Mistake returns what an error says is wrong with the text of a statement: its syntax, or a name, a type or a value
// in it; the words are ClickHouse's own. It reports false for errors about anything else. Of a person's statement a
// mistake is the person's; of ours it is a fault of ours, or of the schema where a table or a database is missing.
func Mistake(err error) (text string, mistake bool) {
	if exception, ok := errors.AsType[*clickhouse.Exception](err); ok {
		return exception.Error(), mistakes[exception.Code]
	}
	if refused, ok := errors.AsType[*statementError](err); ok {
		return refused.Error(), true
	}
	return "", false
}

// mistakes holds the codes of wrong texts.
var mistakes = codes(
	6, 8, 10, 16, 20, 27, 36, 38, 41, // a text that does not parse as its type; columns that are not there
	42, 43, 44, 46, 47, 48, 50, 51, 53, // functions and their arguments, identifiers, types; what is not implemented
	57, 59, 60, 62, 63, 69, 70, 72, 73, 80, 81, // tables, syntax, aggregates, values, formats, databases
	115, 125, 153, 179, 184, 207, 215, 258, // settings, subqueries, division by zero, aliases, GROUP BY, UNION
	321, 349, 352, 376, 377, 386, 395, 403, 407, // ranges, NULL, joins, throwIf, overflow
	456, 457, 506, 522, 675, 676, 691, // parameters, addresses, words of an Enum
)

func codes(numbers ...int32) map[int32]bool {
	set := make(map[int32]bool, len(numbers))
	for _, number := range numbers {
		set[number] = true
	}
	return set
}

// PrepareBatch begins an insert. Its errors and those of the batch are classified; nothing is repeated.
func (c *Connection) PrepareBatch(ctx context.Context, query string, options ...driver.PrepareBatchOption) (driver.Batch, error) {
	batch, err := c.Conn.PrepareBatch(ctx, query, options...)
	if err != nil {
		return nil, Classify("", err)
	}
	return classifiedBatch{batch}, nil
}

// AsyncInsert leaves rows with the server. Its errors are classified; nothing is repeated.
func (c *Connection) AsyncInsert(ctx context.Context, query string, wait bool, args ...any) error {
	return Classify("", c.Conn.AsyncInsert(ctx, query, wait, args...)) //nolint:staticcheck // only passed on
}

// Ping asks for a sign of life. Its errors are classified.
func (c *Connection) Ping(ctx context.Context) error { return Classify("", c.Conn.Ping(ctx)) }

// ServerVersion asks who answers. Its errors are classified.
func (c *Connection) ServerVersion() (*driver.ServerVersion, error) {
	version, err := c.Conn.ServerVersion()
	return version, Classify("", err)
}

// classifiedRows are rows whose errors are classified.
type classifiedRows struct{ driver.Rows }

// Scan implements driver.Rows.
func (r classifiedRows) Scan(destinations ...any) error {
	return Classify("", r.Rows.Scan(destinations...))
}

// ScanStruct implements driver.Rows.
func (r classifiedRows) ScanStruct(destination any) error {
	return Classify("", r.Rows.ScanStruct(destination))
}

// Totals implements driver.Rows.
func (r classifiedRows) Totals(destinations ...any) error {
	return Classify("", r.Rows.Totals(destinations...))
}

// Close implements driver.Rows.
func (r classifiedRows) Close() error { return Classify("", r.Rows.Close()) }

// Err implements driver.Rows.
func (r classifiedRows) Err() error { return Classify("", r.Rows.Err()) }

// classifiedRow is a row whose errors are classified.
type classifiedRow struct {
	row driver.Row
	err error // of the statement, classified
}

// Err implements driver.Row.
func (r classifiedRow) Err() error { return r.err }

// Scan implements driver.Row.
func (r classifiedRow) Scan(destinations ...any) error {
	if r.err != nil {
		return r.err
	}
	return Classify("", r.row.Scan(destinations...))
}

// ScanStruct implements driver.Row.
func (r classifiedRow) ScanStruct(destination any) error {
	if r.err != nil {
		return r.err
	}
	return Classify("", r.row.ScanStruct(destination))
}

// classifiedBatch is a batch whose errors are classified.
type classifiedBatch struct{ driver.Batch }

// Append implements driver.Batch.
func (b classifiedBatch) Append(values ...any) error { return Classify("", b.Batch.Append(values...)) }

// AppendStruct implements driver.Batch.
func (b classifiedBatch) AppendStruct(value any) error {
	return Classify("", b.Batch.AppendStruct(value))
}

// Flush implements driver.Batch.
func (b classifiedBatch) Flush() error { return Classify("", b.Batch.Flush()) }

// Send implements driver.Batch.
func (b classifiedBatch) Send() error { return Classify("", b.Batch.Send()) }
