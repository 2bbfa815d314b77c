// Package strict decodes untrusted documents: JSON from agents, YAML from
// operators. It rejects what two parsers could read in two ways, and every error
// says where in the document it is. It also checks that only the gateway can use a
// file that holds a secret, and which addresses are this machine's alone.
package strict

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sallyport/sallyport"
)

// Limits bound a JSON document.
type Limits struct {
	Depth  int // nested objects and arrays
	Tokens int // names, values, and the start and end of objects and arrays
}

// DefaultLimits suit a request body of at most 64 KiB. The tokens bound what a
// policy costs that looks at every value.
var DefaultLimits = Limits{Depth: 32, Tokens: 4096} //nolint:gochecknoglobals // a constant in all but form

// TakenLimits are for what was taken already, and may have been when bodies had
// more tokens: calls that wait for people, and what is recorded of calls.
var TakenLimits = Limits{Depth: 32, Tokens: 16384} //nolint:gochecknoglobals // a constant in all but form

// maxSafeInteger is the largest integer that every JSON implementation reads
// exactly (RFC 7493, section 2.2).
const maxSafeInteger = 1<<53 - 1

// JSON checks that data is one JSON value without duplicate names, invalid
// UTF-8, trailing data or numbers that implementations read differently, and
// returns it in canonical form (RFC 8785). Errors are of kind
// [sallyport.Invalid] and carry the JSON Pointer of what is wrong.
func JSON(data []byte, limits Limits) ([]byte, error) {
	if err := scan(data, limits); err != nil {
		return nil, err
	}
	v := jsontext.Value(bytes.Clone(data))
	if err := v.Canonicalize(); err != nil {
		return nil, decoderFault("", err)
	}
	return v, nil
}

func scan(data []byte, limits Limits) error {
	d := jsontext.NewDecoder(bytes.NewReader(data))
	for tokens := 1; ; tokens++ {
		t, err := d.ReadToken()
		switch {
		case errors.Is(err, io.EOF):
			return fault("", "there is no JSON value")
		case err != nil:
			return decoderFault(d.StackPointer(), err)
		case tokens > limits.Tokens:
			return fault(d.StackPointer(), "there are more than %d tokens", limits.Tokens)
		case d.StackDepth() > limits.Depth:
			return fault(d.StackPointer(), "values are nested more than %d deep", limits.Depth)
		case t.Kind() == '0' && !exact(t):
			return fault(d.StackPointer(), "the number %.40s can't be read exactly everywhere: integers go to ±(2^53-1), and others must be finite", t.String())
		}
		if d.StackDepth() == 0 {
			break
		}
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return fault("", "there is something after the JSON value")
	}
	return nil
}

// exact reports whether every reader makes the same number of a literal.
func exact(t jsontext.Token) bool {
	s := t.String()
	if len(s) > 32 {
		return false
	}
	if !strings.ContainsAny(s, ".eE") {
		i, err := t.Int()
		return err == nil && i >= -maxSafeInteger && i <= maxSafeInteger
	}
	f, err := t.Float()
	return err == nil && f >= -maxSafeInteger && f <= maxSafeInteger
}

// Decode reads JSON into v. It rejects names that v doesn't have, or that differ
// in case.
func Decode(data []byte, v any) error {
	err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if s, ok := errors.AsType[*json.SemanticError](err); ok {
		detail := "this has the wrong type"
		switch {
		case errors.Is(err, json.ErrUnknownName):
			detail = "there is no such member"
		case s.GoType != nil:
			detail = "this must be " + kindName(s.GoType.Kind().String())
		}
		return fault(s.JSONPointer, "%s", detail)
	}
	return decoderFault("", err)
}

func kindName(kind string) string {
	switch {
	case kind == "struct" || kind == "map":
		return "an object"
	case kind == "slice" || kind == "array":
		return "an array"
	case kind == "bool":
		return "true or false"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "a whole number"
	default:
		return "a " + kind
	}
}

// Canonical marshals v in canonical form (RFC 8785).
func Canonical(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	c := jsontext.Value(b)
	return c, c.Canonicalize()
}

// decoderFault makes a fault of an error of the JSON decoder.
func decoderFault(at jsontext.Pointer, err error) error {
	if s, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if s.JSONPointer != "" {
			at = s.JSONPointer
		}
		err = s.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fault(at, "the JSON ends too early")
	}
	return fault(at, "%s", strings.TrimPrefix(err.Error(), "jsontext: "))
}

func fault(at jsontext.Pointer, format string, args ...any) error {
	e := sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadJSON, format, args...)
	e.Fields = []sallyport.Field{{Pointer: string(at), Detail: e.Message}}
	return e
}
