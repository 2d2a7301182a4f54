package extract

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

var updateSchema = flag.Bool("update-schema", false, "write providers/definition.schema.json")

const schemaFile = "providers/definition.schema.json"

// TestDefinitionSchema makes the JSON Schema of the definition language from the Go types and their comments, and
// wants the shipped file to be it: an editor offers what the program takes, and nothing else.
func TestDefinitionSchema(t *testing.T) {
	made := &schemaMaker{comments: fieldComments(t, "definition.go", "signing.go")}
	root := made.of(definitionType)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "A partner's API as tieout reads it"
	var wanted bytes.Buffer
	encoder := json.NewEncoder(&wanted)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *updateSchema {
		if err := os.WriteFile(schemaFile, wanted.Bytes(), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
	}
	shipped, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(shipped, wanted.Bytes()) {
		t.Errorf("%s is not what the types say: run `make docs`", schemaFile)
	}
	if len(made.silent) > 0 {
		t.Errorf("keys without a description: %s", strings.Join(made.silent, ", "))
	}
}

type schemaMaker struct {
	comments map[string]string // by Type.Field
	silent   []string
}

// of describes a type as the shape check reads it.
func (m *schemaMaker) of(t reflect.Type) map[string]any {
	text := map[string]any{"type": []string{"string", "number", "boolean"}}
	switch {
	case t == pathsType:
		return map[string]any{"anyOf": []any{text, map[string]any{"type": "array", "items": text}}}
	case t == fieldType:
		return map[string]any{"anyOf": []any{text, map[string]any{"type": "array", "items": text}, m.structure(t)}}
	case t.Kind() == reflect.Pointer:
		return m.of(t.Elem())
	case t.Implements(wordType):
		return map[string]any{"enum": reflect.Zero(t).Interface().(word).Values()}
	case reflect.PointerTo(t).Implements(textUnmarshalerType):
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Struct:
		return m.structure(t)
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": m.of(t.Elem())}
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": m.of(t.Elem())}
	case t.Kind() == reflect.Int:
		return map[string]any{"type": "integer"}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	}
	return text
}

func (m *schemaMaker) structure(t reflect.Type) map[string]any {
	properties := map[string]any{}
	for i := range t.NumField() {
		field := t.Field(i)
		name := field.Tag.Get("yaml")
		if name == "" {
			continue
		}
		described := m.of(field.Type)
		comment := m.comments[t.Name()+"."+field.Name]
		if comment == "" {
			m.silent = append(m.silent, t.Name()+"."+field.Name)
		}
		// A definition that extends another takes a key away by null.
		properties[name] = map[string]any{"description": comment, "anyOf": []any{described, map[string]any{"type": "null"}}}
	}
	return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
}

// fieldComments returns the comments above the fields of all structs in the files, by Type.Field.
func fieldComments(t *testing.T, files ...string) map[string]string {
	t.Helper()
	comments := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range structure.Fields.List {
					for _, name := range field.Names {
						comments[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
					}
				}
			}
			return true
		})
	}
	return comments
}
