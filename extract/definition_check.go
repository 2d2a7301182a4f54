package extract

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tieout/schema"
)

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// definition checks what the shape alone does not show, and completes the definition.
func (c *definitionCheck) definition(d *Definition) {
	if !nameForm.MatchString(d.Name) {
		c.report([]string{"name"}, "want lower case letters, digits and _, beginning with a letter")
	}
	if d.BaseURL != "" {
		if err := checkBaseURL(d.BaseURL); err != nil {
			c.report([]string{"base_url"}, "%v", err)
		}
	}
	c.signing(d)
	unfinished := d.Template && len(d.Resources) == 0
	if len(d.RateLimits) == 0 && !unfinished {
		c.report([]string{"rate_limits"}, "is missing: state the partner's limits, or a careful guess, as in 60/1m")
	}
	c.answers(&d.Answers)
	c.times(d)
	if len(d.Resources) == 0 && !unfinished {
		c.report([]string{"resources"}, "is missing: nothing would be listed")
	}
	for resource, listing := range d.Resources {
		place := []string{"resources", string(resource)}
		if _, err := schema.ParseResource(string(resource)); err != nil {
			c.report(place, "%v", err)
		} else if listing == nil {
			c.report(place, "is empty")
		} else {
			listing.times = &d.Times
			c.listing(place, resource, listing)
			c.split(place, d, listing)
		}
	}
}

func (c *definitionCheck) answers(a *Answers) {
	a.RequestID = cmp.Or(a.RequestID, "X-Request-Id")
	for i, condition := range a.Success {
		place := []string{"answers", "success", strconv.Itoa(i)}
		stated := 0
		for _, is := range []bool{condition.Equals != "", condition.Not != "", condition.Absent, condition.Empty} {
			if is {
				stated++
			}
		}
		if condition.Path == "" || stated != 1 {
			c.report(place, "needs a path and exactly one of equals, not, absent and empty")
		}
		c.optionalPaths(below(place, "path"), condition.Path)
	}
	c.optionalPaths([]string{"answers", "word"}, a.Word...)
	c.optionalPaths([]string{"answers", "message"}, a.Message...)
	for i, rule := range a.Errors {
		place := []string{"answers", "errors", strconv.Itoa(i)}
		if rule.Means == "" {
			c.report(place, "means is missing: want one of %s", strings.Join(rule.Means.Values(), ", "))
		}
		if len(rule.HTTP) == 0 && rule.Word == "" {
			c.report(place, "needs a condition: http or word")
		}
		if rule.Word != "" && len(a.Word) == 0 {
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
		c.timeFormat([]string{"times", "formats", strconv.Itoa(i)}, format)
	}
}

func (c *definitionCheck) timeFormat(place []string, format string) {
	if !slices.Contains(namedFormats, format) && !strings.Contains(format, "2006") {
		c.report(place, "%q is neither %s nor a layout like \"2006-01-02 15:04:05\"", format, strings.Join(namedFormats, ", "))
	}
}

// mapsTimes reports whether any column of a list is an instant.
func (d *Definition) mapsTimes() bool {
	for _, listing := range d.Resources {
		if listing == nil {
			continue
		}
		for _, column := range []string{"created_at", "updated_at"} {
			if field := listing.Fields[column]; len(field.Paths) > 0 || field.Constant != "" {
				return true
			}
		}
	}
	return false
}

// optionalPaths reports paths with an empty name in them; an empty path is none.
func (c *definitionCheck) optionalPaths(place []string, paths ...string) {
	for _, path := range paths {
		if path != "" && !wholePath(path) {
			c.report(place, "want a path like data.list")
		}
	}
}

// wholePath reports whether a path has no empty name in it.
func wholePath(path string) bool { return !strings.Contains("."+path+".", "..") }

// checkPath reports a place below the base URL that is none.
func (c *definitionCheck) checkPath(place []string, text string) {
	if !strings.HasPrefix(text, "/") || path.Clean(text) != text {
		c.report(place, "want a path below the base URL, as in /deposit/list")
	}
}

func (c *definitionCheck) listing(place []string, resource schema.Resource, l *Listing) {
	at := func(keys ...string) []string { return append(slices.Clone(place), keys...) }
	if l.Method == "" {
		l.Method = MethodGet
	}
	if l.ItemsAs == "" {
		l.ItemsAs = ItemsList
	}
	c.lists(at, l)
	c.paging(at, l)
	c.spans(at, l)
	if l.Items != "" && !wholePath(l.Items) {
		c.report(at("items"), "want the path of the records, as in data.list")
	}
	for word, status := range l.Statuses {
		if !slices.Contains(schema.Statuses(), status) {
			c.report(at("statuses", word), "%q is not one of pending, completed, failed, cancelled, unknown", status)
		}
		for other := range l.Statuses {
			if word < other && strings.EqualFold(word, other) && status != l.Statuses[other] {
				c.report(at("statuses", other), "is %s, and %s is %s: words are compared without regard to case", l.Statuses[other], word, status)
			}
		}
	}
	for _, value := range l.Split.Take {
		if slices.Contains(l.Split.Leave, value) {
			c.report(at("split", "leave"), "%q is taken and left", value)
		}
	}
	if (l.Split.Path == "") != (len(l.Split.Take) == 0) || (l.Split.Path == "" && len(l.Split.Leave) > 0) {
		c.report(at("split"), "path and take go together")
	}
	c.optionalPaths(at("split", "path"), l.Split.Path)
	c.detail(at, l)
	c.fields(at, resource, l)
	l.mapping = newMapping(resource, l)
}

// split reports records that this resource leaves and no other takes: nobody would ever store them.
func (c *definitionCheck) split(place []string, d *Definition, l *Listing) {
	for _, value := range l.Split.Leave {
		taken := slices.ContainsFunc(slices.Collect(maps.Values(d.Resources)), func(other *Listing) bool {
			return other != nil && other.Path == l.Path && slices.Contains(other.Split.Take, value)
		})
		if !taken {
			c.report(append(slices.Clone(place), "split", "leave"), "%q is taken by no other resource of %s: its records would be lost", value, l.Path)
		}
	}
}

// lists checks what is read for the resource, and fills in the parts.
func (c *definitionCheck) lists(at func(...string) []string, l *Listing) {
	if l.Path != "" || len(l.Parts) == 0 {
		c.checkPath(at("path"), l.Path)
	}
	if (l.Slices.Parameter == "") != (len(l.Slices.Values) == 0) || (l.Slices.Column != "" && l.Slices.Parameter == "") {
		c.report(at("slices"), "parameter and values go together, and a column needs both")
	}
	if slices.Contains(l.Slices.Values, "") {
		c.report(at("slices", "values"), "an empty value would ask for the whole list")
	}
	if len(l.Parts) > 0 && len(l.Slices.Values) > 0 {
		c.report(at("slices"), "cannot be combined with parts")
	}
	for i, part := range l.Parts {
		if part.Path == "" {
			part.Path = l.Path
		}
		c.checkPath(at("parts", strconv.Itoa(i), "path"), part.Path)
		part.Label = cmp.Or(part.Label, part.Path)
		if slices.ContainsFunc(l.parts, func(other Part) bool { return other.Label == part.Label }) {
			c.report(at("parts", strconv.Itoa(i), "label"), "%s is the label of a part before: their records could not be told apart", part.Label)
		}
		l.parts = append(l.parts, part)
	}
	for _, value := range l.Slices.Values {
		l.parts = append(l.parts, Part{Path: l.Path, Query: map[string]string{l.Slices.Parameter: value}, Label: value})
	}
	if len(l.parts) == 0 {
		l.parts = []Part{{Path: l.Path}}
	}
}

func (c *definitionCheck) detail(at func(...string) []string, l *Listing) {
	if l.Detail.Path == "" {
		if l.Detail.Parameter != "" || l.Detail.Item != "" {
			c.report(at("detail", "path"), "is missing")
		}
		return
	}
	c.checkPath(at("detail", "path"), l.Detail.Path)
	if strings.Contains(l.Detail.Path, "{id}") == (l.Detail.Parameter != "") {
		c.report(at("detail"), "wants the identifier either in the path, as {id}, or in a parameter")
	}
	c.optionalPaths(at("detail", "item"), l.Detail.Item)
}

// constant reports a constant that its column cannot hold: every record would go to quarantine for it.
func (c *definitionCheck) constant(place []string, times *Times, column schema.Column, field Field) {
	if field.Constant == "" {
		return
	}
	if _, instant := column.Field.(*time.Time); instant && len(times.Formats) == 0 {
		return // that is said of times
	}
	mapped := reader{def: &Definition{Times: *times}}
	err := mapped.set(column, field, field.Constant)
	if err == nil {
		err = column.Validate()
	}
	if err != nil {
		c.report(below(place, "constant"), "%v", err)
	}
}

func (c *definitionCheck) fields(at func(...string) []string, resource schema.Resource, l *Listing) {
	columns := map[string]schema.Column{}
	for _, column := range schema.NewRow(resource).Columns() {
		columns[column.Name] = column
		if _, mapped := l.Fields[column.Name]; column.Required && !mapped && l.Slices.Column != column.Name {
			c.report(at("fields"), "%s is required and has no path", column.Name)
		}
	}
	for name, field := range l.Fields {
		column, known := columns[name]
		if !known {
			c.report(at("fields", name), "%s have no such column", resource)
			continue
		}
		if (len(field.Paths) == 0 && field.Constant == "") || slices.ContainsFunc(field.Paths, func(p string) bool { return !wholePath(p) }) {
			c.report(at("fields", name), "want a path like amount or bank.name, or a list of them")
		}
		c.constant(at("fields", name), l.times, column, field)
		if _, amount := column.Field.(*schema.Amount); !amount && (field.Shift != 0 || field.Sign != "") {
			c.report(at("fields", name), "shift and sign are for amounts")
		}
		if field.Shift < -30 || field.Shift > 30 {
			c.report(at("fields", name, "shift"), "moves the point by more than 30 digits")
		}
	}
	if _, text := columns[l.Slices.Column].Field.(*string); l.Slices.Column != "" && !text {
		c.report(at("slices", "column"), "%s have no column %q that holds a text", resource, l.Slices.Column)
	}
}
