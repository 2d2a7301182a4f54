package extract_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"tieout/extract"
	"tieout/schema"
)

// recordCase is one item of a list with what must become of it, written by hand in testdata/records.json.
type recordCase struct {
	Name     string            `json:"name"`
	Resource schema.Resource   `json:"resource"`
	Slice    string            `json:"slice"`
	Item     json.RawMessage   `json:"item"`
	Record   map[string]string `json:"record"` // every column that is not empty; an absent one must be empty or unknown
	Rejected *struct {
		ID     string `json:"id"`
		Reason string `json:"reason"` // whole, unless it ends in …
	} `json:"rejected"`
}

// TestMapping maps each item of testdata/records.json with the built-in definition and compares every column.
func TestMapping(t *testing.T) {
	data, err := os.ReadFile("testdata/records.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []recordCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(string(c.Resource)+" "+c.Name, func(t *testing.T) { c.check(t) })
	}
}

func (c recordCase) check(t *testing.T) {
	t.Helper()
	begun := time.Now().UTC()
	page := onePage(t, coinut(t), c.Resource, c.Slice, c.Item)
	if page.Items != 1 || len(page.Rows)+len(page.Rejected) != 1 {
		t.Fatalf("%d items became %d rows and %d rejected", page.Items, len(page.Rows), len(page.Rejected))
	}
	if c.Rejected != nil {
		if len(page.Rejected) == 0 {
			t.Fatalf("accepted as %v, want it rejected: %s", columnsOf(page.Rows[0]), c.Rejected.Reason)
		}
		got := page.Rejected[0]
		beginning, cut := strings.CutSuffix(c.Rejected.Reason, "…")
		said := got.Reason == c.Rejected.Reason || (cut && strings.HasPrefix(got.Reason, beginning))
		if got.RecordID != c.Rejected.ID || !said || got.ListedUnder != c.Slice {
			t.Errorf("rejected %q under %q: %s\nwant %q: %s", got.RecordID, got.ListedUnder, got.Reason, c.Rejected.ID, c.Rejected.Reason)
		}
		if !bytes.Equal(got.Payload, c.Item) || got.SeenAt.Before(begun) || got.PayloadHash == [32]byte{} {
			t.Errorf("payload %s, seen at %s, hash %x: want the item, now, and a hash", got.Payload, got.SeenAt, got.PayloadHash)
		}
		return
	}
	if len(page.Rows) == 0 {
		t.Fatalf("rejected: %s", page.Rejected[0].Reason)
	}
	row := page.Rows[0]
	if got := columnsOf(row); !maps.Equal(got, c.Record) {
		t.Errorf("got  %v\nwant %v", got, c.Record)
	}
	base := row.Base()
	if base.Account != "coinut_main" || base.Provider != "coinut" || !bytes.Equal(base.Payload, c.Item) || base.FirstSeenAt.Before(begun) {
		t.Errorf("account %s, provider %s, payload %s, seen %s", base.Account, base.Provider, base.Payload, base.FirstSeenAt)
	}
}

// onePage fetches a page with one item, in the slice that a list has at that value.
func onePage(t *testing.T, definition *extract.Definition, resource schema.Resource, slice string, item []byte) extract.Page {
	t.Helper()
	body := fmt.Sprintf(`{"status":"SUCCESS","data":{"list":[%s],"total":1}}`, item)
	if definition.Resources[resource].Paging.Style == extract.StyleNone {
		body = fmt.Sprintf(`{"status":"SUCCESS","data":[%s]}`, item)
	}
	position := extract.Position("")
	for i, value := range definition.Resources[resource].Slices.Values {
		if value == slice {
			position = extract.Position(fmt.Sprintf(`{"part":%d,"page":1}`, i))
		}
	}
	client := newClient(t, plainAccount(definition), answering(http.StatusOK, body), &logText{})
	page, err := client.Fetch(t.Context(), resource, position)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// columnsOf writes down every column of a row that holds something, with its status and its slice.
func columnsOf(row schema.Row) map[string]string {
	columns := map[string]string{"status": string(row.Base().Status)}
	if row.Base().ListedUnder != "" {
		columns["listed_under"] = row.Base().ListedUnder
	}
	for _, column := range row.Columns() {
		switch field := column.Field.(type) {
		case *string:
			if *field != "" {
				columns[column.Name] = *field
			}
		case *schema.Amount:
			if field.Known() {
				columns[column.Name] = field.String()
			}
		case *time.Time:
			if !field.IsZero() {
				columns[column.Name] = field.Format(time.RFC3339Nano)
			}
		}
	}
	return columns
}

const plainDeposit = `{"id":"1","currency":"EUR","amount":"1","timestamp":"2026-03-12T17:22:04Z"}`

// TestMappingStatusWords compares words without regard to case, keeps the partner's word as it is, and takes a
// word that no definition explains for unknown.
func TestMappingStatusWords(t *testing.T) {
	definition := coinut(t, "    statuses: {}", "    statuses: {Settled: completed, FAILED: failed}")
	for word, want := range map[string]schema.Status{
		"Settled": schema.StatusCompleted, "SETTLED": schema.StatusCompleted, "settled": schema.StatusCompleted,
		"failed": schema.StatusFailed, "REFUNDED": schema.StatusUnknown, " settled": schema.StatusUnknown, "": schema.StatusUnknown,
	} {
		item := fmt.Sprintf(`{"id":"1","status":%q,"deductAmount":1,"deductCurrency":"EUR","createTime":"2026-03-12 17:22:04"}`, word)
		page := onePage(t, definition, schema.Payments, "", []byte(item))
		if len(page.Rows) != 1 {
			t.Fatalf("%q: rejected %v", word, page.Rejected)
		}
		if base := page.Rows[0].Base(); base.Status != want || base.ProviderStatus != word {
			t.Errorf("%q became %s and %q, want %s and the word", word, base.Status, base.ProviderStatus, want)
		}
	}
}

// TestMappingTimes reads every form that a definition can name, in its order and its zone.
func TestMappingTimes(t *testing.T) {
	formats := func(list, zone string) []string {
		return []string{`formats: [rfc3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", unix_seconds, unix_milliseconds]`, "formats: [" + list + "]", "  zone: UTC", "  zone: " + zone}
	}
	tests := map[string]struct {
		edits      []string
		time, want string
	}{
		"zone of the definition, winter": {formats(`"2006-01-02 15:04:05"`, "Europe/Kyiv"), `"2026-01-12 17:22:04"`, "2026-01-12T15:22:04Z"},
		"zone of the definition, summer": {formats(`"2006-01-02 15:04:05"`, "Europe/Kyiv"), `"2026-07-12 17:22:04"`, "2026-07-12T14:22:04Z"},
		"a text's own zone counts":       {formats(`rfc3339`, "Europe/Kyiv"), `"2026-01-12T17:22:04+01:00"`, "2026-01-12T16:22:04Z"},
		"seconds":                        {formats(`rfc3339, unix_seconds`, "UTC"), `1773336124`, "2026-03-12T17:22:04Z"},
		"seconds as text":                {formats(`unix_seconds`, "UTC"), `"1773336124"`, "2026-03-12T17:22:04Z"},
		"milliseconds":                   {formats(`unix_milliseconds`, "UTC"), `1773336124567`, "2026-03-12T17:22:04.567Z"},
		"the first form that fits":       {formats(`unix_milliseconds, unix_seconds`, "UTC"), `1773336124`, "2026-03-12T17:22:04Z"},
		"the other form that fits":       {formats(`unix_seconds, unix_milliseconds`, "UTC"), `1773336124567`, "2026-03-12T17:22:04.567Z"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			item := edited(t, plainDeposit, `"2026-03-12T17:22:04Z"`, test.time)
			page := onePage(t, coinut(t, test.edits...), schema.Deposits, "CONFIRMED", []byte(item))
			if len(page.Rows) != 1 {
				t.Fatalf("rejected: %+v", page.Rejected)
			}
			if got := columnsOf(page.Rows[0])["created_at"]; got != test.want {
				t.Errorf("created_at %s, want %s", got, test.want)
			}
		})
	}
}

// TestMappingHash identifies the content: another way to write it is the same, another value or another slice is
// not.
func TestMappingHash(t *testing.T) {
	hash := func(slice, item string) [32]byte {
		t.Helper()
		page := onePage(t, coinut(t), schema.Deposits, slice, []byte(item))
		if len(page.Rows) == 0 {
			return page.Rejected[0].PayloadHash
		}
		return page.Rows[0].Base().PayloadHash
	}
	same := hash("CONFIRMED", plainDeposit)
	for _, other := range []string{
		`{ "timestamp" : "2026-03-12T17:22:04Z", "amount":"1",` + "\n" + `"currency":"\u0045UR","id":"1"}`,
		strings.ReplaceAll(plainDeposit, ",", " , "),
	} {
		if hash("CONFIRMED", other) != same {
			t.Errorf("%s is another record than %s", other, plainDeposit)
		}
	}
	for _, other := range []string{
		edited(t, plainDeposit, `"amount":"1"`, `"amount":"1.0"`), edited(t, plainDeposit, `"amount":"1"`, `"amount":1`),
		edited(t, plainDeposit, `"id":"1"`, `"id":"1","new":null`),
	} {
		if hash("CONFIRMED", other) == same {
			t.Errorf("%s is the same record as %s", other, plainDeposit)
		}
	}
	if hash("RECEIVED", plainDeposit) == same {
		t.Error("a deposit that moved to another slice is the same record")
	}
}

// TestMappingFields tells doctor what fed each column: the path that was found most often, and how often any was.
func TestMappingFields(t *testing.T) {
	items := `{"currency":"EUR","available":"1"},{"currencyCode":"USD","availableBalance":"1"},{"asset":"BTC","availableBalance":"1"},{"asset":"ETH","balance":null,"available":""}`
	client := newClient(t, plainAccount(coinut(t)), answering(200, `{"status":"SUCCESS","data":[`+items+`]}`), &logText{})
	page, err := client.Fetch(t.Context(), schema.Balances, "")
	if err != nil {
		t.Fatal(err)
	}
	want := []extract.FieldUse{
		{Column: "currency", Path: "asset", Records: 4},
		{Column: "available", Path: "available", Records: 4}, // two each: the first by name
		{Column: "locked"},
		{Column: "total"},
	}
	if fmt.Sprint(page.Fields) != fmt.Sprint(want) {
		t.Errorf("fields %+v\nwant   %+v", page.Fields, want)
	}
	if len(page.Rows) != 3 || len(page.Rejected) != 1 {
		t.Errorf("%d rows and %d rejected, want 3 and 1", len(page.Rows), len(page.Rejected))
	}
}
