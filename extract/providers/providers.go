// Package providers holds the built-in definitions. Adding a partner is adding a file here.
package providers

import "embed"

// Files are the built-in definitions, one YAML file each.
//
//go:embed *.yaml
var Files embed.FS

// Schema is the JSON Schema of a definition, for editors.
//
//go:embed definition.schema.json
var Schema string
