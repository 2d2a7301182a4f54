package extract

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Window is one rate limit of a partner: at most Requests in any stretch of time of length Per. Which kind of
// window the partner's server really runs is unknown, so nothing more is assumed.
type Window struct {
	Requests int           // how many at most
	Per      time.Duration // in any stretch of this length
}

// String returns the form of TIEOUT_<ACCOUNT>_RATE_LIMITS: 100/1m.
func (w Window) String() string {
	per := w.Per.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(per, zero) {
			per = strings.TrimSuffix(per, zero[1:])
		}
	}
	return strconv.Itoa(w.Requests) + "/" + per
}

// requestsMin is the least a window must allow: below it the proof of the limiter leaves no rate at all (see interval).
const requestsMin = 4

// ParseWindow reads "100/1m": a count of requests, a slash and a Go duration.
func ParseWindow(text string) (Window, error) {
	count, per, ok := strings.Cut(strings.TrimSpace(text), "/")
	requests, err := strconv.Atoi(count)
	if !ok || err != nil || (len(count) > 1 && count[0] == '0') {
		return Window{}, errors.New(`want a count of requests and a duration, like "100/1m"`)
	}
	if requests < requestsMin {
		return Window{}, fmt.Errorf("at least %d requests a window are needed", requestsMin)
	}
	duration, err := time.ParseDuration(per)
	if err != nil || duration < time.Second || duration > 24*time.Hour {
		return Window{}, errors.New("the duration must lie between 1s and 24h")
	}
	return Window{requests, duration}, nil
}

// ParseWindows reads a comma list of windows, all of which hold at once: "100/1m,1000/1h".
func ParseWindows(text string) ([]Window, error) {
	var windows []Window
	for part := range strings.SplitSeq(text, ",") {
		window, err := ParseWindow(part)
		if err != nil {
			return nil, fmt.Errorf("rate limit %d of the list: %w", len(windows)+1, err)
		}
		windows = append(windows, window)
	}
	return windows, nil
}

// UnmarshalText reads the form of ParseWindow, for definitions.
func (w *Window) UnmarshalText(text []byte) (err error) {
	*w, err = ParseWindow(string(text))
	return err
}
