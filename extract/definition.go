package extract

import (
	"time"

	"tieout/schema"
)

// Definition is all that is known of a partner's API. It is decoded from one YAML file, which may extend another,
// by LoadCatalog or ParseDefinition; they refuse what they cannot explain. Its values are not changed afterwards.
//
// The comments of the fields are the descriptions of the JSON Schema that editors read.
type Definition struct {
	// How accounts refer to it: lower case letters, digits and _, beginning with a letter.
	Name string `yaml:"name"`
	// The definition that this one starts from: what is stated here replaces it, key by key; null takes a key away.
	Extends string `yaml:"extends"`
	// A definition to be extended: it needs no resources and no limits, and no account can use it as it is.
	Template bool `yaml:"template"`
	// The partner's name for people.
	Title string `yaml:"title"`
	// Scheme, host and path prefix of production. Left out: each account must name its own.
	BaseURL string `yaml:"base_url"`
	// What an account must have.
	Credentials []Credential `yaml:"credentials"`
	// How a request proves who sent it.
	Signing Signing `yaml:"signing"`
	// What the partner allows for a key, all at once: 100/1m is a hundred requests in any minute.
	RateLimits []Window `yaml:"rate_limits"`
	// How long a key rests after a refusal for its rate, where the partner says nothing: the longest window, unless
	// a penalty is longer, as 10m.
	Lockout Duration `yaml:"lockout"`
	// Requests of a key go one after the other.
	Serial bool `yaml:"serial"`
	// Which answers are good, and what the others mean.
	Answers Answers `yaml:"answers"`
	// How the partner writes instants.
	Times Times `yaml:"times"`
	// What the partner lists: deposits, trades, payments, balances.
	Resources map[schema.Resource]*Listing `yaml:"resources"`
}

// Answers says which answers are good and what the others mean.
type Answers struct {
	// Conditions on the body of a 2xx answer, which must all hold. None: every 2xx is a success.
	Success []Condition `yaml:"success"`
	// Where the partner's error word is in a failure; the first path that holds one counts.
	Word Paths `yaml:"word"`
	// Where its explanation is.
	Message Paths `yaml:"message"`
	// Header with the partner's name of a request, which errors and warnings repeat for its support. Left out:
	// X-Request-Id.
	RequestID string `yaml:"request_id"`
	// What refusals mean: the first rule that fits decides, and what none fits is judged by its HTTP code.
	Errors []Rule `yaml:"errors"`
}

// Condition is one demand on an answer: of equals, not, absent and empty exactly one is stated.
type Condition struct {
	// The value that is looked at, as data.status; errors.0.code is the first of a list.
	Path string `yaml:"path"`
	// It is there and reads like this, numbers and truth values as they are written.
	Equals string `yaml:"equals"`
	// It is absent, or reads otherwise.
	Not string `yaml:"not"`
	// It is absent or null.
	Absent bool `yaml:"absent"`
	// It is absent, null, "", [] or {}.
	Empty bool `yaml:"empty"`
}

// Rule gives an answer its meaning. An empty condition fits everything.
type Rule struct {
	// Any of these HTTP codes.
	HTTP []int `yaml:"http"`
	// The error word, compared without regard to case.
	Word string `yaml:"word"`
	// What to do about it. retry: the same request again, later. stream: this list cannot be read, the others go on.
	// credentials: the key is not accepted, stop using it. configuration: a person must change a setting. limit: we were
	// too fast, the whole key rests. quarantine: a record that is looked up goes to quarantine with the partner's words; a
	// page of a list is never skipped, so for a list it is the same as stream. Left to itself, HTTP 400 and 422 are
	// quarantine.
	Means Meaning `yaml:"means"`
}

// Times says how the partner writes instants.
type Times struct {
	// Tried in order: rfc3339, unix_seconds, unix_milliseconds or a layout like "2006-01-02 15:04:05".
	Formats []string `yaml:"formats"`
	// Zone of texts that carry none, by its IANA name. Left out: UTC.
	Zone string `yaml:"zone"`
	zone *time.Location
}

// Listing says how one resource is listed and what its items mean.
type Listing struct {
	// How to ask. Left out: GET.
	Method Method `yaml:"method"`
	// Below the base URL, as /deposit/list.
	Path string `yaml:"path"`
	// Parameters of every request: in the address with GET, in a JSON body with POST.
	Query map[string]string `yaml:"query"`
	// Several lists that are the resource together; each replaces path or adds to query.
	Parts []Part `yaml:"parts"`
	// One list that is read once for each value of a filter.
	Slices Slices `yaml:"slices"`
	// How a list is cut into pages.
	Paging Paging `yaml:"paging"`
	// Reads the list in spans of time, each with pages of its own.
	Spans Spans `yaml:"spans"`
	// Where the records are in an answer; empty: the answer itself.
	Items string `yaml:"items"`
	// Whether the records are a list or a map, whose keys are then the path @key.
	ItemsAs ItemsAs `yaml:"items_as"`
	// The order that the partner declares; nothing relies on it. Left out: unknown.
	Order Order `yaml:"order"`
	// Whether a record that is listed may leave the list again. yes: a proof never rests on the opposite, at the price
	// of a second pass. no or left out: the cheap proof by count assumes that none does, says so, and is given up when
	// a full pass finds that one did.
	RecordsLeave Leaving `yaml:"records_leave"`
	// Takes some of the records of a list that holds several resources.
	Split Split `yaml:"split"`
	// Where each column's value is.
	Fields map[string]Field `yaml:"fields"`
	// The partner's words and ours; a word that is not listed is unknown.
	Statuses map[string]schema.Status `yaml:"statuses"`
	// How one record is asked for.
	Detail Detail `yaml:"detail"`

	times   *Times // of the definition
	parts   []Part // Parts, or Slices, or the list alone: at least one
	mapping *mapping
}

// Part is one of several lists that are a resource together.
type Part struct {
	// Below the base URL; left out: the path of the resource.
	Path string `yaml:"path"`
	// Further parameters.
	Query map[string]string `yaml:"query"`
	// What records of this list carry in listed_under. Left out: the path.
	Label string `yaml:"label"`
}

// Slices reads a list once for each value of a filter, where the records themselves do not say what the filter
// knows. State the values in the order of a record's life: one that moves on while the slices are read is then met
// at least once.
type Slices struct {
	// The filter's parameter.
	Parameter string `yaml:"parameter"`
	// Its values.
	Values []string `yaml:"values"`
	// The column that the value feeds.
	Column string `yaml:"column"`
}

// Paging says how a list is cut into pages.
type Paging struct {
	// page: numbered pages; offset: records to skip; cursor: a token from the answer; last_id: the last record's
	// identifier; link: a ready-made address; none: one answer is the whole list.
	Style Style `yaml:"style"`
	// Parameter of the page number, of the records to skip, of the token or of the last identifier.
	Parameter string `yaml:"parameter"`
	// Number of the first page. Left out: 1.
	First *int `yaml:"first"`
	// Parameter of the page size.
	Size string `yaml:"size"`
	// Records to ask for on a page.
	Rows int `yaml:"rows"`
	// Where the count of all matching records is. Left out: the partner gives none.
	Total string `yaml:"total"`
	// The highest count that the partner ever states: a total of so many or more is no count. Left out: none.
	TotalCap uint64 `yaml:"total_cap"`
	// The count may be older than the page that carries it: it proves nothing.
	TotalCached bool `yaml:"total_cached"`
	// Where the next token or address is in the body.
	Next string `yaml:"next"`
	// Header that holds the next token or address; Link is read as RFC 8288 says.
	NextHeader string `yaml:"next_header"`
	// Where the truth value is that says whether there is more.
	More string `yaml:"more"`
	// What ends the list: total, empty (a page without records), short (one with fewer than asked, only where the
	// partner says so), more (the truth value), next (no token or address). Left out: next for cursor and link, more
	// or total where there is one, else empty.
	Stop Stop `yaml:"stop"`
}

// Spans reads a list in spans of time, for partners that limit how far one request may reach.
type Spans struct {
	// Parameter of the beginning.
	From string `yaml:"from"`
	// Parameter of the end. Left out: the list is open at the end.
	To string `yaml:"to"`
	// How long a span is, as 168h.
	Width Duration `yaml:"width"`
	// How far a span reaches into the one before, because it is not known whether bounds are included.
	Overlap Duration `yaml:"overlap"`
	// Where the first span begins, as 2020-01-01.
	Since Date `yaml:"since"`
	// How instants are written: rfc3339, unix_seconds, unix_milliseconds or a layout.
	Format string `yaml:"format"`
}

// Split takes the records of one resource out of a list that holds several. A record whose value is in neither list
// goes to quarantine, because no other resource would take it.
type Split struct {
	// What tells the resources apart.
	Path string `yaml:"path"`
	// The values of this resource.
	Take []string `yaml:"take"`
	// The values of the others.
	Leave []string `yaml:"leave"`
}

// Field says where a column's value is and how it becomes one. A text or a list of texts is short for paths.
type Field struct {
	// Places where the value may be; the first that holds one counts. @key is the key in a map of items.
	Paths Paths `yaml:"paths"`
	// The value where no path holds one.
	Constant string `yaml:"constant"`
	// Moves the decimal point: -2 turns cents into whole units.
	Shift int `yaml:"shift"`
	// What to do with the sign of an amount.
	Sign Sign `yaml:"sign"`
}

// Detail says how one record is asked for.
type Detail struct {
	// Below the base URL; {id} stands for the identifier.
	Path string `yaml:"path"`
	// Parameter of the identifier, where it is not in the path.
	Parameter string `yaml:"parameter"`
	// Where the record is in the answer.
	Item string `yaml:"item"`
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

// Needs returns the names of the credentials that an account must have.
func (d *Definition) Needs() []string {
	names := make([]string, len(d.Credentials))
	for i, credential := range d.Credentials {
		names[i] = string(credential)
	}
	return names
}
