package tables_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"

	"tieout/checkpoints"
	"tieout/checkpoints/tables"
	"tieout/load/clickhouse"
)

// keysClaim is a claim of a key.
func keysClaim(name, runID string) checkpoints.Claim {
	return checkpoints.Claim{
		Scope: checkpoints.KeyOf(name), Term: time.Hour, Holder: checkpoints.Holder{Host: "h", PID: 1, RunID: runID},
	}
}

// testKeys: what was saved last for a key is what is loaded, by a process that comes after as well; keys share nothing.
func testKeys(t *testing.T, conn driver.Conn) {
	store, database := newStore(t, conn)
	leases := tables.NewLeases(&clickhouse.Connection{Conn: conn}, database, nil)
	_, hold := checkpoints.Keep(t.Context(), leases, nil)
	for _, name := range []string{"nonce a", "nonce 'b'", "limit c", "limit d"} {
		lease, err := leases.Take(t.Context(), keysClaim(name, "first"))
		must(t, err)
		hold.Add(lease)
	}
	held := checkpoints.NewHeldKeys(store, hold)
	load := func(key, want string) {
		t.Helper()
		later := tables.NewStore(&clickhouse.Connection{Conn: conn}, database)
		got, err := later.LoadKey(t.Context(), key)
		if must(t, err); got != want {
			t.Errorf("key %q has the state %q, want %q", key, got, want)
		}
	}
	load("nonce a", "")
	for _, state := range []string{"1773336124567", "1773336129567", "9", `it's \N`, ""} { // the order counts, not the value
		must(t, held.SaveKey(t.Context(), "nonce a", state))
		load("nonce a", state)
		load("nonce b", "")
	}
	must(t, held.SaveKey(t.Context(), "nonce 'b'", "b"))
	load("nonce 'b'", "b")
	load("nonce a", "")
	must(t, held.SaveKey(t.Context(), "limit c", `{"it's": "\\c"}`))
	must(t, held.SaveKey(t.Context(), "limit d", "1"))
	must(t, held.SaveKey(t.Context(), "limit d", "2"))
	for range 2 { // the second time when only the last row of each is left
		states, err := store.KeyStates(t.Context(), "limit ")
		must(t, err)
		if difference := cmp.Diff(map[string]string{"limit c": `{"it's": "\\c"}`, "limit d": "2"}, states); difference != "" {
			t.Errorf("states (-want +got):\n%s", difference)
		}
		must(t, conn.Exec(t.Context(), "OPTIMIZE TABLE "+database+".key_states FINAL"))
		load("limit d", "2")
	}
	if err := held.SaveKey(t.Context(), "limit e", "1"); !errors.As(err, new(*checkpoints.LostError)) {
		t.Errorf("a key whose lease nobody has: %v", err)
	}
	must(t, hold.Release(t.Context()))
}

// testStaleKeys: whoever has missed the end of his lease changes nothing about its key, whether he knows of the next
// holder or not; and a state of his that arrives late counts for less than one of the next holder.
func testStaleKeys(t *testing.T, conn driver.Conn) {
	const name = "limit a"
	store, database := newStore(t, conn)
	leases := tables.NewLeases(&clickhouse.Connection{Conn: conn}, database, nil)
	take := func(runID string) checkpoints.Lease {
		lease, err := leases.Take(t.Context(), keysClaim(name, runID))
		must(t, err)
		return lease
	}
	first := take("first")
	running, hold := checkpoints.Keep(t.Context(), leases, []checkpoints.Lease{first})
	held := checkpoints.NewHeldKeys(store, hold)
	must(t, held.SaveKey(t.Context(), name, "first 1"))
	must(t, leases.Release(t.Context(), first)) // as if it had ended, and he does not know
	second := take("second")
	if err := held.SaveKey(t.Context(), name, "first 2"); !errors.As(err, new(*checkpoints.LostError)) {
		t.Errorf("behind a later lease: %v", err)
	}
	if running.Err() == nil || held.HoldsKey(name) == nil {
		t.Error("he goes on")
	}
	later := tables.NewStore(&clickhouse.Connection{Conn: conn}, database)
	loads := func(want string) {
		t.Helper()
		state, err := later.LoadKey(t.Context(), name)
		if must(t, err); state != want {
			t.Errorf("the state is %q, want %q", state, want)
		}
	}
	loads("first 1")
	must(t, later.AppendKey(t.Context(), checkpoints.KeyState{Name: name, Fence: second.Fence, Seq: 2, State: "second 2"}))
	must(t, later.AppendKey(t.Context(), checkpoints.KeyState{Name: name, Fence: second.Fence, Seq: 1, State: "second 1"}))
	loads("second 2") // whose answer was lost, and which arrived late
	must(t, conn.Exec(t.Context(), "TRUNCATE TABLE "+database+".sync_leases"))
	if third := take("third"); third.Fence != second.Fence+1 {
		t.Errorf("where the leases were forgotten the next has number %d, and what it writes would not count", third.Fence)
	}
	must(t, conn.Exec(t.Context(), "TRUNCATE TABLE "+database+".sync_leases"))
	stale := checkpoints.KeyState{Name: name, Fence: first.Fence, Seq: 9, State: "first 9"}
	if err := later.AppendKey(t.Context(), stale); !errors.As(err, new(*checkpoints.LostError)) {
		t.Errorf("behind a later state: %v", err)
	}
	loads("second 2")
	must(t, hold.Release(t.Context()))
}
