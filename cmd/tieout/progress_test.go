package main

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"tieout/checkpoints"
	"tieout/extract"
	"tieout/schema"
	ours "tieout/sync"
)

// writes keeps every write to a terminal by itself.
type writes struct {
	mu  sync.Mutex // guards all
	all []string
}

func (w *writes) Write(text []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(text))
	return len(text), nil
}

// TestLogGoesAboveTheBars: a logger that was made before the bars, as every client's is, writes through them while
// they are shown: a write of its own would land in the middle of a bar.
func TestLogGoesAboveTheBars(t *testing.T) {
	terminal := &writes{}
	a := &app{stderr: terminal, terminal: true, messages: newDetour(terminal)}
	a.log = newLogger(a.messages, slog.LevelInfo, logFormatJSON, true)
	earlier := a.log.With("account", "kuna")
	earlier.Info("before")
	stream := schema.Stream{Account: "kuna", Resource: schema.Deposits}
	p := a.newProgress(nil)
	p.add(stream, &streamProgress{outlook: func() extract.Outlook { return extract.Outlook{} }, plan: func(int) {}})
	p.Fetched(stream, checkpoints.Counts{Pages: 1}, 3)
	earlier.Warn("between")
	p.Finished(ours.Result{Stream: stream, Outcome: checkpoints.Done})
	p.close()
	earlier.Info("after")
	var alone []string
	for _, write := range terminal.all {
		for _, word := range []string{"before", "between", "after"} {
			if strings.HasPrefix(write, `{"time"`) && strings.Contains(write, word) && strings.Count(write, "\n") == 1 {
				alone = append(alone, word)
			}
		}
	}
	if strings.Join(alone, " ") != "before after" {
		t.Errorf("these wrote by themselves: %q\n%q", alone, terminal.all)
	}
	if text := strings.Join(terminal.all, ""); strings.Count(text, `"msg":"between"`) != 1 || !strings.Contains(text, "kuna/deposits") {
		t.Errorf("the terminal has %q", text)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("the bars are done") }

// TestDetourLosesNothing: what comes just after the bars have ended still arrives.
func TestDetourLosesNothing(t *testing.T) {
	var out strings.Builder
	d := newDetour(&out)
	d.take(broken{})
	if n, err := d.Write([]byte("late")); n != 4 || err != nil || out.String() != "late" {
		t.Errorf("%d, %v, %q", n, err, out.String())
	}
}
