package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tieout/extract/sandbox"
	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

// drillWorld is a partner whose records change between rounds, never within one: so every state that a record was in
// is one version, however often processes die, and the books of the partner tell how many there must be.
type drillWorld struct {
	*workplace
	victim  atomic.Pointer[fetchKill]
	keys    int                         // that were used
	rejects string                      // the trade whose amount does not fit
	open    []string                    // deposits that are not final yet
	settled []string                    // deposits that became final, and may go back
	history map[string][]stateOfARecord // by resource and id, what its versions must be
	gone    map[string]bool             // payments that were taken off their list
	round   roundTimes
	stored  map[string]time.Time // by resource, id and version: first_seen_at as it was stored before

	direct   *clickhouse.Connection // to the server; nil: there is none
	database string
}

// stateOfARecord is one version that must be stored.
type stateOfARecord struct {
	word      string // the partner's status; empty for a tombstone
	tombstone bool
	seen      roundTimes // of the round in which it came
}

type roundTimes struct{ from, until time.Time }

// fetchKill ends a process when a request of it is under way.
type fetchKill struct {
	after bool         // when its answer has left
	left  atomic.Int64 // requests until that one
	kill  func()
}

func newDrillWorld(t *testing.T, seed uint64, dsn string) *drillWorld {
	t.Helper()
	options := sandbox.Options{Seed: seed, Records: 45, PageSizeMax: 20, Oversize: sandbox.OversizeCut, RateLimits: []sandbox.Limit{}}
	for n := range drillKeys {
		options.Accounts = append(options.Accounts, sandbox.Account{Name: fmt.Sprint(n), Key: fmt.Sprint("key ", n), Secret: fmt.Sprint("secret-", n)})
	}
	if dsn == "" {
		dsn = "embedded:" + filepath.Join(quickFolder(t), "clickhouse")
	}
	w := &drillWorld{
		workplace: newWorkplace(t, options, dsn),
		history:   map[string][]stateOfARecord{}, gone: map[string]bool{}, stored: map[string]time.Time{},
	}
	truth := w.sandbox.Truth()
	w.rejects = truth.Trades[len(truth.Trades)/2].ID
	for _, deposit := range truth.Deposits {
		if deposit.Reading == schema.StatusPending {
			w.open = append(w.open, deposit.ID)
		}
	}
	target, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if w.database = target.Database; !target.Embedded() {
		if w.direct, err = clickhouse.Open(t.Context(), target, clickhouse.Options{Version: "test"}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.direct.Close() }) // the test is over
	}
	server := httptest.NewServer(http.HandlerFunc(w.answer))
	t.Cleanup(server.Close)
	w.workplace = w.with("TIEOUT_COINUT_MAIN_BASE_URL="+server.URL, "TIEOUT_COINUT_MAIN_RATE_LIMITS=100000/1s", "TIEOUT_LIBCHDB="+embeddedtest.Library(t))
	return w
}

// drillKeys is how many keys the account has. Each process takes the next one: what a killed one may have sent counts as
// sent for eleven seconds, and here nobody waits for that. TestKilledManyRunsAreNotRefused kills processes of one key.
const drillKeys = 200

// nextKey returns the workplace with the next key of the account.
func (w *drillWorld) nextKey() *workplace {
	w.keys++
	account := w.sandbox.Accounts()[w.keys%drillKeys]
	return w.with("TIEOUT_COINUT_MAIN_API_KEY="+account.Key, "TIEOUT_COINUT_MAIN_API_SECRET="+account.Secret)
}

var fromAmount = regexp.MustCompile(`"fromAmount":"[^"]*"`)

// answer is the partner, with one amount that does not fit, and the end of whoever asks too much.
func (w *drillWorld) answer(rw http.ResponseWriter, r *http.Request) {
	victim := w.victim.Load()
	due := victim != nil && victim.left.Add(-1) == 0
	if due && !victim.after {
		victim.kill()
	}
	recorder := httptest.NewRecorder()
	w.sandbox.ServeHTTP(recorder, r)
	body := recorder.Body.String()
	if at := strings.Index(body, `"id":"`+w.rejects+`"`); at >= 0 && strings.Contains(r.URL.Path, "trade") {
		if place := fromAmount.FindStringIndex(body[at:]); place != nil {
			body = body[:at+place[0]] + `"fromAmount":"0.1234567890123456789"` + body[at+place[1]:]
		}
	}
	maps.Copy(rw.Header(), recorder.Header())
	rw.Header().Set("Content-Length", strconv.Itoa(len(body)))
	rw.WriteHeader(recorder.Code)
	_, _ = rw.Write([]byte(body)) // the client may be dead
	if flusher, ok := rw.(http.Flusher); ok {
		flusher.Flush()
	}
	if due && victim.after {
		victim.kill()
	}
}

// change lets the world go on before a round: records come, become final, go back (A, B, A), and leave. It reports
// whether the run has to read every list from end to end to learn of it.
func (w *drillWorld) change(round int) (full bool) {
	w.round = roundTimes{from: time.Now().UTC()}
	if round == 0 {
		return false
	}
	w.sandbox.Add(2)
	w.open = append(w.open, w.sandbox.AddDeposit("RECEIVED").ID)
	w.set(w.open[0], "CONFIRMED")
	w.settled, w.open = append(w.settled, w.open[0]), w.open[1:]
	switch round % 3 {
	case 1:
		payments := w.sandbox.Truth().Payments
		taken := payments[len(payments)/3].ID
		if err := w.sandbox.Remove(schema.Payments, taken); err != nil {
			w.t.Fatal(err)
		}
		w.gone[taken] = true
		w.note(schema.Payments, taken, stateOfARecord{tombstone: true})
	case 2: // back to what it was, which no ordinary night looks for
		w.set(w.settled[0], "RECEIVED")
		w.open, w.settled = append(w.open, w.settled[0]), w.settled[1:]
		return true
	}
	return false
}

func (w *drillWorld) set(id, word string) {
	if err := w.sandbox.SetStatus(schema.Deposits, id, word); err != nil {
		w.t.Fatal(err)
	}
}

// note adds a version that the round must bring.
func (w *drillWorld) note(resource schema.Resource, id string, state stateOfARecord) {
	key := string(resource) + " " + id
	state.seen = w.round
	w.history[key] = append(w.history[key], state)
}

// noteStates notes what the partner lists in this round, where it is another state than in the one before.
func (w *drillWorld) noteStates() {
	truth := w.sandbox.Truth()
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
		for _, record := range truth.Records(resource) {
			states := w.history[string(resource)+" "+record.ID]
			if record.ID != w.rejects && (len(states) == 0 || states[len(states)-1].word != record.Status) {
				w.note(resource, record.ID, stateOfARecord{word: record.Status})
			}
		}
	}
}

// finish ends a round after its last run, and compares.
func (w *drillWorld) finish() {
	w.t.Helper()
	w.round.until = time.Now().UTC()
	for _, states := range w.history {
		for i := range states {
			if states[i].seen.until.IsZero() {
				states[i].seen.until = w.round.until
			}
		}
	}
	w.compare()
}

// remember notes when versions were first seen that a killed process has left: whoever clears up after it must not move
// them. It needs a server that can be asked; the engine inside a process has died with it.
func (w *drillWorld) remember() {
	if w.direct == nil {
		return
	}
	rows, err := w.direct.Query(w.t.Context(), strings.ReplaceAll(seenQuery, "{db}", w.database))
	if err != nil {
		return // the tables are not made yet
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var seen time.Time
		if err := rows.Scan(&name, &seen); err != nil {
			w.t.Error(err)
			return
		}
		if _, known := w.stored[name]; !known {
			w.stored[name] = seen.UTC()
		}
	}
	if err := rows.Err(); err != nil {
		w.t.Error(err)
	}
}

const seenQuery = `
SELECT concat('deposits ', deposit_id, ' ', toString(version)), first_seen_at FROM {db}.deposit_versions FINAL
UNION ALL SELECT concat('trades ', trade_id, ' ', toString(version)), first_seen_at FROM {db}.trade_versions FINAL
UNION ALL SELECT concat('payments ', payment_id, ' ', toString(version)), first_seen_at FROM {db}.payment_versions FINAL`

// drillQuery returns everything that is compared, as tagged lines.
const drillQuery = `
SELECT 'version', 'deposits', deposit_id, toString(version), provider_status, toString(toUnixTimestamp64Micro(first_seen_at)), toString(isNotNull(deleted_at)) FROM deposit_versions FINAL
UNION ALL SELECT 'version', 'trades', trade_id, toString(version), provider_status, toString(toUnixTimestamp64Micro(first_seen_at)), toString(isNotNull(deleted_at)) FROM trade_versions FINAL
UNION ALL SELECT 'version', 'payments', payment_id, toString(version), provider_status, toString(toUnixTimestamp64Micro(first_seen_at)), toString(isNotNull(deleted_at)) FROM payment_versions FINAL
UNION ALL SELECT 'sum', 'deposits', currency, toString(sum(amount)), toString(count()), toString(uniqExact(deposit_id)), '' FROM deposits GROUP BY currency
UNION ALL SELECT 'sum', 'trades', from_currency, toString(sum(from_amount)), toString(count()), toString(uniqExact(trade_id)), '' FROM trades GROUP BY from_currency
UNION ALL SELECT 'sum', 'payments', currency, toString(sum(amount)), toString(count()), toString(uniqExact(payment_id)), '' FROM payments WHERE deleted_at IS NULL GROUP BY currency
UNION ALL SELECT 'balance', currency, toString(assumeNotNull(total)), '', '', '', '' FROM balances
UNION ALL SELECT 'rejected', record_id, '', '', '', '', '' FROM rejected_records FINAL
UNION ALL SELECT 'sighting', resource, record_id, toString(version), '', '', '' FROM record_sightings FINAL`

// compare holds all that is stored against the partner's books.
func (w *drillWorld) compare() {
	w.t.Helper()
	got := map[string][][]string{}
	for _, line := range w.rows(drillQuery) {
		fields := strings.Split(line, "\t")
		got[fields[0]] = append(got[fields[0]], fields[1:])
	}
	w.compareVersions(got["version"])
	w.compareSums(got["sum"])
	want := map[string]string{}
	for currency, total := range w.sandbox.Truth().Sum(schema.Balances) {
		want[currency] = total.String()
	}
	for _, balance := range got["balance"] {
		if want[balance[0]] != balance[1] {
			w.t.Errorf("wrong: the balance of %s is %s, want %s", balance[0], balance[1], want[balance[0]])
		}
		delete(want, balance[0])
	}
	if len(want) > 0 {
		w.t.Errorf("lost: balances %v", want)
	}
	if rejected := got["rejected"]; len(rejected) != 1 || rejected[0][0] != w.rejects {
		w.t.Errorf("wrong: the quarantine holds %v, want %s", rejected, w.rejects)
	}
	w.compareSightings(got["version"], got["sighting"])
}

// compareSightings holds sightings against versions. One without its version would be a record that is counted and not
// stored. A version whose sighting has died with a process is on the safe side: its record counts by the version before,
// or not yet, and where that is not explained by the quarantine, as it is of trades here, a pass brings it.
func (w *drillWorld) compareSightings(versions, sightings [][]string) {
	w.t.Helper()
	stored, sighted := map[string]bool{}, map[string]bool{}
	for _, version := range versions {
		stored[strings.Join(version[:3], " ")] = true
	}
	for _, sighting := range sightings {
		sighted[sighting[0]+" "+sighting[1]] = true
		if name := strings.Join(sighting[:3], " "); !stored[name] {
			w.t.Errorf("wrong: %s was seen and is not stored", name)
		}
	}
	for _, version := range versions {
		if version[0] != string(schema.Trades) && !sighted[version[0]+" "+version[1]] {
			w.t.Errorf("wrong: %s %s is stored and does not count", version[0], version[1])
		}
	}
}

// compareVersions holds every version of every record against its history: as many, in that order, numbered from 1, first
// seen in their round, and never moved afterwards.
func (w *drillWorld) compareVersions(lines [][]string) {
	w.t.Helper()
	stored := map[string][][]string{}
	for _, line := range lines {
		key := line[0] + " " + line[1]
		stored[key] = append(stored[key], line[2:])
	}
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		if w.history[key] == nil {
			w.t.Errorf("wrong: %s was never listed and is stored", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(w.history)) {
		versions, states := stored[key], w.history[key]
		slices.SortFunc(versions, func(a, b []string) int { return strings.Compare(fmt.Sprintf("%9s", a[0]), fmt.Sprintf("%9s", b[0])) })
		if len(versions) != len(states) {
			w.t.Errorf("%s: %s has %d versions, want %d: %v", map[bool]string{true: "lost", false: "double"}[len(versions) < len(states)],
				key, len(versions), len(states), versions)
			continue
		}
		for i, state := range states {
			w.compareVersion(key, i, versions[i], state)
		}
	}
}

func (w *drillWorld) compareVersion(key string, at int, version []string, state stateOfARecord) {
	w.t.Helper()
	micros, err := strconv.ParseInt(version[2], 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	seen, name := time.UnixMicro(micros).UTC(), key+" "+version[0]
	tombstone := version[3] == "1"
	if version[0] != strconv.Itoa(at+1) || tombstone != state.tombstone || !tombstone && version[1] != state.word {
		w.t.Errorf("wrong: version %d of %s is %v, want %q, tombstone %v", at+1, key, version, state.word, state.tombstone)
	}
	until := state.seen.until
	if until.IsZero() {
		until = w.round.until
	}
	if seen.Before(state.seen.from) || seen.After(until) {
		w.t.Errorf("wrong: %s was first seen at %s, and came from %s to %s", name, seen, state.seen.from, until)
	}
	if before, known := w.stored[name]; known && !before.Equal(seen) {
		w.t.Errorf("wrong: %s was first seen at %s and now at %s", name, before, seen)
	}
	w.stored[name] = seen
}

func (w *drillWorld) compareSums(lines [][]string) {
	w.t.Helper()
	truth := w.sandbox.Truth()
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
		want := truth.Sum(resource)
		count := truth.Count(resource)
		if resource == schema.Trades {
			for _, trade := range truth.Trades {
				if trade.ID == w.rejects {
					want[trade.FromCurrency] = want[trade.FromCurrency].Sub(trade.FromAmount)
					count--
				}
			}
		}
		for _, line := range lines {
			if line[0] != string(resource) {
				continue
			}
			if sum, err := decimal.NewFromString(line[2]); err != nil || !sum.Equal(want[line[1]]) || line[3] != line[4] {
				w.t.Errorf("wrong: %s in %s are %s in %s records, %s distinct; want %s", resource, line[1], line[2], line[3], line[4], want[line[1]])
			}
			records, _ := strconv.Atoi(line[3]) // a wrong number is a wrong count
			count -= records
			delete(want, line[1])
		}
		want = maps.Collect(func(yield func(string, decimal.Decimal) bool) {
			for currency, sum := range want {
				if !sum.IsZero() && !yield(currency, sum) {
					return
				}
			}
		})
		if count != 0 || len(want) > 0 {
			w.t.Errorf("lost: %d of %s, and sums of %v", count, resource, want)
		}
	}
}
