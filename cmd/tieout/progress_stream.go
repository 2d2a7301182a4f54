package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"

	"tieout/checkpoints"
	"tieout/extract"
)

// streamProgress is one stream as it is shown.
type streamProgress struct {
	bar     *mpb.Bar
	outlook func() extract.Outlook // of the account's key
	plan    func(pages int)        // tells the key's limit how many pages of the stream are still to come

	mu        sync.Mutex // guards the rest
	counts    checkpoints.Counts
	pagesLeft int
	logged    time.Time
	outcome   checkpoints.Outcome
}

// fetched notes a page, and reports whether it is time for another line in the log.
func (s *streamProgress) fetched(counts checkpoints.Counts, pagesLeft int) (due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts, s.pagesLeft = counts, pagesLeft
	if due = time.Since(s.logged) >= logEvery; due {
		s.logged = time.Now()
	}
	return due
}

// finished notes how the stream ended.
func (s *streamProgress) finished(counts checkpoints.Counts, outcome checkpoints.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts, s.pagesLeft, s.outcome = counts, 0, outcome
}

// words says how far the stream is: pages of expected pages, rows, and by the limiter's own arithmetic when the lists that
// share the key can be done, what of its limit is used, and how long this one has waited for it.
func (s *streamProgress) words() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%d", s.counts.Pages)
	if s.outcome == "" {
		text += fmt.Sprintf(" of %d", s.counts.Pages+uint64(s.pagesLeft))
	}
	text += fmt.Sprintf(" pages, %d rows", s.counts.Records)
	if s.outcome == "" && s.counts.Pages > 0 {
		if outlook := s.outlook().String(); outlook != "" {
			text += ", " + outlook
		}
	}
	if s.counts.LimitWait >= time.Second {
		text += ", " + s.counts.LimitWait.Round(time.Second).String() + " waiting for the limit"
	}
	if s.counts.Refused > 0 {
		text += fmt.Sprintf(", REFUSED %d times", s.counts.Refused)
	}
	if s.outcome != "" {
		text += ", " + string(s.outcome)
	}
	return text
}
