package clickhouse_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tieout/load"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// seenState is what a partner showed of one record from an instant on, with all readings of it: the first one is that
// of the night, each later one that of a remap.
type seenState struct {
	id       string
	version  uint64
	content  string // the same content has the same hash; a tombstone has one of its own
	at       time.Time
	gone     bool
	readings []reading
}

type reading struct {
	at      time.Time // 1970: when it was seen
	status  schema.Status
	amount  string
	created time.Time
	moved   bool // created is not that of the reading before, or of the version before
}

// moment is an instant of a test: they are so close that cutting microseconds would show.
func moment(number int) time.Time { return noon.Add(time.Duration(number) * time.Microsecond) }

// drawStates makes up the life of some records: changes, also back to what was, tombstones, returns, and remaps, which
// may find that a record was made in another month.
func drawStates(t *rapid.T) []seenState {
	var states []seenState
	clock := 0
	for _, id := range []string{"x", "y", "z"} {
		content, gone := "", false
		for version := range rapid.IntRange(0, 4).Draw(t, "versions of "+id) {
			clock += rapid.IntRange(1, 3).Draw(t, "pause")
			next := rapid.SampledFrom([]string{"A", "B", "C", "tombstone"}).Filter(func(next string) bool {
				return next != content && (next != "tombstone" || version > 0 && !gone)
			}).Draw(t, "content")
			content, gone = next, next == "tombstone"
			states = append(states, seenState{
				id: id, version: uint64(version + 1), content: next, at: moment(clock), gone: gone, readings: []reading{drawReading(t, time.Unix(0, 0))},
			})
			if last := len(states) - 1; version > 0 {
				states[last].readings[0].after(states[last-1].readings[0])
			}
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "remaps") {
		clock += rapid.IntRange(1, 3).Draw(t, "pause")
		for i := range states {
			if rapid.Bool().Draw(t, "read otherwise") {
				read := drawReading(t, moment(clock))
				read.after(states[i].readings[len(states[i].readings)-1])
				states[i].readings = append(states[i].readings, read)
			}
		}
	}
	return states
}

func drawReading(t *rapid.T, at time.Time) reading {
	return reading{
		at: at.UTC(), status: rapid.SampledFrom(schema.Statuses()).Draw(t, "status"), amount: rapid.SampledFrom([]string{"1", "-0.000000000000000001", "12.5"}).Draw(t, "amount"),
		created: noon.AddDate(0, rapid.IntRange(0, 2).Draw(t, "month"), 0),
	}
}

// after notes what the writer notes when it compares a reading with the one before.
func (r *reading) after(before reading) { r.moved = !r.created.Equal(before.created) }

// stored are the rows of a state.
func (s seenState) stored(stream schema.Stream) []load.Stored {
	var rows []load.Stored
	for _, reading := range s.readings {
		row := deposit(s.id, reading.status, reading.amount, 0)
		record := row.Base()
		record.Account, record.Version, record.FirstSeenAt = stream.Account, s.version, s.at
		record.CreatedAt, record.Moved = reading.created, reading.moved
		record.PayloadHash = [32]byte([]byte(fmt.Sprintf("%-32s", s.content)))
		if s.gone {
			record.PayloadHash = [32]byte([]byte(fmt.Sprintf("%-32s", s.content+strconv.FormatUint(s.version, 10))))
			record.DeletedAt, record.Evidence = s.at, "certificate"
		}
		rows = append(rows, load.Stored{Row: row, RunID: "run", MappedAt: reading.at})
	}
	return rows
}

// knownAt is the model: of each record what was seen last by then, as it was read last by then.
func knownAt(states []seenState, at time.Time) []string {
	last := map[string]seenState{}
	for _, s := range states {
		if known, ok := last[s.id]; !s.at.After(at) && (!ok || s.at.After(known.at)) {
			last[s.id] = s
		}
	}
	known := []string{}
	for _, s := range last {
		by := s.readings[0]
		for _, reading := range s.readings {
			if !reading.at.After(at) {
				by = reading
			}
		}
		known = append(known, fmt.Sprintf("%s %d %s %s %s %s %t", s.id, s.version, by.status, by.amount,
			by.created.Format("2006-01-02"), s.at.UTC().Format("2006-01-02 15:04:05.000000"), s.gone))
	}
	slices.Sort(known)
	return known
}

// TestSimReplay stores lives of records in blocks of any cut, in any order and with any repetitions, in tables that
// remember the tokens of blocks and in tables that do not, and compares what the views say, now and as of every instant,
// with a model; and once more when the tables are merged.
func TestSimReplay(t *testing.T) { replay(t, embeddedtest.Connect(t)) }

// TestServerSimReplay does the same on servers.
func TestServerSimReplay(t *testing.T) {
	embeddedtest.Servers(t, func(t *testing.T, connection *clickhouse.Connection) {
		t.Run("lives", func(t *testing.T) { replay(t, connection) }) // its databases are dropped before the connection is closed
	})
}

func replay(t *testing.T, conn *clickhouse.Connection) {
	t.Helper()
	simulated(t, 2)
	remembering, forgetting := newWarehouse(t, conn), newWarehouse(t, conn)
	exec(t, forgetting, "ALTER TABLE "+forgetting.database+".deposit_versions MODIFY SETTING non_replicated_deduplication_window = 0")
	var accounts atomic.Int64
	rapid.Check(t, func(r *rapid.T) {
		stream := depositStream
		stream.Account = fmt.Sprint("account ", accounts.Add(1))
		states := drawStates(r)
		var rows []load.Stored
		for _, s := range states {
			rows = append(rows, s.stored(stream)...)
		}
		w := rapid.SampledFrom([]*warehouse{remembering, forgetting}).Draw(r, "tables")
		blocks := drawBlocks(r, rows)
		for _, block := range blocks {
			if err := w.destination.Remap(t.Context(), stream, load.Remapped{RemapID: "remap", Versions: block}); err != nil {
				r.Fatal(err)
			}
		}
		w.compareReplay(t, r, stream, states, "before the merge")
		if err := w.Exec(t.Context(), "OPTIMIZE TABLE "+w.database+".deposit_versions FINAL"); err != nil {
			r.Fatal(err)
		}
		w.compareReplay(t, r, stream, states, "after the merge")
	})
}

// drawBlocks cuts rows into blocks, repeats some, and shuffles them.
func drawBlocks(t *rapid.T, rows []load.Stored) [][]load.Stored {
	var blocks [][]load.Stored
	rows = rapid.Permutation(rows).Draw(t, "rows")
	for len(rows) > 0 {
		size := rapid.IntRange(1, len(rows)).Draw(t, "rows in a block")
		for range rapid.IntRange(1, 3).Draw(t, "repetitions") {
			blocks = append(blocks, rows[:size])
		}
		rows = rows[size:]
	}
	return rapid.Permutation(blocks).Draw(t, "blocks")
}

func (w *warehouse) compareReplay(t *testing.T, r *rapid.T, stream schema.Stream, states []seenState, when string) {
	t.Helper()
	const shown = `SELECT concat(deposit_id, ' ', toString(version), ' ', status, ' ', toString(amount), ' ', toString(toDate(created_at)), ' ',
		toString(first_seen_at), ' ', if(isNull(deleted_at), 'false', 'true')) AS text FROM {db}.%s WHERE account = {account:String} ORDER BY text`
	account := driverpackage.Named("account", stream.Account)
	instants := []time.Time{noon.Add(-time.Second)}
	for _, s := range states {
		instants = append(instants, s.at, s.at.Add(-time.Microsecond))
		for _, reading := range s.readings[1:] {
			instants = append(instants, reading.at, reading.at.Add(-time.Microsecond))
		}
	}
	slices.SortFunc(instants, time.Time.Compare)
	instants = slices.Compact(instants)
	for _, at := range instants {
		got := w.texts(t, fmt.Sprintf(shown, "deposits_as_of(known_at = {known_at:DateTime64(6, 'UTC')})"), account,
			driverpackage.DateNamed("known_at", at.UTC(), driverpackage.MicroSeconds))
		if difference := cmp.Diff(knownAt(states, at), got); difference != "" {
			r.Fatalf("%s, as of %s (-model +view):\n%s", when, at.Format(time.RFC3339Nano), difference)
		}
	}
	if difference := cmp.Diff(knownAt(states, instants[len(instants)-1]), w.texts(t, fmt.Sprintf(shown, "deposits"), account)); difference != "" {
		r.Fatalf("%s, now (-model +view):\n%s", when, difference)
	}
}

// simulated makes rapid try so many cases, and a hundred times as many in a simulation at full size.
func simulated(t *testing.T, checks int) {
	t.Helper()
	if scale, err := strconv.Atoi(os.Getenv("TIEOUT_TEST_SIM_SCALE")); err == nil {
		checks *= max(1, scale*100/30)
	}
	settings := map[string]string{"rapid.checks": strconv.Itoa(checks), "rapid.nofailfile": "true"}
	if seed := os.Getenv("TIEOUT_TEST_SIM_SEED"); seed != "" {
		settings["rapid.seed"] = seed
	}
	for name, value := range settings {
		before := flag.Lookup(name).Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := flag.Set(name, before); err != nil {
				t.Error(err)
			}
		})
	}
}
