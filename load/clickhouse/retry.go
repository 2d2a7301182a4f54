package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"tieout/schema"
)

// The pauses before a repeated statement: 0.5 s, 1 s, 2 s, 4 s, 8 s and 15 s, each with jitter, half a minute in
// all. A server that restarts is back by then; one that is not is reported as out of reach.
const (
	retryPause    = 500 * time.Millisecond
	retryPauseMax = 15 * time.Second
	retriesMax    = 6
)

// Exec runs a statement, again if its answer was lost: every statement of ours may run twice. Its errors are
// classified.
func (c *Connection) Exec(ctx context.Context, query string, args ...any) error {
	if into, ok := strings.CutPrefix(query, "INSERT INTO "); ok {
		return c.insertRepeat(ctx, tableOf(into), func() error { return c.Conn.Exec(ctx, query, args...) })
	}
	return repeat(ctx, func() error { return c.Conn.Exec(ctx, query, args...) })
}

// insertRepeat is repeat for an insert into a table. Where an insert waits for a majority of the nodes, the table refuses
// another one meanwhile: those of this process wait for each other here, and need not be refused. One of another process
// still may be, and is repeated. Other tables do not wait: a lease must be extended in time, however long data take.
func (c *Connection) insertRepeat(ctx context.Context, table string, do func() error) error {
	if c.inserting == nil {
		return repeat(ctx, do)
	}
	turn := c.inserting.of(table)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return stopped(ctx, fmt.Errorf("another insert into %s takes long", table))
	}
	defer func() { <-turn }()
	return repeat(ctx, do)
}

// turns holds for each table what an insert into it must have. Its zero value is ready.
type turns struct {
	mu     sync.Mutex // guards tables
	tables map[string]chan struct{}
}

// of returns what holds a token while an insert into the table runs.
func (t *turns) of(table string) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tables[table] == nil {
		if t.tables == nil {
			t.tables = map[string]chan struct{}{}
		}
		t.tables[table] = make(chan struct{}, 1)
	}
	return t.tables[table]
}

// tableOf returns the table, without its database, that an insert names first: our tables need no quotes, and our
// databases may have them.
func tableOf(into string) string {
	if quoted, ok := strings.CutPrefix(into, "`"); ok {
		if end := strings.Index(quoted, "`."); end >= 0 {
			into = quoted[end+2:]
		}
	}
	if end := strings.IndexAny(into, " \n\t("); end >= 0 {
		into = into[:end]
	}
	return into[strings.LastIndexByte(into, '.')+1:]
}

// Select reads rows into a slice of structs, again if the answer was lost. Its errors are classified.
func (c *Connection) Select(ctx context.Context, destination any, query string, args ...any) error {
	return repeat(ctx, func() error { return c.Conn.Select(ctx, destination, query, args...) })
}

// repeat calls do until it succeeds, fails for good, or has failed too often in a transient way; then the class is
// ClassUnavailable. It classifies.
func repeat(ctx context.Context, do func() error) error {
	for attempt := 0; ; attempt++ {
		err := Classify("", do())
		if err == nil {
			return nil
		}
		class := schema.ClassOf(err)
		// The driver reports the cause of an ended context, which may be any error.
		if ctx.Err() != nil && (class == schema.ClassTransient || class == schema.ClassUnclassified) {
			return stopped(ctx, err)
		}
		if class != schema.ClassTransient {
			return err
		}
		if attempt == retriesMax {
			return &schema.Error{Class: schema.ClassUnavailable, Op: "ClickHouse", Err: err}
		}
		pause := min(retryPause<<attempt, retryPauseMax)
		timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // spreading load needs no secrecy
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return stopped(ctx, err)
		}
	}
}

// stopped returns why a pause after a transient error was broken off: somebody told us to, or the time that the
// caller gave is over, and ClickHouse was out of reach for all of it.
func stopped(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &schema.Error{Class: schema.ClassUnavailable, Op: "ClickHouse", Err: err}
	}
	cause := ctx.Err()
	if reason := context.Cause(ctx); !errors.Is(reason, cause) {
		cause = fmt.Errorf("%w: %w", cause, reason)
	}
	return Classify("", cause)
}
