package embedded

import (
	"context"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tieout/schema"
)

// statement is one request of the driver.
type statement struct {
	sql        string
	database   string            // that unqualified names mean; empty: default
	format     string            // of the answer, or of rows
	rows       io.Reader         // what an INSERT stores, nil if the text has it all
	settings   settings          // for this statement only
	parameters map[string]string // {name:Type} in the text, escaped as the protocol wants them
}

// run waits for the engine's turn and runs the statement. A running statement cannot be interrupted: when the
// context ends, run returns at once and the statement goes on alone, so the outcome of a write is unknown, and the
// next statement waits for it. The caller closes the result, which is nil after an INSERT with rows.
func (e *Engine) run(ctx context.Context, s statement) (*result, error) {
	if err := e.take(ctx); err != nil {
		return nil, err
	}
	type outcome struct {
		rows *result
		err  error
	}
	finished := make(chan outcome)
	go func() {
		rows, err := e.execute(s)
		<-e.turn
		select {
		case finished <- outcome{rows, err}:
		case <-ctx.Done():
			if rows != nil {
				_ = rows.Close() // frees memory and cannot fail
			}
		}
	}()
	select {
	case o := <-finished:
		return o.rows, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// execute runs the statement in its database and between its settings. The caller has the turn.
func (e *Engine) execute(s statement) (*result, error) {
	if len(s.settings) > 0 {
		if err := s.settings.check(); err != nil {
			return nil, err
		}
		// The engine checks all settings of one SET before it applies the first: a refused SET changes nothing.
		if err := e.session.exec(s.settings.assign()); err != nil {
			return nil, err
		}
		defer e.takeBack(s.settings.reset(e.base))
	}
	if s.database != "" && s.database != "default" {
		if err := e.session.exec("USE " + quoteName(s.database)); err != nil {
			return nil, err
		}
		defer e.takeBack("USE default")
	}
	if s.rows != nil {
		return nil, e.session.insert(s.sql, s.format, s.rows)
	}
	return e.session.query(s.sql, s.format, s.parameters)
}

// takeBack returns the session to its state before something was set. A deduplication token that stayed would make
// the engine drop the next batch in silence, so a session that refuses (as readonly may) is replaced, and
// without a replacement no further statement runs.
func (e *Engine) takeBack(undo string) {
	if e.failure != nil || e.session.exec(undo) == nil {
		return
	}
	// The new session comes first: without any, the engine would stop and start again.
	replacement, err := e.session.lib.connect(e.path, e.base)
	e.session.close()
	e.session = replacement
	if err != nil {
		e.failure = &schema.Error{Class: schema.ClassUnavailable, Op: "open the embedded ClickHouse's session again", Err: err}
	}
}

// settings are names with values, as in SET.
type settings map[string]string

// sessionTimezone must not depend on the machine: a report made again elsewhere has to be the same.
const sessionTimezone = "UTC"

// baseline is what every session sets for good, where a statement may take so many bytes of memory; zero: any.
func baseline(bytes uint64) settings {
	base := settings{"session_timezone": sessionTimezone}
	if bytes > 0 {
		base["max_memory_usage"] = strconv.FormatUint(bytes, 10)
		base["max_bytes_before_external_group_by"] = strconv.FormatUint(bytes/2, 10)
		base["memory_usage_overcommit_max_wait_microseconds"] = "0" // nobody else would free any
		base["max_bytes_before_external_sort"] = strconv.FormatUint(bytes/2, 10)
	}
	return base
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// check refuses names that are none, because names cannot be quoted.
func (s settings) check() error {
	for name := range s {
		if !settingName.MatchString(name) {
			return &exception{code: 115, text: fmt.Sprintf("Code: 115. DB::Exception: Unknown setting %q. (UNKNOWN_SETTING)", name)}
		}
	}
	return nil
}

// assign returns the SET statement.
func (s settings) assign() string {
	return s.set(func(name string) string { return quote(s[name]) })
}

// reset returns the SET statement that undoes assign in a session that has set base for good.
func (s settings) reset(base settings) string {
	return s.set(func(name string) string {
		if value, fixed := base[name]; fixed {
			return quote(value)
		}
		return "DEFAULT"
	})
}

func (s settings) set(value func(name string) string) string {
	var changes []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		changes = append(changes, name+" = "+value(name))
	}
	return "SET " + strings.Join(changes, ", ")
}

var quoting = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

func quote(value string) string { return "'" + quoting.Replace(value) + "'" }

var nameQuoting = strings.NewReplacer(`\`, `\\`, "`", "\\`")

func quoteName(name string) string { return "`" + nameQuoting.Replace(name) + "`" }

// split returns the names, sorted, and the values in the same order.
func split(parameters map[string]string) (names, values []string) {
	names = slices.Sorted(maps.Keys(parameters))
	for _, name := range names {
		values = append(values, parameters[name])
	}
	return names, values
}

// exception is an error of the engine, to be told to the driver as a server tells it.
type exception struct {
	code int    // ClickHouse's number of the error
	text string // with the code in front: "Code: 60. DB::Exception: …"
}

// Error implements error.
func (e *exception) Error() string { return e.text }

// codeUnknown is ClickHouse's UNKNOWN_EXCEPTION.
const codeUnknown = 1002

var exceptionCode = regexp.MustCompile(`^Code: (\d+)\. `)

// newException reads the code from the engine's text.
func newException(message string) *exception {
	if match := exceptionCode.FindStringSubmatch(message); match != nil {
		if code, err := strconv.Atoi(match[1]); err == nil {
			return &exception{code: code, text: message}
		}
	}
	return &exception{code: codeUnknown, text: fmt.Sprintf("Code: %d. DB::Exception: %s (UNKNOWN_EXCEPTION)", codeUnknown, message)}
}
