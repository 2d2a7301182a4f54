package sync_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"tieout/checkpoints/checkpointstest"
	"tieout/extract"
	"tieout/extract/providers"
	"tieout/extract/sandbox"
	"tieout/load/loadtest"
	"tieout/schema"
	"tieout/sync"
)

// world is a partner, a destination and the checkpoints between them: all that runs of one account need.
type world struct {
	sandbox     *sandbox.Sandbox
	definition  *extract.Definition
	destination *loadtest.Memory
	checkpoints *checkpointstest.Memory
	log         bytes.Buffer
	runs        int
}

func newWorld(t *testing.T, options sandbox.Options) *world {
	t.Helper()
	partner, err := sandbox.New(options)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := extract.LoadCatalog(providers.Files)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		sandbox: partner, definition: catalog["coinut"],
		destination: &loadtest.Memory{}, checkpoints: &checkpointstest.Memory{},
	}
}

// client returns a client as a new process would have it, with the credentials that the partner knows.
func (w *world) client(t *testing.T, name string, transport http.RoundTripper) *extract.Client {
	t.Helper()
	known := w.sandbox.Accounts()[0]
	client, err := extract.NewClient(extract.Account{
		Name: name, Definition: w.definition, BaseURL: "http://coinut.test", Keyring: extract.NewKeyring(w.checkpoints),
		Credentials: map[string]schema.Secret{"api_key": schema.NewSecret(known.Key), "api_secret": schema.NewSecret(known.Secret)},
	}, transport, slog.New(slog.NewTextHandler(&w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// account reads the resources of a source, all of them if none are named.
func (w *world) account(name string, source sync.Source, resources ...schema.Resource) sync.Account {
	if len(resources) == 0 {
		resources = w.definition.Lists()
	}
	account := sync.Account{Source: source}
	for _, resource := range resources {
		account.Streams = append(account.Streams, stream(name, resource))
	}
	return account
}

func stream(account string, resource schema.Resource) schema.Stream {
	return schema.Stream{Account: account, Provider: "coinut", Resource: resource}
}

// run returns a run of its own, as each night has one.
func (w *world) run() *sync.Run {
	w.runs++
	return &sync.Run{
		ID: "run-" + string(rune('0'+w.runs%10)), StartedAt: time.Now().UTC(),
		Destination: w.destination, Holdings: w.destination, Checkpoints: w.checkpoints, Ledger: w.checkpoints,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
}

// sync reads the account coinut_main once, with a client of its own.
func (w *world) sync(t *testing.T, resources ...schema.Resource) []sync.Result {
	t.Helper()
	client := w.client(t, "coinut_main", w.sandbox.Transport())
	return w.run().Sync(context.Background(), []sync.Account{w.account("coinut_main", client, resources...)})
}

// facts is what the latest stored version of a record must say.
type facts struct {
	status         string
	amount, second decimal.Decimal
	createdAt      time.Time
}

func (w *world) truths(resource schema.Resource) map[string]facts {
	truth, all := w.sandbox.Truth(), map[string]facts{}
	switch resource {
	case schema.Deposits:
		for _, d := range truth.Deposits {
			all[d.ID] = facts{d.Status, d.Amount, decimal.Zero, d.CreatedAt}
		}
	case schema.Trades:
		for _, t := range truth.Trades {
			all[t.ID] = facts{t.Status, t.FromAmount, t.ToAmount, t.CreatedAt}
		}
	case schema.Payments:
		for _, p := range truth.Payments {
			all[p.ID] = facts{p.Status, p.DeductAmount, p.ReceivedAmount, p.CreatedAt}
		}
	}
	return all
}

func factsOf(row schema.Row) facts {
	record := row.Base()
	f := facts{status: record.ProviderStatus, createdAt: record.CreatedAt}
	switch r := row.(type) {
	case *schema.Deposit:
		f.amount = r.Amount.Decimal()
	case *schema.Trade:
		f.amount, f.second = r.FromAmount.Decimal(), r.ToAmount.Decimal()
	case *schema.Payment:
		f.amount, f.second = r.Amount.Decimal(), r.ReceivedAmount.Decimal()
	}
	return f
}

// mustEqualTruth compares the latest version of every stored record with what the partner knows.
func (w *world) mustEqualTruth(t *testing.T) {
	t.Helper()
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
		stored, truth := w.destination.Versions(stream("coinut_main", resource)), w.truths(resource)
		if len(stored) != len(truth) {
			t.Errorf("%s: %d records are stored, the partner has %d", resource, len(stored), len(truth))
		}
		for id, want := range truth {
			versions := stored[id]
			if len(versions) == 0 {
				t.Errorf("%s %s is lost", resource, id)
				continue
			}
			got := factsOf(versions[len(versions)-1])
			if got.status != want.status || !got.amount.Equal(want.amount) || !got.second.Equal(want.second) || !got.createdAt.Equal(want.createdAt) {
				t.Errorf("%s %s: stored %+v, the partner has %+v", resource, id, got, want)
			}
		}
	}
}

// storedVersions counts the versions of all records of all lists.
func (w *world) storedVersions() int {
	count := 0
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
		for _, versions := range w.destination.Versions(stream("coinut_main", resource)) {
			count += len(versions)
		}
	}
	return count
}
