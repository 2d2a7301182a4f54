package schema

import (
	"context"
	"errors"
)

// Class says what to do next about an error. It is given once, at the edge where the error arose; everybody else
// acts on it and looks at no code and no text.
type Class int

// The classes.
const (
	ClassUnclassified  Class = iota // not thought of yet: acts like ClassStream and is logged as a fault of ours
	ClassTransient                  // the same call again may succeed: the retry wrapper acts
	ClassRecord                     // this record only: it goes to rejected_records
	ClassStream                     // this stream cannot go on; the others do
	ClassCredentials                // the partner does not accept the account: all its streams stop
	ClassUnavailable                // a service was still out of reach after every retry: later may help
	ClassConfiguration              // a person must change a setting first
	ClassCancelled                  // we were told to stop
)

var classNames = [...]string{"unclassified", "transient", "record", "stream", "credentials", "unavailable", "configuration", "cancelled"}

// String returns the word for logs and tables.
func (c Class) String() string { return classNames[c] }

// Error is an error with its class.
type Error struct {
	Class   Class  // what to do next
	Op      string // what was being done, as "fetch coinut_main/deposits page 7"; may be empty
	Hint    string // what a person can do about it; may be empty
	Request string // the partner's name of the request, by which its support finds it; may be empty
	Err     error  // the cause; its text holds no secret
}

// Error implements error: operation, cause, request and hint in one line.
func (e *Error) Error() string {
	text := e.Err.Error()
	if e.Op != "" {
		text = e.Op + ": " + text
	}
	if e.Request != "" {
		text += " [request " + e.Request + "]"
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of the outermost classified error in the chain. A cancelled context is
// ClassCancelled whoever reports it, unless somebody classified it on the way.
func ClassOf(err error) Class {
	if classified, ok := errors.AsType[*Error](err); ok {
		return classified.Class
	}
	if errors.Is(err, context.Canceled) {
		return ClassCancelled
	}
	return ClassUnclassified
}
