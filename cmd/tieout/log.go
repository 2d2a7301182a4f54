package main

import (
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lmittmann/tint"
)

// The formats of TIEOUT_LOG_FORMAT.
const (
	logFormatAuto = "auto"
	logFormatText = "text"
	logFormatJSON = "json"
)

// detour passes what loggers write on to one place, which changes while bars are shown: a logger that was made
// before must not write across them.
type detour struct {
	mu  sync.Mutex // guards the rest
	out io.Writer  // where messages go
	via io.Writer  // where they go instead; nil: no detour
}

func newDetour(out io.Writer) *detour { return &detour{out: out} }

// take sends messages another way from now on; nil ends the detour.
func (d *detour) take(via io.Writer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.via = via
}

// Write implements io.Writer. What cannot go the other way, because the bars have just ended, goes where it belongs.
func (d *detour) Write(message []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.via != nil {
		if n, err := d.via.Write(message); err == nil {
			return n, nil
		}
	}
	return d.out.Write(message)
}

// newLogger returns the logger of the command. Text is for people and goes through tint; JSON is for machines. In
// the format auto the terminal decides. Colour needs a terminal, and NO_COLOR (no-color.org) turns it off there.
func newLogger(w io.Writer, level slog.Level, format string, terminal bool) *slog.Logger {
	if format == logFormatText || (format == logFormatAuto && terminal) {
		return slog.New(tint.NewTextHandler(w, &tint.Options{
			Level:      level,
			TimeFormat: time.TimeOnly,
			NoColor:    !terminal || os.Getenv("NO_COLOR") != "",
		}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
