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

	"github.com/sallyport/sallyport"
)

// contract compares responses with openapi.yaml.
type contract struct {
	document map[string]any
	schemas  *jsonschema.Compiler

	mu   sync.Mutex
	seen map[string]bool // "POST /v1/calls 200"
}

func loadContract(tb testing.TB) *contract {
	tb.Helper()
	data, err := os.ReadFile("openapi.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	var raw any
	if err := yaml.Unmarshal(data, &raw); err != nil {
		tb.Fatal(err)
	}
	asJSON, err := json.Marshal(raw)
	if err != nil {
		tb.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		tb.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nil)
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", document); err != nil {
		tb.Fatal(err)
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

// statuses are what the document lets operations respond with, but those for
// faults of ours.
func (c *contract) statuses() []string {
	var names []string
	for _, op := range c.operations() {
		method, p, _ := strings.Cut(op, " ")
		for status := range member(c.document, "paths", p, strings.ToLower(method), "responses") {
			if status != "429" && status != "500" { // any request may get these
				names = append(names, op+" "+status)
			}
		}
	}
	slices.Sort(names)
	return names
}

// check reports a response that the document does not describe.
func (c *contract) check(method, target string, status int, header http.Header, body []byte) error {
	template := c.template(target)
	if template == "" || status == http.StatusMethodNotAllowed {
		return nil // not an operation
	}
	code := strconv.Itoa(status)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[method+" "+template+" "+code] = true
	at := []string{"paths", template, strings.ToLower(method), "responses", code}
	response, at := c.resolve(at)
	if response == nil {
		return fmt.Errorf("%s %s may not respond with %s", method, template, code)
	}
	for name := range member(response, "headers") {
		described, _ := c.resolve(append(slices.Clone(at), "headers", name))
		if described["required"] == true && header.Get(name) == "" {
			return fmt.Errorf("%s %s %s lacks the header %s", method, template, code, name)
		}
	}
	if response["content"] == nil && len(body) == 0 {
		return nil
	}
	kind, _, err := mime.ParseMediaType(header.Get(echo.HeaderContentType))
	if err != nil {
		return err
	}
	if member(response, "content", kind) == nil {
		return fmt.Errorf("%s %s %s may not be %s", method, template, code, kind)
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	if err := registered(kind, status, body); err != nil {
		return err
	}
	return c.validate(append(at, "content", kind, "schema"), body)
}

// registered holds a problem's status against those that the registry of codes
// has for its code. A code that it lacks is a policy's.
func registered(kind string, status int, body []byte) error {
	var p struct{ Code string }
	if kind != "application/problem+json" {
		return nil
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return err
	}
	for _, g := range sallyport.CodeGroups() {
		for _, code := range g.Codes {
			if code.Name == p.Code && !slices.Contains(code.Statuses, status) {
				return fmt.Errorf("%s is answered with %d, and the registry of codes says %v", p.Code, status, code.Statuses)
			}
		}
	}
	return nil
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
		if before, ok := strings.CutSuffix(template, "{path}"); ok && strings.HasPrefix(u.Path, before) {
			return template
		}
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
	var routes, heads []string
	for _, r := range router.Routes() {
		path := strings.NewReplacer(":id", "{id}", "*", "{path}").Replace(r.Path)
		if r.Method == http.MethodHead { // no operation of its own
			heads = append(heads, http.MethodGet+" "+path)
			continue
		}
		routes = append(routes, r.Method+" "+path)
	}
	for _, get := range heads {
		if !slices.Contains(routes, get) {
			t.Errorf("HEAD is served where there is no %s", get)
		}
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

// TestListsAgree: the document lets clients expect every value that the gateway
// may send, and no other.
func TestListsAgree(t *testing.T) {
	c := loadContract(t)
	for name, list := range map[string]any{"EvidenceClass": sallyport.EvidenceClasses(), "State": sallyport.States()} {
		described := member(c.document, "components", "schemas", name)["enum"]
		if got, want := fmt.Sprint(list), fmt.Sprint(described); got != want {
			t.Errorf("the gateway's list of %s is %s, and the document's %s", name, got, want)
		}
	}
}

// A contract that accepts everything checks nothing.
func TestContractRefuses(t *testing.T) {
	c := loadContract(t)
	const notReady = `{"type":"urn:sallyport:problem:unavailable","title":"","status":503,"code":"c","detail":""}`
	get := func(path string, status int, kind, body string) error {
		return c.check(http.MethodGet, path, status, http.Header{"Content-Type": {kind}}, []byte(body))
	}
	for name, err := range map[string]error{
		"Status":    get("/healthz", 418, "application/json", `{"status":"ok"}`),
		"MediaType": get("/healthz", 200, "text/html", `{"status":"ok"}`),
		"Body":      get("/healthz", 200, "application/json", `{"status":1}`),
		"Member":    get("/healthz", 200, "application/json", `{"status":"ok","more":1}`),
		"Header":    get("/readyz", 503, "application/problem+json", notReady),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := get("/healthz", 200, "application/json", `{"status":"ok"}`); err != nil {
		t.Error(err)
	}
}
