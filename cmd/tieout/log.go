package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
)

// The formats of TIEOUT_LOG_FORMAT.
const (
	logFormatAuto = "auto"
	logFormatText = "text"
	logFormatJSON = "json"
)

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
