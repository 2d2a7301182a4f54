package main

import (
	"log/slog"
	"testing"
	"time"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/schema"
)

func TestCheckClickHouseDSN(t *testing.T) {
	for text, ok := range map[string]bool{
		"clickhouse://user:p%40ss@host:9000/tieout?secure=true": true,
		"clickhouse://user:pass@one:9000,two:9000/tieout":       true,
		"http://host:8123/tieout":                               true,
		"https://host:8443?secure=true":                         true,
		"https://host:8443":                                     true,
		"http://host:8123?secure=true":                          false,
		"embedded:.tieout/clickhouse":                           true,
		"embedded:/var/lib/tieout":                              true,
		"embedded:":                                             false,
		"clickhouse:host":                                       false,
		"clickhouse://":                                         false,
		"clickhouse://host:9000/tieout?dial_timeout=soon":       false,
		"clickhouse://user:%zz@host:9000":                       false,
		"tcp://host:9000":                                       false,
		"postgres://host":                                       false,
		"host:9000":                                             false,
		"://":                                                   false,
	} {
		if err := checkClickHouseDSN(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCheckBaseURL(t *testing.T) {
	for text, ok := range map[string]bool{
		"https://api.example.com":          true,
		"https://api.example.com:8443/v4/": true,
		"HTTPS://api.example.com":          true,
		"http://localhost:8080":            true,
		"http://LocalHost":                 true,
		"http://127.0.0.1:8080":            true,
		"http://127.9.9.9":                 true,
		"http://[::1]:8080/kuna":           true,
		"http://[::ffff:127.0.0.1]":        true,
		"http://api.example.com":           false,
		"http://10.0.0.1":                  false,
		"http://localhost.example.com":     false,
		"http://127.0.0.1.example.com":     false,
		"http://[::2]":                     false,
		"http://0.0.0.0":                   false,
		"https://user@api.example.com":     false,
		"https://user:pass@example.com":    false,
		"https://api.example.com?":         false,
		"https://api.example.com?a=b":      false,
		"https://api.example.com#":         false,
		"https://api.example.com#top":      false,
		"https://":                         false,
		"https://:443":                     false,
		"https://host:0":                   false,
		"https://host:70000":               false,
		"https://host:port":                false,
		"https:api.example.com":            false,
		"ftp://example.com":                false,
		"api.example.com":                  false,
		"/v4":                              false,
		"//api.example.com":                false,
		"%zz":                              false,
	} {
		if err := checkBaseURL(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	for text, ok := range map[string]bool{
		"15 4 * * *":              true,
		"*/5 0-6 1,15 jan-jun 0":  true,
		"0 0 29 2 *":              true, // in leap years
		"0 0 31 2 *":              false,
		"0 0 30 2 *":              false,
		"0 15 4 * * *":            false, // seconds
		"15 4 * *":                false,
		"15 4 * * 7":              false,
		"60 4 * * *":              false,
		"@daily":                  false,
		"@every 1h":               false,
		"TZ=UTC":                  false, // panics in the parser
		"TZ=UTC 15 4 * * *":       false,
		"CRON_TZ=UTC 15 4 * * *":  false,
		" TZ=UTC 15 4 * * *":      false,
		"* * * * 4294967296":      false,
		"*/0 * * * *":             false,
		"":                        false,
		"1-2-3 * * * *":           false,
		"9223372036854775807/1 *": false,
	} {
		if _, err := parseSchedule(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// The schedule belongs to the zone of the time that it is asked with, and not to the machine's.
func TestParseScheduleUsesTheZoneOfTheTime(t *testing.T) {
	schedule, err := parseSchedule("15 4 * * *")
	if err != nil {
		t.Fatal(err)
	}
	tokyo, err := parseTimezone("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	got := schedule.Next(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC).In(tokyo))
	if want := time.Date(2026, 7, 2, 4, 15, 0, 0, tokyo); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseTimezone(t *testing.T) {
	for text, ok := range map[string]bool{
		"UTC": true, "Europe/Berlin": true, "Etc/UTC": true,
		"Local": false, "local": false, "Mars/Olympus": false, "../UTC": false, "/etc/localtime": false, "Europe": false,
	} {
		if _, err := parseTimezone(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestParseLogLevel(t *testing.T) {
	for text, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "ERROR": slog.LevelError,
	} {
		if got, err := parseLogLevel(text); err != nil || got != want {
			t.Errorf("%s: got %v, error %v", text, got, err)
		}
	}
	for _, text := range []string{"", "loud", "info+3", "warning"} {
		if _, err := parseLogLevel(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

// TestBaseURLIsTheStricterRule: what the configuration accepts, a client takes; so a refusal names the variable.
func TestBaseURLIsTheStricterRule(t *testing.T) {
	catalog, err := extract.LoadCatalog(providers.Files)
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, address := range []string{
		"https://api.example.com", "https://api.example.com/", "https://api.example.com/v1/", "https://api.example.com:8443/v1", "HTTPS://API.EXAMPLE.COM",
		"http://127.0.0.1:8080", "http://[::1]:8080/x", "http://localhost", "https://[2001:db8::1]", "https://example.com:", "https://example.com/a b",
		"", "example.com", "/v1", "ftp://example.com", "https://", "https:///v1", "https://:443", "https://user@example.com", "https://user:word@example.com",
		"https://example.com?x=1", "https://example.com?", "https://example.com#", "https://example.com#x", "http://example.com", "https://example.com:0",
		"https://example.com:99999", "https://example.com:x", "https://exa mple.com", "https://example.com/\x7f", "https://%zz", "mailto:a@example.com",
	} {
		if checkBaseURL(address) != nil {
			continue
		}
		accepted++
		_, err := extract.NewClient(extract.Account{
			Name: "a", Definition: catalog["coinut"], BaseURL: address,
			Credentials: map[string]schema.Secret{"api_key": schema.NewSecret("k"), "api_secret": schema.NewSecret("s")},
		}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("the configuration accepts %q, the client does not: %v", address, err)
		}
	}
	if accepted < 8 {
		t.Errorf("only %d addresses were accepted", accepted)
	}
}
