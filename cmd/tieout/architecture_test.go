package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tieout/load/embedded"
)

// TestArchitecture holds the repository to its own rules: who imports whom, how long functions and files may be,
// what must have a comment, and what may lie where. The rules themselves are tested below, on sources that break
// each of them.
func TestArchitecture(t *testing.T) {
	root, module := moduleRoot(t)
	paths := repositoryFiles(t, root)
	sources := goSources(t, root, paths)
	if len(sources) == 0 {
		t.Fatalf("no Go file found below %s: the rules held nothing", root)
	}
	violations := slices.Concat(layoutViolations(paths), meetingViolations(module, sources))
	for _, s := range sources {
		violations = append(violations, importViolations(module, s)...)
		violations = append(violations, sizeViolations(s)...)
		violations = append(violations, commentViolations(s)...)
	}
	if len(violations) > 0 {
		t.Errorf("%d violations:\n%s", len(violations), strings.Join(violations, "\n"))
	}
}

// TestMakefilePinsTheEngine holds the version that make fetches to the one that the program looks for.
func TestMakefilePinsTheEngine(t *testing.T) {
	root, _ := moduleRoot(t)
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^LIBCHDB_VERSION := (\S+)$`).FindSubmatch(text)
	if found == nil || string(found[1]) != embedded.LibraryVersion {
		t.Errorf("the Makefile sets LIBCHDB_VERSION to %q, the program looks for %q", found, embedded.LibraryVersion)
	}
}

// moduleRoot returns the folder of the nearest go.mod above the test, and the name of its module.
func moduleRoot(t *testing.T) (root, module string) {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
		if err == nil {
			found := regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(text)
			if found == nil {
				t.Fatalf("%s names no module", filepath.Join(folder, "go.mod"))
			}
			return folder, string(found[1])
		}
		if parent := filepath.Dir(folder); parent != folder {
			folder = parent
			continue
		}
		t.Fatal("no go.mod above the test")
	}
}

// repositoryFiles returns the paths of all files from the root, with slashes: those that git has or would add,
// or, where git cannot be asked, those that are neither hidden nor made by `make build` or `make cover`.
func repositoryFiles(t *testing.T, root string) []string {
	t.Helper()
	git := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	git.Dir = root
	if listed, err := git.Output(); err == nil {
		return slices.DeleteFunc(strings.Split(string(listed), "\x00"), func(name string) bool {
			_, err := os.Lstat(filepath.Join(root, filepath.FromSlash(name)))
			return name == "" || err != nil // removed, but not yet from the index
		})
	}
	return walkedFiles(t, os.DirFS(root))
}

func walkedFiles(t *testing.T, tree fs.FS) (paths []string) {
	t.Helper()
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && (strings.HasPrefix(entry.Name(), ".") || name == "bin" || name == "coverage.out"):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir():
			paths = append(paths, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// goSources parses the Go files among the paths, but for those that the go command passes over as well.
func goSources(t *testing.T, root string, paths []string) (sources []goSource) {
	t.Helper()
	for _, name := range paths {
		if path.Ext(name) != ".go" || passedOver(name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseGo(name, string(text))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		sources = append(sources, s)
	}
	return sources
}

func passedOver(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool {
		return part == "testdata" || strings.HasPrefix(part, "_") || strings.HasPrefix(part, ".")
	})
}

// importing returns the text of a package that imports the given paths.
func importing(imports ...string) string {
	return "package p\n\nimport (\n\t\"" + strings.Join(imports, "\"\n\t\"") + "\"\n)\n"
}

func TestArchitectureImports(t *testing.T) {
	const (
		oneWay, implementation, simulated = "point one way", "names an implementation", "simulated partners"
		onlyTests, unknown                = "only tests import", "no room"
	)
	tests := map[string]struct{ path, imports, want string }{
		"schema imports nobody":                  {"schema/a.go", "tieout/extract", oneWay},
		"a room imports its own parts":           {"schema/a.go", "tieout/schema/migrations", ""},
		"extract imports schema":                 {"extract/a.go", "tieout/schema", ""},
		"extract does not import load":           {"extract/a.go", "tieout/load", oneWay},
		"extract does not import checkpoints":    {"extract/a.go", "tieout/checkpoints", oneWay},
		"extract does not import sync":           {"extract/a.go", "tieout/sync", oneWay},
		"extract does not import its sandbox":    {"extract/a.go", "tieout/extract/sandbox", simulated},
		"the sandbox imports extract":            {"extract/sandbox/a.go", "tieout/extract", ""},
		"the sandbox imports its parts":          {"extract/sandbox/a.go", "tieout/extract/sandbox/truth", ""},
		"load does not import extract":           {"load/a.go", "tieout/extract", oneWay},
		"load does not import checkpoints":       {"load/embedded/a.go", "tieout/checkpoints", oneWay},
		"load does not import its embedded":      {"load/a.go", "tieout/load/embedded", implementation},
		"an implementation imports its contract": {"load/embedded/a.go", "tieout/load", ""},
		"an implementation imports its parts":    {"load/embedded/a.go", "tieout/load/embedded/native", ""},
		"parts of one know each other":           {"load/cloud/x/a.go", "tieout/load/cloud/y", ""},
		"implementations know no other":          {"load/embedded/a.go", "tieout/load/cloud", implementation},
		"a part of one knows no other":           {"load/cloud/x/a.go", "tieout/load/embedded/native", implementation},
		"checkpoints does not import load":       {"checkpoints/a.go", "tieout/load", oneWay},
		"sync imports the contracts":             {"sync/a.go", "tieout/checkpoints", ""},
		"sync imports no implementation":         {"sync/a.go", "tieout/checkpoints/table", implementation},
		"sync does not import the sandbox":       {"sync/a.go", "tieout/extract/sandbox", simulated},
		"sync does not import reconcile":         {"sync/a.go", "tieout/reconcile", oneWay},
		"reconcile does not import sync":         {"reconcile/a.go", "tieout/sync", oneWay},
		"reconcile imports its reports":          {"reconcile/a.go", "tieout/reconcile/report", ""},
		"reconcile names no alert sender":        {"reconcile/a.go", "tieout/reconcile/alert/slack", implementation},
		"cmd imports implementations":            {"cmd/tieout/a.go", "tieout/load/embedded", ""},
		"cmd imports the sandbox":                {"cmd/tieout/a.go", "tieout/extract/sandbox", ""},
		"nobody imports cmd":                     {"sync/a.go", "tieout/cmd/tieout", oneWay},
		"a test looks across rooms":              {"load/a_test.go", "tieout/extract/sandbox", ""},
		"a test package does, too":               {"load/loadtest/a.go", "tieout/load/embedded", ""},
		"production imports no test package":     {"load/embedded/a.go", "tieout/load/embedded/embeddedtest", onlyTests},
		"nor does cmd":                           {"cmd/tieout/a.go", "tieout/load/loadtest", onlyTests},
		"a name that only ends in test":          {"load/latest/a.go", "tieout/load/embedded", implementation},
		"a room that nobody knows":               {"internal/a.go", "tieout/schema", unknown},
		"other modules are not ours":             {"schema/a.go", "tieouts/extract", ""},
		"the standard library's sync":            {"schema/a.go", "sync", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			expect(t, importViolations("tieout", parsed(t, test.path, importing(test.imports))), test.want, test.path+":4: ")
		})
	}
}

func TestArchitectureMeeting(t *testing.T) {
	const want = "extract and load meet"
	tests := map[string]struct {
		first, second string // two files of one package, by path
		want, where   string
	}{
		"in one package": {"reconcile/a.go", "reconcile/b.go", want, "reconcile/b.go:4: "},
		"in sync":        {"sync/a.go", "sync/b.go", "", ""},
		"in cmd":         {"cmd/tieout/a.go", "cmd/tieout/b.go", "", ""},
		"in a test":      {"reconcile/a.go", "reconcile/b_test.go", "", ""},
		"for tests":      {"reconcile/reconciletest/a.go", "reconcile/reconciletest/b.go", "", ""},
		"in two parts":   {"reconcile/a.go", "reconcile/report/b.go", "", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sources := []goSource{
				parsed(t, test.first, importing("tieout/extract")),
				parsed(t, test.second, importing("tieout/load")),
			}
			expect(t, meetingViolations("tieout", sources), test.want, test.where)
		})
	}
	t.Run("in one file", func(t *testing.T) {
		sources := []goSource{parsed(t, "reconcile/a.go", importing("tieout/extract", "tieout/load"))}
		expect(t, meetingViolations("tieout", sources), want, "reconcile/a.go:5: ")
	})
}

func TestArchitectureSizes(t *testing.T) {
	function := func(head string, lines int) string {
		return "package p\n\n" + head + " {\n" + strings.Repeat("\t_ = 0\n", lines-2) + "}\n"
	}
	tests := map[string]struct{ path, text, want, where string }{
		"a function of 70 lines":       {"p/a.go", function("func f()", 70), "", ""},
		"a function of 71 lines":       {"p/a.go", function("func f()", 71), "f has 71 lines", "p/a.go:3: "},
		"a method of 71 lines":         {"p/a.go", function("func (t T) m()", 71), "m has 71 lines", "p/a.go:3: "},
		"a literal of 71 lines":        {"p/a.go", function("var f = func()", 71), "literal has 71 lines", "p/a.go:3: "},
		"a test of 71 lines":           {"p/a_test.go", function("func TestF()", 71), "TestF has 71 lines", "p/a_test.go:3: "},
		"a comment does not count":     {"p/a.go", function("// Says.\n// More.\nfunc f()", 70), "", ""},
		"a file of 500 lines":          {"p/a.go", "package p\n" + strings.Repeat("\n", 499), "", ""},
		"a file of 501 lines":          {"p/a.go", "package p\n" + strings.Repeat("\n", 500), "has 501 lines", "p/a.go:501: "},
		"a last line without its end":  {"p/a.go", "package p\n" + strings.Repeat("\n", 499) + "// x", "has 501 lines", "p/a.go:501: "},
		"a test file of 501 lines":     {"p/a_test.go", "package p\n" + strings.Repeat("\n", 500), "has 501 lines", "p/a_test.go:501: "},
		"a long literal in a function": {"p/a.go", function("func f() {\n\tg := func()", 71) + "}\n", "f has 73 lines", "p/a.go:3: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			expect(t, sizeViolations(parsed(t, test.path, test.text)), test.want, test.where)
		})
	}
}

func TestArchitectureComments(t *testing.T) {
	const want = "is exported and has no comment"
	tests := map[string]struct{ text, want string }{
		"function":                   {"func F() {}", want},
		"function with comment":      {"// F does.\nfunc F() {}", ""},
		"function with a directive":  {"//go:noinline\nfunc F() {}", want},
		"unexported function":        {"func f() {}", ""},
		"method":                     {"func (t *T) M() {}", want},
		"method of a generic type":   {"func (t *T[K]) M() {}", want},
		"method of two parameters":   {"func (t T[K, V]) M() {}", want},
		"method of a hidden type":    {"func (t *t) M() {}", ""},
		"type":                       {"type T struct{}", want},
		"type with comment":          {"// T is.\ntype T struct{}", ""},
		"type in a commented group":  {"// Types.\ntype (\n\tT struct{}\n)", want},
		"type commented in a group":  {"type (\n\t// T is.\n\tT struct{}\n)", ""},
		"constant":                   {"const C = 1", want},
		"constant in a group":        {"// All of them.\nconst (\n\tC = 1\n)", ""},
		"constant with a remark":     {"const (\n\tC = 1 // one\n)", ""},
		"variable":                   {"var v, V = 1, 2", want},
		"contract":                   {"// I is.\ntype I interface {\n\tM()\n}", want},
		"contract with comment":      {"// I is.\ntype I interface {\n\t// M does.\n\tM()\n}", ""},
		"contract that embeds":       {"// I is.\ntype I interface {\n\terror\n}", ""},
		"hidden contract":            {"type i interface {\n\tM()\n}", ""},
		"type parameters in between": {"// F does.\nfunc F[T any]() {}", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text := "package p\n\n" + test.text + "\n"
			expect(t, commentViolations(parsed(t, "p/a.go", text)), test.want, "p/a.go:")
			expect(t, commentViolations(parsed(t, "p/a_test.go", text)), "", "")
		})
	}
}

func TestArchitectureLayout(t *testing.T) {
	tests := map[string]struct {
		want  string
		paths []string
	}{
		"a room":                   {"", []string{"load/load.go"}},
		"a file of the top level":  {"", []string{"README.md"}},
		"a hidden file":            {"", []string{".golangci.yml"}},
		"a hidden folder":          {"", []string{".ci/run"}},
		"a strange folder, once":   {`"internal" does not belong`, []string{"internal/a.go", "internal/b.go"}},
		"a strange file":           {`"notes.txt" does not belong`, []string{"notes.txt"}},
		"util, once":               {`name "util"`, []string{"load/util/a.go", "load/util/b.go"}},
		"types, deep":              {`name "types"`, []string{"load/types/x/a.go"}},
		"a file may have the name": {"", []string{"load/types.go"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			expect(t, layoutViolations(test.paths), test.want, test.paths[0]+":1: ")
		})
	}
}

func TestArchitectureWalk(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"bin/tieout", ".cache/x.go", "load/load.go", "load/bin/kept.go", "coverage.out", "go.mod", ".hidden"} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := walkedFiles(t, os.DirFS(root)), []string{"go.mod", "load/bin/kept.go", "load/load.go"}; !slices.Equal(got, want) {
		t.Errorf("walked %q, want %q", got, want)
	}
}

func parsed(t *testing.T, name, text string) goSource {
	t.Helper()
	s, err := parseGo(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// expect wants exactly one violation that begins with where and holds want, or none at all if want is empty.
func expect(t *testing.T, violations []string, want, where string) {
	t.Helper()
	switch {
	case want == "" && len(violations) > 0:
		t.Errorf("violations %q, want none", violations)
	case want == "":
	case len(violations) != 1 || !strings.HasPrefix(violations[0], where) || !strings.Contains(violations[0], want):
		t.Errorf("violations %q, want one at %q that holds %q", violations, where, want)
	}
}
