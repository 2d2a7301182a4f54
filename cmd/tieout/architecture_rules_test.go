package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The sizes that keep a function on one screen and a file in one head.
const (
	functionLinesMax = 70
	fileLinesMax     = 500
)

// topLevel is what may stand at the top of the repository beside hidden files.
var topLevel = []string{
	"Makefile", "README.md", "checkpoints", "cmd", "deploy", "extract", "go.mod", "go.sum", "load", "reconcile",
	"schema", "sync",
}

// folderNamesRefused say nothing about what is inside.
var folderNamesRefused = []string{
	"common", "helper", "helpers", "model", "models", "pkg", "type", "types", "util", "utils",
}

// roomImports says which other rooms the production code of a room may import.
var roomImports = map[string][]string{
	"schema":      nil,
	"extract":     {"schema"},
	"load":        {"schema"},
	"checkpoints": {"schema"},
	"sync":        {"schema", "extract", "load", "checkpoints"},
	"reconcile":   {"schema", "extract", "load", "checkpoints"},
	"cmd":         {"schema", "extract", "load", "checkpoints", "sync", "reconcile"},
}

// contractFolders hold a contract; each folder below them is an implementation, which only cmd names.
var contractFolders = []string{"load", "checkpoints", "reconcile/alert"}

// sandboxFolder holds the simulated partners, which only cmd and tests use.
const sandboxFolder = "extract/sandbox"

// goSource is one Go file: its path from the root of the repository, with slashes, and what is in it.
type goSource struct {
	path  string
	text  string
	files *token.FileSet
	file  *ast.File
}

func parseGo(name, text string) (goSource, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return goSource{path: name, text: text, files: files, file: file}, err
}

func (s goSource) isTest() bool   { return strings.HasSuffix(s.path, "_test.go") }
func (s goSource) folder() string { return path.Dir(s.path) }

func (s goSource) line(at token.Pos) int { return s.files.Position(at).Line }

func (s goSource) violation(at token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.line(at), fmt.Sprintf(format, args...))
}

// imports returns the folders of the module that the file imports, with the place where it does.
func (s goSource) imports(module string) map[string]token.Pos {
	folders := map[string]token.Pos{}
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if folder, ours := strings.CutPrefix(name, module+"/"); err == nil && ours {
			folders[folder] = spec.Pos()
		}
	}
	return folders
}

// importViolations holds each file of production code to the direction of dependencies. Test packages may import
// what tests may.
func importViolations(module string, s goSource) (violations []string) {
	if s.isTest() || testPackage(s.folder()) {
		return nil
	}
	folders := s.imports(module)
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		if reason := importRefused(s.folder(), folder); reason != "" {
			violations = append(violations, s.violation(folders[folder], "%s must not import %s: %s", s.folder(), folder, reason))
		}
	}
	return violations
}

// importRefused returns why production code in one folder must not import another folder, or nothing if it may.
func importRefused(from, to string) string {
	fromRoom, toRoom := room(from), room(to)
	allowed, known := roomImports[fromRoom]
	switch {
	case !known:
		return fmt.Sprintf("%q is no room of this house", fromRoom)
	case testPackage(to):
		return "only tests import a test package"
	case fromRoom != toRoom && !slices.Contains(allowed, toRoom):
		return "dependencies point one way: cmd -> sync, reconcile -> extract, load, checkpoints -> schema"
	case fromRoom == "cmd":
		return ""
	case within(to, sandboxFolder) && !within(from, sandboxFolder):
		return "only cmd and tests use the simulated partners"
	}
	for _, contract := range contractFolders {
		implementation := implementationOf(contract, to)
		if implementation != "" && !within(from, implementation) {
			return "only cmd names an implementation"
		}
	}
	return ""
}

// testPackage reports whether the folder holds what tests share, named like net/http/httptest: embedded/embeddedtest.
func testPackage(folder string) bool {
	return path.Base(folder) == path.Base(path.Dir(folder))+"test"
}

func room(folder string) string {
	first, _, _ := strings.Cut(folder, "/")
	return first
}

func within(folder, parent string) bool {
	return folder == parent || strings.HasPrefix(folder, parent+"/")
}

// implementationOf returns the folder directly below contract that holds folder, or nothing if none does.
func implementationOf(contract, folder string) string {
	below, ok := strings.CutPrefix(folder, contract+"/")
	if !ok {
		return ""
	}
	return contract + "/" + room(below)
}

// meetingViolations finds the packages other than cmd's and sync's in which extract and load meet.
func meetingViolations(module string, sources []goSource) (violations []string) {
	met := map[string]map[string]bool{} // folder -> the rooms that it imports
	for _, s := range sources {
		if from := room(s.folder()); s.isTest() || testPackage(s.folder()) || from == "cmd" || from == "sync" {
			continue
		}
		if met[s.folder()] == nil {
			met[s.folder()] = map[string]bool{}
		}
		rooms, before := met[s.folder()], len(violations)
		folders := s.imports(module)
		for _, folder := range slices.Sorted(maps.Keys(folders)) {
			to, other := room(folder), map[string]string{"extract": "load", "load": "extract"}[room(folder)]
			if other != "" && rooms[other] && len(violations) == before {
				violations = append(violations, s.violation(folders[folder], "extract and load meet in %s: they may meet only in sync", s.folder()))
			}
			rooms[to] = true
		}
	}
	return violations
}

// sizeViolations finds the file, the functions and the function literals that are too long, tests included.
func sizeViolations(s goSource) (violations []string) {
	lines := strings.Count(s.text, "\n")
	if !strings.HasSuffix(s.text, "\n") {
		lines++
	}
	if lines > fileLinesMax {
		violations = append(violations, fmt.Sprintf("%s:%d: the file has %d lines, at most %d are allowed", s.path, fileLinesMax+1, lines, fileLinesMax))
	}
	ast.Inspect(s.file, func(node ast.Node) bool {
		name := "a function literal"
		switch function := node.(type) {
		case *ast.FuncDecl:
			name = function.Name.Name
		case *ast.FuncLit:
		default:
			return true
		}
		if lines := s.line(node.End()) - s.line(node.Pos()) + 1; lines > functionLinesMax {
			violations = append(violations, s.violation(node.Pos(), "%s has %d lines, at most %d are allowed", name, lines, functionLinesMax))
			return false // what is inside is too long because this is
		}
		return true
	})
	return violations
}

// commentViolations finds the exported names of production code without a comment: functions, methods, types,
// constants, variables, and the methods of exported interfaces, whose comments are the contract. One comment is
// enough for a group of constants or variables.
func commentViolations(s goSource) (violations []string) {
	if s.isTest() {
		return nil
	}
	report := func(name *ast.Ident, comments ...*ast.CommentGroup) {
		said := slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" })
		if name.IsExported() && !said {
			violations = append(violations, s.violation(name.Pos(), "%s is exported and has no comment", name.Name))
		}
	}
	for _, declaration := range s.file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil || ast.IsExported(receiverName(d.Recv.List[0].Type)) {
				report(d.Name, d.Doc)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				reportSpec(d, spec, report)
			}
		}
	}
	return violations
}

func reportSpec(d *ast.GenDecl, spec ast.Spec, report func(*ast.Ident, ...*ast.CommentGroup)) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			report(name, d.Doc, spec.Doc, spec.Comment)
		}
	case *ast.TypeSpec:
		if d.Lparen.IsValid() {
			report(spec.Name, spec.Doc)
		} else {
			report(spec.Name, d.Doc)
		}
		contract, ok := spec.Type.(*ast.InterfaceType)
		if !ok || !spec.Name.IsExported() {
			return
		}
		for _, method := range contract.Methods.List {
			for _, name := range method.Names {
				report(name, method.Doc, method.Comment)
			}
		}
	}
}

// receiverName returns the name of a receiver's type without its pointer and its type parameters.
func receiverName(receiver ast.Expr) string {
	switch e := receiver.(type) {
	case *ast.StarExpr:
		return receiverName(e.X)
	case *ast.IndexExpr:
		return receiverName(e.X)
	case *ast.IndexListExpr:
		return receiverName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// layoutViolations finds paths outside the fixed top level, and folders whose name says nothing.
func layoutViolations(paths []string) (violations []string) {
	seen := map[string]bool{}
	for _, name := range paths {
		first := room(name)
		if !strings.HasPrefix(first, ".") && !slices.Contains(topLevel, first) && !seen[first] {
			seen[first] = true
			violations = append(violations, fmt.Sprintf("%s:1: %q does not belong to the top level; move it, or let git ignore it", name, first))
		}
		for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
			if slices.Contains(folderNamesRefused, path.Base(folder)) && !seen[folder] {
				seen[folder] = true
				violations = append(violations, fmt.Sprintf("%s:1: the folder name %q says nothing about what is inside", name, path.Base(folder)))
			}
		}
	}
	return violations
}
