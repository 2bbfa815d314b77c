package sallyport

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what an error means for the caller. There are exactly two maps
// from kinds: to HTTP status codes in api/problem.go, and to retries in
// activities/retry.go.
type Kind string

// The kinds of error.
const (
	Invalid         Kind = "invalid"         // the request is malformed; sending it again will not help
	Unauthenticated Kind = "unauthenticated" // no valid token of an agent or a person in the identity table
	Denied          Kind = "denied"          // policy, an approver or a fixed rule denied it
	Conflict        Kind = "conflict"        // the state of the call or the freeze does not allow it
	NotFound        Kind = "not-found"       // it does not exist, or the caller may not see it
	Frozen          Kind = "frozen"          // a freeze stops it
	Unavailable     Kind = "unavailable"     // a dependency is out of reach; sending it again may help
	Internal        Kind = "internal"        // a fault of the gateway
)

// Error is an error whose kind, code and message may be shown to the caller.
// The wrapped error is for operators and never leaves the gateway.
type Error struct {
	Kind       Kind          `json:"kind"`
	Code       string        `json:"code,omitempty"`    // stable, snake_case
	Message    string        `json:"message"`           // what failed, on which object, and what to do
	Fields     []Field       `json:"fields,omitempty"`  // one per invalid member of the request
	Reasons    []Reason      `json:"reasons,omitempty"` // policy's reasons
	CallID     string        `json:"call_id,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	Err        error         `json:"-"`
}

// Field names one invalid member by its JSON Pointer (RFC 6901).
type Field struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// Reason is why a rule decided so, with a stable code.
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
