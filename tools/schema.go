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

// compile makes the manifest's input_schema ready for use. Nothing is ever
// fetched: a schema stands by itself.
func (e *entry) compile(f *strict.Faults) {
	at := []string{"input_schema"}
	b, err := json.Marshal(e.manifest.InputSchema)
	if err == nil {
		b, err = strict.JSON(b, schemaLimits)
	}
	if err != nil {
		f.Add(at, "input_schema is not JSON: %v", err)
		return
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		f.Add(at, "input_schema is not JSON: %v", err)
		return
	}
	before := f.Len()
	checkTop(f, doc)
	checkSchema(f, doc, at)
	if f.Len() > before {
		return
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(nil)
	c.AssertFormat()
	if err = c.AddResource(schemaURL, doc); err == nil {
		e.schema, err = c.Compile(schemaURL)
	}
	if err != nil {
		f.Add(at, "input_schema: %s", reason(err))
		return
	}
	e.manifest.schema = b
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
