package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tieout/extract/sandbox"
	"tieout/schema"
)

// partner is one simulated partner of TestPartnersSideBySide.
type partner struct {
	account, provider string
	options           sandbox.Options
	path              string // of the base URL
	counts            bool   // the partner gives totals, so its lists can be proven
}

var partners = []partner{
	{"coinut_main", "coinut", sandbox.Options{Partner: "coinut"}, "", true},
	{"cryptoix_bearer", "cryptoix", sandbox.Options{Partner: "cryptoix"}, "/v1", true},
	{"cryptoix_header", "cryptoix_key", sandbox.Options{Partner: "cryptoix", Accounts: withScheme(sandbox.SchemeKey)}, "/v1", true},
	{"cryptoix_hmac", "cryptoix_signed", sandbox.Options{Partner: "cryptoix", Accounts: withScheme(sandbox.SchemeSigned)}, "/v1", true},
	{"kuna", "kunapay", sandbox.Options{Partner: "kunapay"}, "", false},
	{"kuna_single", "kunapay_api_key", sandbox.Options{Partner: "kunapay", Accounts: withScheme(sandbox.SchemeKey)}, "", false},
	{"aeterna_main", "aeterna_main", sandbox.Options{Partner: "aeterna"}, "", true},
	{"fifth", "examplepay", sandbox.Options{Partner: "fifth"}, "/v2", false},
}

func withScheme(scheme string) []sandbox.Account {
	return []sandbox.Account{{Name: "main", Key: "the-key-of-" + scheme, Secret: "the-secret-of-" + scheme, Scheme: scheme}}
}

// aeternaOperator is what an operator of Aeterna would write: the paths and fields that the sandbox made up, on top of
// the authentication that is built in.
const aeternaOperator = `
name: aeterna_main
extends: aeterna
base_url: https://merchant.example.com
rate_limits: [60/1m]
times: {formats: [unix_milliseconds]}
resources:
  deposits:
    method: POST
    path: /api/payin/list
    paging: {style: page, parameter: page, size: limit, rows: 50, total: result.count}
    items: result.items
    fields:
      deposit_id: id
      provider_status: state
      currency: amount.currency
      amount: amount.value
      network: network
      txid: hash
      customer_id: customerId
      reference: comment
      created_at: createdAt
  payments:
    method: POST
    path: /api/payout/list
    paging: {style: page, parameter: page, size: limit, rows: 50, total: result.count}
    items: result.items
    fields:
      payment_id: id
      provider_status: state
      currency: amount.currency
      amount: amount.value
      fee: commission.value
      fee_currency: commission.currency
      reference: comment
      created_at: createdAt
  balances:
    method: POST
    path: /api/balance
    paging: {style: none}
    items: result
    items_as: map
    fields: {currency: "@key", available: available, locked: hold}
`

// TestPartnersSideBySide reads all partners in one run, each in every way to prove who one is, two of them through
// files that an operator has written: Aeterna's paths, and a fifth partner by the very file of the README. What is in
// ClickHouse afterwards is what the partners' own books say.
func TestPartnersSideBySide(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	folder := t.TempDir()
	for name, text := range map[string]string{"aeterna.yaml": aeternaOperator, "examplepay.yaml": readmeDefinition(t)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out := w.with("TIEOUT_PROVIDERS_DIR="+folder).must(exitDone, "providers", "check", filepath.Join(folder, name)).stdout
		if !strings.HasPrefix(out, "ok ") {
			t.Errorf("providers check says %q", out)
		}
	}
	w = w.with("TIEOUT_PROVIDERS_DIR=" + folder)
	worlds := map[string]*sandbox.Sandbox{}
	var names []string
	for i, p := range partners {
		p.options.Seed, p.options.Records = uint64(40+i), 260
		p.options.RateLimits = []sandbox.Limit{{Requests: 60_000, Per: time.Minute}}
		w, worlds[p.account] = w.joined(p)
		names = append(names, p.account)
	}
	w = w.with("TIEOUT_ACCOUNTS=" + strings.Join(names, ","))
	out := w.must(exitDone, "sync").stdout
	for _, p := range partners {
		comparePartner(t, w, p, worlds[p.account])
		if !strings.Contains(out, p.account+"/deposits") {
			t.Errorf("the summary does not speak of %s:\n%s", p.account, out)
		}
	}
	live := w.must(exitDone, "providers", "check", filepath.Join(folder, "examplepay.yaml"), "--account", "fifth").stdout
	for _, text := range []string{"ok    fifth/deposits: 50 records", "created_at<-created_at", "currency<-currency available<-available total<-total"} {
		if !strings.Contains(live, text) {
			t.Errorf("the check of a live page does not say %q:\n%s", text, live)
		}
	}
	again := w.must(exitDone, "sync")
	if rows := w.rows("SELECT sum(versions) FROM sync_runs FINAL WHERE resource != 'balances' AND started_at = (SELECT max(started_at) FROM sync_runs)"); rows[0] != "0" {
		t.Errorf("a second sync wrote %s versions:\n%s", rows[0], again.stdout)
	}
}

// joined opens a partner's sandbox and adds its account to the environment.
func (w *workplace) joined(p partner) (*workplace, *sandbox.Sandbox) {
	w.t.Helper()
	s, err := sandbox.New(p.options)
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(s)
	w.t.Cleanup(server.Close)
	known, prefix := s.Accounts()[0], "TIEOUT_"+strings.ToUpper(p.account)+"_"
	settings := []string{
		prefix + "PROVIDER=" + p.provider, prefix + "BASE_URL=" + server.URL + p.path,
		prefix + "API_KEY=" + known.Key, prefix + "RATE_LIMITS=1000/1s",
	}
	if !slices.Contains([]string{"cryptoix", "cryptoix_key", "kunapay_api_key", "examplepay"}, p.provider) {
		settings = append(settings, prefix+"API_SECRET="+known.Secret)
	}
	if known.Email != "" {
		settings = append(settings, prefix+"EMAIL="+known.Email)
	}
	return w.with(settings...), s
}

// comparePartner compares what is stored of one account with its partner's books: every count, sum and word.
func comparePartner(t *testing.T, w *workplace, p partner, s *sandbox.Sandbox) {
	t.Helper()
	truth := s.Truth()
	var want []string
	for _, resource := range []schema.Resource{schema.Deposits, schema.Trades, schema.Payments} {
		for currency, sum := range truth.Sum(resource) {
			want = append(want, fmt.Sprintf("%s sum of %s\t%s", resource, currency, sum))
		}
		for word := range s.Words(resource) {
			if n := truth.Count(resource, word); n > 0 {
				want = append(want, fmt.Sprintf("%s %s\t%d", resource, word, n))
			}
		}
		if n := truth.Count(resource); n > 0 {
			want = append(want, fmt.Sprintf("%s ids\t%d", resource, n))
		}
	}
	for _, b := range truth.Balances {
		want = append(want, fmt.Sprintf("balances available of %s\t%s", b.Currency, b.Available))
	}
	want = append(want, "deposits certificate\t"+map[bool]string{true: "proven", false: "stable"}[p.counts])
	slices.Sort(want)
	if got := w.rows(strings.ReplaceAll(figuresQuery, "ACCOUNT", "'"+p.account+"'")); !slices.Equal(got, want) {
		t.Errorf("%s: ClickHouse has\n%s\nthe partner\n%s", p.account, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// figuresQuery asks for the same figures of one account in one list.
const figuresQuery = `SELECT name, value FROM (
	SELECT concat('deposits sum of ', currency) AS name, toString(sum(amount)) AS value FROM deposits WHERE account = ACCOUNT GROUP BY currency
	UNION ALL SELECT concat('trades sum of ', from_currency), toString(sum(from_amount)) FROM trades WHERE account = ACCOUNT GROUP BY from_currency
	UNION ALL SELECT concat('payments sum of ', currency), toString(sum(amount)) FROM payments WHERE account = ACCOUNT GROUP BY currency
	UNION ALL SELECT concat('deposits ', provider_status), toString(count()) FROM deposits WHERE account = ACCOUNT GROUP BY provider_status
	UNION ALL SELECT concat('trades ', provider_status), toString(count()) FROM trades WHERE account = ACCOUNT GROUP BY provider_status
	UNION ALL SELECT concat('payments ', provider_status), toString(count()) FROM payments WHERE account = ACCOUNT GROUP BY provider_status
	UNION ALL SELECT 'deposits ids', toString(uniqExact(deposit_id)) FROM deposits WHERE account = ACCOUNT GROUP BY account
	UNION ALL SELECT 'trades ids', toString(uniqExact(trade_id)) FROM trades WHERE account = ACCOUNT GROUP BY account
	UNION ALL SELECT 'payments ids', toString(uniqExact(payment_id)) FROM payments WHERE account = ACCOUNT GROUP BY account
	UNION ALL SELECT concat('balances available of ', currency), toString(available) FROM balances WHERE account = ACCOUNT
	UNION ALL SELECT 'deposits certificate', if(level IN ('C3', 'C3n'), 'proven', level) FROM sync_certificates FINAL
		WHERE account = ACCOUNT AND resource = 'deposits' ORDER BY proven_at DESC LIMIT 1
) ORDER BY concat(name, '\t', value)`

var definitionBlock = regexp.MustCompile("(?s)```yaml\n(# examplepay.yaml\n.*?)```")

// readmeDefinition is the fifth partner, word for word as the README shows it.
func readmeDefinition(t *testing.T) string {
	t.Helper()
	match := definitionBlock.FindStringSubmatch(readReadme(t))
	if match == nil {
		t.Fatal("README.md has no definition of examplepay")
	}
	return match[1]
}

// TestProvidersShow prints what is built in, effective and with its sources, and every mistake of a wrong file.
func TestProvidersShow(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "embedded:unused")
	list := w.must(exitDone, "providers", "list").stdout
	for _, name := range []string{"coinut", "cryptoix", "cryptoix_signed", "kunapay", "kunapay_api_key", "aeterna"} {
		if !strings.Contains(list, name) {
			t.Errorf("providers list lacks %s:\n%s", name, list)
		}
		if text := w.must(exitDone, "providers", "show", name).stdout; !strings.Contains(text, "# D") {
			t.Errorf("providers show %s names no source:\n%s", name, text)
		}
	}
	if f := w.must(exitConfiguration, "providers", "show", "nobody"); !strings.Contains(f.stderr, "coinut") {
		t.Errorf("the known names are not listed: %s", f.stderr)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("name: wrong\nextends: coinut\nrate_limit: [1/1m]\nresources:\n  deposits:\n    paging: {style: pages}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := w.must(exitConfiguration, "providers", "check", wrong)
	for _, text := range []string{"line 3:1: rate_limit: is no key here", "line 6:21: resources.deposits.paging.style: \"pages\" is not one of"} {
		if !strings.Contains(f.stderr, text) {
			t.Errorf("the mistakes do not say %q:\n%s", text, f.stderr)
		}
	}
	if text := w.must(exitDone, "providers", "schema").stdout; !strings.Contains(text, "json-schema.org") {
		t.Errorf("providers schema prints %q", text[:min(80, len(text))])
	}
}

// TestNoncesAreRemembered: whatever asks a partner whose nonces must rise leaves the last one for whoever comes next, and
// asks nothing where it cannot.
func TestNoncesAreRemembered(t *testing.T) {
	t.Parallel() // each command waits until the reservation of the one before has run out
	w, s := newWorkplace(t, sandbox.Options{Records: -1}, "").joined(partner{"kuna", "kunapay", sandbox.Options{Partner: "kunapay", Records: 10, RateLimits: []sandbox.Limit{}}, "", false})
	w = w.with("TIEOUT_ACCOUNTS=kuna")
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte("name: kunapay\nextends: kunapay\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := []string{"providers", "check", file, "--account", "kuna"}
	if f := w.must(exitConfiguration, check...); !strings.Contains(f.stderr, "run tieout migrate") {
		t.Errorf("without tables: %s", f.stderr)
	}
	if f := w.must(exitDone, "doctor"); !strings.Contains(f.stdout, "look  kuna: not asked") {
		t.Errorf("the doctor says\n%s", f.stdout)
	}
	if s.Requests() != 0 {
		t.Fatalf("%d requests were made with nonces that nobody remembers", s.Requests())
	}
	w.must(exitDone, "migrate")
	remembered := func() int64 {
		rows := w.rows("SELECT argMax(state, seq) FROM key_states WHERE key LIKE 'nonce %' GROUP BY key")
		if len(rows) != 1 {
			t.Fatalf("%d nonces are remembered: %v", len(rows), rows)
		}
		nonce, err := strconv.ParseInt(rows[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return nonce
	}
	last := time.Now().UnixMilli()
	for _, arguments := range [][]string{check, {"doctor"}, {"sync", "--allow", "unproven"}, check} {
		before := s.Requests()
		f := w.must(exitDone, arguments...)
		if nonce := remembered(); nonce <= last || s.Requests() == before {
			t.Errorf("%v left %d after %d, and %d requests\n%s", arguments, nonce, last, s.Requests()-before, f.stdout)
		} else {
			last = nonce
		}
	}
}
