package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	driver "github.com/ClickHouse/clickhouse-go/v2/lib/proto"
)

// transport answers the requests that clickhouse-go would send to a server's HTTP interface. The facts that it
// rests on are the driver's, so an update of the driver needs its tests.
type transport struct{ engine *Engine }

var _ http.RoundTripper = transport{}

// preflight is the statement with which the driver starts every connection. It reads the answer at its own newest
// revision, and everything after that at the revision that the answer reports.
const preflight = "SELECT displayName(), version(), revision(), timezone()"

// RoundTrip implements http.RoundTripper. The engine's exceptions come back as an answer with a status that is not
// 200, as from a server; an error means that the statement did not run, or that nobody knows because the context
// ended first.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body == nil {
		request.Body = http.NoBody
	}
	// Closing also frees a statement that still waits for rows when the context has ended.
	defer request.Body.Close()
	s, err := parse(request)
	if err == nil && s.sql == preflight {
		return answer(request, http.StatusOK, int64(len(t.engine.hello)), io.NopCloser(bytes.NewReader(t.engine.hello))), nil
	}
	var rows *result
	if err == nil {
		rows, err = t.engine.run(request.Context(), s)
	}
	if refused, ok := errors.AsType[*exception](err); ok {
		response := answer(request, http.StatusInternalServerError, int64(len(refused.text)), io.NopCloser(strings.NewReader(refused.text)))
		response.Header.Set("X-ClickHouse-Exception-Code", strconv.Itoa(refused.code))
		return response, nil
	}
	if err != nil {
		return nil, err
	}
	if rows == nil || rows.rest.Len() == 0 {
		if rows != nil {
			_ = rows.Close() // frees memory and cannot fail
		}
		return answer(request, http.StatusOK, 0, http.NoBody), nil
	}
	return answer(request, http.StatusOK, rows.rest.Size(), rows), nil
}

func answer(request *http.Request, status int, length int64, body io.ReadCloser) *http.Response {
	return &http.Response{
		Status:     strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode: status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        make(http.Header),
		Body:          body,
		ContentLength: length, // the driver takes zero as a result without rows
		Request:       request,
	}
}

// notSettings are the URL parameters of the protocol itself; every other one is a setting.
var notSettings = map[string]bool{
	"query": true, "database": true, "default_format": true, "client_protocol_version": true,
	"query_id": true, "quota_key": true, "wait_end_of_query": true,
}

var formatClause = regexp.MustCompile(`(?is)\s+FORMAT\s+(\w+)\s*;?\s*$`)

// parse reads the statement out of the request: its text is in the URL parameter "query" when the body holds rows
// to insert, and else it is the body.
func parse(request *http.Request) (statement, error) {
	arguments := request.URL.Query()
	if err := supported(request, arguments); err != nil {
		return statement{}, err
	}
	s := statement{
		database: arguments.Get("database"), format: arguments.Get("default_format"),
		settings: settings{}, parameters: map[string]string{},
	}
	for name, values := range arguments {
		if parameter, found := strings.CutPrefix(name, "param_"); found {
			s.parameters[parameter] = values[0]
		} else if !notSettings[name] {
			s.settings[name] = values[0]
		}
	}
	s.sql = arguments.Get("query")
	if s.sql == "" {
		text, err := io.ReadAll(request.Body)
		if err != nil {
			return statement{}, fmt.Errorf("read the statement: %w", err)
		}
		s.sql = string(text)
		return s, nil
	}
	s.rows = request.Body
	if match := formatClause.FindStringSubmatchIndex(s.sql); match != nil {
		s.format = s.sql[match[2]:match[3]]
		s.sql = s.sql[:match[0]]
	}
	return s, nil
}

// supported refuses what a server does and this transport does not, before it would be misread.
func supported(request *http.Request, arguments url.Values) error {
	problem := ""
	switch {
	case arguments.Get("compress") != "" || arguments.Get("decompress") != "" || request.Header.Get("Content-Encoding") != "":
		problem = "compression"
	case strings.HasPrefix(request.Header.Get("Content-Type"), "multipart/"):
		problem = "external tables"
	default:
		return nil
	}
	return &exception{code: 48, text: "Code: 48. DB::Exception: The embedded ClickHouse does not support " + problem + ". (NOT_IMPLEMENTED)"}
}

// hello encodes the answer to the preflight. The revision that it reports is 0, because the engine writes Native
// at revision 0.
func (s *session) hello() ([]byte, error) {
	rows, err := s.query("SELECT version()", "TSVRaw", nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // frees memory and cannot fail
	version, err := io.ReadAll(rows)
	if err != nil {
		return nil, fmt.Errorf("read the engine's version: %w", err)
	}
	block := driver.NewBlock()
	for _, one := range []struct {
		name string
		kind column.Type
	}{{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"}} {
		if err := block.AddColumn(one.name, one.kind); err != nil {
			return nil, fmt.Errorf("encode the engine's version: %w", err)
		}
	}
	if err := block.Append("embedded", strings.TrimSpace(string(version)), uint32(0), sessionTimezone); err != nil {
		return nil, fmt.Errorf("encode the engine's version: %w", err)
	}
	var encoded proto.Buffer
	if err := block.Encode(&encoded, driver.DBMS_TCP_PROTOCOL_VERSION); err != nil {
		return nil, fmt.Errorf("encode the engine's version: %w", err)
	}
	return encoded.Buf, nil
}
