package tools

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

const (
	dialect   = "https://json-schema.org/draft/2020-12/schema"
	schemaURL = "urn:sallyport:arguments"
)

// schemaLimits bound a schema, and so a manifest.
var schemaLimits = strict.Limits{Depth: 48, Tokens: 32768} //nolint:gochecknoglobals // a constant in all but form

// compileAll makes the manifest's schemas ready for use.
func (e *entry) compileAll(f *strict.Faults) {
	e.schema, e.manifest.schema = compile(f, "input_schema", e.manifest.InputSchema, checkTop)
	if e.manifest.Result != nil {
		e.result, e.manifest.result = compile(f, "result", e.manifest.Result, checkResult)
	}
}

// compile makes a schema ready for use, and returns it as canonical JSON too.
// Nothing is ever fetched: a schema stands by itself.
func compile(f *strict.Faults, member string, schema any, checkTop func(*strict.Faults, any)) (*jsonschema.Schema, json.RawMessage) {
	at := []string{member}
	b, err := json.Marshal(schema)
	if err == nil {
		b, err = strict.JSON(b, schemaLimits)
	}
	if err != nil {
		f.Add(at, "%s is not JSON: %v", member, err)
		return nil, nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		f.Add(at, "%s is not JSON: %v", member, err)
		return nil, nil
	}
	before := f.Len()
	checkTop(f, doc)
	checkSchema(f, doc, at)
	if f.Len() > before {
		return nil, nil
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nil)
	c.AssertFormat()
	var compiled *jsonschema.Schema
	if err = c.AddResource(schemaURL, doc); err == nil {
		compiled, err = c.Compile(schemaURL)
	}
	if err != nil {
		f.Add(at, "%s: %s", member, reason(err))
		return nil, nil
	}
	return compiled, b
}

// checkResult requires the schema of an object without references: clients get it
// within another schema, where a reference would lead elsewhere.
func checkResult(f *strict.Faults, doc any) {
	if top, ok := doc.(map[string]any); !ok || top["type"] != "object" {
		f.Add([]string{"result"}, "result must be an object that says type: object")
	}
	if refers(doc) {
		f.Add([]string{"result"}, "result must not have $ref: write out what it refers to")
	}
}

// refers reports whether a schema has a reference in it.
func refers(doc any) bool {
	switch v := doc.(type) {
	case map[string]any:
		if _, ok := v["$ref"].(string); ok {
			return true
		}
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), refers)
	case []any:
		return slices.ContainsFunc(v, refers)
	default:
		return false
	}
}

// reason puts a compiler's error on one line.
func reason(err error) string {
	if s, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = s.Err
	}
	return strings.ReplaceAll(strings.ReplaceAll(err.Error(), schemaURL, ""), "\n", " ")
}

// checkTop requires an object without additional properties.
func checkTop(f *strict.Faults, doc any) {
	top, ok := doc.(map[string]any)
	if !ok || top["type"] != "object" {
		f.Add([]string{"input_schema"}, "input_schema must be an object that says type: object")
		return
	}
	if top["additionalProperties"] != false {
		f.Add([]string{"input_schema"}, "input_schema must say additionalProperties: false, or a misspelt argument would be ignored")
	}
	if properties, ok := top["properties"].(map[string]any); ok && properties[sallyport.ReasonArgument] != nil {
		f.Add([]string{"input_schema", "properties", sallyport.ReasonArgument}, "the argument %s is reserved: by it a model states its reason for a call", sallyport.ReasonArgument)
	}
	if s, ok := top["$schema"]; ok && s != dialect {
		f.Add([]string{"input_schema", "$schema"}, "$schema must be %s or left out", dialect)
	}
}

// shape is the kind of value of a keyword.
type shape int

const (
	plain        shape = iota + 1 // no schema
	oneSchema                     // a schema
	schemaList                    // a list of schemas
	schemaByName                  // schemas by name
)

// keywordShape is the shape of a keyword, 0 for one that isn't taken. A
// validator ignores unknown keywords, so that "patern" would silently restrict
// nothing. Keywords that lead out of the schema ($id and
// the like) or that are never asserted (content…) are not taken.
func keywordShape(keyword string) shape {
	switch keyword {
	case "$schema", "$ref", "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
		"type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
		"maxLength", "minLength", "pattern", "format", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains",
		"maxProperties", "minProperties", "required", "dependentRequired":
		return plain
	case "items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not", "unevaluatedItems", "unevaluatedProperties":
		return oneSchema
	case "prefixItems", "allOf", "anyOf", "oneOf":
		return schemaList
	case "properties", "patternProperties", "dependentSchemas", "$defs":
		return schemaByName
	default:
		return 0
	}
}

// checkSchema walks a schema and all schemas in it.
func checkSchema(f *strict.Faults, doc any, at []string) {
	schema, ok := doc.(map[string]any)
	if !ok {
		if _, isBool := doc.(bool); !isBool {
			f.Add(at, "%s: a schema is an object, true or false", strings.Join(at, "."))
		}
		return
	}
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		value, here := schema[keyword], append(slices.Clone(at), keyword)
		switch keywordShape(keyword) {
		case plain:
			checkKeyword(f, keyword, value, here)
		case oneSchema:
			checkSchema(f, value, here)
		case schemaList:
			list, _ := value.([]any)
			for _, s := range list {
				checkSchema(f, s, here)
			}
		case schemaByName:
			byName, _ := value.(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(byName)) {
				checkSchema(f, byName[name], append(slices.Clone(here), name))
			}
		default:
			f.Add(here, "%s: this keyword is not taken, and would restrict nothing", strings.Join(here, "."))
		}
	}
}

func checkKeyword(f *strict.Faults, keyword string, value any, at []string) {
	switch keyword {
	case "$ref":
		if s, ok := value.(string); !ok || !strings.HasPrefix(s, "#") {
			f.Add(at, "%s: a reference must stay within the schema (#…)", strings.Join(at, "."))
		}
	case "format":
		if s, ok := value.(string); !ok || !knownFormat(s) {
			f.Add(at, "%s: this format is not known, and would restrict nothing", strings.Join(at, "."))
		}
	}
}

// knownFormat reports whether the validator asserts a format.
func knownFormat(name string) bool {
	switch name {
	case "regex", "json-pointer", "relative-json-pointer", "uuid", "duration", "ipv4", "ipv6", "hostname", "email",
		"date", "time", "date-time", "uri", "uri-reference", "uri-template":
		return true
	default:
		return false
	}
}
