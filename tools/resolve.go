package tools

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// maxFields is how many wrong arguments an error names.
const maxFields = 32

// Resolve makes an intent of a call. Its meaning comes from the manifest and the
// checked arguments alone, never from the agent's own words.
//
// A tool that isn't in the catalogue is an error of kind [sallyport.NotFound]
// and code "unknown_tool"; arguments that don't fit the schema are of kind
// [sallyport.Invalid] and code "invalid_arguments", with a field for each.
func (c *Catalogue) Resolve(call sallyport.Call, agent sallyport.Agent) (sallyport.Intent, error) {
	if agent.ID == "" || agent.ID != call.AgentID || agent.Account != call.Account {
		return sallyport.Intent{}, sallyport.Errorf(sallyport.Denied, sallyport.CodeOtherAgent, "the call belongs to another agent")
	}
	e, ok := c.entries[call.Tool]
	if !ok {
		return sallyport.Intent{}, sallyport.Errorf(sallyport.NotFound, sallyport.CodeUnknownTool, "there is no tool %.64q", call.Tool)
	}
	arguments, err := e.arguments(call.Arguments)
	if err != nil {
		return sallyport.Intent{}, err
	}
	m := e.manifest
	if !slices.Equal(call.Redact, m.Redact.Arguments) || len(call.Redact) > 0 && len(call.Seal) == 0 {
		return sallyport.Intent{}, sallyport.Errorf(sallyport.Conflict, sallyport.CodeOtherManifest,
			"the API accepted the call with another manifest of tool %q, which redacts other arguments; make the call again", m.Name)
	}
	word := func(value string) string {
		s, _ := newSource(value)
		return s.value(arguments)
	}
	return sallyport.Intent{
		CallID: call.ID, Agent: agent, Stated: call.Stated,
		Tool: sallyport.ToolRef{
			Name: m.Name, Digest: m.digest, ReadOnly: m.Risk.ReadOnly, Destructive: m.Risk.Destructive, Image: m.image(),
		},
		Arguments: call.Arguments,
		Action:    word(m.Mapping.Action), Resource: word(m.Mapping.Resource),
		Namespace: word(m.Mapping.Namespace), Name: word(m.Mapping.Name),
		At: call.ReceivedAt, Redact: m.Redact, Seal: call.Seal,
	}, nil
}

// arguments decodes and checks a call's arguments.
func (e entry) arguments(raw json.RawMessage) (map[string]any, error) {
	canonical, err := strict.JSON(raw, strict.TakenLimits)
	if err != nil {
		return nil, malformed(err)
	}
	if !sameJSON(canonical, raw) {
		return nil, invalid(sallyport.Field{Pointer: "/arguments", Detail: "this is not in canonical form (RFC 8785)"})
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(canonical))
	if err != nil {
		return nil, malformed(err)
	}
	if err := e.schema.Validate(v); err != nil {
		return nil, misfit(err)
	}
	arguments, ok := v.(map[string]any)
	if !ok {
		return nil, invalid(sallyport.Field{Pointer: "/arguments", Detail: "this must be an object"})
	}
	return arguments, nil
}

// sameJSON reports whether raw is the canonical form, or what encoding/json
// makes of it on its way through another struct: that escapes <, > and &.
func sameJSON(canonical, raw []byte) bool {
	if bytes.Equal(canonical, raw) {
		return true
	}
	var escaped bytes.Buffer
	json.HTMLEscape(&escaped, canonical)
	return bytes.Equal(escaped.Bytes(), raw)
}

// malformed moves the pointers of an error below /arguments.
func malformed(err error) error {
	e := sallyport.AsError(err)
	var fields []sallyport.Field
	for _, f := range e.Fields {
		fields = append(fields, sallyport.Field{Pointer: "/arguments" + f.Pointer, Detail: f.Detail})
	}
	if fields == nil {
		fields = []sallyport.Field{{Pointer: "/arguments", Detail: "this is not JSON"}}
	}
	return invalid(fields...)
}

func invalid(fields ...sallyport.Field) error {
	e := sallyport.Errorf(sallyport.Invalid, sallyport.CodeInvalidArguments, "the arguments do not fit the tool's schema: %s: %s", fields[0].Pointer, fields[0].Detail)
	e.Fields = fields
	return e
}

// CheckResult compares what a tool returned with its manifest's result. The error
// of one that does not fit says where, and does not quote it: the text of a result
// is untrusted, and perhaps secret.
func (c *Catalogue) CheckResult(tool string, result json.RawMessage) error {
	e := c.entries[tool]
	if e.result == nil {
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(result))
	if err == nil {
		err = e.result.Validate(v)
	}
	if err == nil {
		return nil
	}
	at := ""
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		at = e.manifest.spelt(deepest(invalid).InstanceLocation)
	}
	return sallyport.Errorf(sallyport.Invalid, sallyport.CodeResultWithheld, "the call succeeded; its result is withheld, because it does not fit the manifest's result at %q", at)
}

// spelt points at a place in a result, as far as the manifest spells it. Another
// name is the tool's own text, as is all within a part that is redacted.
func (m Manifest) spelt(at []string) string {
	var schema any
	if json.Unmarshal(m.result, &schema) != nil {
		return ""
	}
	place := ""
	for _, token := range at {
		of, _ := schema.(map[string]any)
		properties, _ := of["properties"].(map[string]any)
		below, ok := properties[token]
		if !ok && of["type"] == "array" {
			below, ok = of["items"]
		}
		if !ok || slices.Contains(m.Redact.Result, place) {
			break
		}
		schema, place = below, place+step(token)
	}
	return place
}

// deepest is the first error without causes.
func deepest(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	return e
}

// misfit turns the validator's tree of errors into fields, sorted.
func misfit(err error) error {
	v, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return sallyport.Errorf(sallyport.Internal, sallyport.CodeSchema, "cannot check the arguments: %w", err)
	}
	fields := collect(nil, v)
	slices.SortFunc(fields, func(a, b sallyport.Field) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Detail, b.Detail))
	})
	fields = slices.Compact(fields)
	return invalid(fields[:min(len(fields), maxFields)]...)
}

func collect(fields []sallyport.Field, e *jsonschema.ValidationError) []sallyport.Field {
	add := func(detail string, more ...string) {
		fields = append(fields, sallyport.Field{Pointer: pointer(append(slices.Clone(e.InstanceLocation), more...)), Detail: detail})
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		for _, name := range k.Missing {
			add("this is required", name)
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			add("there is no such argument", name)
		}
	case *kind.AnyOf, *kind.OneOf, *kind.Not, *kind.Contains:
		add(detail(e.ErrorKind))
	default:
		for _, cause := range e.Causes {
			fields = collect(fields, cause)
		}
		if len(e.Causes) == 0 {
			add(detail(e.ErrorKind))
		}
	}
	return fields
}

// detail says what an argument must be. It never quotes the argument, which may
// hold a secret.
func detail(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Type:
		return "this must be of type " + strings.Join(k.Want, " or ")
	case *kind.Pattern:
		return "this must match " + k.Want
	case *kind.Format:
		return "this must have the format " + k.Want
	case *kind.Enum:
		return fmt.Sprintf("this must be one of %v", k.Want)
	case *kind.Const:
		return fmt.Sprintf("this must be %v", k.Want)
	case *kind.Minimum:
		return "this must be at least " + number(k.Want)
	case *kind.Maximum:
		return "this must be at most " + number(k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("this must have at least %d characters", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("this must have at most %d characters", k.Want)
	default:
		return "this does not satisfy the schema's " + strings.Join(k.KeywordPath(), "/")
	}
}

func number(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	f, _ := r.Float64()
	return fmt.Sprint(f)
}

// pointer writes a place in the arguments as a JSON Pointer (RFC 6901).
func pointer(tokens []string) string {
	var b strings.Builder
	b.WriteString("/arguments")
	for _, t := range tokens {
		b.WriteString(step(t))
	}
	return b.String()
}

// step is one name of a JSON Pointer.
func step(name string) string { return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
