package main

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"tieout/checkpoints"
	"tieout/schema"
)

// What a remap shows while it runs: nothing of one that is over at once.
const remapQuiet = 2 * time.Second

// remapProgress shows how far a remap is: a line on a terminal, a log line now and then elsewhere.
type remapProgress struct {
	log      *slog.Logger
	terminal func() *mpb.Progress // nil unless on a terminal
	end      func()
	begun    time.Time
	logged   time.Time
	bars     *mpb.Progress
	bar      *mpb.Bar
	words    atomic.Value // string
}

func (a *app) newRemapProgress(now time.Time) *remapProgress {
	p := &remapProgress{log: a.log, begun: now, end: func() {}}
	if a.terminal {
		p.terminal = func() *mpb.Progress {
			bars := mpb.New(mpb.WithOutput(a.stderr), mpb.WithAutoRefresh(), mpb.WithWidth(tableWidth), mpb.WithRefreshRate(200*time.Millisecond))
			a.messages.take(bars)
			p.end = func() { a.messages.take(nil) }
			return bars
		}
	}
	return p
}

// read takes in how far the remap of a stream is.
func (p *remapProgress) read(stream schema.Stream, counts checkpoints.RemapCounts) {
	now := time.Now()
	if now.Sub(p.begun) < remapQuiet {
		return
	}
	p.words.Store(fmt.Sprintf("%s: %d versions read again, %d changed, %d left quarantine, %d in quarantine",
		stream, counts.Versions, counts.Changed, counts.Resolved, counts.Rejected))
	switch {
	case p.terminal != nil && p.bars == nil:
		p.bars = p.terminal()
		p.bar = p.bars.New(0, mpb.NopStyle(), mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return p.words.Load().(string) })))
	case p.terminal == nil && now.Sub(p.logged) >= logEvery:
		p.logged = now
		p.log.Info("reading again", "stream", stream.String(), "versions", counts.Versions, "changed", counts.Changed,
			"kept", counts.Kept, "resolved", counts.Resolved, "rejected", counts.Rejected)
	}
}

// close ends the display.
func (p *remapProgress) close() {
	if p.bars != nil {
		p.bar.SetTotal(1, true)
		p.bars.Wait()
	}
	p.end()
}
