package tables_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/checkpoints"
	"tieout/checkpoints/tables"
	"tieout/load/clickhouse"
)

// steppedConn is the connection of a process that stops before its next write, says so, and waits to be let go.
type steppedConn struct {
	driver.Conn
	stopped, goOn chan struct{}
}

func newStepped(conn driver.Conn) *steppedConn {
	return &steppedConn{conn, make(chan struct{}), make(chan struct{})}
}

func (c *steppedConn) Exec(ctx context.Context, query string, args ...any) error {
	if c.stopped != nil && strings.HasPrefix(query, "INSERT") {
		close(c.stopped)
		c.stopped = nil
		<-c.goOn
	}
	return c.Conn.Exec(ctx, query, args...)
}

// stepsTerm is short enough to wait for its end, and long enough for what must come before.
const stepsTerm = 3 * time.Second

func stepsClaim(runID string) checkpoints.Claim {
	return checkpoints.Claim{Scope: "account a", Holder: checkpoints.Holder{RunID: runID}, Term: stepsTerm}
}

// testSteps holds up a holder that extends his lease just before he writes, for longer than the lease lasts, and lets
// a rival come in between, at each of the two places where that matters.
func testSteps(t *testing.T, conn driver.Conn) {
	for name, test := range map[string]struct {
		rivalFirst bool // the rival writes before the holder goes on; else after him
	}{"the rival writes first": {true}, "the holder writes first": {false}} {
		t.Run(name, func(t *testing.T) {
			_, database := newStore(t, conn)
			plain := tables.NewLeases(&clickhouse.Connection{Conn: conn}, database, nil)
			lease, err := plain.Take(t.Context(), stepsClaim("holder"))
			must(t, err)
			holder, rival := newStepped(conn), newStepped(conn)
			held, taken := make(chan error, 1), make(chan error, 1)
			<-time.After(stepsTerm / 2) // what he extends by must be worth something when he goes on
			holderStopped, rivalStopped := holder.stopped, rival.stopped
			go func() {
				_, err := tables.NewLeases(&clickhouse.Connection{Conn: holder}, database, nil).Extend(t.Context(), lease)
				held <- err
			}()
			stoppedBefore(t, holderStopped, held) // he has seen that the lease is his
			<-time.After(time.Until(lease.Until) + 100*time.Millisecond)
			go func() {
				_, err := tables.NewLeases(&clickhouse.Connection{Conn: rival}, database, nil).Take(t.Context(), stepsClaim("rival"))
				taken <- err
			}()
			stoppedBefore(t, rivalStopped, taken) // he has seen that the lease has ended
			var extending, taking error
			if test.rivalFirst {
				close(rival.goOn)
				taking = <-taken
				close(holder.goOn)
				extending = <-held
			} else {
				close(holder.goOn)
				extending = <-held
				close(rival.goOn)
				taking = <-taken
			}
			lost, refused := errors.As(extending, new(*checkpoints.LostError)), errors.As(taking, new(*checkpoints.HeldError))
			if lost != test.rivalFirst || refused == test.rivalFirst || !lost && extending != nil || !refused && taking != nil {
				t.Errorf("the holder was told %v, the rival %v", extending, taking)
			}
		})
	}
}

// stoppedBefore waits until a process stops before its write. One that came to its end without a write was too slow,
// or shows a fault.
func stoppedBefore(t *testing.T, stopped <-chan struct{}, ended <-chan error) {
	t.Helper()
	select {
	case <-stopped:
	case err := <-ended:
		t.Fatalf("it did not come to its write: %v", err)
	}
}
