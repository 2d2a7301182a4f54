package extract

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"tieout/schema"
)

// ParseDefinition decodes a definition and checks it whole. An error names the file and has one line for each
// mistake with its line number; its class is ClassConfiguration.
func ParseDefinition(file string, data []byte) (*Definition, error) {
	var definition Definition
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&definition); errors.Is(err, io.EOF) {
		return nil, definitionError(file, []problem{{text: "is empty"}})
	} else if err != nil {
		return nil, definitionError(file, decodeProblems(err))
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, definitionError(file, []problem{{text: "holds a second document behind the first"}})
	}
	var tree yaml.Node
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return nil, definitionError(file, decodeProblems(err))
	}
	check := definitionCheck{tree: &tree}
	check.definition(&definition)
	if len(check.problems) > 0 {
		slices.SortFunc(check.problems, func(a, b problem) int {
			return cmp.Or(cmp.Compare(a.line, b.line), strings.Compare(a.text, b.text))
		})
		return nil, definitionError(file, check.problems)
	}
	return &definition, nil
}

// problem is one mistake in a definition. Line 0 means that the line is part of the text already.
type problem struct {
	line int
	text string
}

func definitionError(file string, problems []problem) error {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.text
		if p.line > 0 {
			lines[i] = "line " + strconv.Itoa(p.line) + ": " + p.text
		}
	}
	return &schema.Error{
		Class: schema.ClassConfiguration,
		Op:    "read provider definition " + file,
		Err:   errors.New(strings.Join(lines, "\n  ")),
	}
}

// UnmarshalYAML reads the form of ParseWindow. Its mistake has a line and does not hide others.
func (w *Window) UnmarshalYAML(node *yaml.Node) (err error) {
	if *w, err = ParseWindow(node.Value); err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: rate limit %q: %v", node.Line, node.Value, err)}}
	}
	return nil
}

// goType finds the Go type in a decoder's sentence, which means nothing to whoever writes a definition.
var goType = regexp.MustCompile(` (?:in|into) (?:type )?[\w.*\[\]]+`)

func decodeProblems(err error) []problem {
	var several *yaml.TypeError
	if !errors.As(err, &several) {
		return []problem{{text: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	var problems []problem
	for _, text := range several.Errors {
		problems = append(problems, problem{text: goType.ReplaceAllString(text, "")})
	}
	return problems
}

// definitionCheck collects what is wrong with a decoded definition. The tree gives each mistake its line.
type definitionCheck struct {
	tree     *yaml.Node
	problems []problem
}

// report records a mistake at a place that is named by its keys from the top.
func (c *definitionCheck) report(place []string, format string, args ...any) {
	node := c.tree
	if len(node.Content) > 0 {
		node = node.Content[0]
	}
	for _, key := range place {
		next := child(node, key)
		if next == nil {
			break
		}
		node = next
	}
	text := fmt.Sprintf(format, args...)
	c.problems = append(c.problems, problem{node.Line, strings.Join(place, ".") + ": " + text})
}

func child(node *yaml.Node, key string) *yaml.Node {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == key {
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i < len(node.Content) {
			return node.Content[i]
		}
	}
	return nil
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

func (c *definitionCheck) definition(d *Definition) {
	if !nameForm.MatchString(d.Name) {
		c.report([]string{"name"}, "want lower case letters, digits and _, beginning with a letter")
	}
	if d.BaseURL != "" {
		if err := checkBaseURL(d.BaseURL); err != nil {
			c.report([]string{"base_url"}, "%v", err)
		}
	}
	for i, credential := range d.Credentials {
		if !slices.Contains(credentialNames, credential) {
			c.report([]string{"credentials", strconv.Itoa(i)}, "%q is not one of %s", credential, strings.Join(credentialNames, ", "))
		}
	}
	c.signing(d)
	if len(d.RateLimits) == 0 {
		c.report([]string{"rate_limits"}, "is missing: state the partner's limits, or a careful guess, as in 60/1m")
	}
	c.answers(&d.Answers)
	c.times(d)
	if len(d.Resources) == 0 {
		c.report([]string{"resources"}, "is missing: nothing would be listed")
	}
	for resource, listing := range d.Resources {
		place := []string{"resources", string(resource)}
		if _, err := schema.ParseResource(string(resource)); err != nil {
			c.report(place, "%v", err)
		} else if listing == nil {
			c.report(place, "is empty")
		} else {
			c.listing(place, resource, listing)
		}
	}
}

func (c *definitionCheck) answers(a *Answers) {
	if (a.Success.Path == "") != (a.Success.Equals == "") {
		c.report([]string{"answers", "success"}, "path and equals go together")
	}
	c.optionalPath([]string{"answers", "success", "path"}, a.Success.Path)
	c.optionalPath([]string{"answers", "word"}, a.Word)
	c.optionalPath([]string{"answers", "message"}, a.Message)
	for i, rule := range a.Errors {
		place := []string{"answers", "errors", strconv.Itoa(i)}
		if !slices.Contains([]Meaning{MeansRetry, MeansStream, MeansCredentials}, rule.Means) {
			c.report(place, "means %q is not one of retry, stream, credentials", rule.Means)
		}
		if len(rule.HTTP) == 0 && rule.Word == "" {
			c.report(place, "needs a condition: http or word")
		}
		if rule.Word != "" && a.Word == "" {
			c.report(place, "answers.word must say where the word is")
		}
	}
}

func (c *definitionCheck) times(d *Definition) {
	t := &d.Times
	if len(t.Formats) == 0 && d.mapsTimes() {
		c.report([]string{"times", "formats"}, "is missing: the columns created_at and updated_at cannot be read")
	}
	zone, err := time.LoadLocation(cmp.Or(t.Zone, "UTC"))
	if err != nil {
		c.report([]string{"times", "zone"}, "%q is no IANA time zone", t.Zone)
	}
	t.zone = zone
	for i, format := range t.Formats {
		if !slices.Contains(namedFormats, format) && !strings.Contains(format, "2006") {
			c.report([]string{"times", "formats", strconv.Itoa(i)}, "%q is neither %s nor a layout like \"2006-01-02 15:04:05\"",
				format, strings.Join(namedFormats, ", "))
		}
	}
}

// mapsTimes reports whether any column of a list is an instant.
func (d *Definition) mapsTimes() bool {
	for _, listing := range d.Resources {
		if listing != nil && len(listing.Fields["created_at"])+len(listing.Fields["updated_at"]) > 0 {
			return true
		}
	}
	return false
}

func (c *definitionCheck) optionalPath(place []string, path string) {
	if path != "" && !wholePath(path) {
		c.report(place, "want a path like data.list")
	}
}

// wholePath reports whether a path has no empty name in it.
func wholePath(path string) bool { return !strings.Contains("."+path+".", "..") }

func (c *definitionCheck) listing(place []string, resource schema.Resource, l *Listing) {
	at := func(keys ...string) []string { return append(slices.Clone(place), keys...) }
	if !strings.HasPrefix(l.Path, "/") || path.Clean(l.Path) != l.Path {
		c.report(at("path"), "want a path below the base URL, as in /deposit/list")
	}
	switch l.Paging.Style {
	case StyleNone:
	case StylePage:
		if l.Paging.Page == "" || l.Paging.Size == "" || l.Paging.Rows < 1 {
			c.report(at("paging"), "style page needs page and size (parameters) and rows (how many to ask for)")
		}
	default:
		c.report(at("paging", "style"), "%q is not one of none, page", l.Paging.Style)
	}
	if !wholePath(l.Items) {
		c.report(at("items"), "want the path of the list of records, as in data.list")
	}
	c.optionalPath(at("paging", "total"), l.Paging.Total)
	if (l.Slices.Parameter == "") != (len(l.Slices.Values) == 0) || (l.Slices.Column != "" && l.Slices.Parameter == "") {
		c.report(at("slices"), "parameter and values go together, and a column needs both")
	}
	if slices.Contains(l.Slices.Values, "") {
		c.report(at("slices", "values"), "an empty value would ask for the whole list")
	}
	for word, status := range l.Statuses {
		if !slices.Contains(schema.Statuses(), status) {
			c.report(at("statuses", word), "%q is not one of pending, completed, failed, cancelled, unknown", status)
		}
	}
	c.fields(at, resource, l)
	l.mapping = newMapping(resource, l)
}

func (c *definitionCheck) fields(at func(...string) []string, resource schema.Resource, l *Listing) {
	columns, texts := map[string]bool{}, map[string]bool{}
	for _, column := range schema.NewRow(resource).Columns() {
		columns[column.Name] = true
		_, texts[column.Name] = column.Field.(*string)
		if _, mapped := l.Fields[column.Name]; column.Required && !mapped && l.Slices.Column != column.Name {
			c.report(at("fields"), "%s is required and has no path", column.Name)
		}
	}
	for name, paths := range l.Fields {
		if !columns[name] {
			c.report(at("fields", name), "%s have no such column", resource)
		}
		if len(paths) == 0 || slices.ContainsFunc(paths, func(p string) bool { return !wholePath(p) }) {
			c.report(at("fields", name), "want a path like amount or bank.name, or a list of them")
		}
	}
	if l.Slices.Column != "" && !texts[l.Slices.Column] {
		c.report(at("slices", "column"), "%s have no column %q that holds a text", resource, l.Slices.Column)
	}
}

// Catalog holds the definitions that accounts can use, by name.
type Catalog map[string]*Definition

// LoadCatalog reads every *.yaml file of the folders. A definition in a later folder replaces one of the same
// name in an earlier one.
func LoadCatalog(folders ...fs.FS) (Catalog, error) {
	catalog := Catalog{}
	var problems []error
	for _, folder := range folders {
		files, err := fs.Glob(folder, "*.yaml")
		if err != nil {
			return nil, fmt.Errorf("list provider definitions: %w", err)
		}
		for _, file := range files {
			data, err := fs.ReadFile(folder, file)
			if err != nil {
				problems = append(problems, &schema.Error{Class: schema.ClassConfiguration, Op: "read provider definition", Err: err})
				continue
			}
			definition, err := ParseDefinition(file, data)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			catalog[definition.Name] = definition
		}
	}
	return catalog, errors.Join(problems...)
}
