package sallyport

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what an error means for whoever asked. There are exactly two maps
// from kinds: to HTTP status codes in api/problem.go, and to retries in
// activities/retry.go.
type Kind string

// The kinds of error.
const (
	Invalid         Kind = "invalid"         // what was asked is malformed; asking again will not help
	Unauthenticated Kind = "unauthenticated" // nobody we know asked
	Denied          Kind = "denied"          // policy, a person or a rule of ours said no
	Conflict        Kind = "conflict"        // it does not fit what already happened
	NotFound        Kind = "not-found"       // no such thing, or not for the asker to see
	Frozen          Kind = "frozen"          // an operator stopped this
	Unavailable     Kind = "unavailable"     // something we need is out of reach; asking again may help
	Internal        Kind = "internal"        // we are at fault
)

// Error is an error whose kind, code and message may be shown to the asker.
// The wrapped error is for operators and never leaves the gateway.
type Error struct {
	Kind       Kind          `json:"kind"`
	Code       string        `json:"code,omitempty"`    // stable, snake_case
	Message    string        `json:"message"`           // what was wrong, where, and what to do
	Fields     []Field       `json:"fields,omitempty"`  // one per wrong member of what was sent
	Reasons    []Reason      `json:"reasons,omitempty"` // what policy said
	CallID     string        `json:"call_id,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	Err        error         `json:"-"`
}

// Field names one wrong member by its JSON Pointer (RFC 6901).
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Reason is one rule's word, by a stable code.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Errorf makes an error of a kind. Like [fmt.Errorf] it wraps what %w names.
func Errorf(kind Kind, code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// AsError finds the [Error] in err's chain, or makes an [Internal] one of it.
// It returns nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: CodeInternal, Message: "internal error", Err: err}
}

// KindOf is the kind of err; an error that has none is [Internal].
func KindOf(err error) Kind {
	if e := AsError(err); e != nil {
		return e.Kind
	}
	return ""
}

// CodeOf is the code of err, or "".
func CodeOf(err error) string {
	if e := AsError(err); e != nil {
		return e.Code
	}
	return ""
}
