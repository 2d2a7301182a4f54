package extract

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"tieout/schema"
)

// Catalog holds the definitions that accounts can use, by name.
type Catalog map[string]*Definition

// LoadCatalog reads every *.yaml and *.yml file of the folders. A definition in a later folder replaces one of the same name
// in an earlier one; one that extends a name may extend the one that it replaces. All mistakes of all files come
// back together, classified as ClassConfiguration; the catalog holds the definitions without any.
func LoadCatalog(folders ...fs.FS) (Catalog, error) {
	library, problems := loadLibrary(folders)
	catalog := Catalog{}
	for _, name := range slices.Sorted(maps.Keys(library)) {
		definition, err := library.parse(library[name][len(library[name])-1], len(library[name])-1)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		catalog[name] = definition
	}
	return catalog, errors.Join(problems...)
}

// ParseDefinition decodes a definition and checks it whole. It may extend one of the folders' definitions. An error
// names the file and has one line for each mistake with its line and column; its class is ClassConfiguration.
func ParseDefinition(file string, data []byte, folders ...fs.FS) (*Definition, error) {
	library, problems := loadLibrary(folders)
	read, err := readSource(file, data)
	if err != nil {
		return nil, err
	}
	below := library[scalarAt(read.tree, "name")]
	// A file that lies in one of the folders itself extends those before it, and not itself.
	rank := slices.IndexFunc(below, func(s source) bool { return bytes.Equal(s.data, data) })
	if rank < 0 {
		rank = len(below)
	}
	definition, err := library.parse(read, rank)
	if err != nil && len(problems) > 0 {
		err = errors.Join(append([]error{err}, problems...)...) // what it extends may be missing because of these
	}
	return definition, err
}

// source is one file of a definition, not yet explained.
type source struct {
	file string
	data []byte
	tree *yaml.Node // its top mapping
}

// library holds the sources of each name, later folders last.
type library map[string][]source

func loadLibrary(folders []fs.FS) (library, []error) {
	all := library{}
	var problems []error
	for _, folder := range folders {
		sources, wrong := readFolder(folder)
		problems = append(problems, wrong...)
		for _, read := range sources {
			name := scalarAt(read.tree, "name")
			all[name] = append(all[name], read)
		}
	}
	return all, problems
}

// readFolder reads the definitions of one folder, in the order of the files' names. Two of one name are a mistake:
// nobody could say which of them counts.
func readFolder(folder fs.FS) (sources []source, problems []error) {
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		some, err := fs.Glob(folder, pattern)
		if err != nil {
			problems = append(problems, fmt.Errorf("list provider definitions: %w", err))
		}
		files = append(files, some...)
	}
	slices.Sort(files)
	first := map[string]string{} // name -> its file
	for _, file := range files {
		data, err := fs.ReadFile(folder, file)
		if err != nil {
			problems = append(problems, &schema.Error{Class: schema.ClassConfiguration, Op: "read provider definition", Err: err})
			continue
		}
		read, err := readSource(file, data)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		name := scalarAt(read.tree, "name")
		if other := first[name]; other != "" && name != "" {
			at := child(read.tree, "name")
			problems = append(problems, definitionError(file, []problem{{
				line: at.Line, column: at.Column, text: fmt.Sprintf("name: %s is the name of %s as well", name, other),
			}}))
			continue
		}
		first[name] = file
		sources = append(sources, read)
	}
	return sources, problems
}

// readSource reads the YAML of one definition, which is a single mapping.
func readSource(file string, data []byte) (source, error) {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	fail := func(text string) (source, error) { return source{}, definitionError(file, []problem{{text: text}}) }
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return fail("is empty")
	} else if err != nil {
		return fail(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return fail("holds a second document behind the first")
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return fail("is no mapping of keys to values")
	}
	if twice := doubledKey(document.Content[0]); twice != nil {
		return source{}, definitionError(file, []problem{{line: twice.Line, column: twice.Column, text: twice.Value + ": is stated twice"}})
	}
	return source{file, data, document.Content[0]}, nil
}

// doubledKey returns a key that a mapping states twice, nil if none does. It is looked for in each file, because of two
// only one would be left in what extends it.
func doubledKey(node *yaml.Node) *yaml.Node {
	seen := map[string]bool{}
	for i, inner := range node.Content {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			if seen[inner.Value] {
				return inner
			}
			seen[inner.Value] = true
		}
		if twice := doubledKey(inner); twice != nil {
			return twice
		}
	}
	return nil
}

func scalarAt(tree *yaml.Node, key string) string {
	if node := child(tree, key); node != nil && node.Kind == yaml.ScalarNode && node.Tag != "!!null" {
		return node.Value
	}
	return ""
}

func (l library) parse(s source, rank int) (*Definition, error) {
	definition, _, err := l.explain(s, rank)
	return definition, err
}

// explain fills in what a source extends, decodes it and checks it. Rank is its place among the sources of its name:
// a source that extends its own name means the one before. What has no right form is left out before the rest is decoded,
// so that mistakes of form do not hide those of meaning.
func (l library) explain(s source, rank int) (*Definition, *yaml.Node, error) {
	check := &definitionCheck{file: s.file, origins: map[*yaml.Node]string{}, wrong: map[*yaml.Node]bool{}}
	tree, err := l.extended([]source{s}, rank, check.origins)
	if err != nil {
		return nil, nil, err
	}
	check.tree = tree
	check.shape(nil, tree, definitionType)
	var definition Definition
	if err := check.pruned(tree).Decode(&definition); err == nil {
		check.definition(&definition)
	} else if len(check.problems) == 0 {
		check.problems = append(check.problems, problem{text: strings.TrimPrefix(err.Error(), "yaml: ")})
	}
	if len(check.problems) > 0 {
		slices.SortFunc(check.problems, func(a, b problem) int {
			return cmp.Or(strings.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column), strings.Compare(a.text, b.text))
		})
		return nil, nil, definitionError(s.file, slices.Compact(check.problems))
	}
	return &definition, tree, nil
}

// problem is one mistake in a definition.
type problem struct {
	file   string // where it is not the file that is read
	line   int    // from 1; 0: none in particular
	column int    // from 1
	text   string
}

func definitionError(file string, problems []problem) error {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.text
		if p.line > 0 {
			lines[i] = fmt.Sprintf("line %d:%d: %s", p.line, p.column, p.text)
		}
		if p.file != "" && p.file != file {
			lines[i] = p.file + " " + lines[i]
		}
	}
	return &schema.Error{
		Class: schema.ClassConfiguration,
		Op:    "read provider definition " + file,
		Err:   errors.New(strings.Join(lines, "\n  ")),
	}
}
