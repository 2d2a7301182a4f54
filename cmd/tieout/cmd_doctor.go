package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tieout/extract"
	"tieout/schema"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check configuration, credentials, clock, ClickHouse and one page of each stream",
		Long: `Check everything that a run needs, and store no record.

For each stream a page with records is looked for, five pages far: it shows whether the key is accepted, how far the
partner's clock is from this machine's, and which of the partner's fields feed which column. Where a key's nonces must
rise, the last one is remembered in ClickHouse, as by tieout sync. A key that a run is using is left alone.`,
		Example: "  tieout doctor",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := a.configure(needAccounts)
			if err != nil {
				return err
			}
			d := &doctor{app: a}
			d.say(nil, "configuration: %d accounts, time zone %s", len(config.Accounts), config.Timezone)
			w, done := d.clickhouse(cmd.Context(), config)
			defer done()
			if w == nil {
				err = d.withoutKeys(cmd.Context(), config)
			} else {
				err = d.withKeys(cmd.Context(), config, w)
			}
			if err != nil {
				return err
			}
			return d.verdict()
		},
	}
}

// withoutKeys asks the partners where nobody keeps what must not be forgotten about their keys.
func (d *doctor) withoutKeys(ctx context.Context, config Config) error {
	clients, err := d.clients(config, d.transport(config), extract.NewKeyring(nil))
	if err != nil {
		return err
	}
	for _, c := range clients {
		if needsKeyStore(c.Account().Definition) {
			d.warn("%s: not asked, because its nonces must rise from one process to the next, and nobody would remember them: run tieout migrate first", c.Account().Name)
			continue
		}
		d.account(ctx, c)
	}
	return nil
}

// withKeys asks the partners with the keys that nobody else uses: two processes with one key would be refused for their
// rate, or for their nonces.
func (d *doctor) withKeys(ctx context.Context, config Config, w *warehouse) error {
	keys := newKeyring()
	clients, err := d.clients(config, d.transport(config), keys.Keyring)
	if err != nil {
		return err
	}
	running, owned, err := d.own(ctx, w, clients, "of tieout doctor", client.keyScopes)
	if err != nil {
		d.say(err, "leases of the keys")
		return nil
	}
	defer d.release(ctx, owned.hold)
	defer d.using(ctx, keys, w, owned.hold)()
	for _, left := range owned.left {
		d.warn("%s: not asked, because %v", left.Account().Name, left.held)
	}
	for _, c := range owned.clients {
		d.account(running, c)
	}
	return nil
}

// doctor collects what is wrong.
type doctor struct {
	*app
	failures []error
	findings int
}

// say prints one finding: good if there is no error.
func (d *doctor) say(err error, format string, args ...any) {
	d.findings++
	text := fmt.Sprintf(format, args...)
	if err != nil {
		d.failures = append(d.failures, err)
		lines := strings.Split(err.Error(), "\n") // a schema has a line for each difference
		for i := range lines {
			lines[i] = oneLine(strings.TrimSpace(lines[i]))
		}
		fmt.Fprintf(d.stdout, "FAIL  %s: %s\n", text, strings.Join(lines, "\n      "))
		return
	}
	fmt.Fprintf(d.stdout, "ok    %s\n", text)
}

// warn prints a finding that a person should look at and that stops nothing.
func (d *doctor) warn(format string, args ...any) {
	fmt.Fprintf(d.stdout, "look  "+format+"\n", args...)
}

// clickhouse looks at ClickHouse and returns it if the state of keys can be kept there, nil if not, and what closes it.
func (d *doctor) clickhouse(ctx context.Context, config Config) (*warehouse, func()) {
	w, err := d.open(ctx, config, forWork)
	if err != nil {
		d.say(err, "ClickHouse")
		return nil, func() {}
	}
	done := func() { d.closing(w) }
	server, err := w.ServerVersion()
	if err != nil {
		d.say(err, "ClickHouse at %s", w.target)
		return nil, done
	}
	d.say(nil, "ClickHouse %s at %s, %s", server.Version, w.target, w.layout)
	pending, err := schema.Pending(ctx, w, w.target.Database, w.layout)
	switch {
	case err != nil:
		d.say(err, "schema")
	case len(pending) > 0:
		d.warn("schema: %d steps are pending; tieout sync and tieout migrate apply them", len(pending))
	default:
		d.say(nil, "schema: up to date")
		return w, done
	}
	return nil, done
}

// clockSkewLooks is how far the clocks may be apart before a person should know; signatures die after a minute.
const clockSkewLooks = 5 * time.Second

func (d *doctor) account(ctx context.Context, c client) {
	for _, resource := range c.resources {
		if err := d.stream(ctx, c, resource); err != nil {
			if class := schema.ClassOf(err); class == schema.ClassCredentials || class == schema.ClassUnavailable || class == schema.ClassCancelled {
				return // the other lists of the account would say the same
			}
		}
	}
}

// doctorPagesMax is how far the doctor looks for a record: a list may begin with empty slices.
const doctorPagesMax = 5

// stream looks at the first page of a list that has records. It returns the error of a page that did not come.
func (d *doctor) stream(ctx context.Context, c client, resource schema.Resource) error {
	stream := c.Account().Stream(resource)
	var position extract.Position
	for number := 1; ; number++ {
		page, err := c.Fetch(ctx, resource, position)
		if err != nil {
			d.say(err, "%s", stream)
			return err
		}
		if number == 1 && page.ClockSkew.Abs() > clockSkewLooks {
			d.warn("%s: the partner's clock differs from this machine's by %s", stream, page.ClockSkew)
		}
		switch {
		case page.Items > 0:
			d.page(stream, page, number)
			return nil
		case page.Last || number == doctorPagesMax:
			d.warn("%s: no record to look at (pages asked for: %d)", stream, number)
			return nil
		}
		position = page.Next
	}
}

// page tells what is on a page that has records, and fails if none of them can be stored.
func (d *doctor) page(stream schema.Stream, page extract.Page, number int) {
	of := ""
	if page.Total != nil {
		of = fmt.Sprintf(" of %d", *page.Total)
	}
	text := fmt.Sprintf("%s: %d records%s on page %d", stream, page.Items, of, number)
	if len(page.Rejected) > 0 && len(page.Rows) == 0 {
		d.say(&schema.Error{
			Class: schema.ClassStream, Err: fmt.Errorf("all of them would go to quarantine, the first because %s", page.Rejected[0].Reason),
		}, "%s", text)
	} else {
		d.say(nil, "%s", text)
	}
	d.fields(page)
}

// fields tells where the columns came from, which were not found, and what would go to quarantine.
func (d *doctor) fields(page extract.Page) {
	var found, missing []string
	for _, use := range page.Fields {
		if use.Path == "" {
			missing = append(missing, use.Column)
			continue
		}
		found = append(found, fmt.Sprintf("%s<-%s", use.Column, use.Path))
	}
	if len(found) > 0 {
		fmt.Fprintf(d.stdout, "      %s\n", strings.Join(found, " "))
	}
	if len(missing) > 0 && page.Items > 0 {
		fmt.Fprintf(d.stdout, "      not on this page: %s\n", strings.Join(missing, " "))
	}
	if len(page.Rejected) > 0 && len(page.Rows) > 0 {
		d.warn("%d of %d records would go to quarantine, the first because %s", len(page.Rejected), page.Items, page.Rejected[0].Reason)
	}
}

// verdict returns the error that decides the exit code: that of the failures if they agree on one that stops a run.
func (d *doctor) verdict() error {
	if len(d.failures) == 0 {
		return nil
	}
	class := schema.ClassOf(d.failures[0])
	for _, failure := range d.failures {
		if schema.ClassOf(failure) != class || class == schema.ClassStream {
			return reportedError{fmt.Errorf("%d of %d findings: %w", len(d.failures), d.findings, errPartial)}
		}
	}
	return reportedError{&schema.Error{Class: class, Err: errors.New("the doctor found a fault")}}
}
