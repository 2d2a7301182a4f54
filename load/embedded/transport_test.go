package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load/embedded"
)

// send makes a request as the driver makes it and returns the status, the exception code and the body.
func send(ctx context.Context, t *testing.T, engine *embedded.Engine, arguments url.Values, body io.Reader, header ...string) (int, string, string, error) {
	t.Helper()
	arguments.Set("default_format", "TSV")
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://embedded/?"+arguments.Encode(), body)
	must(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := engine.Transport().RoundTrip(request)
	if err != nil {
		return 0, "", "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	if int64(len(text)) != response.ContentLength {
		t.Errorf("content length %d of %d bytes", response.ContentLength, len(text))
	}
	return response.StatusCode, response.Header.Get("X-ClickHouse-Exception-Code"), strings.TrimSpace(string(text)), nil
}

func ask(t *testing.T, engine *embedded.Engine, sql string) string {
	t.Helper()
	status, _, text, err := send(t.Context(), t, engine, url.Values{}, strings.NewReader(sql))
	must(t, err)
	if status != http.StatusOK {
		t.Fatalf("%s: %s", sql, text)
	}
	return text
}

func TestTransportRefuses(t *testing.T) {
	engine := openEngine(t, t.TempDir())
	for name, test := range map[string]struct {
		arguments url.Values
		header    []string
		code      string
	}{
		"compressed answers":   {arguments: url.Values{"compress": {"1"}}, code: "48"},
		"compressed rows":      {arguments: url.Values{"decompress": {"1"}}, code: "48"},
		"a compressed request": {header: []string{"Content-Encoding", "gzip"}, code: "48"},
		"external tables":      {header: []string{"Content-Type", "multipart/form-data; boundary=x"}, code: "48"},
		"an absent database":   {arguments: url.Values{"database": {"tieout"}}, code: "81"},
		"an unknown setting":   {arguments: url.Values{"no_such_setting": {"1"}}, code: "115"},
		"SQL as a setting":     {arguments: url.Values{"max_threads = 1; DROP TABLE t; SET x": {"1"}}, code: "115"},
		"a wrong value":        {arguments: url.Values{"max_threads": {"many"}}, code: "27"},
	} {
		arguments := test.arguments
		if arguments == nil {
			arguments = url.Values{}
		}
		status, code, text, err := send(t.Context(), t, engine, arguments, strings.NewReader("SELECT 1"), test.header...)
		must(t, err)
		if status == http.StatusOK || code != test.code || !strings.HasPrefix(text, "Code: "+test.code+". ") {
			t.Errorf("%s: status %d, code %s: %s", name, status, code, text)
		}
	}
	if got := ask(t, engine, "SELECT getSetting('max_threads') > 0"); got != "1" {
		t.Errorf("the engine answers %q afterwards", got)
	}
}

// TestTransportTakesSettingsBack shows that a setting ends with its statement even where the session refuses to take it back.
func TestTransportTakesSettingsBack(t *testing.T) {
	engine := openEngine(t, t.TempDir())
	ask(t, engine, "CREATE TABLE default.t (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10")
	status, _, text, err := send(t.Context(), t, engine, url.Values{"readonly": {"1"}, "insert_deduplication_token": {"leak"}}, strings.NewReader("SELECT 42"))
	must(t, err)
	if status != http.StatusOK || text != "42" {
		t.Fatalf("read only: status %d: %s", status, text)
	}
	status, code, _, err := send(t.Context(), t, engine, url.Values{"readonly": {"1"}}, strings.NewReader("INSERT INTO default.t VALUES (1)"))
	must(t, err)
	if status == http.StatusOK || code != "164" {
		t.Errorf("a write that is read only: status %d, code %s", status, code)
	}
	ask(t, engine, "INSERT INTO default.t VALUES (1)")
	ask(t, engine, "INSERT INTO default.t VALUES (2)")
	if got := ask(t, engine, "SELECT count(), getSetting('readonly'), getSetting('insert_deduplication_token'), timezone() FROM default.t"); got != "2\t0\t\tUTC" {
		t.Errorf("afterwards: %q", got)
	}
	// With readonly the session refuses to go back to UTC, and has to be replaced.
	for _, readonly := range []string{"0", "1", "1", "0"} {
		arguments := url.Values{"session_timezone": {"Asia/Tokyo"}, "readonly": {readonly}, "max_result_rows": {"7"}}
		_, _, text, err := send(t.Context(), t, engine, arguments, strings.NewReader("SELECT timezone()"))
		must(t, err)
		if text != "Asia/Tokyo" {
			t.Errorf("with a time zone: %q", text)
		}
		if got := ask(t, engine, "SELECT timezone(), getSetting('readonly'), getSetting('max_result_rows'), count() FROM default.t"); got != "UTC\t0\t0\t2" {
			t.Errorf("after a time zone, readonly %s: %q", readonly, got)
		}
	}
}

func TestTransportDatabase(t *testing.T) {
	engine := openEngine(t, t.TempDir())
	const name = "it's \\ `mine`"
	ask(t, engine, "CREATE DATABASE `it\\'s \\\\ \\`mine\\``")
	for _, sql := range []string{"CREATE TABLE t ENGINE = Memory AS SELECT 1", "SELECT throwIf(1)", "SELECT currentDatabase()"} {
		_, _, got, err := send(t.Context(), t, engine, url.Values{"database": {name}}, strings.NewReader(sql))
		must(t, err)
		if strings.HasPrefix(sql, "SELECT c") && got != `it\'s \\ `+"`mine`" {
			t.Errorf("the statement's database is %q", got)
		}
		if got := ask(t, engine, "SELECT currentDatabase()"); got != "default" {
			t.Errorf("after %s the database is %q", sql, got)
		}
	}
}

func TestTransportInserts(t *testing.T) {
	engine := openEngine(t, t.TempDir())
	ask(t, engine, "CREATE TABLE default.t (n UInt64) ENGINE = MergeTree ORDER BY n")
	rows := "1\n2\n3\n"
	broken := errors.New("the source broke")
	for _, test := range []struct {
		name, sql string
		body      io.Reader
		code      string
		want      string // what the table holds
	}{
		{"all", "INSERT INTO default.t (n) FORMAT TSV", strings.NewReader(rows), "", "1,2,3"},
		{"byte by byte", "INSERT INTO default.t FORMAT TSV ;\n", iotest.OneByteReader(strings.NewReader(rows)), "", "1,2,3"},
		{"lower case", "insert into default.t\nformat TSV", strings.NewReader(rows), "", "1,2,3"},
		{"format of the request", "INSERT INTO default.t (n)", strings.NewReader(rows), "", "1,2,3"},
		{"nothing", "INSERT INTO default.t (n) FORMAT Native", strings.NewReader(""), "108", ""},
		{"garbage", "INSERT INTO default.t (n) FORMAT Native", strings.NewReader("garbage"), "33", ""},
		{"text", "INSERT INTO default.t (n) FORMAT TSV", strings.NewReader("1\n2\nthree\n"), "27", ""},
		{"no table", "INSERT INTO default.absent (n) FORMAT TSV", strings.NewReader(rows), "60", ""},
		{"no column", "INSERT INTO default.t (m) FORMAT TSV", strings.NewReader(rows), "16", ""},
		{"no insert", "SELECT 1", strings.NewReader(rows), "62", ""},
		{"broken source", "INSERT INTO default.t (n) FORMAT TSV", io.MultiReader(strings.NewReader(rows), iotest.ErrReader(broken)), "-", ""},
		{"broken at once", "INSERT INTO default.t (n) FORMAT TSV", iotest.ErrReader(broken), "-", ""},
	} {
		status, code, text, err := send(t.Context(), t, engine, url.Values{"query": {test.sql}, "async_insert": {"0"}}, test.body)
		switch {
		case test.code == "-":
			if !errors.Is(err, broken) {
				t.Errorf("%s: %v", test.name, err)
			}
		case err != nil || code != test.code || (status == http.StatusOK) != (code == ""):
			t.Errorf("%s: status %d, code %s, %v: %s", test.name, status, code, err, text)
		}
		if got := ask(t, engine, "SELECT arrayStringConcat(arraySort(groupArray(toString(n))), ',') FROM default.t"); got != test.want {
			t.Errorf("%s: the table holds %q, want %q", test.name, got, test.want)
		}
		ask(t, engine, "TRUNCATE TABLE default.t")
	}
}

func TestDriverEncodingFaultIsAnError(t *testing.T) {
	conn := connectTo(t, openEngine(t, t.TempDir()))
	must(t, conn.Exec(t.Context(), "CREATE TABLE default.t (a UInt64, b UInt64) ENGINE = MergeTree ORDER BY a"))
	batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO default.t (a, b)")
	must(t, err)
	// Columns of different lengths cannot be encoded. The driver then sends an empty body and reports success
	// for whatever a server makes of that.
	must(t, batch.Column(0).Append([]uint64{1, 2}))
	must(t, batch.Column(1).Append([]uint64{1}))
	err = batch.Send()
	if exception, ok := errors.AsType[*driverpackage.Exception](err); !ok || exception.Code != 108 {
		t.Errorf("a batch that cannot be encoded: %v, want code 108", err)
	}
}

func TestTransportContext(t *testing.T) {
	engine := openEngine(t, t.TempDir())
	ask(t, engine, "CREATE TABLE default.t (n UInt64) ENGINE = MergeTree ORDER BY n")

	// An insert whose rows never come holds the engine, until its context ends.
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	stuck := make(chan error)
	go func() {
		_, _, _, err := send(ctx, t, engine, url.Values{"query": {"INSERT INTO default.t FORMAT TSV"}}, reader)
		stuck <- err
	}()
	_, err := writer.Write([]byte("1\n"))
	must(t, err)

	// Another statement waits for its turn, and only as long as its context lasts.
	short, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if _, _, _, err := send(short, t, engine, url.Values{}, strings.NewReader("SELECT 1")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a statement that waits: %v", err)
	}
	cancel()
	if err := <-stuck; !errors.Is(err, context.Canceled) {
		t.Errorf("the insert: %v", err)
	}
	if got := ask(t, engine, "SELECT count() FROM default.t"); got != "0" {
		t.Errorf("the insert left %s rows", got)
	}

	// A context that has ended starts nothing.
	if _, _, _, err := send(ctx, t, engine, url.Values{}, strings.NewReader("INSERT INTO default.t VALUES (1)")); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
	if got := ask(t, engine, "SELECT count() FROM default.t"); got != "0" {
		t.Errorf("a cancelled statement left %s rows", got)
	}
}

func TestTransportTexts(t *testing.T) {
	engine := openEngine(t, t.TempDir())
	// What is longer than max_query_size is refused, not cut.
	long := "SELECT length('" + strings.Repeat("x", 1<<20) + "')"
	status, code, _, err := send(t.Context(), t, engine, url.Values{}, strings.NewReader(long))
	must(t, err)
	if status == http.StatusOK || code != "62" {
		t.Errorf("a statement of 1 MiB: status %d, code %s", status, code)
	}
	_, _, got, err := send(t.Context(), t, engine, url.Values{"max_query_size": {"2000000"}}, strings.NewReader(long))
	must(t, err)
	if got != "1048576" {
		t.Errorf("a text of 1 MiB has length %.100s", got)
	}
	_, _, got, err = send(t.Context(), t, engine, url.Values{"param_word": {"a\\0b"}, "param_empty": {""}},
		bytes.NewReader([]byte("SELECT hex({word:String}), {empty:String} = ''")))
	must(t, err)
	if got != "610062\t1" {
		t.Errorf("parameters came back as %q", got)
	}
}
