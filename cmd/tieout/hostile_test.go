package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tieout/extract/sandbox"
)

// hostile is an answer that nobody should give, and what has to come of it.
type hostile struct {
	name     string
	status   int
	header   http.Header
	body     string
	code     int    // exit code of the run
	class    string // error_class in sync_runs; empty: the stream did not fail
	stored   int    // payments in ClickHouse
	rejected int    // records in quarantine
	says     string // in standard error or in the reason of the quarantine
}

// payment is a good record with one field said otherwise.
func payment(id, field, value string) string {
	fields := map[string]string{
		"id": `"` + id + `"`, "status": `"CONFIRMED"`, "deductAmount": `"10.50"`, "deductCurrency": `"EUR"`,
		"createTime": `"2026-03-12 17:22:04"`,
	}
	fields[field] = value
	var parts []string
	for _, name := range []string{"id", "status", "deductAmount", "deductCurrency", "createTime"} {
		if fields[name] != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", name, fields[name]))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func good(id string) string { return payment(id, "id", `"`+id+`"`) }

// listOf is a page with the records, and a total that counts them.
func listOf(records ...string) string {
	return fmt.Sprintf(`{"status":"SUCCESS","data":{"list":[%s],"pageNum":1,"pageSize":100,"total":%d}}`, strings.Join(records, ","), len(records))
}

// hostiles is the list of answers; each is given to every request for payments.
func hostiles() []hostile {
	json := http.Header{"Content-Type": {"application/json"}}
	return []hostile{
		{"html instead of json", 502, http.Header{"Content-Type": {"text/html"}}, "<html>bad gateway</html>", exitTemporary, "unavailable", 0, 0, "502"},
		{"truncated", 200, json, listOf(good("a"), good("b"))[:90], exitPartial, "stream", 0, 0, "ends in the middle"},
		{"second document", 200, json, listOf(good("a")) + `{"status":"SUCCESS"}`, exitPartial, "stream", 0, 0, "more than one JSON value"},
		{"nested too deep", 200, json, `{"status":"SUCCESS","data":{"list":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `,"total":1}}`, exitPartial, "stream", 0, 0, "nested more than 32 deep"},
		{"envelope twice", 200, json, `{"status":"SUCCESS","data":{"list":[],"total":0},"data":{"list":[],"total":0}}`, exitPartial, "stream", 0, 0, "twice"},
		{"null list, none counted", 200, json, `{"status":"SUCCESS","data":{"list":null,"total":0}}`, exitDone, "", 0, 0, ""},
		{"null list, some counted", 200, json, `{"status":"SUCCESS","data":{"list":null,"total":3}}`, exitPartial, "stream", 0, 0, "no list at data.list"},
		{"no total", 200, json, `{"status":"SUCCESS","data":{"list":[]}}`, exitPartial, "stream", 0, 0, "no total"},
		{"failure in a 200", 200, json, `{"status":"INVALID_PARAMETERS","message":"no such filter"}`, exitPartial, "stream", 0, 0, "INVALID_PARAMETERS"},
		{"redirect", 302, http.Header{"Location": {"http://elsewhere.example/steal"}}, "", exitPartial, "stream", 0, 0, "302"},
		{"id missing", 200, json, listOf(good("a"), payment("", "id", "")), exitPartial, "", 1, 1, "payment_id is missing"},
		{"id empty", 200, json, listOf(good("a"), payment("", "id", `""`)), exitPartial, "", 1, 1, "payment_id is missing"},
		{"id no text", 200, json, listOf(good("a"), payment("", "id", `{}`)), exitPartial, "", 1, 1, "payment_id is no text and no number"},
		{"same record twice", 200, json, listOf(good("a"), good("a")), exitPartial, "", 1, 0, "the partner counts 2 records, 1 are stored"},
		{"same id, other content", 200, json, listOf(good("a"), payment("a", "deductAmount", `"99"`)), exitPartial, "", 0, 2, "more than once"},
		{"name twice in a record", 200, json, listOf(good("a"), `{"id":"b","id":"c"}`), exitPartial, "", 1, 1, "has a name twice"},
		{"name in two cases in a record", 200, json, listOf(good("a"), strings.Replace(good("b"), "{", `{"DeductAmount":"99",`, 1)), exitPartial, "", 1, 1, "two names that differ in case alone"},
		{"broken text in a record", 200, json, listOf(good("a"), payment("b", "status", `"caf\ud83d"`)), exitPartial, "", 1, 1, "the record"},
		{"amount as a number", 200, json, listOf(payment("a", "deductAmount", "10.5")), exitDone, "", 1, 0, ""},
		{"amount with an exponent", 200, json, listOf(payment("a", "deductAmount", "1.05e1")), exitDone, "", 1, 0, ""},
		{"amount negative", 200, json, listOf(payment("a", "deductAmount", `"-10.50"`)), exitDone, "", 1, 0, ""},
		{"amount with 30 decimals", 200, json, listOf(payment("a", "deductAmount", `"0.123456789012345678901234567890"`)), exitPartial, "", 0, 1, "29 digits behind the point"},
		{"amount huge", 200, json, listOf(payment("a", "deductAmount", "1"+strings.Repeat("0", 90))), exitPartial, "", 0, 1, "digits before the point"},
		{"amount empty", 200, json, listOf(payment("a", "deductAmount", `""`)), exitPartial, "", 0, 1, "amount is missing"},
		{"amount no number", 200, json, listOf(payment("a", "deductAmount", `"ten"`)), exitPartial, "", 0, 1, "is not a decimal number"},
		{"time no time", 200, json, listOf(payment("a", "createTime", `"yesterday"`)), exitPartial, "", 0, 1, "none of the known forms"},
	}
}

// TestHostileAnswers gives each to a run of the whole program: the class of the error, what is stored, what is in
// quarantine, and the secret, which is nowhere.
func TestHostileAnswers(t *testing.T) {
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			w := newWorkplace(t, sandbox.Options{Records: -1}, "")
			w.sandbox.Inject(1000, sandbox.OnPath("/payment/list"), sandbox.Answer(h.status, h.header, h.body))
			h.judge(t, w, w.must(h.code, "sync", "--resource", "payments"))
		})
	}
}

func (h hostile) judge(t *testing.T, w *workplace, f finished) {
	t.Helper()
	rows := w.rows(`SELECT (SELECT count() FROM payments), (SELECT count() FROM rejected_records FINAL),
		(SELECT any(error_class) FROM sync_runs FINAL), (SELECT groupArray(reason) FROM rejected_records FINAL),
		(SELECT groupArray(error) FROM sync_runs FINAL)`)
	columns := strings.Split(rows[0], "\t")
	if want := fmt.Sprintf("%d\t%d\t%s", h.stored, h.rejected, h.class); strings.Join(columns[:3], "\t") != want {
		t.Errorf("stored, rejected and class are %q, want %q\n%s", columns[:3], want, f.stderr)
	}
	if !strings.Contains(f.stderr+columns[3], h.says) {
		t.Errorf("nothing says %q:\n%s%s", h.says, f.stderr, columns[3])
	}
	if secret := w.sandbox.Accounts()[0].Secret; strings.Contains(rows[0], secret) {
		t.Error("the secret is in ClickHouse")
	}
}

// TestEchoedSecret answers with records that repeat our credentials: they go to quarantine without them.
func TestEchoedSecret(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	known := w.sandbox.Accounts()[0]
	w.sandbox.Inject(1000, sandbox.OnPath("/payment/list"), sandbox.Answer(http.StatusOK, nil,
		listOf(payment("a", "deductAmount", `"`+known.Secret+`"`), payment("b", "status", `"`+known.Key+`"`))))
	hostile{rejected: 2, says: "repeats a credential"}.judge(t, w, w.must(exitPartial, "sync", "--resource", "payments"))
	for _, row := range w.rows("SELECT payload, reason FROM rejected_records FINAL") {
		if strings.Contains(row, known.Secret) || strings.Contains(row, known.Key) || !strings.Contains(row, "[redacted]") {
			t.Errorf("quarantine holds %s", row)
		}
	}
}

// TestRepeatingPageEnds gives the same page for ever, with a total that never comes: the stream ends in a clear error.
func TestRepeatingPageEnds(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	body := strings.Replace(listOf(good("a"), good("b")), `"total":2`, `"total":500`, 1)
	w.sandbox.Inject(1000, sandbox.OnPath("/payment/list"), sandbox.Answer(http.StatusOK, nil, body))
	hostile{class: "stream", stored: 2, says: "hold the same records"}.judge(t, w, w.must(exitPartial, "sync", "--resource", "payments"))
}

// TestRedirectLeaksNothing points a redirect at another server, which must never be asked.
func TestRedirectLeaksNothing(t *testing.T) {
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	w.sandbox.Inject(1000, nil, sandbox.Answer(http.StatusTemporaryRedirect, http.Header{"Location": {other.URL}}, ""))
	w.must(exitPartial, "sync")
	if asked.Load() != 0 {
		t.Errorf("the other server was asked %d times", asked.Load())
	}
}

// TestGzipBombIsBounded answers with a body that inflates to more than any page may be.
func TestGzipBombIsBounded(t *testing.T) {
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	for range 40 {
		if _, err := writer.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWorkplace(t, sandbox.Options{Records: -1}, "")
	w.sandbox.Inject(1000, sandbox.OnPath("/payment/list"), sandbox.Answer(http.StatusOK, http.Header{"Content-Encoding": {"gzip"}}, packed.String()))
	hostile{class: "stream", says: "inflates to more than 200 times what was sent"}.judge(t, w, w.must(exitPartial, "sync", "--resource", "payments"))
}

// TestClockSkewIsNamed gives the partner a clock that is two minutes ahead: the refused signature is explained.
func TestClockSkewIsNamed(t *testing.T) {
	w := newWorkplace(t, sandbox.Options{Records: 10, Now: func() time.Time { return time.Now().Add(2 * time.Minute) }}, "")
	f := w.must(exitCredentials, "sync")
	if !strings.Contains(f.stderr, "this machine's clock is 2m0s behind the partner's") && !strings.Contains(f.stderr, "this machine's clock is 1m59s behind") &&
		!strings.Contains(f.stderr, "this machine's clock is 2m1s behind") {
		t.Errorf("the clock is not named: %s", f.stderr)
	}
}
