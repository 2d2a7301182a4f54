package main

import (
	"log/slog"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"tieout/checkpoints"
	"tieout/schema"
	"tieout/sync"
)

// progress shows how far a run is: a bar for each stream on a terminal, a log line now and then elsewhere.
type progress struct {
	log     *slog.Logger
	above   *detour                           // what is logged goes above the bars
	bars    *mpb.Progress                     // nil unless on a terminal
	streams map[schema.Stream]*streamProgress // not changed after newProgress
}

// logEvery is how often a stream says how far it is where there are no bars.
const logEvery = 10 * time.Second

var _ sync.Observer = (*progress)(nil)

func (a *app) newProgress(clients []client) *progress {
	p := &progress{log: a.log, above: a.messages, streams: map[schema.Stream]*streamProgress{}}
	if a.terminal {
		p.bars = mpb.New(mpb.WithOutput(a.stderr), mpb.WithAutoRefresh(), mpb.WithWidth(tableWidth), mpb.WithRefreshRate(200*time.Millisecond))
		a.messages.take(p.bars)
	}
	now := time.Now()
	for _, c := range clients {
		for _, stream := range c.account().Streams {
			p.add(stream, &streamProgress{outlook: c.Outlook, plan: func(pages int) { c.Plan(stream.Resource, pages) }, logged: now})
		}
	}
	return p
}

func (p *progress) add(stream schema.Stream, s *streamProgress) {
	p.streams[stream] = s
	if p.bars != nil {
		s.bar = p.bars.New(0, mpb.BarStyle().Rbound("] "),
			mpb.PrependDecorators(decor.Name(stream.String(), decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return s.words() })))
	}
}

// Fetched implements sync.Observer.
func (p *progress) Fetched(stream schema.Stream, counts checkpoints.Counts, pagesLeft int) {
	s := p.streams[stream]
	s.plan(pagesLeft)
	due := s.fetched(counts, pagesLeft)
	switch {
	case s.bar != nil:
		s.bar.SetTotal(int64(counts.Pages)+int64(pagesLeft)+1, false)
		s.bar.SetCurrent(int64(counts.Pages))
	case due:
		outlook := s.outlook()
		p.log.Info("reading", "stream", stream.String(), "progress", s.words(), "left_s", int(outlook.Left().Seconds()), "limit", outlook.Limit)
	}
}

// Finished implements sync.Observer.
func (p *progress) Finished(result sync.Result) {
	s := p.streams[result.Stream]
	s.finished(result.Counts, result.Outcome)
	if s.bar != nil {
		s.bar.SetTotal(int64(result.Counts.Pages), true)
		return
	}
	p.log.Info("finished", "stream", result.Stream.String(), "outcome", string(result.Outcome), "pages", result.Counts.Pages,
		"records", result.Counts.Records, "versions", result.Counts.Versions, "rejected", result.Counts.Rejected,
		"refused", result.Counts.Refused, "limit_wait_ms", result.Counts.LimitWait.Milliseconds())
}

// close ends the display.
func (p *progress) close() {
	if p.bars != nil {
		p.bars.Wait()
		p.above.take(nil)
	}
}
