package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestNewLogger(t *testing.T) {
	cases := []struct {
		name     string
		format   string
		terminal bool
		noColor  string
		json     bool
		colour   bool
	}{
		{"auto on a terminal", logFormatAuto, true, "", false, true},
		{"auto on a terminal without colour", logFormatAuto, true, "1", false, false},
		{"auto elsewhere", logFormatAuto, false, "", true, false},
		{"text on a terminal", logFormatText, true, "", false, true},
		{"text elsewhere", logFormatText, false, "", false, false},
		{"json on a terminal", logFormatJSON, true, "", true, false},
		{"json elsewhere", logFormatJSON, false, "", true, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColor)
			var out bytes.Buffer
			logger := newLogger(&out, slog.LevelInfo, c.format, c.terminal)
			logger.Debug("not to be seen")
			logger.Info("fetched", "account", "kuna", "page", 7)
			text := out.String()
			if json.Valid([]byte(text)) != c.json || strings.Contains(text, "\x1b[") != c.colour {
				t.Errorf("got %q", text)
			}
			if strings.Contains(text, "not to be seen") || strings.Count(text, "\n") != 1 {
				t.Errorf("got %q, want one line", text)
			}
		})
	}
}
