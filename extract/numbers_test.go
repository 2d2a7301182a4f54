package extract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoFloatingPoint reads the program's own text: between a partner's number and a column no floating point may
// stand, or an amount would be rounded one day. The limiter counts in whole nanoseconds, so there is no exception.
func TestNoFloatingPoint(t *testing.T) {
	files := 0
	for _, folder := range []string{".", "../schema"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			for _, place := range floatingPoint(t, path, nil) {
				t.Errorf("%s uses floating point", place)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Errorf("only %d files were read", files)
	}
}

// TestNoFloatingPointIsFound shows that the search finds what it is for, and no comment.
func TestNoFloatingPointIsFound(t *testing.T) {
	const text = "package p\n\n// float64 in a comment\nvar a float32\nfunc f(b float64) {}\nvar c, _ = strconv.ParseFloat(\"1\", 64)\nvar d = 1.5\nvar e = x.InexactFloat64()\n"
	if got := floatingPoint(t, "p.go", text); len(got) != 5 {
		t.Errorf("found %q, want the lines 4 to 8", got)
	}
}

// floatingPoint returns where a file uses it: types, conversions and constants with a fraction.
func floatingPoint(t *testing.T, path string, source any) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.Ident:
			if name := strings.ToLower(n.Name); strings.Contains(name, "float64") || strings.Contains(name, "float32") || strings.Contains(name, "parsefloat") {
				places = append(places, files.Position(n.Pos()).String())
			}
		case *ast.BasicLit:
			if n.Kind == token.FLOAT {
				places = append(places, files.Position(n.Pos()).String())
			}
		}
		return true
	})
	return places
}
