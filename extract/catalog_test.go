package extract_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"tieout/extract"
	"tieout/extract/providers"
	"tieout/schema"
)

// TestDefinitionSmall guards the mistakes' starting point: without an edit it has none.
func TestDefinitionSmall(t *testing.T) {
	definition := parsed(t, small)
	if got := definition.Lists(); !slices.Equal(got, []schema.Resource{schema.Deposits}) {
		t.Errorf("lists %v, want deposits", got)
	}
	if _, err := extract.ParseDefinition("empty.yaml", nil); err == nil || !strings.Contains(err.Error(), "empty.yaml: is empty") {
		t.Errorf("an empty file gave %v", err)
	}
}

// TestDefinitionBuiltIn holds the built-in definition to the facts about the partner that matter most for money
// and for staying welcome: limits, page size, the order of the slices, the reading of the statuses.
func TestDefinitionBuiltIn(t *testing.T) {
	catalog, err := extract.LoadCatalog(providers.Files)
	if err != nil {
		t.Fatal(err)
	}
	d := catalog["coinut"]
	if d == nil || d.BaseURL != "https://ramp.hexarails.ai" {
		t.Fatalf("coinut is %+v", d)
	}
	if got, want := d.RateLimits, []extract.Window{{Requests: 100, Per: time.Minute}}; !slices.Equal(got, want) {
		t.Errorf("rate limits %v, want %v", got, want)
	}
	if got := d.Lists(); !slices.Equal(got, schema.Resources()) {
		t.Errorf("lists %v, want all", got)
	}
	for resource, words := range map[schema.Resource][]string{
		schema.Deposits: {"RECEIVED", "ACTION_REQUIRED", "CONFIRMED", "REJECTED"},
		schema.Trades:   {"CREATED", "SETTLED", "CANCELED"},
		schema.Payments: nil,
	} {
		listing := d.Resources[resource]
		if listing.Paging.Rows != 100 || listing.Paging.Total != "data.total" {
			t.Errorf("%s: paging %+v, want 100 rows and the total", resource, listing.Paging)
		}
		if !slices.Equal(listing.Slices.Values, words) {
			t.Errorf("%s: slices %v, want %v: the order of a record's life", resource, listing.Slices.Values, words)
		}
	}
	if statuses := d.Resources[schema.Payments].Statuses; len(statuses) != 0 {
		t.Errorf("payments read the statuses %v; no word of theirs is known to be final", statuses)
	}
}

// TestCatalogReplaces shows that a later folder replaces a definition by name and adds others, and that what is
// wrong in one file does not hide what is wrong in another, nor the good ones.
func TestCatalogReplaces(t *testing.T) {
	folder := func(files map[string]string) fs.FS {
		made := fstest.MapFS{}
		for name, text := range files {
			made[name] = &fstest.MapFile{Data: []byte(text)}
		}
		return made
	}
	first := folder(map[string]string{"a.yaml": small, "notes.txt": "no definition"})
	second := folder(map[string]string{
		"z.yaml":  strings.Replace(small, "title: Another partner", "title: Replaced", 1),
		"b.yaml":  strings.Replace(small, "name: other", "name: further", 1),
		"c.yaml":  "name: 1st",
		"d.yaml":  "credentials: 7",
		"sub/e.y": "not read",
	})
	catalog, err := extract.LoadCatalog(first, second)
	if got := schema.ClassOf(err); got != schema.ClassConfiguration {
		t.Errorf("class %v of %v, want configuration", got, err)
	}
	for _, part := range []string{"c.yaml", "d.yaml"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
	if len(catalog) != 2 || catalog["further"] == nil || catalog["other"] == nil || catalog["other"].Title != "Replaced" {
		t.Errorf("catalog %v, want further, and other as the second folder has it", catalog)
	}
	reversed, err := extract.LoadCatalog(folder(map[string]string{"z.yaml": strings.Replace(small, "title: Another partner", "title: Replaced", 1)}), first)
	if err != nil || reversed["other"].Title != "Another partner" {
		t.Errorf("with the folders turned around: %v, %v", reversed["other"], err)
	}
}

// TestCatalogFiles reads both endings that YAML has, and takes two files of a folder with one name for a mistake.
func TestCatalogFiles(t *testing.T) {
	named := func(name string) string { return strings.Replace(small, "name: other", "name: "+name, 1) }
	catalog, err := extract.LoadCatalog(folderOf(map[string]string{"a.yaml": named("one"), "b.yml": named("two"), "c.YAML": "not read", "d.json": "not read"}))
	if err != nil || len(catalog) != 2 || catalog["one"] == nil || catalog["two"] == nil {
		t.Errorf("read %v: %v", catalog, err)
	}
	first := folderOf(map[string]string{"one.yaml": named("one")})
	second := folderOf(map[string]string{"b.yml": named("one"), "c.yaml": "\n" + named("one"), "z.yaml": named("two"), "e.yaml": "title: x\n", "f.yaml": "title: x\n"})
	catalog, err = extract.LoadCatalog(first, second)
	if schema.ClassOf(err) != schema.ClassConfiguration || !strings.Contains(fmt.Sprint(err), "read provider definition c.yaml: line 2:7: name: one is the name of b.yml as well") {
		t.Errorf("two of one name: %v", err)
	}
	if strings.Contains(fmt.Sprint(err), "f.yaml: line 1:1: name:  is the name") || catalog["two"] == nil {
		t.Errorf("read %v: %v", catalog, err)
	}
}

// FuzzParseDefinition looks for a text that makes the parser panic, and for one that it accepts although a client
// could not work with it.
func FuzzParseDefinition(f *testing.F) {
	f.Add([]byte(small))
	for _, m := range mistakes() {
		f.Add([]byte(edited(f, small, m.edits...)))
	}
	for _, listing := range dialects {
		f.Add([]byte(dialectText(listing)))
	}
	for _, text := range []string{"", "a: &a [*a]", "resources: {deposits: {fields: {amount: [[x]]}}}", "rate_limits: [&w 100/1m, *w]", "? {a: b}\n: c", "<<: {name: x}"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		definition, err := extract.ParseDefinition("fuzz.yaml", data)
		if err != nil {
			if schema.ClassOf(err) != schema.ClassConfiguration {
				t.Fatalf("class of %v", err)
			}
			return
		}
		if len(definition.Lists()) == 0 && definition.Template {
			return
		}
		if len(definition.Lists()) == 0 || len(definition.RateLimits) == 0 {
			t.Fatal("accepted a definition that lists nothing or has no limit")
		}
		account := plainAccount(definition)
		account.Credentials["email"] = account.Credentials["api_key"]
		synctest.Test(t, func(t *testing.T) { // for the pauses between the attempts
			client := newClient(t, account, answering(200, `{"status":"OK","data":{"list":[{"id":"1"}],"total":1}}`), &logText{})
			resource := definition.Lists()[0] // any error, but no panic
			page, _ := client.Fetch(t.Context(), resource, "")
			_, _ = client.Fetch(t.Context(), resource, page.Next)
			_, _ = client.Count(t.Context(), resource, "")
			_, _, _ = client.Lookup(t.Context(), resource, "1")
		})
	})
}
