package schema_test

import (
	"strings"
	"testing"

	"tieout/schema"
)

func TestParseResource(t *testing.T) {
	for _, resource := range schema.Resources() {
		if parsed, err := schema.ParseResource(string(resource)); err != nil || parsed != resource {
			t.Errorf("%s became %q, %v", resource, parsed, err)
		}
	}
	for _, name := range []string{"", "Deposits", "deposit", "deposits ", "withdrawals"} {
		parsed, err := schema.ParseResource(name)
		if err == nil || parsed != "" {
			t.Errorf("%q became %q", name, parsed)
			continue
		}
		for _, resource := range schema.Resources() {
			if !strings.Contains(err.Error(), string(resource)) {
				t.Errorf("%q: the error does not offer %s: %v", name, resource, err)
			}
		}
	}
}

func TestStream(t *testing.T) {
	stream := schema.Stream{Account: "kuna_main", Provider: "kuna", Resource: schema.Deposits}
	if got := stream.String(); got != "kuna_main/deposits" {
		t.Errorf("shows as %s", got)
	}
}

// TestStatuses: the five words are promised to analysts, in the comment of every status column.
func TestStatuses(t *testing.T) {
	var words []string
	for _, status := range schema.Statuses() {
		words = append(words, string(status))
	}
	if got := strings.Join(words, " "); got != "pending completed failed cancelled unknown" {
		t.Errorf("statuses are %s", got)
	}
}

// TestColumnsAreBound: what is written through a column is what the record itself shows.
func TestColumnsAreBound(t *testing.T) {
	for _, resource := range schema.Resources() {
		row := validRow(t, resource)
		record, seen := row.Base(), map[string]bool{}
		for _, column := range row.Columns() {
			if seen[column.Name] {
				t.Errorf("%s has the column %s twice", resource, column.Name)
			}
			seen[column.Name] = true
		}
		if record.ID == "" || record.ID != "some "+row.Columns()[0].Name {
			t.Errorf("the id of %s is %q, its first column is %s", resource, record.ID, row.Columns()[0].Name)
		}
		if resource != schema.Balances && (record.CreatedAt.IsZero() || record.UpdatedAt.IsZero() || record.ProviderStatus != "some provider_status") {
			t.Errorf("%s: the columns do not reach the record: %+v", resource, record)
		}
		// Two columns on one field would overwrite each other.
		fields := map[any]string{}
		for _, column := range row.Columns() {
			if other, ok := fields[column.Field]; ok {
				t.Errorf("%s: %s and %s share a field", resource, column.Name, other)
			}
			fields[column.Field] = column.Name
		}
	}
}

func TestNewRowOfNothing(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("there is a row of withdrawals")
		}
	}()
	schema.NewRow("withdrawals")
}
