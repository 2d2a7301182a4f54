package schema

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// The instants that can be stored: DateTime64(6, 'UTC') begins in 1900 and ends in 2299, but the driver counts in
// nanoseconds and turns the year 2262 into 1677. What lies outside is stored as some other year without an error.
var (
	timeMin = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	timeMax = time.Date(2261, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
)

// Validate returns nil if the row can be stored, else an error of class ClassRecord that names every column that
// cannot. It is the only guard between a partner's text and a column: neither the driver nor the server checks
// precision, scale or range. Texts and amounts are then stored exactly as they are; instants are kept to the
// microsecond, and what is finer is cut off, not refused. The payload holds the partner's own digits.
func Validate(row Row) error {
	var problems []string
	for _, column := range row.Columns() {
		if err := column.Validate(); err != nil {
			problems = append(problems, column.Name+" "+err.Error())
		}
	}
	if balance, ok := row.(*Balance); ok && !balance.Available.Known() && !balance.Locked.Known() && !balance.Total.Known() {
		problems = append(problems, "available, locked and total are all missing")
	}
	if len(problems) > 0 {
		return &Error{Class: ClassRecord, Op: "validate record", Err: errors.New(strings.Join(problems, "; "))}
	}
	return nil
}

// Validate returns nil if what the column is bound to can be stored, else an error that says why not.
func (c Column) Validate() error {
	switch field := c.Field.(type) {
	case *string:
		if *field == "" && c.Required {
			return errMissing
		}
		return nil
	case *Amount:
		if !field.Known() && c.Required {
			return errMissing
		}
		return field.Fits()
	case *time.Time:
		return validateTime(*field, c.Required)
	}
	panic(fmt.Sprintf("schema: column %s is bound to a %T", c.Name, c.Field))
}

var errMissing = errors.New("is missing")

func validateTime(t time.Time, required bool) error {
	if t.IsZero() {
		if required {
			return errMissing
		}
		return nil
	}
	if t.Before(timeMin) || t.After(timeMax) {
		return fmt.Errorf("%s lies outside the years 1900 to 2261", t.UTC().Format(time.RFC3339))
	}
	return nil
}
