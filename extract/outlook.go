package extract

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tieout/schema"
)

// Outlook is what a key's limits let one expect, by the limiter's own arithmetic.
type Outlook struct {
	Accounts []string    `json:"accounts"`              // that use the key
	AsOf     time.Time   `json:"as_of"`                 // when this was true, UTC
	Used     []UsedLimit `json:"used"`                  // each limit of the key
	Planned  int         `json:"planned"`               // requests still to come by what is known of all lists of the key
	EndsAt   time.Time   `json:"ends_at"`               // when the last of them can leave at the earliest; AsOf if nothing has to wait
	Limit    string      `json:"limited_by"`            // what decides EndsAt, as 100/1m; empty: no limit does
	Paused   time.Time   `json:"paused_until,omitzero"` // nothing leaves before, because the partner said so
	Refused  int         `json:"refused"`               // requests of this run that the partner refused for their rate
}

// UsedLimit is how much of a limit is used.
type UsedLimit struct {
	Limit    string `json:"limit"`    // 100/1m
	Requests int    `json:"requests"` // about how many were answered within the last window
	Most     int    `json:"most"`     // that the partner allows
}

// Left is how long the planned requests will take at least.
func (o Outlook) Left() time.Duration { return max(0, o.EndsAt.Sub(o.AsOf)) }

// String says it for people: about 7 min, limited by 100/1m; used 63 of 100/1m.
func (o Outlook) String() string {
	var parts []string
	if o.Planned > 0 {
		text := "about " + roughly(o.Left())
		if o.Limit != "" {
			text += ", limited by " + o.Limit
		}
		parts = append(parts, text)
	}
	if o.Paused.After(o.AsOf) {
		parts = append(parts, "paused by the partner until "+o.Paused.Format(time.TimeOnly))
	}
	for _, used := range o.Used {
		parts = append(parts, fmt.Sprintf("used %d of %s", used.Requests, used.Limit))
	}
	return strings.Join(parts, "; ")
}

// roughly is a duration as people say it.
func roughly(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", (d+time.Second/2)/time.Second)
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", (d+time.Minute/2)/time.Minute)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}

// Outlook returns what the limits of the account's key let one expect.
func (c *Client) Outlook() Outlook { return c.limiter.outlook(time.Now()) }

// Plan says how many pages of a resource are still to come, where the caller knows better than the last page did: it may
// not want to read to the end of the list.
func (c *Client) Plan(resource schema.Resource, pages int) {
	c.limiter.plan(c.account.Stream(resource), pages)
}

// plan notes how many pages of a stream are still to come.
func (l *limiter) plan(stream schema.Stream, pages int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.planned[stream] = pages
}

func (l *limiter) outlook(now time.Time) Outlook {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pacer.outlook(now, Outlook{Accounts: slices.Clone(l.accounts), Planned: l.requestsPlanned(), Refused: l.refused})
}

func (l *limiter) requestsPlanned() int {
	planned := 0
	for _, pages := range l.planned {
		planned += pages
	}
	return planned
}

// outlook adds what the pacer knows.
func (p *pacer) outlook(now time.Time, o Outlook) Outlook {
	end, by := p.forecast(now, o.Planned)
	o.AsOf, o.EndsAt = now.UTC().Round(0), end.UTC().Round(0)
	if by.Requests > 0 {
		o.Limit = by.String()
	}
	if p.pause.After(now) {
		o.Paused = p.pause.UTC().Round(0)
	}
	for i := range p.buckets {
		b := &p.buckets[i]
		o.Used = append(o.Used, UsedLimit{Limit: b.window.String(), Requests: b.spent.used(now), Most: b.window.Requests})
	}
	return o
}

// runningFor is how old the record of a key may be whose process still sends requests.
const runningFor = 2 * time.Minute

// ReadOutlook returns what the stored state of a key says at an instant, in another process than the one that uses the
// key. What is planned is only told while that one seems to run: its record is a few seconds old.
func ReadOutlook(state string, now time.Time) (Outlook, error) {
	var r ledgerRecord
	if err := json.Unmarshal([]byte(state), &r); err != nil || r.Version != ledgerVersion || !r.plausible() {
		return Outlook{}, fmt.Errorf("read the state of a key: it is no record of version %d", ledgerVersion)
	}
	var windows []Window
	for _, w := range r.Windows {
		window, err := ParseWindow(w.Limit)
		if err != nil {
			return Outlook{}, fmt.Errorf("read the state of a key: %w", err)
		}
		windows = append(windows, window)
	}
	if len(windows) == 0 {
		return Outlook{}, fmt.Errorf("read the state of a key: it has no limits")
	}
	p := newPacer(windows, r.Serial, true)
	planned := r.Planned
	if now.Sub(r.SavedAt) > runningFor {
		planned = 0
	}
	known := r
	known.Requests = 0 // what was under way is not known to have left
	p.resume(known, now)
	return p.outlook(now, Outlook{Accounts: r.Accounts, Planned: planned, Refused: r.Refused}), nil
}

// LimitKeys begins the names under which a KeyStore holds what ReadOutlook reads.
const LimitKeys = "limit "
