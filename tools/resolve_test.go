package tools_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
)

const image = "registry.example.com:5000/shop/api:1.2@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func agent() sallyport.Agent {
	return sallyport.Agent{ID: "deploy-bot", Account: sallyport.Account{Issuer: "https://agents.example.com", Subject: "deploy-bot"}, Owner: "alice"}
}

func call(tool, arguments string) sallyport.Call {
	return sallyport.Call{
		ID: sallyport.CallID([16]byte{1}), AgentID: agent().ID, Account: agent().Account, Tool: tool, Arguments: json.RawMessage(arguments),
		Stated: sallyport.Stated{Reason: "because"}, ReceivedAt: time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC),
	}
}

func TestResolve(t *testing.T) {
	c := load(t, tools.Embedded())
	for _, tt := range []struct {
		tool, arguments                   string
		action, resource, namespace, name string
	}{
		{"gitops_get_manifest", `{"environment":"staging","name":"api"}`, "get", "deployment", "staging", "api"},
		{"gitops_get_manifest", `{"environment":"production","kind":"secret","name":"db"}`, "get", "secret", "production", "db"},
		{"gitops_scale_deployment", `{"environment":"staging","name":"api","replicas":0}`, "scale", "deployment", "staging", "api"},
		{"gitops_set_image", `{"container":"api","environment":"staging","image":"` + image + `","name":"api"}`, "set_image", "deployment", "staging", "api"},
		{"http_probe", `{"method":"HEAD","url":"https://status.example.com/?a=1"}`, "probe", "url", "", "https://status.example.com/?a=1"},
	} {
		got, err := c.Resolve(call(tt.tool, tt.arguments), agent())
		if err != nil {
			t.Errorf("%s: %v", tt.tool, err)
			continue
		}
		tool, _ := c.Tool(tt.tool)
		in := call(tt.tool, tt.arguments)
		want := sallyport.Intent{
			CallID: in.ID, Agent: agent(), Stated: in.Stated, Tool: sallyport.ToolRef{Name: tool.Name, Digest: tool.Digest, ReadOnly: tool.ReadOnly},
			Arguments: json.RawMessage(tt.arguments), Action: tt.action, Resource: tt.resource, Namespace: tt.namespace, Name: tt.name, At: in.ReceivedAt,
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", tt.tool, d)
		}
		if _, err := sallyport.NewPermit(sallyport.Grounds{Call: in, Intent: got, Decision: sallyport.Decision{Effect: sallyport.Allow}}, time.Now()); err != nil {
			t.Errorf("%s: the intent is not its call's: %v", tt.tool, err)
		}
	}
}

// TestImageOfATool: policy and the runner must hear of the same image, and of
// none where a tool is built in.
func TestImageOfATool(t *testing.T) {
	pinned := "registry.example.com/tools/restart@sha256:" + strings.Repeat("0", 64)
	kube := strings.NewReplacer("runner: sandbox", "runner: kube", "  git: write\n", "  kubernetes: []\n").Replace(good)
	for name, tt := range map[string]struct{ manifest, want string }{
		"Image":   {kube + "container: {image: " + pinned + ", args: [\"${name}\"]}\nplan: never\n", pinned},
		"BuiltIn": {kube, ""},
	} {
		c := load(t, dir(tt.manifest))
		tool, _ := c.Tool("restart")
		i, err := c.Resolve(call("restart", `{"environment":"staging","name":"api"}`), agent())
		if err != nil || tool.Image != tt.want || i.Tool.Image != tt.want {
			t.Errorf("%s: the tool's image is %q, the intent's %q, %v; want %q", name, tool.Image, i.Tool.Image, err, tt.want)
		}
	}
}

// What encoding/json does to a call on its way must not make it another one.
func TestResolveAfterTransport(t *testing.T) {
	c := load(t, tools.Embedded())
	in := call("http_probe", `{"url":"https://status.example.com/?a=1&b=<2>"}`)
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out sallyport.Call
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	i, err := c.Resolve(out, agent())
	if err != nil || i.Name != "https://status.example.com/?a=1&b=<2>" {
		t.Errorf("Resolve = %+v, %v", i, err)
	}
}

func TestResolveRefuses(t *testing.T) {
	c := load(t, tools.Embedded())
	field := func(pointer, detail string) []sallyport.Field {
		return []sallyport.Field{{Pointer: pointer, Detail: detail}}
	}
	scale := func(arguments string) sallyport.Call { return call("gitops_scale_deployment", arguments) }
	label := "this must match ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
	for name, tt := range map[string]struct {
		reason string
		call   sallyport.Call
		fields []sallyport.Field
	}{
		"Missing":   {"no default is guessed", scale(`{"name":"api","replicas":5}`), field("/arguments/environment", "this is required")},
		"Unknown":   {"no tool would read it", scale(`{"environment":"staging","force/now":true,"name":"api","replicas":5}`), field("/arguments/force~1now", "there is no such argument")},
		"Negative":  {"policies compare numbers", scale(`{"environment":"staging","name":"api","replicas":-5}`), field("/arguments/replicas", "this must be at least 0")},
		"TooMany":   {"so many there are never", scale(`{"environment":"staging","name":"api","replicas":1001}`), field("/arguments/replicas", "this must be at most 1000")},
		"Null":      {"null is below ten in some policies", scale(`{"environment":"staging","name":"api","replicas":null}`), field("/arguments/replicas", "this must be of type integer")},
		"False":     {"so is false", scale(`{"environment":"staging","name":"api","replicas":false}`), field("/arguments/replicas", "this must be of type integer")},
		"Text":      {"a number in quotes is text", scale(`{"environment":"staging","name":"api","replicas":"5"}`), field("/arguments/replicas", "this must be of type integer")},
		"Fraction":  {"half a replica is none", scale(`{"environment":"staging","name":"api","replicas":2.5}`), field("/arguments/replicas", "this must be of type integer")},
		"Capital":   {"Production is not production", scale(`{"environment":"Production","name":"api","replicas":5}`), field("/arguments/environment", label)},
		"List":      {"a list slips past rules for text", scale(`{"environment":["staging"],"name":"api","replicas":5}`), field("/arguments/environment", "this must be of type string")},
		"LineFeed":  {"$ must be the end of the text", scale(`{"environment":"staging\n","name":"api","replicas":5}`), field("/arguments/environment", label)},
		"Path":      {"names are file names too", scale(`{"environment":"staging","name":"../production/api","replicas":5}`), field("/arguments/name", label)},
		"Two":       {"each fault is named", scale(`{"environment":"staging","name":"A","replicas":-1}`), append(field("/arguments/name", label), field("/arguments/replicas", "this must be at least 0")...)},
		"NoObject":  {"arguments have names", scale(`[]`), field("/arguments", "this must be of type object")},
		"Duplicate": {"two readers could take two values", scale(`{"replicas":5,"replicas":50}`), field("/arguments/replicas", "duplicate object member name")},
		"Spaces":    {"a digest must have one input", scale(`{"environment":"staging", "name":"api","replicas":5}`), field("/arguments", "this is not in canonical form (RFC 8785)")},
		"Nothing":   {"no arguments are no object", scale(``), field("/arguments", "there is no JSON value")},
		"Kind":      {"kinds are lowercase, so that policies see secret", call("gitops_get_manifest", `{"environment":"staging","kind":"Secret","name":"db"}`), field("/arguments/kind", "this must match ^[a-z][a-z0-9]{0,62}$")},
		"Tag":       {"tags move", call("gitops_set_image", `{"container":"api","environment":"staging","image":"nginx:1.27","name":"api"}`), nil},
		"Scheme":    {"only http and https", call("http_probe", `{"url":"file:///etc/passwd"}`), nil},
		"User":      {"readers differ on what the host is", call("http_probe", `{"url":"https://status.example.com@evil.example/"}`), nil},
		"Control":   {"headers could be split", call("http_probe", `{"url":"https://status.example.com/\r\nHost: x"}`), nil},
		"Method":    {"a probe changes nothing", call("http_probe", `{"method":"DELETE","url":"https://status.example.com/"}`), field("/arguments/method", "this must be one of [GET HEAD]")},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := c.Resolve(tt.call, agent())
			if sallyport.KindOf(err) != sallyport.Invalid || sallyport.CodeOf(err) != "invalid_arguments" {
				t.Fatalf("Resolve = %+v, %v; want the arguments refused: %s", i, err, tt.reason)
			}
			if d := cmp.Diff(tt.fields, sallyport.AsError(err).Fields); tt.fields != nil && d != "" {
				t.Errorf("%s (-want +got)\n%s", tt.reason, d)
			}
		})
	}
}

func TestResolveOthers(t *testing.T) {
	c := load(t, tools.Embedded())
	if _, err := c.Resolve(call("k8s_everything", `{}`), agent()); sallyport.KindOf(err) != sallyport.NotFound || sallyport.CodeOf(err) != "unknown_tool" {
		t.Errorf("an unknown tool: %v", err)
	}
	other := agent()
	other.ID = "triage-bot"
	if _, err := c.Resolve(call("http_probe", `{"url":"https://status.example.com/"}`), other); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("another agent's call: %v", err)
	}
}

// What an argument holds may belong in no log, so that no error quotes it.
func TestErrorsDoNotQuote(t *testing.T) {
	c := load(t, tools.Embedded())
	for _, arguments := range []string{
		`{"environment":"hunter2 hunter2","name":"hunter2 hunter2","replicas":"hunter2"}`,
		`{"environment":{"hunter2":1},"name":["hunter2"],"replicas":5}`,
	} {
		_, err := c.Resolve(call("gitops_scale_deployment", arguments), agent())
		b, _ := json.Marshal(sallyport.AsError(err))
		if err == nil || strings.Contains(string(b), "hunter2") {
			t.Errorf("%s", b)
		}
	}
}

// TestSays: the words of a manifest are its literals, defaults and listed values.
func TestSays(t *testing.T) {
	c := load(t, tools.Embedded())
	for _, tt := range []struct {
		tool, word string
		want       bool
	}{
		{"gitops_scale_deployment", "scale", true},
		{"gitops_scale_deployment", "deployment", true},
		{"gitops_get_manifest", "deployment", true},
		{"gitops_get_manifest", "service", false},
		{"http_probe", "HEAD", true},
		{"http_probe", "", false},
		{"http_probe", "layoffs", false},
		{"layoffs", "layoffs", false},
	} {
		if got := c.Says(tt.tool, tt.word); got != tt.want {
			t.Errorf("%s says %q: %t, want %t", tt.tool, tt.word, got, tt.want)
		}
	}
}
