package tables

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"tieout/checkpoints"
	"tieout/schema"
)

// Leases hands out leases in a table. ClickHouse has no compare-and-set on a plain node, and none is needed: whoever
// claims or extends a lease first writes that he does and then reads what everybody else wrote. Of two rivals the one
// who writes last sees the other and steps back, so at most one goes on. All that this asks of ClickHouse is that a
// row is seen by whoever reads after its insert was acknowledged: a single server promises that, and several nodes do
// with the settings of schema.Layout.
//
// That alone could make all rivals step back. So the claims of one number share a deduplication token: ClickHouse
// keeps the first of them and drops the others. Where it has forgotten the token, nothing worse happens than that.
type Leases struct {
	conn     driver.Conn
	database string // quoted
	ended    func(checkpoints.Holder) bool
}

var _ checkpoints.Leases = (*Leases)(nil)

// NewLeases returns the leases of a database, which must be migrated. Ended says of which holders it is known that
// their process has ended: their leases can be taken at once. Nil: of none.
func NewLeases(conn driver.Conn, database string, ended func(checkpoints.Holder) bool) *Leases {
	if ended == nil {
		ended = func(checkpoints.Holder) bool { return false }
	}
	return &Leases{conn: conn, database: schema.QuoteIdentifier(database), ended: ended}
}

// takesMax bounds how often a claim is tried that met another one. The pause before the next grows from about 50 ms.
const (
	takesMax  = 8
	takePause = 50 * time.Millisecond
)

// Take implements checkpoints.Leases.
func (l *Leases) Take(ctx context.Context, claim checkpoints.Claim) (checkpoints.Lease, error) {
	dropped := uint64(0) // numbers that were claimed, and whose claim is not there
	for attempt := 0; ; attempt++ {
		asked := time.Now()
		seen, err := l.read(ctx, claim.Scope)
		if err != nil {
			return checkpoints.Lease{}, err
		}
		rival := seen.live("", l.ended)
		if rival != nil {
			return checkpoints.Lease{}, checkpoints.Held(rival.lease(claim.Scope))
		}
		lease := checkpoints.Lease{
			Claim: claim, Fence: seen.top + 1 + dropped, ID: uuid.NewString(),
			TakenAt: seen.now, ExpiresAt: seen.now.Add(claim.Term), Until: asked.Add(claim.Term),
		}
		won, rival, err := l.claim(ctx, lease)
		switch {
		case err != nil || won:
			return lease, err
		case rival != nil && attempt == takesMax:
			return checkpoints.Lease{}, checkpoints.Held(rival.lease(claim.Scope))
		case attempt == takesMax:
			return checkpoints.Lease{}, checkpoints.Lost(claim.Scope, "%d claims of it have not lasted", attempt)
		case rival == nil:
			dropped++
		}
		if err := pause(ctx, takePause<<attempt); err != nil {
			return checkpoints.Lease{}, err
		}
	}
}

// claim writes a claim and looks what became of it: it has won, or there is a rival, or it is not there although
// nobody else's is. That happens if a server died between taking the token and storing the row.
func (l *Leases) claim(ctx context.Context, lease checkpoints.Lease) (won bool, rival *claimRow, err error) {
	token := clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token": fmt.Sprintf("%s %d", lease.Scope, lease.Fence), "insert_deduplicate": 1,
	}))
	if err := l.write(token, lease, time.Time{}); err != nil {
		return false, nil, err
	}
	seen, err := l.read(ctx, lease.Scope)
	if err != nil {
		return false, nil, err
	}
	own := seen.find(lease.ID)
	if own != nil && l.still(seen, lease) == nil {
		return true, nil, nil
	}
	if rival = seen.live(lease.ID, l.ended); rival == nil && seen.top >= lease.Fence {
		rival = &claimRow{fence: seen.top, takenAt: seen.now, expiresAt: seen.now} // it has come and gone
	}
	if own == nil {
		return false, rival, nil
	}
	return false, rival, l.Release(ctx, lease)
}

// pause waits for a random while of at most so long.
func pause(ctx context.Context, longest time.Duration) error {
	timer := time.NewTimer(rand.N(longest)) //nolint:gosec // spreading rivals needs no secrecy
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &schema.Error{Class: schema.ClassCancelled, Err: context.Cause(ctx)}
	}
}

// Extend implements checkpoints.Leases.
func (l *Leases) Extend(ctx context.Context, lease checkpoints.Lease) (checkpoints.Lease, error) {
	asked := time.Now()
	seen, err := l.read(ctx, lease.Scope)
	if err != nil {
		return lease, err
	}
	if err := l.still(seen, lease); err != nil {
		return lease, err
	}
	extended := lease
	extended.ExpiresAt, extended.Until = seen.now.Add(lease.Term), asked.Add(lease.Term)
	if err := l.write(ctx, extended, time.Time{}); err != nil {
		return lease, err
	}
	after, err := l.read(ctx, lease.Scope)
	if err != nil {
		return lease, err
	}
	return extended, l.still(after, extended)
}

// still returns why a lease is not its holder's any more, nil if it is.
func (l *Leases) still(seen claims, lease checkpoints.Lease) error {
	own := seen.find(lease.ID)
	rival := seen.live(lease.ID, l.ended)
	switch {
	case seen.top > lease.Fence:
		return checkpoints.Lost(lease.Scope, "a later run has taken it")
	case rival != nil:
		return checkpoints.Lost(lease.Scope, "%s claims it, too", rival.holder)
	case own == nil:
		return checkpoints.Lost(lease.Scope, "it is not in sync_leases any more")
	case own.released:
		return checkpoints.Lost(lease.Scope, "it was released")
	case !seen.now.Before(own.expiresAt):
		return checkpoints.Lost(lease.Scope, "it was not extended in time")
	}
	return nil
}

// Release implements checkpoints.Leases.
func (l *Leases) Release(ctx context.Context, lease checkpoints.Lease) error {
	return l.write(ctx, lease, time.Now())
}

// write adds a row of the lease. Rows of one claim merge into the latest of each time, so a row that is written twice
// changes nothing.
func (l *Leases) write(ctx context.Context, lease checkpoints.Lease, released time.Time) error {
	if released.IsZero() {
		released = time.Unix(0, 0)
	}
	err := l.conn.Exec(ctx, "INSERT INTO "+l.database+`.sync_leases
		(scope, fence, claim_id, host, pid, process, run_id, taken_at, expires_at, released_at)
		SELECT {scope:String}, {fence:UInt64}, {claim_id:String}, {host:String}, {pid:Int64}, {process:String}, {run_id:String},
			{taken_at:DateTime64(6, 'UTC')}, {expires_at:DateTime64(6, 'UTC')}, {released_at:DateTime64(6, 'UTC')}`,
		clickhouse.Named("scope", string(lease.Scope)), clickhouse.Named("fence", lease.Fence), clickhouse.Named("claim_id", lease.ID),
		clickhouse.Named("host", lease.Holder.Host), clickhouse.Named("pid", lease.Holder.PID), clickhouse.Named("process", lease.Holder.Process),
		clickhouse.Named("run_id", lease.Holder.RunID), instant("taken_at", lease.TakenAt), instant("expires_at", lease.ExpiresAt),
		instant("released_at", released))
	if err != nil {
		return fmt.Errorf("write the lease of %s: %w", lease.Scope, err)
	}
	return nil
}

// claimRow is a claim as the table has it.
type claimRow struct {
	fence     uint64
	id        string
	holder    checkpoints.Holder
	takenAt   time.Time
	expiresAt time.Time
	released  bool
}

func (c *claimRow) lease(scope checkpoints.Scope) checkpoints.Lease {
	return checkpoints.Lease{
		Claim: checkpoints.Claim{Scope: scope, Holder: c.holder}, Fence: c.fence, ID: c.id, TakenAt: c.takenAt, ExpiresAt: c.expiresAt,
	}
}

// claims is what is known of a scope at an instant.
type claims struct {
	now  time.Time // by the server's clock, before the rows were read
	top  uint64    // the highest number that was ever given
	rows []claimRow
}

// live returns a claim of somebody else that has not ended, nil if there is none. Of several it is one with the
// highest number, and of those the one with the lowest random name.
func (c claims) live(own string, ended func(checkpoints.Holder) bool) *claimRow {
	for i := range c.rows {
		row := &c.rows[i]
		if row.id != own && !row.released && c.now.Before(row.expiresAt) && !ended(row.holder) {
			return row
		}
	}
	return nil
}

func (c claims) find(id string) *claimRow {
	for i := range c.rows {
		if c.rows[i].id == id {
			return &c.rows[i]
		}
	}
	return nil
}

// claimsQuery reads the claims of a scope that have not ended, or have the highest number. The number also counts
// the checkpoints of an account and the states of a key, which have the numbers of leases that this table may have
// forgotten. Its %[1]s is the quoted database. The instant is the server's, taken before it looks at any row: it may
// be too early, and never too late.
const claimsQuery = `
SELECT now64(6, 'UTC') AS now,
	greatest(max(fence), (SELECT max(epoch) FROM %[1]s.sync_checkpoints WHERE account = {account:String}),
		(SELECT bitShiftRight(max(seq), {bits:UInt8}) FROM %[1]s.key_states WHERE {scope:String} = concat('key', substring(key, position(key, ' '))))) AS top,
	groupArray(fence) AS fences, groupArray(claim_id) AS ids, groupArray(host_) AS hosts, groupArray(pid_) AS pids,
	groupArray(process_) AS processes, groupArray(run_id_) AS run_ids, groupArray(taken) AS taken_at,
	groupArray(expires) AS expires_at, groupArray(released) AS released
FROM (
	SELECT fence, claim_id, any(host) AS host_, any(pid) AS pid_, any(process) AS process_, any(run_id) AS run_id_,
		min(taken_at) AS taken, max(expires_at) AS expires, toBool(max(released_at) > toDateTime64(0, 6, 'UTC')) AS released
	FROM %[1]s.sync_leases WHERE scope = {scope:String}
	GROUP BY fence, claim_id
	HAVING NOT released AND expires > now64(6, 'UTC')
		OR fence = (SELECT max(fence) FROM %[1]s.sync_leases WHERE scope = {scope:String})
	ORDER BY fence DESC, claim_id
)`

func (l *Leases) read(ctx context.Context, scope checkpoints.Scope) (claims, error) {
	var rows []struct {
		Now       time.Time   `ch:"now"`
		Top       uint64      `ch:"top"`
		Fences    []uint64    `ch:"fences"`
		IDs       []string    `ch:"ids"`
		Hosts     []string    `ch:"hosts"`
		PIDs      []int64     `ch:"pids"`
		Processes []string    `ch:"processes"`
		RunIDs    []string    `ch:"run_ids"`
		TakenAt   []time.Time `ch:"taken_at"`
		ExpiresAt []time.Time `ch:"expires_at"`
		Released  []bool      `ch:"released"`
	}
	account, _ := scope.Account()
	err := l.conn.Select(ctx, &rows, fmt.Sprintf(claimsQuery, l.database), clickhouse.Named("scope", string(scope)),
		clickhouse.Named("account", account), clickhouse.Named("bits", keyFenceBits))
	if err != nil {
		return claims{}, fmt.Errorf("read the leases of %s: %w", scope, err)
	}
	row := rows[0] // an aggregate without keys is one row
	seen := claims{now: row.Now.UTC(), top: row.Top}
	for i, fence := range row.Fences {
		seen.rows = append(seen.rows, claimRow{
			fence: fence, id: row.IDs[i], takenAt: row.TakenAt[i].UTC(), expiresAt: row.ExpiresAt[i].UTC(), released: row.Released[i],
			holder: checkpoints.Holder{Host: row.Hosts[i], PID: row.PIDs[i], Process: row.Processes[i], RunID: row.RunIDs[i]},
		})
	}
	return seen, nil
}
