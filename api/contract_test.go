package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// contract holds answers against openapi.yaml.
type contract struct {
	document map[string]any
	schemas  *jsonschema.Compiler

	mu   sync.Mutex
	seen map[string]bool // "POST /v1/calls 200"
}

func loadContract(t testing.TB) *contract {
	t.Helper()
	data, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var raw any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nil)
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", document); err != nil {
		t.Fatal(err)
	}
	c := &contract{document: document.(map[string]any), schemas: compiler, seen: map[string]bool{}}
	return c
}

// operations are the document's, as "POST /v1/calls/{id}".
func (c *contract) operations() []string {
	var names []string
	for p, item := range member(c.document, "paths") {
		for method := range item.(map[string]any) {
			names = append(names, strings.ToUpper(method)+" "+p)
		}
	}
	slices.Sort(names)
	return names
}

// statuses are what the document lets operations answer with, but those for
// faults of ours.
func (c *contract) statuses() []string {
	var names []string
	for _, op := range c.operations() {
		method, p, _ := strings.Cut(op, " ")
		for status := range member(c.document, "paths", p, strings.ToLower(method), "responses") {
			if status != "500" {
				names = append(names, op+" "+status)
			}
		}
	}
	slices.Sort(names)
	return names
}

// check reports an answer that the document does not describe.
func (c *contract) check(method, target string, r *http.Response, body []byte) error {
	template := c.template(target)
	if template == "" || r.StatusCode == http.StatusMethodNotAllowed {
		return nil // not an operation
	}
	status := strconv.Itoa(r.StatusCode)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[method+" "+template+" "+status] = true
	at := []string{"paths", template, strings.ToLower(method), "responses", status}
	response, at := c.resolve(at)
	if response == nil {
		return fmt.Errorf("%s %s may not answer %s", method, template, status)
	}
	for name, h := range member(response, "headers") {
		header, _ := c.resolve(append(slices.Clone(at), "headers", name))
		if header["required"] == true && r.Header.Get(name) == "" {
			return fmt.Errorf("%s %s %s (%v) lacks the header %s", method, template, status, h, name)
		}
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil {
		return err
	}
	if member(response, "content", kind) == nil {
		return fmt.Errorf("%s %s %s may not be %s", method, template, status, kind)
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	return c.validate(append(at, "content", kind, "schema"), body)
}

func (c *contract) validate(at []string, body []byte) error {
	schema, err := c.schemas.Compile("openapi.json#" + pointer(at))
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// template is the path of the document that a request's target is of.
func (c *contract) template(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return ""
	}
	for template := range member(c.document, "paths") {
		pattern := strings.ReplaceAll(template, "{id}", "*")
		if ok, _ := path.Match(pattern, u.Path); ok {
			return template
		}
	}
	return ""
}

// resolve follows a reference.
func (c *contract) resolve(at []string) (map[string]any, []string) {
	m := member(c.document, at...)
	if ref, ok := m["$ref"].(string); ok {
		return c.resolve(strings.Split(strings.TrimPrefix(ref, "#/"), "/"))
	}
	return m, at
}

func member(m map[string]any, names ...string) map[string]any {
	for _, name := range names {
		m, _ = m[name].(map[string]any)
	}
	return m
}

func pointer(names []string) string {
	var b strings.Builder
	for _, n := range names {
		n = strings.NewReplacer("~", "~0", "/", "~1").Replace(n)
		b.WriteString("/" + url.PathEscape(n))
	}
	return b.String()
}

func TestRoutesAndDocumentAgree(t *testing.T) {
	router, ok := newGateway(t).server(t).Handler().(*echo.Echo)
	if !ok {
		t.Fatal("the handler is not a router")
	}
	var routes []string
	for _, r := range router.Routes() {
		routes = append(routes, r.Method+" "+strings.ReplaceAll(r.Path, ":id", "{id}"))
	}
	slices.Sort(routes)
	if d := cmp.Diff(loadContract(t).operations(), routes); d != "" {
		t.Errorf("(-openapi.yaml +router)\n%s", d)
	}
}

func TestEverySchemaCompiles(t *testing.T) {
	c := loadContract(t)
	for _, name := range slices.Sorted(maps.Keys(member(c.document, "components", "schemas"))) {
		if _, err := c.schemas.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Error(err)
		}
	}
}

// A contract that accepts everything checks nothing.
func TestContractRefuses(t *testing.T) {
	c := loadContract(t)
	answer := func(status int, kind string) *http.Response {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}}}
	}
	for name, err := range map[string]error{
		"Status":    c.check(http.MethodGet, "/healthz", answer(418, "application/json"), nil),
		"MediaType": c.check(http.MethodGet, "/healthz", answer(200, "text/html"), nil),
		"Body":      c.check(http.MethodGet, "/healthz", answer(200, "application/json"), []byte(`{"status":1}`)),
		"Member":    c.check(http.MethodGet, "/healthz", answer(200, "application/json"), []byte(`{"status":"ok","more":1}`)),
		"Header":    c.check(http.MethodGet, "/readyz", answer(503, "application/problem+json"), []byte(`{}`)),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
