package schema_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"tieout/schema"
)

func TestErrorText(t *testing.T) {
	cause := errors.New("404 Not Found")
	for want, err := range map[string]*schema.Error{
		"404 Not Found":                        {Err: cause},
		"fetch page 7: 404 Not Found":          {Op: "fetch page 7", Err: cause},
		"404 Not Found (is it a typo?)":        {Hint: "is it a typo?", Err: cause},
		"404 Not Found [request r-1]":          {Request: "r-1", Err: cause},
		"fetch: 404 Not Found [request r] (h)": {Op: "fetch", Hint: "h", Request: "r", Err: cause},
		"fetch page 7: 404 Not Found (a typo)": {Op: "fetch page 7", Hint: "a typo", Err: cause, Class: schema.ClassStream},
	} {
		if got := err.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if !errors.Is(err, cause) {
			t.Errorf("%q lost its cause", err)
		}
	}
}

func TestClassOf(t *testing.T) {
	of := func(class schema.Class, cause error) error { return &schema.Error{Class: class, Err: cause} }
	plain := errors.New("plain")
	for name, test := range map[string]struct {
		err  error
		want schema.Class
	}{
		"nothing":                      {nil, schema.ClassUnclassified},
		"plain":                        {plain, schema.ClassUnclassified},
		"classified":                   {of(schema.ClassRecord, plain), schema.ClassRecord},
		"wrapped":                      {fmt.Errorf("a: %w", fmt.Errorf("b: %w", of(schema.ClassStream, plain))), schema.ClassStream},
		"the outer one counts":         {of(schema.ClassUnavailable, fmt.Errorf("again: %w", of(schema.ClassTransient, plain))), schema.ClassUnavailable},
		"joined":                       {errors.Join(plain, of(schema.ClassCredentials, plain)), schema.ClassCredentials},
		"joined, the first counts":     {errors.Join(of(schema.ClassConfiguration, plain), of(schema.ClassRecord, plain)), schema.ClassConfiguration},
		"two causes":                   {fmt.Errorf("%w; and %w", plain, of(schema.ClassTransient, plain)), schema.ClassTransient},
		"cancelled":                    {context.Canceled, schema.ClassCancelled},
		"cancelled, wrapped":           {fmt.Errorf("query: %w", errors.Join(plain, context.Canceled)), schema.ClassCancelled},
		"a deadline is not a stop":     {context.DeadlineExceeded, schema.ClassUnclassified},
		"cancelled, but classified":    {of(schema.ClassUnavailable, context.Canceled), schema.ClassUnavailable},
		"classified as not classified": {of(schema.ClassUnclassified, context.Canceled), schema.ClassUnclassified},
	} {
		if got := schema.ClassOf(test.err); got != test.want {
			t.Errorf("%s is %s, want %s", name, got, test.want)
		}
	}
}

// TestClassWords: the words stand in logs and in sync_runs.error_class.
func TestClassWords(t *testing.T) {
	for class, want := range map[schema.Class]string{
		schema.ClassUnclassified: "unclassified", schema.ClassTransient: "transient", schema.ClassRecord: "record",
		schema.ClassStream: "stream", schema.ClassCredentials: "credentials", schema.ClassUnavailable: "unavailable",
		schema.ClassConfiguration: "configuration", schema.ClassCancelled: "cancelled",
	} {
		if got := class.String(); got != want {
			t.Errorf("class %d is %q, want %q", int(class), got, want)
		}
	}
}
