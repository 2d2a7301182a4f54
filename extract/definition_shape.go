package extract

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// definitionCheck collects what is wrong with a definition. The tree gives each mistake its line.
type definitionCheck struct {
	file     string
	tree     *yaml.Node
	origins  map[*yaml.Node]string // the file that each node is from
	problems []problem

	wrong  map[*yaml.Node]bool // what has no right form: keys and values
	places [][]string          // where that is
}

// report records a mistake of meaning at a place that is named by its keys from the top, unless a mistake of form there
// may be all that is behind it.
func (c *definitionCheck) report(place []string, format string, args ...any) {
	if c.shadowed(place) {
		return
	}
	node := c.tree
	for _, key := range place {
		next := child(node, key)
		if next == nil {
			break
		}
		node = next
	}
	c.add(node, place, format, args...)
}

// reportAt records a mistake of form.
func (c *definitionCheck) reportAt(node *yaml.Node, place []string, format string, args ...any) {
	c.wrong[node] = true
	c.places = append(c.places, place)
	c.add(node, place, format, args...)
}

func (c *definitionCheck) add(node *yaml.Node, place []string, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(place) > 0 {
		text = strings.Join(place, ".") + ": " + text
	}
	c.problems = append(c.problems, problem{c.origins[node], node.Line, node.Column, text})
}

// member returns a key of a mapping and what stands there; nil if there is none.
func member(node *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i], node.Content[i+1]
		}
	}
	return nil, nil
}

// child returns what a mapping holds under a key or a sequence at an index; nil if there is none.
func child(node *yaml.Node, key string) *yaml.Node {
	switch node.Kind {
	case yaml.MappingNode:
		_, value := member(node, key)
		return value
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i < len(node.Content) {
			return node.Content[i]
		}
	}
	return nil
}

// word is a text with a closed set of values.
type word interface{ Values() []string }

var (
	definitionType      = reflect.TypeFor[Definition]()
	pathsType           = reflect.TypeFor[Paths]()
	fieldType           = reflect.TypeFor[Field]()
	wordType            = reflect.TypeFor[word]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// shape reports what of a tree does not have the form of a Go type: unknown keys, values that are no word of the
// language, numbers that are none. What is left of it by pruned can be decoded.
func (c *definitionCheck) shape(place []string, node *yaml.Node, t reflect.Type) {
	if node.Kind == yaml.AliasNode {
		c.reportAt(node, place, "refers to an anchor: definitions repeat themselves, or extend one another")
		return
	}
	if node.Tag == "!!null" {
		return
	}
	switch {
	case t == fieldType && node.Kind == yaml.MappingNode:
		c.structure(place, node, t)
	case t == fieldType || t == pathsType:
		c.paths(place, node)
	case t.Kind() == reflect.Pointer:
		c.shape(place, node, t.Elem())
	case t.Implements(wordType):
		c.word(place, node, reflect.Zero(t).Interface().(word).Values())
	case reflect.PointerTo(t).Implements(textUnmarshalerType):
		if c.scalar(place, node) {
			if err := reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(node.Value)); err != nil {
				c.reportAt(node, place, "%v", err)
			}
		}
	case t.Kind() == reflect.Struct:
		c.structure(place, node, t)
	case t.Kind() == reflect.Map:
		c.table(place, node, t.Elem())
	case t.Kind() == reflect.Slice:
		if c.kind(place, node, yaml.SequenceNode, "a list") {
			for i, inner := range node.Content {
				c.shape(below(place, strconv.Itoa(i)), inner, t.Elem())
			}
		}
	default:
		c.plain(place, node, t.Kind())
	}
}

// table checks a mapping with keys of the author's choice.
func (c *definitionCheck) table(place []string, node *yaml.Node, t reflect.Type) {
	if !c.kind(place, node, yaml.MappingNode, "a mapping of keys to values") {
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if !c.scalar(place, key) {
			continue
		}
		if seen[key.Value] {
			c.reportAt(key, below(place, key.Value), "is stated twice")
		}
		seen[key.Value] = true
		c.shape(below(place, key.Value), node.Content[i+1], t)
	}
}

func below(place []string, key string) []string { return append(place[:len(place):len(place)], key) }

// structure checks a mapping against the fields of a struct.
func (c *definitionCheck) structure(place []string, node *yaml.Node, t reflect.Type) {
	if !c.kind(place, node, yaml.MappingNode, "a mapping of keys to values") {
		return
	}
	fields := keysOf(t)
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		index := slices.IndexFunc(fields, func(f keyOf) bool { return f.name == key.Value })
		switch {
		case index < 0:
			names := make([]string, len(fields))
			for i, f := range fields {
				names[i] = f.name
			}
			c.reportAt(key, below(place, key.Value), "is no key here: want one of %s", strings.Join(names, ", "))
		case seen[key.Value]:
			c.reportAt(key, below(place, key.Value), "is stated twice")
		default:
			c.shape(below(place, key.Value), node.Content[i+1], fields[index].t)
		}
		seen[key.Value] = true
	}
}

// keyOf is a key of a mapping with the type of its value.
type keyOf struct {
	name string
	t    reflect.Type
}

// keysOf returns the keys that a struct has in YAML, in their order.
func keysOf(t reflect.Type) []keyOf {
	var keys []keyOf
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" {
			keys = append(keys, keyOf{name, t.Field(i).Type})
		}
	}
	return keys
}

func (c *definitionCheck) paths(place []string, node *yaml.Node) {
	if node.Kind == yaml.SequenceNode {
		for i, inner := range node.Content {
			c.scalar(below(place, strconv.Itoa(i)), inner)
		}
		return
	}
	if node.Kind != yaml.ScalarNode {
		c.reportAt(node, place, "want a path like amount or bank.name, or a list of them")
	}
}

func (c *definitionCheck) word(place []string, node *yaml.Node, values []string) {
	if node.Kind != yaml.ScalarNode || !slices.Contains(values, node.Value) {
		c.reportAt(node, place, "%q is not one of %s", node.Value, strings.Join(values, ", "))
	}
}

func (c *definitionCheck) plain(place []string, node *yaml.Node, kind reflect.Kind) {
	if !c.scalar(place, node) {
		return
	}
	switch kind {
	case reflect.Int:
		if _, err := strconv.Atoi(node.Value); err != nil || node.Tag != "!!int" {
			c.reportAt(node, place, "%q is no whole number", node.Value)
		}
	case reflect.Bool:
		if node.Tag != "!!bool" {
			c.reportAt(node, place, "%q is neither true nor false", node.Value)
		}
	}
}

func (c *definitionCheck) scalar(place []string, node *yaml.Node) bool {
	return c.kind(place, node, yaml.ScalarNode, "a single value")
}

func (c *definitionCheck) kind(place []string, node *yaml.Node, kind yaml.Kind, wanted string) bool {
	if node.Kind == kind {
		return true
	}
	c.reportAt(node, place, "want %s", wanted)
	return false
}
