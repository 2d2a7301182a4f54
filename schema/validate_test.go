package schema_test

import (
	"strings"
	"testing"
	"time"

	"tieout/schema"
)

// validRow returns a row of the resource in which every field is filled.
func validRow(t *testing.T, resource schema.Resource) schema.Row {
	t.Helper()
	row := schema.NewRow(resource)
	for _, column := range row.Columns() {
		switch field := column.Field.(type) {
		case *string:
			*field = "some " + column.Name
		case *schema.Amount:
			*field = amount(t, "12.5")
		case *time.Time:
			*field = time.Date(2026, 7, 1, 12, 30, 0, 123456000, time.UTC)
		default:
			t.Fatalf("column %s is bound to a %T", column.Name, column.Field)
		}
	}
	return row
}

// clearField gives a field its zero value: what the partner did not say.
func clearField(column schema.Column) {
	switch field := column.Field.(type) {
	case *string:
		*field = ""
	case *schema.Amount:
		*field = schema.Amount{}
	case *time.Time:
		*field = time.Time{}
	}
}

func field(t *testing.T, row schema.Row, name string) any {
	t.Helper()
	for _, column := range row.Columns() {
		if column.Name == name {
			return column.Field
		}
	}
	t.Fatalf("there is no column %s", name)
	return nil
}

// required is written down once more here, from the promises of the product: without these a record is none.
var required = map[schema.Resource]string{
	schema.Deposits: "deposit_id currency amount created_at",
	schema.Trades:   "trade_id from_currency from_amount to_currency to_amount created_at",
	schema.Payments: "payment_id currency amount created_at",
	schema.Balances: "currency",
}

// TestValidateMissing takes one column at a time away: a required one is named in the error, any other is allowed.
func TestValidateMissing(t *testing.T) {
	for _, resource := range schema.Resources() {
		if err := schema.Validate(validRow(t, resource)); err != nil {
			t.Errorf("%s, complete: %v", resource, err)
		}
		var missed []string
		for i := range schema.NewRow(resource).Columns() {
			row := validRow(t, resource)
			column := row.Columns()[i]
			clearField(column)
			err := schema.Validate(row)
			if err == nil {
				continue
			}
			missed = append(missed, column.Name)
			if want := "validate record: " + column.Name + " is missing"; err.Error() != want {
				t.Errorf("%s: %q, want %q", resource, err, want)
			}
			if class := schema.ClassOf(err); class != schema.ClassRecord {
				t.Errorf("%s without %s: class %s", resource, column.Name, class)
			}
		}
		if got := strings.Join(missed, " "); got != required[resource] {
			t.Errorf("%s requires %q, want %q", resource, got, required[resource])
		}
	}
}

// TestValidateNamesEveryColumn: a person who repairs a definition wants to see all of it at once.
func TestValidateNamesEveryColumn(t *testing.T) {
	err := schema.Validate(&schema.Deposit{Fee: amount(t, "1e-19")})
	const want = "validate record: deposit_id is missing; currency is missing; amount is missing; " +
		"fee has 19 digits behind the point, 18 fit; created_at is missing"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestValidateAmounts(t *testing.T) {
	huge := strings.Repeat("9", 58) + "." + strings.Repeat("9", 18)
	for _, resource := range schema.Resources() {
		for i, column := range schema.NewRow(resource).Columns() {
			if _, ok := column.Field.(*schema.Amount); !ok {
				continue
			}
			for text, fits := range map[string]bool{huge: true, "-" + huge: true, huge + "000": true, "0": true, huge + "1": false, "1" + huge: false, "1e-19": false} {
				row := validRow(t, resource)
				*row.Columns()[i].Field.(*schema.Amount) = amount(t, text)
				err := schema.Validate(row)
				if (err == nil) != fits || err != nil && !strings.Contains(err.Error(), ": "+column.Name+" has ") {
					t.Errorf("%s with %s %s: %v", resource, column.Name, text, err)
				}
			}
		}
	}
}

func TestValidateTimes(t *testing.T) {
	east := time.FixedZone("east", 14*60*60)
	for text, test := range map[string]struct {
		at   time.Time
		fits bool
	}{
		"first instant":                          {time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), true},
		"before the first":                       {time.Date(1899, 12, 31, 23, 59, 59, 999_999_000, time.UTC), false},
		"last instant":                           {time.Date(2261, 12, 31, 23, 59, 59, 999_999_000, time.UTC), true},
		"after the last":                         {time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC), false},
		"year 1900 in UTC only":                  {time.Date(1900, 1, 1, 13, 59, 59, 0, east), false}, // 1899-12-31 in UTC
		"year 2262 there only":                   {time.Date(2262, 1, 1, 13, 59, 59, 0, east), true},  // 2261-12-31 in UTC
		"the epoch is an instant":                {time.Unix(0, 0), true},
		"the server could, the driver could not": {time.Date(2262, 4, 11, 23, 47, 17, 0, time.UTC), false},
	} {
		for _, name := range []string{"created_at", "updated_at"} {
			row := validRow(t, schema.Payments)
			*field(t, row, name).(*time.Time) = test.at
			err := schema.Validate(row)
			if (err == nil) != test.fits || err != nil && !strings.Contains(err.Error(), ": "+name+" ") {
				t.Errorf("%s in %s: %v", text, name, err)
			}
		}
	}
}

// TestValidateBalance: one of the three amounts makes a balance, none of them does not.
func TestValidateBalance(t *testing.T) {
	for _, name := range []string{"available", "locked", "total"} {
		row := schema.NewRow(schema.Balances)
		row.Base().ID = "BTC"
		*field(t, row, name).(*schema.Amount) = amount(t, "0")
		if err := schema.Validate(row); err != nil {
			t.Errorf("with %s alone: %v", name, err)
		}
	}
	row := schema.NewRow(schema.Balances)
	row.Base().ID = "BTC"
	err := schema.Validate(row)
	if schema.ClassOf(err) != schema.ClassRecord || !strings.Contains(err.Error(), "available, locked and total are all missing") {
		t.Errorf("without any amount: %v", err)
	}
}
