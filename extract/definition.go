package extract

import (
	"time"

	"tieout/schema"
)

// Definition is all that is known of a partner's API. It is decoded from one YAML file by ParseDefinition, which
// refuses what it cannot explain; the values are not changed afterwards.
type Definition struct {
	Name        string                       `yaml:"name"`        // how accounts refer to it: lower case, digits, _
	Title       string                       `yaml:"title"`       // the partner's name for people
	BaseURL     string                       `yaml:"base_url"`    // scheme, host and path prefix of production; empty: each account must say
	Credentials []string                     `yaml:"credentials"` // what an account must have: api_key, api_secret, email
	Signing     Signing                      `yaml:"signing"`
	RateLimits  []Window                     `yaml:"rate_limits"` // per key, all at once
	Answers     Answers                      `yaml:"answers"`
	Times       Times                        `yaml:"times"`
	Resources   map[schema.Resource]*Listing `yaml:"resources"`
}

// Answers says which answers are good and what the others mean.
type Answers struct {
	Success Success `yaml:"success"`
	Word    string  `yaml:"word"`    // path of the partner's error word in a failure
	Message string  `yaml:"message"` // path of its explanation
	Errors  []Rule  `yaml:"errors"`  // the first rule that fits decides; what none fits is judged by its HTTP code
}

// Success is the condition on the body of a 2xx answer. Without a path every 2xx is a success.
type Success struct {
	Path   string `yaml:"path"`
	Equals string `yaml:"equals"`
}

// Rule gives an answer its meaning. An empty condition fits everything.
type Rule struct {
	HTTP  []int   `yaml:"http"`  // any of these codes
	Word  string  `yaml:"word"`  // the error word, compared without regard to case
	Means Meaning `yaml:"means"` // what to do
}

// Meaning is what to do about a refused request.
type Meaning string

// The meanings.
const (
	MeansRetry       Meaning = "retry"       // the same request again, later
	MeansStream      Meaning = "stream"      // this list cannot be read; the others go on
	MeansCredentials Meaning = "credentials" // the partner does not accept the key: stop using it
)

// Times says how the partner writes instants.
type Times struct {
	Formats []string `yaml:"formats"` // rfc3339, unix_seconds, unix_milliseconds or a layout of Go's time package; tried in order
	Zone    string   `yaml:"zone"`    // of texts that carry none; an IANA name, UTC unless told
	zone    *time.Location
}

// Listing says how one resource is listed and what its items mean.
type Listing struct {
	Path     string                   `yaml:"path"`  // below the base URL
	Query    map[string]string        `yaml:"query"` // parameters of every request
	Paging   Paging                   `yaml:"paging"`
	Slices   Slices                   `yaml:"slices"`
	Items    string                   `yaml:"items"`    // path of the array of records
	Fields   map[string]Paths         `yaml:"fields"`   // column -> where its value is
	Statuses map[string]schema.Status `yaml:"statuses"` // the partner's word -> ours; a word that is not listed is unknown
	mapping  *mapping
}

// Paging says how a list is cut into pages.
type Paging struct {
	Style Style  `yaml:"style"`
	Page  string `yaml:"page"`  // parameter of the page number, from 1
	Size  string `yaml:"size"`  // parameter of the page size
	Rows  int    `yaml:"rows"`  // the page size to ask for
	Total string `yaml:"total"` // path of the count of all matching records; empty: the partner gives none
}

// Style is a way of paging.
type Style string

// The styles.
const (
	StyleNone Style = "none" // one answer holds the whole list
	StylePage Style = "page" // numbered pages
)

// Slices reads a list once for each value of a filter, where the records themselves do not say what the filter
// knows. The values are in the order of a record's life: a record that moves on while the slices are read is
// then met at least once.
type Slices struct {
	Parameter string   `yaml:"parameter"`
	Values    []string `yaml:"values"`
	Column    string   `yaml:"column"` // the column that the value feeds
}

// Paths are the places where a value may be, the first that holds one counts. In YAML one text or a list.
type Paths []string

// UnmarshalYAML reads a single path or a list of them.
func (p *Paths) UnmarshalYAML(decode func(any) error) error {
	var one string
	if err := decode(&one); err == nil {
		*p = Paths{one}
		return nil
	}
	var many []string
	if err := decode(&many); err != nil {
		return err
	}
	*p = many
	return nil
}

// Lists returns the resources that the partner offers, in the order in which people read them.
func (d *Definition) Lists() []schema.Resource {
	var resources []schema.Resource
	for _, resource := range schema.Resources() {
		if d.Resources[resource] != nil {
			resources = append(resources, resource)
		}
	}
	return resources
}
