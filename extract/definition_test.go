package extract_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tieout/extract"
	"tieout/schema"
)

var update = flag.Bool("update", false, "write the golden files anew; read the difference before you keep it")

// small is a definition without a mistake. Each case of TestDefinitionMistakes makes some.
const small = `name: other
title: Another partner
base_url: https://api.example.com/v1
credentials: [api_key, api_secret]
signing:
  algorithm: hmac-sha256
  key: api_secret
  encoding: hex
  timestamp: unix_seconds
  nonce: uuid
  parts: ["{method}", "{path}"]
  separator: ""
  empty_body_hash: empty
  headers:
    X-Key: "{api_key}"
    X-Signature: "{signature}"
rate_limits: [100/1m, 1000/1h]
answers:
  success: [{path: status, equals: OK}]
  word: status
  message: message
  errors:
    - {http: [401], means: credentials}
times:
  formats: [rfc3339]
  zone: UTC
resources:
  deposits:
    path: /deposits
    query: {kind: all}
    paging: {style: page, parameter: page, size: size, rows: 50, total: data.total}
    items: data.list
    slices:
      parameter: status
      values: [NEW, DONE]
      column: provider_status
    fields:
      deposit_id: id
      currency: currency
      amount: amount
      created_at: [createdAt, time.created]
    statuses:
      DONE: completed
`

// mistake is one edit of small, or several, that a definition's author could make.
type mistake struct {
	name  string
	edits []string // pairs of old and new; a line that ends in "# wrong" must be named by the error
}

func edit(name string, edits ...string) mistake { return mistake{name, edits} }

// mistakes in one value each, and at last several at once.
func mistakes() []mistake {
	return slices.Concat(mistakesOfThePartner(), mistakesOfLists(), mistakesOfDialects())
}

// mistakesOfThePartner are made above the resources.
func mistakesOfThePartner() []mistake {
	return []mistake{
		edit("unknown key", "title: Another partner", "titel: Another partner # wrong"),
		edit("unknown key of a list", "    items: data.list", "    items: data.list\n    item: data.list # wrong"),
		edit("key twice", "title: Another partner", "title: Another partner\nname: again # wrong"),
		edit("wrong type, text for a list", "credentials: [api_key, api_secret]", "credentials: api_key # wrong"),
		edit("wrong type, text for a number", "rows: 50, total: data.total}", "rows: many, total: data.total} # wrong"),
		edit("wrong type, list for a text", "title: Another partner", "title: [Another, partner] # wrong"),
		edit("wrong type, map for a path", "      amount: amount", "      amount: {path: amount} # wrong"),
		edit("wrong type, resources", "resources:\n", "resources: none # wrong\nrest: # wrong\n"),
		edit("no YAML", "title: Another partner", "title: \"Another"),
		edit("name", "name: other", "name: Other # wrong"),
		edit("no name", "name: other\n", ""),
		edit("base URL without scheme", "https://api.example.com/v1", "api.example.com # wrong"),
		edit("base URL with a query", "https://api.example.com/v1", "https://api.example.com/v1?key=1 # wrong"),
		edit("unknown credential", "[api_key, api_secret]", "[api_key, api_secret, password] # wrong"),
		edit("algorithm", "hmac-sha256", "hmac-md5 # wrong"),
		edit("key is no credential", "key: api_secret", "key: email # wrong"),
		edit("encoding", "encoding: hex", "encoding: binary # wrong"),
		edit("timestamp", "timestamp: unix_seconds", "timestamp: rfc3339 # wrong"),
		edit("nonce", "nonce: uuid", "nonce: counter # wrong"),
		edit("empty body hash", "empty_body_hash: empty", "empty_body_hash: none # wrong"),
		edit("no algorithm", "  algorithm: hmac-sha256\n", "", "signing:\n  key", "signing: # the key is wrong, too\n  key", "  key: api_secret", "  key: api_secret # wrong", "\"{signature}\"", "\"{signature}\" # wrong"),
		edit("empty body sent that is none", "  nonce: uuid\n", "  nonce: uuid\n  send_empty_body: true # wrong\n"),
		edit("header twice", "    X-Key: \"{api_key}\"\n", "    X-Key: \"{api_key}\"\n    X-Key: again # wrong\n"),
		edit("placeholder of a body header", "  separator: \"\"\n", "  separator: \"\"\n  body_headers: {X-Body: \"{sum}\"} # wrong\n"),
		edit("lockout", "rate_limits:", "lockout: a while # wrong\nrate_limits:"),
		edit("serial", "rate_limits:", "serial: 1 # wrong\nrate_limits:"),
		edit("extends nothing", "title: Another partner", "extends: nobody # wrong"),
		edit("extends itself", "title: Another partner", "extends: other # wrong"),
		edit("nothing to sign", `parts: ["{method}", "{path}"]`, "parts: [] # wrong"),
		edit("placeholder of a part", `["{method}", "{path}"]`, `["{method}", "{secret}"] # wrong`),
		edit("placeholder of a header", `"{api_key}"`, `"{apikey}" # wrong`),
		edit("timestamp that is not drawn", "  timestamp: unix_seconds\n", "", `"{api_key}"`, `"{timestamp}" # wrong`),
		edit("nonce that is not drawn", "  nonce: uuid\n", "", `"{api_key}"`, `"{nonce}" # wrong`),
		edit("signature in a part", `["{method}", "{path}"]`, `["{method}", "{signature}"] # wrong`),
		edit("window without a count", "100/1m", "fast", "1000/1h]", "1000/1h] # wrong"),
		edit("window too small", "100/1m", "3/1m", "1000/1h]", "1000/1h] # wrong"),
		edit("window too long", "1000/1h]", "1000/48h] # wrong"),
		edit("no window but an empty one", "[100/1m, 1000/1h]", "[null] # wrong"),
		edit("no window", "rate_limits: [100/1m, 1000/1h]", "rate_limits: [] # wrong"),
		edit("success without a value", "[{path: status, equals: OK}]", "[{path: status}] # wrong"),
		edit("success with two values", "equals: OK}]", "equals: OK, absent: true}] # wrong"),
		edit("success without a list", "[{path: status, equals: OK}]", "{path: status, equals: OK} # wrong"),
		edit("success that is no truth value", "equals: OK}]", "empty: perhaps}] # wrong"),
		edit("meaning", "means: credentials}", "means: panic} # wrong"),
		edit("rule without a condition", "{http: [401], means: credentials}", "{means: credentials} # wrong"),
		edit("rule with a word from nowhere", "  word: status\n", "", "{http: [401], means: credentials}", "{word: NO, means: credentials} # wrong"),
		edit("path with an empty name, word", "  word: status", "  word: .status # wrong"),
		edit("time zone", "zone: UTC", "zone: Mars/Olympus # wrong"),
		edit("time format", "[rfc3339]", "[iso8601] # wrong"),
		edit("no time format", "formats: [rfc3339]", "formats: [] # wrong"),
	}
}

// mistakesOfLists are made in the resources, or in several places.
func mistakesOfLists() []mistake {
	return []mistake{
		edit("resource", "  deposits:\n", "  deposit: # the next line is wrong\n", "path: /deposits", "path: /deposits # wrong"),
		edit("empty resource", "resources:\n", "resources:\n  trades: # wrong\n"),
		edit("path of a list", "path: /deposits", "path: deposits # wrong"),
		edit("path of a list that climbs", "path: /deposits", "path: /../admin # wrong"),
		edit("style", "style: page", "style: cursor", "total: data.total}", "total: data.total} # wrong"),
		edit("pages without rows", "rows: 50, ", "", "total: data.total}", "total: data.total} # wrong"),
		edit("pages without parameters", "parameter: page, size: size, ", "", "total: data.total}", "total: data.total} # wrong"),
		edit("path of the total", "total: data.total}", "total: data..total} # wrong"),
		edit("form of the items", "    items: data.list\n", "    items: data.list\n    items_as: set # wrong\n"),
		edit("path of the items", "items: data.list", "items: data. # wrong"),
		edit("slices without values", "      values: [NEW, DONE]\n", "", "parameter: status", "parameter: status # wrong"),
		edit("slices without a parameter", "      parameter: status\n", "", "values: [NEW, DONE]", "values: [NEW, DONE] # wrong"),
		edit("slices of a column alone", "      parameter: status\n      values: [NEW, DONE]\n", "", "column: provider_status", "column: provider_status # wrong"),
		edit("slice without a value", "values: [NEW, DONE]", "values: [NEW, \"\"] # wrong"),
		edit("column of slices", "column: provider_status", "column: state # wrong"),
		edit("column of slices that is no text", "column: provider_status", "column: amount # wrong"),
		edit("required column", "      currency: currency\n", "", "deposit_id: id", "deposit_id: id # wrong"),
		edit("column", "amount: amount", "amount: amount\n      amuont: amount # wrong"),
		edit("path of a column", "deposit_id: id", "deposit_id: a..id # wrong"),
		edit("one path of several", "[createdAt, time.created]", "[createdAt, time.] # wrong"),
		edit("column without a path", "amount: amount", "amount: [] # wrong"),
		edit("status", "DONE: completed", "DONE: finished # wrong"),
		edit("two documents", "name: other", "name: first\n---\nname: other"),
		edit("several of the form", "title: Another partner", "titel: x # wrong", "rows: 50, total: data.total}", "rows: many, total: data.total} # wrong",
			"1000/1h]", "lots] # wrong"),
		edit("several of the content", "zone: UTC", "zone: Mars/Olympus # wrong", "DONE: completed", "DONE: finished # wrong",
			"name: other", "name: 1st # wrong", "path: /deposits", "path: deposits # wrong"),
		edit("form and content", "title: Another partner", "titel: x # wrong", "zone: UTC", "zone: Mars/Olympus # wrong", "path: /deposits", "path: deposits # wrong",
			"rows: 50, total: data.total}", "rows: many, total: data..total} # wrong", "DONE: completed", "DONE: finished # wrong", "equals: OK}]", "equals: [OK]}] # wrong",
			"amount: amount", "amount: {path: amount} # wrong", "deposit_id: id", "deposit_id: a..id # wrong", "\"{api_key}\"", "\"{apikey}\" # wrong"),
		edit("form that hides content", "credentials: [api_key, api_secret]", "credentials: {api_key: yes} # wrong", "{api_key}", "{apikey}",
			"{style: page, parameter: page, size: size, rows: 50, total: data.total}", "{style: pages, stop: more} # wrong", "formats: [rfc3339]", "formats: [rfc3339, [x]] # wrong",
			"[createdAt, time.created]", "{constant: \"1767225600\"}"),
		edit("resource that is none", "  deposits:\n    path: /deposits", "  trades: [1] # wrong\n  deposits:\n    path: deposits # wrong"),
		edit("constant amount", "amount: amount", "amount: {paths: amount, constant: ten} # wrong"),
		edit("constant amount, too fine", "amount: amount", "amount: {paths: amount, constant: \"1\", shift: -19} # wrong"),
		edit("constant time", "[createdAt, time.created]", "{constant: 2026-13-01} # wrong"),
		edit("constant time, too far", "[createdAt, time.created]", "{constant: \"2300-01-01T00:00:00Z\"} # wrong"),
		edit("several in one line", "success: [{path: status, equals: OK}]", "success: [{path: a..b}] # wrong"),
	}
}

// mistakesOfDialects are made in what a list may say beyond pages of plain records.
func mistakesOfDialects() []mistake {
	return []mistake{
		edit("number in quotes", "rows: 50", "rows: \"50\"", "total: data.total}", "total: data.total} # wrong"),
		edit("old key of paging", "parameter: page,", "page: page,", "total: data.total}", "total: data.total} # wrong"),
		edit("cursor without a token", "style: page, parameter: page, size: size, rows: 50", "style: cursor, parameter: after, stop: total", "total: data.total}", "total: data.total} # wrong"),
		edit("link with two places", "style: page, parameter: page, size: size, rows: 50", "style: link, next: next, next_header: Link", "total: data.total}", "total: data.total} # wrong"),
		edit("one answer with a size", "style: page, parameter: page, size: size, rows: 50", "style: none, size: size", "total: data.total}", "total: data.total} # wrong"),
		edit("stop by what is not there", "total: data.total}", "total: data.total, stop: more} # wrong"),
		edit("stop", "total: data.total}", "total: data.total, stop: never} # wrong"),
		edit("first page", "total: data.total}", "total: data.total, first: one} # wrong"),
		edit("spans without a width", "    items: data.list\n", "    items: data.list\n    spans: {from: after, since: 2020-01-01, format: rfc3339} # wrong\n"),
		edit("spans too narrow", "    items: data.list\n", "    items: data.list\n    spans: {from: after, width: 1ms, since: 2020-01-01, format: rfc3339} # wrong\n"),
		edit("spans that overlap whole", "    items: data.list\n", "    items: data.list\n    spans: {from: after, width: 1h, overlap: 1h, since: 2020-01-01, format: rfc3339} # wrong\n"),
		edit("span of no day", "    items: data.list\n", "    items: data.list\n    spans: {from: after, width: 1h, since: yesterday, format: rfc3339} # wrong\n"),
		edit("span of no format", "    items: data.list\n", "    items: data.list\n    spans: {from: after, width: 1h, since: 2020-01-01, format: iso} # wrong\n"),
		edit("parts and slices", "    items: data.list\n", "    items: data.list\n    parts: [{path: /a}, {path: /b}]\n", "    slices:\n", "    slices:\n", "parameter: status", "parameter: status # wrong"),
		edit("path of a part", "    items: data.list\n", "    items: data.list\n    parts: [{path: a}] # wrong\n", "    slices:\n      parameter: status\n      values: [NEW, DONE]\n      column: provider_status\n", ""),
		edit("split without values", "    items: data.list\n", "    items: data.list\n    split: {path: type} # wrong\n"),
		edit("split without a path", "    items: data.list\n", "    items: data.list\n    split: {leave: [x]} # wrong\n"),
		edit("detail in two places", "    statuses:\n", "    detail: {path: \"/deposits/{id}\", parameter: id} # wrong\n    statuses:\n"),
		edit("detail in no place", "    statuses:\n", "    detail: {path: /deposits} # wrong\n    statuses:\n"),
		edit("detail without a path", "    statuses:\n", "    detail: {item: data} # wrong\n    statuses:\n"),
		edit("words that differ in case", "      DONE: completed\n", "      DONE: completed\n      done: failed # wrong\n"),
		edit("sign of a text", "      currency: currency\n", "      currency: {paths: currency, sign: flip} # wrong\n"),
		edit("point of a text", "      currency: currency\n", "      currency: {paths: currency, shift: 2} # wrong\n"),
		edit("sign", "amount: amount", "amount: {paths: amount, sign: minus} # wrong"),
		edit("shift", "amount: amount", "amount: {paths: amount, shift: 31} # wrong"),
		edit("column of nothing", "amount: amount", "amount: {sign: flip} # wrong"),
		edit("method", "path: /deposits", "method: PUT # wrong\n    path: /deposits"),
		edit("order", "path: /deposits", "order: any # wrong\n    path: /deposits"),
	}
}

var (
	lineNamed = regexp.MustCompile(`(?m)\bline (\d+)(?::\d+)?: `)
	goName    = regexp.MustCompile(`(extract|schema|yaml|time|json)\.[A-Z]|\bmap\[|\[\](string|int)|\*[a-z]+\.|\bstruct\b|\b(in|into) (type|string|int)\b`)
)

// TestDefinitionMistakes shows every sentence that the author of a definition can meet, in
// testdata/mistakes.golden. The line numbers are not taken from there: they are those of the lines marked wrong.
func TestDefinitionMistakes(t *testing.T) {
	var golden bytes.Buffer
	for _, m := range mistakes() {
		t.Run(m.name, func(t *testing.T) {
			text := edited(t, small, m.edits...)
			definition, err := extract.ParseDefinition("other.yaml", []byte(text))
			if err == nil {
				t.Fatalf("parsed %v, want an error", definition.Name)
			}
			if class := schema.ClassOf(err); class != schema.ClassConfiguration {
				t.Errorf("class %v, want configuration", class)
			}
			if name := goName.FindString(err.Error()); name != "" {
				t.Errorf("%q tells a Go type: %q", err, name)
			}
			if want, got := markedLines(text), namedLines(err.Error()); want != nil && !slices.Equal(got, want) {
				t.Errorf("lines %v are named, want %v: %v", got, want, err)
			}
			fmt.Fprintf(&golden, "== %s\n%v\n", m.name, err)
		})
	}
	compareGolden(t, "testdata/mistakes.golden", golden.Bytes())
}

// markedLines returns the numbers of the lines that are marked wrong.
func markedLines(text string) []string {
	var lines []string
	for i, line := range strings.Split(text, "\n") {
		if strings.HasSuffix(line, "# wrong") {
			lines = append(lines, fmt.Sprint(i+1))
		}
	}
	return lines
}

// namedLines returns the numbers of the lines that an error names, each once.
func namedLines(text string) []string {
	var lines []string
	for _, match := range lineNamed.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(lines, match[1]) {
			lines = append(lines, match[1])
		}
	}
	return lines
}

func compareGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s\nRun with -update and read the difference", file, got)
	}
}
