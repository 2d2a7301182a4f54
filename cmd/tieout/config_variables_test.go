package main

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tagsOf returns the names in the env tags of a struct, and fails the test on any option: defaults and demands
// have one place each, and it is not the tag.
func tagsOf(t *testing.T, settings any, prefix string) []string {
	t.Helper()
	var names []string
	for field := range reflect.TypeOf(settings).Fields() {
		tag := field.Tag.Get("env")
		if tag == "" || strings.Contains(tag, ",") {
			t.Errorf("field %s has the tag %q, want a name and nothing else", field.Name, tag)
		}
		names = append(names, prefix+tag)
	}
	return names
}

// Each listed variable is read and each one that is read is listed, by the tags and by what is really looked up.
func TestVariablesAreThoseThatAreRead(t *testing.T) {
	var listed []string
	for _, v := range variables {
		listed = append(listed, v.Name)
	}
	slices.Sort(listed)

	tagged := slices.Concat(tagsOf(t, commonSettings{}, ""), tagsOf(t, accountSettings{}, accountPrefix))
	slices.Sort(tagged)
	if diff := cmp.Diff(listed, tagged); diff != "" {
		t.Errorf("tags (-listed +tagged)\n%s", diff)
	}

	r := &configReader{lookuper: newSettingLookuper([]string{"TIEOUT_ACCOUNTS=kuna"}, testFiles{}.read)}
	if _, err := r.config(needAccounts|needSchedule, sourceForTest); err != nil {
		t.Fatal(err)
	}
	var read []string
	for _, name := range slices.Sorted(maps.Keys(r.lookuper.asked)) {
		read = append(read, strings.Replace(name, "TIEOUT_KUNA_", accountPrefix, 1))
	}
	slices.Sort(read)
	if diff := cmp.Diff(listed, read); diff != "" {
		t.Errorf("look-ups (-listed +read)\n%s", diff)
	}
}

func TestVariablesAreDocumented(t *testing.T) {
	for _, v := range variables {
		switch {
		case !strings.HasPrefix(v.Name, variablePrefix):
			t.Errorf("%s lacks the prefix", v.Name)
		case v.Meaning == "" || strings.HasSuffix(v.Meaning, ".") || strings.Contains(v.Meaning, "\n"):
			t.Errorf("%s: the meaning must be one line without a full stop", v.Name)
		}
	}
}

func TestVariablesMarkdown(t *testing.T) {
	text := variablesMarkdown()
	for _, want := range []string{
		"| variable | default | meaning |\n|---|---|---|\n| `TIEOUT_CLICKHOUSE_DSN` | `embedded:.tieout/clickhouse` | ",
		"| `TIEOUT_<ACCOUNT>_PROVIDER` | the account's name | definition of the partner's API |\n",
		"| `TIEOUT_ACCOUNTS` |  | ",
		"\n\nEvery variable can be given as NAME_FILE instead",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	table, _, _ := strings.Cut(text, "\n\n")
	for _, line := range strings.Split(table, "\n") {
		if strings.Count(line, "|") != 4 {
			t.Errorf("not three cells: %s", line)
		}
	}
}

func TestVariablesHelp(t *testing.T) {
	text := variablesHelp()
	for _, v := range variables {
		if !strings.Contains(text, "  "+v.Name+"\n      ") {
			t.Errorf("%s is not explained", v.Name)
		}
	}
	if !strings.Contains(text, "debug, info, warn or error (default: info)\n") {
		t.Errorf("a default is missing in\n%s", text)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); len([]rune(line)) > helpColumns || strings.TrimRight(line, " ") != line {
			t.Errorf("too wide, or ends with a blank: %q", line)
		}
	}
}
