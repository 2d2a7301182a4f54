package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // so that TIEOUT_TIMEZONE works in an image without a zone database

	"github.com/robfig/cron/v3"

	"tieout/load/clickhouse"
	"tieout/schema"
)

// The parsers of this file return errors that never repeat the text: who shows them adds the variable's name.

// checkClickHouseDSN reports whether a DSN can be connected to. The reader of DSNs quotes no part of a password.
func checkClickHouseDSN(text string) error {
	_, err := clickhouse.ParseDSN(text)
	if classified, ok := errors.AsType[*schema.Error](err); ok {
		return classified.Err // without the operation: who shows it names the variable
	}
	return err
}

// clusterName is what ClickHouse's configuration takes for a name of a cluster.
var clusterName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// checkCluster reports whether a text can be the name of a cluster. A macro cannot: system.clusters holds none.
func checkCluster(text string) error {
	if !clusterName.MatchString(text) {
		return errors.New("is no name of a cluster: want letters, digits, _, - and ., as in system.clusters")
	}
	return nil
}

// checkBaseURL reports whether credentials may be sent to an address: to a partner only under TLS, in the clear
// only to this machine, which is where the sandbox is.
func checkBaseURL(text string) error {
	address, err := url.Parse(text)
	if err != nil {
		return errors.New("is no valid URL")
	}
	switch {
	case address.Scheme != "https" && address.Scheme != "http", address.Hostname() == "":
		return errors.New("must be an absolute URL, like https://api.example.com")
	case address.User != nil:
		return errors.New("must not hold a user or a password")
	case address.RawQuery != "" || address.ForceQuery:
		return errors.New("must not have a query")
	case strings.Contains(text, "#"):
		return errors.New("must not have a fragment")
	case address.Scheme == "http" && !isLoopback(address.Hostname()):
		return errors.New("must be https: over http the credentials would travel in the clear (http is allowed " +
			"for this machine only: localhost, 127.0.0.0/8, ::1)")
	}
	if port := address.Port(); port != "" {
		if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
			return errors.New("has no valid port")
		}
	}
	return nil
}

// parseSpan reads a length of time that is least or more.
func parseSpan(text string, least time.Duration) (time.Duration, error) {
	span, err := time.ParseDuration(text)
	if err != nil || span < 0 {
		return 0, errors.New("want a duration like 24h or 90m")
	}
	if span < least {
		return 0, fmt.Errorf("must be %s or more", least)
	}
	return span, nil
}

// embeddedMemoryMin is the least memory in MiB that our own statements need, with a wide margin.
const embeddedMemoryMin = 256

// parseMebibytes reads a count of MiB and returns it in bytes.
func parseMebibytes(text string) (bytes uint64, err error) {
	mebibytes, err := strconv.ParseUint(text, 10, 32)
	if err != nil || mebibytes < embeddedMemoryMin {
		return 0, fmt.Errorf("want a count of MiB, %d or more", embeddedMemoryMin)
	}
	return mebibytes << 20, nil
}

// isLoopback reports whether a host is this machine by its very name; nothing is resolved.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

// parseTruth reads true or false; nothing is false.
func parseTruth(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

// parseTimezone returns the zone of that IANA name.
func parseTimezone(name string) (*time.Location, error) {
	// "Local" would make the business day depend on the machine.
	if strings.EqualFold(name, "local") {
		return nil, errors.New("must name a zone, like UTC or Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, errors.New("is no zone of the IANA database: want a name like UTC or Europe/Berlin")
	}
	return zone, nil
}

// scheduleParser reads five fields. Descriptors like @daily are left out: @every counts from the start of the
// process and not by the clock.
var scheduleParser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// scheduleProbe is where the search for a schedule's next time starts. It is fixed so that the same expression is
// always judged alike.
var scheduleProbe = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// parseSchedule reads a cron expression of five fields. The schedule works in the zone of the time that its Next
// is given.
func parseSchedule(expression string) (schedule cron.Schedule, err error) {
	if strings.HasPrefix(expression, "TZ=") || strings.HasPrefix(expression, "CRON_TZ=") {
		return nil, errors.New("must not hold a zone: that is what " + variableTimezone + " is for")
	}
	malformed := errors.New("is no cron expression of five fields: minute (0-59), hour (0-23), day of month (1-31), " +
		"month (1-12), day of week (0-6, Sunday is 0)")
	// The parser has panicked on malformed texts before.
	defer func() {
		if recover() != nil {
			schedule, err = nil, malformed
		}
	}()
	schedule, err = scheduleParser.Parse(expression)
	if err != nil {
		return nil, malformed
	}
	if schedule.Next(scheduleProbe).IsZero() {
		return nil, errors.New("never comes: there is no such day")
	}
	return schedule, nil
}

// parseLogLevel reads the name of a level. slog's own parser would also take sums like "info+3".
func parseLogLevel(text string) (slog.Level, error) {
	switch strings.ToLower(text) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return slog.LevelInfo, errors.New("must be debug, info, warn or error")
}

// parseLogFormat reads the name of a format.
func parseLogFormat(text string) (string, error) {
	switch format := strings.ToLower(text); format {
	case logFormatAuto, logFormatText, logFormatJSON:
		return format, nil
	}
	return logFormatAuto, errors.New("must be auto, text or json")
}
