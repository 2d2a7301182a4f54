package loadtest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tieout/load"
	"tieout/schema"
)

// Store is what Suite holds to the contracts of load.
type Store interface {
	load.Destination
	load.Holdings
}

// Version is a stored version of a record, as far as Suite looks at it.
type Version struct {
	ID          string
	Version     uint64
	Status      schema.Status
	Amount      string
	Payload     string
	ListedUnder string
	FirstSeenAt time.Time // UTC
	DeletedAt   time.Time // UTC; zero unless it is a tombstone
	Evidence    string
}

// History returns the versions of a stream of deposits, sorted by id and version. What lies there twice, it returns
// twice, unless the store has not merged it yet.
type History func(t *testing.T, stream schema.Stream) []Version

// Suite holds a destination to its contract, and what it says of its holdings. Open returns one that is empty, and
// the way to look into it.
func Suite(t *testing.T, open func(t *testing.T) (Store, History)) {
	for name, test := range map[string]func(*testing.T, *bench){
		"nothing":                         testNothing,
		"there and back":                  testThereAndBack,
		"first and last sighting":         testSightings,
		"without an instant of asking":    testNeverAsked,
		"tombstone":                       testTombstone,
		"tombstone with everything":       testTombstoneKeepsAll,
		"no tombstone":                    testNoTombstone,
		"back after a tombstone":          testReturn,
		"back by an old batch":            testStaleGone,
		"back at once":                    testReturnAtOnce,
		"gone again":                      testGoneAgain,
		"several lists":                   testLists,
		"records that move":               testMoves,
		"open by status":                  testOpenByStatus,
		"open by time":                    testOpenByTime,
		"newer records":                   testNewer,
		"identifiers as bytes":            testOrder,
		"streams share nothing":           testStreams,
		"an error ends it":                testErrorOfDo,
		"balances are no records":         testBalances,
		"batches again, in any order":     testRepetitions,
		"like the destination in memory":  testLikeMemory,
		"quarantine is not held":          testQuarantine,
		"a batch that is gone and is not": testGoneAndSeen,
	} {
		t.Run(name, func(t *testing.T) {
			store, history := open(t)
			test(t, &bench{store, history})
		})
	}
}

// bench is a store under test.
type bench struct {
	store   Store
	history History
}

var stream = schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Deposits}

// second returns an instant some seconds after the beginning of all tests.
func second(number int) time.Time {
	return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(number) * time.Second)
}

// deposit is a record whose content is its state. The request for it was sent and answered at some seconds.
func deposit(id string, status schema.Status, asked, answered int) *schema.Deposit {
	amount, err := schema.ParseAmount("12.5")
	if err != nil {
		panic(err) // it is written above
	}
	row := &schema.Deposit{
		Record: schema.Record{
			Account: stream.Account, Provider: stream.Provider, ID: id, Status: status, CreatedAt: second(0),
			FirstSeenAt: second(answered), AskedAt: second(asked),
		},
		Currency: "EUR", Amount: amount,
	}
	return under(row, "")
}

// under puts a record under a value of its list's filter, which is part of its content.
func under(row *schema.Deposit, list string) *schema.Deposit {
	row.ListedUnder = list
	row.Payload = fmt.Appendf(nil, `{"id":%q,"state":%q}`, row.ID, row.Status)
	row.PayloadHash = sha256.Sum256(fmt.Appendf(nil, "%s %q", row.Payload, list))
	return row
}

func created(row *schema.Deposit, at time.Time) *schema.Deposit {
	row.CreatedAt = at
	return row
}

func rows(deposits ...*schema.Deposit) load.Batch {
	batch := load.Batch{Stream: stream, RunID: "run"}
	for _, row := range deposits {
		batch.Rows = append(batch.Rows, row)
	}
	return batch
}

func gone(at int, ids ...string) load.Batch {
	batch := load.Batch{Stream: stream, RunID: "run"}
	for _, id := range ids {
		batch.Gone = append(batch.Gone, load.Gone{ID: id, At: second(at), Evidence: fmt.Sprint("certificate of ", at)})
	}
	return batch
}

// by gives a batch to another run.
func by(runID string, batch load.Batch) load.Batch {
	batch.RunID = runID
	return batch
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write writes a batch and compares its receipt: versions, records that are new, and of those the ones that are back.
func (b *bench) write(t *testing.T, batch load.Batch, versions, fresh, returned int) {
	t.Helper()
	receipt, err := b.store.Write(t.Context(), batch)
	must(t, err)
	if receipt.BatchID == "" {
		t.Error("the receipt has no batch id")
	}
	if receipt.Versions != versions || receipt.New != fresh || receipt.Returned != returned ||
		len(batch.Gone) == 0 && batch.Stream.Resource != schema.Balances && len(receipt.Changed) != versions {
		t.Errorf("the receipt is %+v, want %d versions, %d new and %d returned", receipt, versions, fresh, returned)
	}
}

// holds compares how many records of a list are held.
func (b *bench) holds(t *testing.T, list string, want uint64) {
	t.Helper()
	got, err := b.store.CountIDs(t.Context(), stream, list)
	if must(t, err); got != want {
		t.Errorf("%d records of list %q are held, want %d", got, list, want)
	}
}

// sightings returns the sightings of a list in words: id, first and last second, and whether it is gone.
func (b *bench) sightings(t *testing.T, list string) []string {
	t.Helper()
	words := []string{}
	must(t, b.store.Sightings(t.Context(), stream, list, func(s load.Sighting) error {
		word := fmt.Sprintf("%s %s to %s", s.ID, seconds(s.FirstAt), seconds(s.LastAt))
		if s.Gone {
			word += " gone"
		}
		words = append(words, word)
		return nil
	}))
	return words
}

// seconds is an instant in seconds since second(0).
func seconds(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprint(t.Sub(second(0)).Seconds())
}

func (b *bench) wantSightings(t *testing.T, list string, want ...string) {
	t.Helper()
	if difference := cmp.Diff(want, b.sightings(t, list)); difference != "" {
		t.Errorf("sightings of list %q (-want +got):\n%s", list, difference)
	}
}

// wantHistory compares the versions in words: id, number, status, and the instant by which it was gone.
func (b *bench) wantHistory(t *testing.T, want ...string) {
	t.Helper()
	var words []string
	for _, version := range b.history(t, stream) {
		word := fmt.Sprintf("%s%d %s", version.ID, version.Version, version.Status)
		if !version.DeletedAt.IsZero() {
			word += " gone " + seconds(version.DeletedAt)
		}
		words = append(words, word)
	}
	if difference := cmp.Diff(want, words); difference != "" {
		t.Errorf("history (-want +got):\n%s", difference)
	}
}

// open returns the open records of a list in words: id, status, and how many are newer.
func (b *bench) open(t *testing.T, list string, unknownSince, allSince time.Time) string {
	t.Helper()
	found, err := b.store.Open(t.Context(), stream, list, unknownSince, allSince)
	must(t, err)
	words := []string{}
	for _, o := range found {
		words = append(words, fmt.Sprintf("%s %s %d", o.ID, o.Status, o.Newer))
	}
	return strings.Join(words, ", ")
}

// snapshot is all that can be seen of a store: two that hold the same have the same.
func (b *bench) snapshot(t *testing.T, lists ...string) []string {
	t.Helper()
	var all []string
	for _, version := range b.history(t, stream) {
		all = append(all, fmt.Sprintf("%+v", version))
	}
	for _, list := range append([]string{""}, lists...) {
		count, err := b.store.CountIDs(t.Context(), stream, list)
		must(t, err)
		all = append(all, fmt.Sprintf("list %q holds %d", list, count), "open: "+b.open(t, list, second(0), second(5)))
		all = append(all, b.sightings(t, list)...)
	}
	return all
}

// HistoryOf returns the way to look into a destination in memory.
func HistoryOf(memory *Memory) History {
	return func(_ *testing.T, stream schema.Stream) []Version {
		var all []Version
		for id, versions := range memory.Versions(stream) {
			for _, row := range versions {
				r := row.Base()
				version := Version{
					ID: id, Version: r.Version, Status: r.Status, Payload: string(r.Payload), ListedUnder: r.ListedUnder,
					FirstSeenAt: r.FirstSeenAt.UTC(), DeletedAt: r.DeletedAt, Evidence: r.Evidence,
				}
				if d, ok := row.(*schema.Deposit); ok {
					version.Amount = d.Amount.String()
				}
				all = append(all, version)
			}
		}
		slices.SortFunc(all, func(a, b Version) int {
			return strings.Compare(fmt.Sprintf("%s\x00%09d", a.ID, a.Version), fmt.Sprintf("%s\x00%09d", b.ID, b.Version))
		})
		return all
	}
}
