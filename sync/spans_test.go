package sync_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tieout/checkpoints"
	"tieout/checkpoints/checkpointstest"
	"tieout/extract"
	"tieout/load/loadtest"
	"tieout/schema"
	"tieout/sync"
)

// calendarSource is a list that is read day by day, each day on one page with a count of its own.
type calendarSource struct {
	since  time.Time
	days   map[string][]string // ids by day
	hidden int                 // records of each page that are counted and not shown
	asked  []string
}

func (s *calendarSource) Lists(schema.Resource) ([]extract.List, error) {
	return []extract.List{extract.SpannedList(extract.List{Rows: 100}, func(at time.Time) extract.Position {
		return extract.Position(at.UTC().Format(time.DateOnly))
	})}, nil
}

func (s *calendarSource) Count(context.Context, schema.Resource, string) (extract.Counted, error) {
	return extract.Counted{}, nil
}

func (s *calendarSource) Fetch(_ context.Context, _ schema.Resource, position extract.Position) (extract.Page, error) {
	day := s.since
	if position != "" {
		var err error
		if day, err = time.Parse(time.DateOnly, string(position)); err != nil {
			return extract.Page{}, err
		}
	}
	if day.Before(s.since) {
		day = s.since
	}
	name := day.Format(time.DateOnly)
	s.asked = append(s.asked, name)
	asked := time.Now()
	wait(time.Second)
	page := extract.Page{Slice: name, EndsSlice: true, AskedAt: asked, AnsweredAt: time.Now(), Requests: 1}
	for _, id := range s.days[name] {
		row := depositNamed(id)
		row.Base().CreatedAt = day
		page.Rows = append(page.Rows, row)
	}
	total := uint64(len(page.Rows) + s.hidden)
	page.Items, page.SliceTotal = len(page.Rows), &total
	if next := day.AddDate(0, 0, 1); next.Before(time.Now()) {
		page.Next = extract.Position(next.Format(time.DateOnly))
	} else {
		page.Last, page.EndsList = true, true
	}
	return page, nil
}

// TestSpansSettle proves a list that is read in spans of time span by span, and reads only the last days again.
func TestSpansSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now().UTC().Truncate(24 * time.Hour)
		source := &calendarSource{since: begin.AddDate(0, 0, -100), days: map[string][]string{}}
		for i := range 100 {
			day := begin.AddDate(0, 0, -i).Format(time.DateOnly)
			source.days[day] = []string{fmt.Sprintf("%03da", i), fmt.Sprintf("%03db", i)}
		}
		store, destination := &checkpointstest.Memory{}, &loadtest.Memory{}
		nights := 0
		night := func() (sync.Result, []string) {
			nights++
			source.asked = nil
			run := sync.Run{
				ID: fmt.Sprint("night ", nights), StartedAt: time.Now().UTC(), Destination: destination, Holdings: destination,
				Checkpoints: store, Ledger: store, Log: silence,
			}
			return run.Sync(t.Context(), []sync.Account{{Source: source, Streams: []schema.Stream{modelStream}}})[0], source.asked
		}
		source.hidden = 1
		result, _ := night()
		if result.Certificate.Proven() || !strings.Contains(result.Certificate.Reason, "not as many as the partner counts") {
			t.Fatalf("with a record hidden in each span the list is %s: %s", result.Certificate.Level, result.Certificate.Reason)
		}
		source.hidden = 0
		result, _ = night()
		if result.Certificate.Level != checkpoints.LevelC3n || !strings.Contains(result.Certificate.Assumptions, "A6") || result.Certificate.DistinctIDs != 200 {
			t.Fatalf("the list is %s of %d: %s", result.Certificate.Level, result.Certificate.DistinctIDs, result.Certificate.Reason)
		}
		wait(24 * time.Hour)
		today := time.Now().UTC().Format(time.DateOnly)
		source.days[today] = []string{"newa"}
		result, asked := night()
		if !result.Certificate.Proven() || len(asked) > 6 || !slices.Contains(asked, today) || result.Certificate.DistinctIDs != 201 {
			t.Errorf("the next night is %s of %d (%s) after reading %v", result.Certificate.Level, result.Certificate.DistinctIDs, result.Certificate.Reason, asked)
		}
	})
}
