package extract_test

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/schema"
)

// folderOf makes a folder of definitions.
func folderOf(files map[string]string) fs.FS {
	made := fstest.MapFS{}
	for name, text := range files {
		made[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return made
}

// TestExtends lays one definition over another: key by key, lists as a whole, null takes away.
func TestExtends(t *testing.T) {
	base := folderOf(map[string]string{"other.yaml": small})
	read := func(text string) *extract.Definition {
		t.Helper()
		definition, err := extract.ParseDefinition("mine.yaml", []byte(text), base)
		if err != nil {
			t.Fatal(err)
		}
		return definition
	}
	same := read("name: mine\nextends: other\n")
	if same.Name != "mine" || same.Title != "Another partner" || len(same.Resources[schema.Deposits].Slices.Values) != 2 {
		t.Errorf("nothing stated: %+v", same)
	}
	changed := read(`name: mine
extends: other
base_url: null
rate_limits: [60/1m]
signing:
  headers: {X-Key: null, X-More: "{api_key}"}
resources:
  deposits:
    slices: null
    query: null
    paging: {rows: 7}
    fields: {provider_status: state, amount: {paths: sum, shift: -2}}
    statuses: {NEW: pending}
  balances: {path: /b, paging: {style: none}, items: data, fields: {currency: code}}
`)
	deposits := changed.Resources[schema.Deposits]
	if changed.BaseURL != "" || !slices.Equal(changed.RateLimits, []extract.Window{{Requests: 60, Per: time.Minute}}) || len(changed.Lists()) != 2 {
		t.Errorf("at the top: %+v", changed)
	}
	if want := map[string]string{"X-Signature": "{signature}", "X-More": "{api_key}"}; !maps.Equal(changed.Signing.Headers, want) {
		t.Errorf("headers %v, want %v", changed.Signing.Headers, want)
	}
	if deposits.Slices.Parameter != "" || deposits.Query != nil || deposits.Paging.Rows != 7 || deposits.Paging.Parameter != "page" || deposits.Fields["amount"].Shift != -2 {
		t.Errorf("deposits: %+v", deposits)
	}
	if want := map[string]schema.Status{"DONE": schema.StatusCompleted, "NEW": schema.StatusPending}; !maps.Equal(deposits.Statuses, want) {
		t.Errorf("statuses %v, want %v", deposits.Statuses, want)
	}
}

// TestExtendsChains reads definitions that extend others that extend others, over folders, and those that extend
// what they replace; a circle is an error of every file in it, and of no other.
func TestExtendsChains(t *testing.T) {
	first := folderOf(map[string]string{"other.yaml": small, "b.yaml": "name: b\nextends: other\ntitle: B\n", "a.yaml": "name: a\nextends: b\nbase_url: https://a.example\n"})
	second := folderOf(map[string]string{
		"other.yaml": "name: other\nextends: other\ntitle: Ours\n", "x.yaml": "name: x\nextends: y\n", "y.yaml": "name: y\nextends: x\n",
		"null.yaml": strings.Replace(small, "name: other", "name: none\nextends: null", 1),
	})
	third := folderOf(map[string]string{"other.yaml": "name: other\nextends: other\nrate_limits: [60/1m]\n"})
	catalog, err := extract.LoadCatalog(first, second, third)
	if got := slices.Sorted(maps.Keys(catalog)); !slices.Equal(got, []string{"a", "b", "none", "other"}) {
		t.Errorf("read %v: %v", got, err)
	}
	if a := catalog["a"]; a.Title != "B" || a.BaseURL != "https://a.example" || a.RateLimits[0].Requests != 60 {
		t.Errorf("a is %+v, want it on b on the last other", a)
	}
	if other := catalog["other"]; other.Title != "Ours" || other.RateLimits[0].Requests != 60 || len(other.Lists()) != 1 {
		t.Errorf("other is %+v, want the third on the second on the first", other)
	}
	for _, want := range []string{"x.yaml: line 2: extends: the definitions extend one another without end: x -> y -> x", "y.yaml: line 2: extends: the definitions extend one another without end: y -> x -> y"} {
		if schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(linesOnly(err), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	// What leads into a circle, and what extends a file that extends nothing, names itself and where that is.
	third = folderOf(map[string]string{"in.yaml": "name: in\ntitle: T\nextends: x\n", "lost.yaml": "name: lost\n\nextends: nobody\n", "below.yaml": "name: below\nextends: lost\n"})
	_, err = extract.LoadCatalog(first, second, third)
	for _, want := range []string{
		"definition in.yaml: line 3: extends: the definitions extend one another without end: in -> x -> y -> x",
		"definition lost.yaml: line 3: extends: there is no definition \"nobody\"",
		"definition below.yaml: lost.yaml line 3: extends: there is no definition \"nobody\"",
	} {
		if !strings.Contains(linesOnly(err), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	deep := map[string]string{"other.yaml": small}
	for i := range 9 {
		below := map[bool]string{true: "other", false: fmt.Sprint("d", i-1)}[i == 0]
		deep[fmt.Sprintf("d%d.yaml", i)] = fmt.Sprintf("name: d%d\nextends: %s\n", i, below)
	}
	if catalog, err := extract.LoadCatalog(folderOf(deep)); len(catalog) != 9 || err == nil || err.Error() != "read provider definition d8.yaml: line 2:10: extends: goes through more than 8 definitions: d8 -> d7 -> d6 -> d5 -> d4 -> d3 -> d2 -> d1 -> d0 -> other" {
		t.Errorf("%d definitions of a chain of ten: %v", len(catalog), err)
	}
}

// linesOnly returns an error's text with the lines of its places, and without their columns.
func linesOnly(err error) string { return lineNamed.ReplaceAllString(err.Error(), "line $1: ") }

// TestExtendsMistakes gives each mistake the line of the file that it is in.
func TestExtendsMistakes(t *testing.T) {
	base := folderOf(map[string]string{"base.yaml": strings.Replace(small, "    path: /deposits", "    path: deposits", 1)})
	over := "name: mine\nextends: other\n\ncredentials: [api_key]\nresources:\n  deposits:\n    fields:\n      amuont: a\n    paging: {rows: null}\n"
	_, err := extract.ParseDefinition("mine.yaml", []byte(over), base)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"read provider definition mine.yaml: ",
		"\n  line 8: resources.deposits.fields.amuont: deposits have no such column",
		"base.yaml line 7: signing.key: \"api_secret\" is not one of the credentials",
		"base.yaml line 29: resources.deposits.path: want a path below the base URL",
		"line 9: resources.deposits.paging: style page needs parameter, size and rows",
	} {
		if !strings.Contains("\n  "+linesOnly(err), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	if count := strings.Count(err.Error(), "\n"); count != 3 {
		t.Errorf("%d mistakes, want 4: %v", count+1, err)
	}
	for text, want := range map[string]string{
		"name: mine\nextends: nobody\n":                 `line 2: extends: there is no definition "nobody" to extend`,
		"name: other\nextends: mine\n":                  `line 2: extends: there is no definition "mine" to extend`,
		"name: mine\ntitle: x\nextends: [other]\n":      "line 3: extends: want a single value",
		"name: mine\nextends: other\nresources: none\n": "line 3: resources: want a mapping",
	} {
		if _, err := extract.ParseDefinition("mine.yaml", []byte(text), base); err == nil || !strings.Contains(linesOnly(err), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestEffective writes a definition with all that it extends: comments stay, what was taken away is gone, and what is
// written reads as the same definition, alone.
func TestEffective(t *testing.T) {
	folder := folderOf(map[string]string{
		"other.yaml": "# Facts of the other.\n" + small + "      NEW: pending # a guess\n",
		"mine.yaml":  "name: mine # ours\nextends: other\nsigning:\n  headers:\n    X-Key: null\n    X-Mine: \"{api_key}\" # theirs is wrong\n",
	})
	text, err := extract.Effective("mine", folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: mine # ours", "X-Mine: \"{api_key}\" # theirs is wrong", "NEW: pending # a guess", "title: Another partner"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s\nlacks %q", text, want)
		}
	}
	for _, gone := range []string{"X-Key", "extends", "null"} {
		if strings.Contains(string(text), gone) {
			t.Errorf("%s\nholds %q", text, gone)
		}
	}
	for _, name := range []string{"coinut", "cryptoix", "cryptoix_key", "cryptoix_signed", "kunapay", "kunapay_api_key", "aeterna"} {
		text, err := extract.Effective(name, providers.Files)
		if err != nil {
			t.Fatal(err)
		}
		again, err := extract.Effective(name, folderOf(map[string]string{"alone.yaml": string(text)}))
		if err != nil || string(again) != string(text) {
			t.Errorf("%s: what is written does not read as the same: %v\n%s\n%s", name, err, text, again)
		}
	}
	if _, err := extract.Effective("nobody", folder); schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), `no definition "nobody": want one of mine, other`) {
		t.Errorf("%v", err)
	}
	if _, err := extract.Effective("mine", folderOf(map[string]string{"mine.yaml": "name: mine\nextends: other\n"})); err == nil {
		t.Error("a definition that cannot be explained is written")
	}
}

// TestEffectiveComments keeps no comment beside a value that it does not explain, and the words at the top of every file
// that the definition is built on: their abbreviations are used further down.
func TestEffectiveComments(t *testing.T) {
	base := `# The base. D is documented.
#
# U is unknown.
name: base # of all

# D: as the page says.
title: Base # D: for people
base_url: https://base.example # D: host
credentials: [api_key] # D: one
# D: of keys.
signing: # D: plain
  # D: the header.
  headers:
    # D: its name.
    X-Key: "{api_key}" # D: the key
    # U: perhaps.
    X-Other: "1" # U: a guess
# D: per minute.
rate_limits: [60/1m] # D: limits
times: {formats: [rfc3339]} # D: forms
resources:
  deposits:
    path: /d # D: path
    paging: {style: page, parameter: p, size: n, rows: 10} # D: ten
    items: d
    fields: # D: names
      deposit_id: id # D: id
      currency: currency
      amount: amount # D: amount
      created_at: at
`
	over := `# Ours, on the base.
name: ours
extends: base
title: Ours # our title
base_url: https://ours.example
# Ours: two.
credentials: [api_key, email]
signing:
  headers:
    X-Key: "{email}"
    X-Other: null
rate_limits: [30/1m]
times: {formats: [unix_seconds]}
resources:
  deposits:
    paging: {rows: 20}
    fields: # as we were told
      amount: {paths: amount, shift: -2}
`
	text, err := extract.Effective("ours", folderOf(map[string]string{"base.yaml": base, "ours.yml": over}))
	if err != nil {
		t.Fatal(err)
	}
	compareGolden(t, "testdata/effective.golden", text)
	for _, gone := range []string{"as the page says", "for people", "D: host", "D: one", "D: its name", "D: the key", "perhaps", "a guess", "per minute", "D: limits", "D: forms", "D: ten", "D: names", "D: amount", "of all"} {
		if strings.Contains(string(text), gone) {
			t.Errorf("%q explains a value that is gone", gone)
		}
	}
	for _, kept := range []string{"# Ours, on the base.\n#\n# From base, on which it is built:\n#\n# The base. D is documented.\n#\n# U is unknown.\nname: ours\n", "# our title", "# Ours: two.", "# D: of keys.", "# D: plain", "# D: the header.", "# D: path", "# as we were told", "# D: id"} {
		if !strings.Contains(string(text), kept) {
			t.Errorf("%q is not kept", kept)
		}
	}
}

// TestTemplate lists nothing, so no account can use it as it is; what extends it can.
func TestTemplate(t *testing.T) {
	catalog, err := extract.LoadCatalog(providers.Files, folderOf(map[string]string{"mine.yaml": `name: mine
extends: aeterna
rate_limits: [60/1m]
resources:
  balances: {method: POST, path: /b, paging: {style: none}, items: data, fields: {currency: code}}
`}))
	if err != nil || len(catalog["aeterna"].Lists()) != 0 {
		t.Fatalf("%v, %v", catalog["aeterna"], err)
	}
	account := plainAccount(catalog["aeterna"])
	account.Credentials["email"] = schema.NewSecret("me@example.com")
	if _, err := extract.NewClient(account, nil, nil); schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(err.Error(), "aeterna is a template that lists nothing") {
		t.Errorf("%v, want a configuration error", err)
	}
	account.Definition = catalog["mine"]
	if page, err := newClient(t, account, answering(200, `{"data":[]}`), &logText{}).Fetch(t.Context(), schema.Balances, ""); err != nil || !page.Last {
		t.Errorf("what extends it: %v", err)
	}
}
