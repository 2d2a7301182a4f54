package sync_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"tieout/checkpoints"
	"tieout/checkpoints/checkpointstest"
	"tieout/extract"
	"tieout/load/loadtest"
	"tieout/schema"
	"tieout/sync"
)

// habit is how a modelled partner's list behaves.
type habit struct {
	order   extract.Order // where records enter; unknown: anywhere
	leave   bool          // records leave
	change  bool          // records change
	move    bool          // records change their places
	counted bool          // the partner gives a total
	details bool          // records can be looked up
	leaving extract.Leaving
}

func (h habit) String() string {
	return fmt.Sprintf("%s leave=%t (stated: %s) change=%t move=%t counted=%t details=%t", h.order, h.leave, h.leaving, h.change, h.move, h.counted, h.details)
}

// modelRecord is one record of the modelled list.
type modelRecord struct {
	id      int
	created time.Time
	status  schema.Status
	edition uint64 // number of its content
}

// model is a partner with one list whose whole history is known. Between two answers it may change.
type model struct {
	habit
	random   *rand.Rand
	rows     int // on a page
	records  []modelRecord
	next     int // id of the next record
	editions uint64
	now      time.Time
	restless float64         // changes between two requests, on average
	listed   []int           // ids in the list; nil: not known since it changed
	history  map[int64][]int // ids in the list at an answer, by its time in microseconds
	requests int
	dieAt    int                    // request at which the process dies; 0: never
	ends     int                    // pages that were the last of the list
	left     map[string]modelRecord // what has left the list; the partner still knows it
	tick     func()                 // lets time go by before an answer; nil: the model's own clock does
}

func newModel(random *rand.Rand, h habit, size int) *model {
	m := &model{
		habit: h, random: random, rows: 3 + random.IntN(8), now: time.Now().UTC().Truncate(time.Hour), // what was long ago is judged by the clock
		history: map[int64][]int{}, left: map[string]modelRecord{},
	}
	for range size {
		m.insert()
	}
	return m
}

// insert adds a record where the list's habit has it.
func (m *model) insert() {
	m.listed = nil
	m.now = m.now.Add(time.Second)
	m.next++
	m.editions++
	record := modelRecord{id: m.next, created: m.now, status: schema.StatusCompleted, edition: m.editions}
	if m.change && m.random.IntN(4) == 0 {
		record.status = schema.StatusPending
	}
	at := 0
	switch m.order {
	case extract.OrderOldest:
		at = len(m.records)
	case extract.OrderUnknown:
		at = m.random.IntN(len(m.records) + 1)
		record.created = m.now.Add(-time.Duration(m.random.IntN(100_000)) * time.Second)
	}
	m.records = slices.Insert(m.records, at, record)
}

// mutate lets one thing happen to the list.
func (m *model) mutate() {
	switch kind := m.random.IntN(4); {
	case len(m.records) == 0 || kind == 0:
		m.insert()
	case kind == 1 && m.leave:
		at := m.random.IntN(len(m.records))
		m.listed = nil
		m.left[idText(m.records[at].id)] = m.records[at]
		m.records = slices.Delete(m.records, at, at+1)
	case kind == 2 && m.change:
		record := &m.records[m.random.IntN(len(m.records))]
		m.editions++
		record.edition = m.editions
		if record.status == schema.StatusPending && m.random.IntN(2) == 0 {
			record.status = schema.StatusCompleted
		}
	case kind == 3 && m.move:
		from := m.random.IntN(len(m.records))
		record := m.records[from]
		m.records = slices.Delete(m.records, from, from+1)
		m.records = slices.Insert(m.records, m.random.IntN(len(m.records)+1), record)
	}
}

// live lets a stretch of the partner's life go by.
func (m *model) live() {
	for m.random.Float64() < m.restless/(1+m.restless) {
		m.mutate()
	}
}

var errDied = &schema.Error{Class: schema.ClassStream, Err: errors.New("the process died")}

// answer is called for each request: it returns when the request was sent and when it was answered.
func (m *model) answer() (asked, answered time.Time, err error) {
	m.live()
	m.requests++
	if m.dieAt > 0 && m.requests >= m.dieAt {
		return asked, answered, errDied
	}
	asked = m.now.Add(time.Millisecond)
	answered = asked.Add(time.Millisecond)
	m.now = answered
	if m.tick != nil {
		m.tick()
	}
	if m.listed == nil {
		m.listed = make([]int, len(m.records))
		for i, record := range m.records {
			m.listed[i] = record.id
		}
	}
	m.history[answered.UnixMicro()] = m.listed
	return asked, answered, nil
}

func (m *model) Lists(schema.Resource) ([]extract.List, error) {
	list := extract.List{Rows: m.rows, Counted: m.counted, Details: m.details, Leaving: m.leaving}
	return []extract.List{extract.NumberedList(list, func(page int) extract.Position { return extract.Position(strconv.Itoa(page)) })}, nil
}

func (m *model) Fetch(_ context.Context, _ schema.Resource, position extract.Position) (extract.Page, error) {
	asked, answered, err := m.answer()
	if err != nil {
		return extract.Page{}, err
	}
	number := 1
	if position != "" {
		if number, err = strconv.Atoi(string(position)); err != nil {
			return extract.Page{}, err
		}
	}
	begin := min((number-1)*m.rows, len(m.records))
	end := min(begin+m.rows, len(m.records))
	page := extract.Page{Items: end - begin, AskedAt: asked, AnsweredAt: answered, Requests: 1}
	for _, record := range m.records[begin:end] {
		page.Rows = append(page.Rows, m.row(record, answered))
	}
	if m.counted {
		total := uint64(len(m.records))
		page.Total = &total
	}
	page.EndsList = page.Items == 0 || m.counted && end == len(m.records)
	if page.EndsList {
		m.ends++
	}
	page.EndsSlice, page.Last = page.EndsList, page.EndsList
	if !page.Last {
		page.Next = extract.Position(strconv.Itoa(number + 1))
	}
	return page, nil
}

func (m *model) Count(context.Context, schema.Resource, string) (extract.Counted, error) {
	return extract.Counted{}, nil
}

func (m *model) Lookup(_ context.Context, _ schema.Resource, id string) (schema.Row, *schema.Rejected, error) {
	_, answered, err := m.answer()
	if err != nil {
		return nil, nil, err
	}
	for _, record := range m.records {
		if idText(record.id) == id {
			return m.row(record, answered), nil, nil
		}
	}
	if record, ok := m.left[id]; ok {
		return m.row(record, answered), nil, nil
	}
	return nil, nil, &schema.Error{Class: schema.ClassStream, Err: errors.New("no such record")}
}

func idText(id int) string { return fmt.Sprintf("%06d", id) }

func (m *model) row(record modelRecord, answered time.Time) schema.Row {
	row := &schema.Deposit{Currency: "EUR"}
	row.Account, row.Provider, row.ID = modelStream.Account, modelStream.Provider, idText(record.id)
	row.Status, row.CreatedAt, row.FirstSeenAt = record.status, record.created, answered
	binary.BigEndian.PutUint64(row.PayloadHash[:], record.edition)
	return row
}

var modelStream = schema.Stream{Account: "model", Provider: "model", Resource: schema.Deposits}

// modelWorld is a model with a destination and checkpoints.
type modelWorld struct {
	*model
	destination *loadtest.Memory
	checkpoints *checkpointstest.Memory
	nights      int
}

func newModelWorld(m *model) *modelWorld {
	return &modelWorld{model: m, destination: &loadtest.Memory{}, checkpoints: &checkpointstest.Memory{}}
}

var silence = slog.New(slog.DiscardHandler)

// night runs the real thing once.
func (w *modelWorld) night(full bool) sync.Result {
	w.nights++
	run := sync.Run{
		ID: "night-" + strconv.Itoa(w.nights), StartedAt: w.now, Destination: w.destination, Holdings: w.destination,
		Checkpoints: w.checkpoints, Ledger: w.checkpoints, Log: silence, Full: full,
	}
	return run.Sync(context.Background(), []sync.Account{{Source: w.model, Streams: []schema.Stream{modelStream}}})[0]
}

// wrong says what is not true of a certificate: whether the ids that it certifies were the list at its instant.
func (w *modelWorld) wrong(c checkpoints.Certificate) string {
	ids, known := w.history[c.ProvenAt.UnixMicro()]
	if !known {
		return "nothing was answered at the certificate's instant"
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = idText(id)
	}
	slices.Sort(texts)
	sum := sha256.New()
	stored := w.destination.Versions(modelStream)
	for _, id := range texts {
		sum.Write([]byte(id + "\n"))
		if len(stored[id]) == 0 {
			return "record " + id + " was listed and is not stored"
		}
	}
	if c.DistinctIDs != uint64(len(ids)) || c.Total == nil || *c.Total != uint64(len(ids)) || c.IDsSHA256 != hex.EncodeToString(sum.Sum(nil)) {
		return fmt.Sprintf("it certifies %d ids, the list had %d", c.DistinctIDs, len(ids))
	}
	return ""
}

// differs says how what is stored differs from what the partner lists now.
func (w *modelWorld) differs() string {
	stored := w.destination.Versions(modelStream)
	listed := map[string]bool{}
	for _, record := range w.records {
		id := idText(record.id)
		listed[id] = true
		versions := stored[id]
		if len(versions) == 0 {
			return "record " + id + " is lost"
		}
		last := versions[len(versions)-1].Base()
		if !last.DeletedAt.IsZero() || binary.BigEndian.Uint64(last.PayloadHash[:]) != record.edition {
			return "the last version of record " + id + " is not the one that is listed"
		}
	}
	for id, versions := range stored {
		if last := versions[len(versions)-1].Base(); !listed[id] && last.DeletedAt.IsZero() && w.counted {
			return "record " + id + " has left the list and has no tombstone"
		}
		if last := versions[len(versions)-1].Base(); listed[id] && !last.DeletedAt.IsZero() {
			return "record " + id + " is listed and has a tombstone"
		}
	}
	return ""
}

// wait lets the virtual time of a bubble go by.
func wait(d time.Duration) { <-time.After(d) }

// unfounded names a tombstone whose evidence is no certificate on record.
func (w *modelWorld) unfounded() string {
	recorded := map[string]bool{}
	for _, c := range w.checkpoints.Certificates(modelStream) {
		recorded[fmt.Sprintf("%s %s %s", c.RunID, c.Level, c.ProvenAt.Format(time.RFC3339Nano))] = true
	}
	for id, versions := range w.destination.Versions(modelStream) {
		for _, row := range versions {
			if record := row.Base(); !record.DeletedAt.IsZero() && !recorded[record.Evidence] {
				return id + " by " + record.Evidence
			}
		}
	}
	return ""
}
