package extract

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"tieout/schema"
)

// Effective returns a definition of the folders as YAML with everything that it extends filled in, comments included.
func Effective(name string, folders ...fs.FS) ([]byte, error) {
	library, problems := loadLibrary(folders)
	sources := library[name]
	if len(sources) == 0 {
		return nil, &schema.Error{
			Class: schema.ClassConfiguration,
			Err: errors.Join(append([]error{
				fmt.Errorf("there is no definition %q: want one of %s", name, strings.Join(slices.Sorted(maps.Keys(library)), ", ")),
			}, problems...)...),
		}
	}
	_, tree, err := library.explain(sources[len(sources)-1], len(sources)-1)
	if err != nil {
		return nil, err
	}
	return encode(without(tree, "extends")) // which would bring back what null has taken away
}

// without returns a mapping that lacks a key.
func without(tree *yaml.Node, key string) *yaml.Node {
	rest := *tree
	rest.Content = nil
	for i := 0; i+1 < len(tree.Content); i += 2 {
		if tree.Content[i].Value != key {
			rest.Content = append(rest.Content, tree.Content[i], tree.Content[i+1])
		}
	}
	return &rest
}

func encode(tree *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(tree), encoder.Close()); err != nil {
		return nil, fmt.Errorf("write the effective definition: %w", err)
	}
	return out.Bytes(), nil
}

// extendsMax bounds a chain of definitions that extend one another.
const extendsMax = 8

// extended returns the tree of the last source of a chain on top of what it extends, and notes which file each node is
// from. The chain begins with the source that is read, which an error names.
func (l library) extended(chain []source, rank int, origins map[*yaml.Node]string) (*yaml.Node, error) {
	first, s := chain[0], chain[len(chain)-1]
	note(s.tree, s.file, origins)
	base := scalarAt(s.tree, "extends")
	if base == "" {
		return s.tree, nil
	}
	below := l[base]
	if base == scalarAt(s.tree, "name") {
		below = below[:min(rank, len(below))]
	}
	fail := func(s source, format string, args ...any) error {
		at := child(s.tree, "extends")
		return definitionError(first.file, []problem{{s.file, at.Line, at.Column, fmt.Sprintf("extends: "+format, args...)}})
	}
	if len(below) == 0 {
		return nil, fail(s, "there is no definition %q to extend", base)
	}
	next := below[len(below)-1]
	if slices.ContainsFunc(chain, func(met source) bool { return met.tree == next.tree }) {
		return nil, fail(first, "the definitions extend one another without end: %s", names(append(chain, next)))
	}
	if len(chain) > extendsMax {
		return nil, fail(first, "goes through more than %d definitions: %s", extendsMax, names(append(chain, next)))
	}
	baseTree, err := l.extended(append(chain, next), len(below)-1, origins)
	if err != nil {
		return nil, err
	}
	return headed(overlay(baseTree, s.tree, origins), s.tree, baseTree, base, origins), nil
}

// names tells the way through a chain.
func names(chain []source) string {
	texts := make([]string, len(chain))
	for i, s := range chain {
		texts[i] = scalarAt(s.tree, "name")
	}
	return strings.Join(texts, " -> ")
}

func note(node *yaml.Node, file string, origins map[*yaml.Node]string) {
	origins[node] = file
	for _, inner := range node.Content {
		note(inner, file, origins)
	}
}

// overlay returns base with the keys of over replaced, mappings key by key; null takes a key away. A comment stays with
// the value that it explains: what is replaced takes the comments beside it along.
func overlay(base, over *yaml.Node, origins map[*yaml.Node]string) *yaml.Node {
	merged := *over
	merged.Content = nil
	origins[&merged] = origins[over]
	for i := 0; i+1 < len(base.Content); i += 2 {
		key, value := base.Content[i], base.Content[i+1]
		overKey, replaced := member(over, key.Value)
		switch {
		case replaced == nil:
			merged.Content = append(merged.Content, key, value)
		case replaced.Tag == "!!null":
		case replaced.Kind == yaml.MappingNode && value.Kind == yaml.MappingNode:
			if overKey.HeadComment+overKey.LineComment != "" {
				key = overKey
			}
			merged.Content = append(merged.Content, key, overlay(value, replaced, origins))
		default:
			merged.Content = append(merged.Content, overKey, replaced)
		}
	}
	for i := 0; i+1 < len(over.Content); i += 2 {
		if child(base, over.Content[i].Value) == nil && over.Content[i+1].Tag != "!!null" {
			merged.Content = append(merged.Content, over.Content[i], over.Content[i+1])
		}
	}
	return &merged
}

// headed returns a tree whose first comment is that of the file it is from, and behind it that of the file that this
// extends, whose abbreviations its other comments use.
func headed(tree, over, base *yaml.Node, baseName string, origins map[*yaml.Node]string) *yaml.Node {
	if len(tree.Content) == 0 {
		return tree
	}
	first := *tree.Content[0]
	var parts []string
	if header := headerOf(over); header != "" {
		parts = append(parts, header)
	}
	if header := headerOf(base); header != "" {
		parts = append(parts, "# From "+baseName+", on which it is built:", header)
	}
	if own := first.HeadComment; own != headerOf(over) && own != headerOf(base) {
		parts = append(parts, own)
	}
	first.HeadComment = strings.Join(parts, "\n#\n")
	whole := *tree
	whole.Content = append([]*yaml.Node{&first}, tree.Content[1:]...)
	origins[&first], origins[&whole] = origins[tree.Content[0]], origins[tree]
	return &whole
}

// headerOf returns the comment at the top of a file.
func headerOf(tree *yaml.Node) string {
	if len(tree.Content) == 0 {
		return ""
	}
	return tree.Content[0].HeadComment
}
