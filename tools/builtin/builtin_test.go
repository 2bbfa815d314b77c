package builtin_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/builtin"
	"github.com/sallyport/sallyport/tools/wire"
)

const (
	oldImage = "registry.example.com/shop/api:1.0"
	newImage = "registry.example.com/shop/api@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

const deployment = `# The shop's API.
apiVersion: apps/v1
kind: Deployment
metadata:
  name:   api   # oddly spaced on purpose
  labels: {app: api}
spec:
  replicas: 3 # three for the weekend
  template:
    spec:
      initContainers:
      - {name: migrate, image: 'registry.example.com/shop/migrate:1.0'}
      containers:
        - name: api
          image: "registry.example.com/shop/api:1.0"   # pinned soon
          env:
            - {name: GREETING, value: "héllo ☃ --- replicas: 3"}
        - image: registry.example.com/shop/proxy:2.0
          name: proxy
`

const secret = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: api\nstringData:\n  password: hunter2\n"

// request is a call about the one file api.yaml of staging.
func request(mode wire.Mode, tool, arguments, file string) wire.Request {
	req := wire.Request{
		Mode: mode,
		Intent: sallyport.Intent{
			Tool: sallyport.ToolRef{Name: tool}, Arguments: json.RawMessage(arguments),
			Resource: "deployment", Namespace: "staging", Name: "api",
		},
		Files: map[string][]byte{"staging/api.yaml": []byte(file)},
	}
	return req
}

func scale(mode wire.Mode, replicas, file string) wire.Request {
	return request(mode, "gitops_scale_deployment", `{"environment":"staging","name":"api","replicas":`+replicas+`}`, file)
}

func setImage(mode wire.Mode, container, file string) wire.Request {
	return request(mode, "gitops_set_image", `{"container":"`+container+`","environment":"staging","image":"`+newImage+`","name":"api"}`, file)
}

func get(kind, file string) wire.Request {
	req := request(wire.ModeRun, "gitops_get_manifest", `{"environment":"staging","name":"api"}`, file)
	req.Intent.Resource = kind
	return req
}

func run(t *testing.T, req wire.Request) wire.Response {
	t.Helper()
	res := builtin.Run(t.Context(), req, nil)
	set := 0
	for _, is := range []bool{res.Error != nil, res.Plan != nil, res.Result != nil} {
		if is {
			set++
		}
	}
	if set != 1 || res.Patch != nil && res.Result == nil || res.Error == nil && (res.Plan != nil) != (req.Mode == wire.ModePlan) {
		t.Fatalf("not one response: %+v", res)
	}
	return res
}

func wantCode(t *testing.T, res wire.Response, code string) {
	t.Helper()
	if res.Error == nil || res.Error.Code != code || res.Error.Message == "" {
		t.Errorf("failure %+v, want %s", res.Error, code)
	}
}

func TestNames(t *testing.T) {
	c, err := tools.Load(tools.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	var embedded []string
	for _, tool := range c.Tools() {
		if tool.Runner == tools.RunnerSandbox {
			embedded = append(embedded, tool.Name)
		}
	}
	if d := cmp.Diff(embedded, builtin.Names()); d != "" {
		t.Errorf("manifests and tools differ (-manifests +tools)\n%s", d)
	}
}

func TestScale(t *testing.T) {
	res := run(t, scale(wire.ModePlan, "5", deployment))
	if res.Plan == nil {
		t.Fatalf("%+v", res.Error)
	}
	sum := sha256.Sum256([]byte(deployment))
	want := sallyport.Plan{
		Summary: "replicas 3 → 5",
		Diff: `--- a/staging/api.yaml
+++ b/staging/api.yaml
@@ -5,7 +5,7 @@
   name:   api   # oddly spaced on purpose
   labels: {app: api}
 spec:
-  replicas: 3 # three for the weekend
+  replicas: 5 # three for the weekend
   template:
     spec:
       initContainers:
`,
		Changes:       []sallyport.Change{{Path: "/spec/replicas", Before: json.RawMessage("3"), After: json.RawMessage("5")}},
		Preconditions: json.RawMessage(`{"blob":"sha256:` + hex.EncodeToString(sum[:]) + `","path":"staging/api.yaml"}`),
	}
	if d := cmp.Diff(want, *res.Plan); d != "" {
		t.Errorf("plan (-want +got)\n%s", d)
	}

	req := scale(wire.ModeRun, "5", deployment)
	req.Plan = res.Plan
	done := run(t, req)
	if done.Patch == nil {
		t.Fatalf("%+v", done)
	}
	patch := &wire.Patch{Path: "staging/api.yaml", Content: []byte(strings.Replace(deployment, "replicas: 3 #", "replicas: 5 #", 1))}
	if d := cmp.Diff(patch, done.Patch); d != "" {
		t.Errorf("patch (-want +got)\n%s", d)
	}
	const result = `{"changed":true,"changes":[{"after":5,"before":3,"path":"/spec/replicas"}],"environment":"staging","kind":"deployment","name":"api","summary":"replicas 3 → 5"}`
	if string(done.Result) != result {
		t.Errorf("result %s", done.Result)
	}

	again := scale(wire.ModeRun, "7", string(done.Patch.Content))
	again.Plan = res.Plan
	wantCode(t, run(t, again), sallyport.CodePreconditionFailed)
}

func TestUnchanged(t *testing.T) {
	pinned := strings.Replace(deployment, oldImage, newImage, 1)
	for name, newRequest := range map[string]func(wire.Mode) wire.Request{
		"Scale": func(m wire.Mode) wire.Request { return scale(m, "3", deployment) },
		"Image": func(m wire.Mode) wire.Request { return setImage(m, "api", pinned) },
	} {
		t.Run(name, func(t *testing.T) {
			plan := run(t, newRequest(wire.ModePlan)).Plan
			if plan == nil || plan.Diff != "" || plan.Changes == nil || len(plan.Changes) != 0 || !strings.Contains(plan.Summary, "already") {
				t.Errorf("plan %+v", plan)
			}
			req := newRequest(wire.ModeRun)
			req.Plan = plan
			res := run(t, req)
			if res.Patch != nil || !strings.Contains(string(res.Result), `"changed":false`) {
				t.Errorf("patch %v, result %s", res.Patch, res.Result)
			}
		})
	}
}

// Every edit is one line of the file, whatever it looks like.
func TestEditsOneLine(t *testing.T) {
	unset := strings.Replace(deployment, "  replicas: 3 # three for the weekend\n", "", 1)
	for name, tt := range map[string]struct {
		req      wire.Request
		old, new string
	}{
		"Plain":        {scale(wire.ModeRun, "0", deployment), "replicas: 3 #", "replicas: 0 #"},
		"Hexadecimal":  {scale(wire.ModeRun, "5", strings.Replace(deployment, "replicas: 3 #", "replicas: 0x3 #", 1)), "replicas: 0x3", "replicas: 5"},
		"Flow":         {scale(wire.ModeRun, "5", "{kind: Deployment, metadata: {name: api}, spec: {replicas: 3, x: 3}}"), "replicas: 3", "replicas: 5"},
		"JSON":         {scale(wire.ModeRun, "5", `{"kind":"Deployment","metadata":{"name":"api"},"spec":{"replicas":3}}`), `"replicas":3`, `"replicas":5`},
		"CRLF":         {scale(wire.ModeRun, "5", strings.ReplaceAll(deployment, "\n", "\r\n")), "replicas: 3 #", "replicas: 5 #"},
		"NoLastLF":     {scale(wire.ModeRun, "5", "kind: Deployment\nmetadata: {name: api}\nspec:\n  replicas: 3"), "replicas: 3", "replicas: 5"},
		"Unset":        {scale(wire.ModeRun, "5", unset), "\nspec:\n", "\nspec:\n  replicas: 5\n"},
		"UnsetCRLF":    {scale(wire.ModeRun, "5", strings.ReplaceAll(unset, "\n", "\r\n")), "\nspec:\r\n", "\nspec:\r\n  replicas: 5\r\n"},
		"Documents":    {scale(wire.ModeRun, "5", "kind: Service\nmetadata: {name: api}\n--- # next\n"+deployment+"---\nkind: Deployment\nmetadata: {name: other}\nspec: {replicas: 3}\n"), "replicas: 3 #", "replicas: 5 #"},
		"DoubleQuoted": {setImage(wire.ModeRun, "api", deployment), `"` + oldImage + `"`, `"` + newImage + `"`},
		"SingleQuoted": {setImage(wire.ModeRun, "migrate", deployment), "'registry.example.com/shop/migrate:1.0'", "'" + newImage + "'"},
		"PlainImage":   {setImage(wire.ModeRun, "proxy", deployment), "registry.example.com/shop/proxy:2.0", newImage},
		"WideLine":     {setImage(wire.ModeRun, "api", `{kind: Deployment, metadata: {name: api}, spec: {"é☃": "𝄞", template: {spec: {containers: [{name: api, image: old}]}}}}`), "image: old", "image: " + newImage},
	} {
		t.Run(name, func(t *testing.T) {
			res := run(t, tt.req)
			if res.Patch == nil {
				t.Fatalf("%+v", res.Error)
			}
			want := strings.Replace(string(tt.req.Files["staging/api.yaml"]), tt.old, tt.new, 1)
			if d := cmp.Diff(want, string(res.Patch.Content)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	with := func(part, other string) string { return strings.Replace(deployment, part, other, 1) }
	multi := deployment + "---\n" + secret
	for name, tt := range map[string]struct {
		reason, code string
		req          wire.Request
	}{
		"NoFile":           {"only this call's file is there", sallyport.CodeNotFound, func() wire.Request { r := get("deployment", deployment); r.Intent.Name = "db"; return r }()},
		"NoObject":         {"the file is another object's", sallyport.CodeNotFound, get("deployment", with("  name:   api ", "  name: web "))},
		"OtherKind":        {"a kind is not guessed", sallyport.CodeWrongKind, get("service", deployment)},
		"ScaleOther":       {"only deployments are scaled here", sallyport.CodeWrongKind, scale(wire.ModeRun, "5", with("kind: Deployment", "kind: StatefulSet"))},
		"Secret":           {"secrets are never read", sallyport.CodeWrongKind, get("secret", secret)},
		"SecretAsOther":    {"whatever it was asked for as", sallyport.CodeWrongKind, get("deployment", secret)},
		"SecretBeside":     {"nor what stands beside one", sallyport.CodeWrongKind, get("deployment", multi)},
		"SecretBefore":     {"in whatever order", sallyport.CodeWrongKind, get("deployment", secret+"---\n"+deployment)},
		"SecretInList":     {"a list hides it", sallyport.CodeWrongKind, get("deployment", deployment+"---\nkind: List\nitems:\n- {kind: Secret, data: {a: b}}\n")},
		"SecretList":       {"its items need no kind", sallyport.CodeWrongKind, get("deployment", deployment+"---\nkind: SecretList\nitems: [{data: {a: b}}]\n")},
		"SecretEmbedded":   {"a template hides it", sallyport.CodeWrongKind, get("deployment", with("spec:\n", "objects: [{kind: Secret, stringData: {a: b}}]\nspec:\n"))},
		"SecretByAlias":    {"an alias hides the word", sallyport.CodeWrongKind, get("deployment", deployment+"---\nx: &k Secret\nkind: *k\n")},
		"SecretByMerge":    {"a merge key hides it", sallyport.CodeWrongKind, get("deployment", deployment+"---\nx: &b {kind: Secret}\n<<: *b\n")},
		"SecretTwice":      {"a second key hides the first", sallyport.CodeBadManifest, get("deployment", with("kind: Deployment\n", "kind: Deployment\nkind: Secret\n"))},
		"SecretWritten":    {"a commit would be read by others", sallyport.CodeWrongKind, scale(wire.ModeRun, "5", multi)},
		"KindLookalike":    {"it folds to Secret", sallyport.CodeBadManifest, get("deployment", deployment+"---\nkind: ſecret\ndata: {}\n")},
		"NoKind":           {"its kind is unknown", sallyport.CodeBadManifest, get("deployment", deployment+"---\ndata: {}\n")},
		"HiddenDocument":   {"documents end with dots too", sallyport.CodeBadManifest, get("deployment", deployment+"...\n"+secret)},
		"Directive":        {"what it changes is not ours to guess", sallyport.CodeBadManifest, get("deployment", "%YAML 1.1\n---\n"+deployment)},
		"LoneReturn":       {"YAML takes it for a line's end", sallyport.CodeBadManifest, get("deployment", deployment+"\r---\r"+strings.ReplaceAll(secret, "\n", "\r"))},
		"UTF16":            {"some readers read it", sallyport.CodeBadManifest, get("deployment", "\xff\xfek\x00:\x00 \x00S\x00")},
		"ByteOrderMark":    {"it shifts columns", sallyport.CodeBadManifest, get("deployment", "\ufeff"+deployment)},
		"Twice":            {"which one is meant?", sallyport.CodeBadManifest, scale(wire.ModeRun, "5", deployment+"---\n"+deployment)},
		"Broken":           {"it can't be read", sallyport.CodeBadManifest, scale(wire.ModeRun, "5", "kind: [")},
		"NoSpec":           {"there is nothing to scale", sallyport.CodeBadManifest, scale(wire.ModeRun, "5", "kind: Deployment\nmetadata: {name: api}\n")},
		"TextReplicas":     {"it is no number", sallyport.CodeBadManifest, scale(wire.ModeRun, "5", with("replicas: 3 #", "replicas: '3' #"))},
		"Anchored":         {"an alias elsewhere would change with it", sallyport.CodeUnsupportedLayout, scale(wire.ModeRun, "5", with("replicas: 3 #", "replicas: &n 3 #"))},
		"Aliased":          {"the value stands elsewhere", sallyport.CodeUnsupportedLayout, scale(wire.ModeRun, "5", "x: &n 3\n"+with("replicas: 3 #", "replicas: *n #"))},
		"Merged":           {"so does a merged one", sallyport.CodeUnsupportedLayout, scale(wire.ModeRun, "5", "x: &b {replicas: 3}\n"+with("  replicas: 3 # three for the weekend\n", "  <<: *b\n"))},
		"Tagged":           {"the tag would go", sallyport.CodeUnsupportedLayout, scale(wire.ModeRun, "5", with("replicas: 3 #", "replicas: !!int 3 #"))},
		"Escaped":          {"the text is not what it says", sallyport.CodeUnsupportedLayout, setImage(wire.ModeRun, "api", with(`"`+oldImage+`"`, `"\x72egistry.example.com/shop/api:1.0"`))},
		"Block":            {"it has lines of its own", sallyport.CodeUnsupportedLayout, setImage(wire.ModeRun, "api", with(`"`+oldImage+`"`, ">-\n            "+oldImage))},
		"SharedContainer":  {"two containers would change", sallyport.CodeUnsupportedLayout, setImage(wire.ModeRun, "api", "kind: Deployment\nmetadata: {name: api}\nspec:\n  template:\n    spec:\n      containers:\n      - &c {name: api, image: old}\n  other: *c\n")},
		"UnknownContainer": {"a name is not guessed", sallyport.CodeUnknownContainer, setImage(wire.ModeRun, "sidecar", deployment)},
		"NoContainers":     {"there are none", sallyport.CodeUnknownContainer, setImage(wire.ModeRun, "api", "kind: Deployment\nmetadata: {name: api}\nspec: {}\n")},
		"TwoContainers":    {"which one is meant?", sallyport.CodeBadManifest, setImage(wire.ModeRun, "api", with("name: proxy", "name: api"))},
		"NoImage":          {"there is nothing to replace", sallyport.CodeBadManifest, setImage(wire.ModeRun, "api", with(`image: "`+oldImage+`"`, "tty: true"))},
		"BadArguments":     {"the schema can't have passed them", sallyport.CodeInvalidArguments, scale(wire.ModeRun, "-5", deployment)},
		"UnknownTool":      {"it is another executor's", sallyport.CodeUnknownTool, request(wire.ModeRun, "shell", `{}`, deployment)},
		"UnknownMode":      {"neither a plan nor a run", sallyport.CodeInvalidArguments, scale("explore", "5", deployment)},
	} {
		t.Run(name, func(t *testing.T) {
			res := run(t, tt.req)
			if res.Error == nil || res.Error.Code != tt.code {
				t.Fatalf("%+v (%s), want %s: %s", res.Error, res.Result, tt.code, tt.reason)
			}
			if strings.Contains(res.Error.Message, "hunter2") {
				t.Errorf("the failure tells the secret: %s", res.Error.Message)
			}
		})
	}
}

func TestGetManifest(t *testing.T) {
	service := "kind: Service\nmetadata: {name: api}\n# references are no secrets\nspec: {from: [{kind: Secret, name: db}]}\n"
	for name, tt := range map[string]struct{ kind, file, want string }{
		"Whole":    {"deployment", deployment, deployment},
		"Document": {"service", deployment + "---\n" + service, "---\n" + service},
		"Comments": {"deployment", "# nothing yet\n---\n" + deployment, "---\n" + deployment},
	} {
		t.Run(name, func(t *testing.T) {
			res := run(t, get(tt.kind, tt.file))
			var got map[string]string
			if err := json.Unmarshal(res.Result, &got); err != nil {
				t.Fatalf("%v, %+v", err, res.Error)
			}
			want := map[string]string{"environment": "staging", "kind": tt.kind, "name": "api", "manifest": tt.want}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
	planning := get("deployment", deployment)
	planning.Mode = wire.ModePlan
	if p := run(t, planning).Plan; len(p.Changes) != 0 || p.Diff != "" {
		t.Errorf("a read plans %+v", p)
	}
}

type brokerFunc func(wire.BrokerRequest) (wire.BrokerResponse, error)

func (f brokerFunc) Do(_ context.Context, r wire.BrokerRequest) (wire.BrokerResponse, error) {
	return f(r)
}

func TestHTTPProbe(t *testing.T) {
	for name, tt := range map[string]struct {
		method       string
		response     wire.BrokerResponse
		err          error
		result, code string
	}{
		"OK": {
			response: wire.BrokerResponse{Status: 200, DurationMS: 12, Header: map[string]string{"content-type": "text/plain"}, Body: []byte("hunter2")},
			result:   `{"content_length":7,"content_type":"text/plain","duration_ms":12,"method":"GET","status":200,"url":"https://status.example.com/"}`,
		},
		"Declared": {
			method: "HEAD", response: wire.BrokerResponse{Status: 503, Header: map[string]string{"Content-Length": "1000", "Content-Type": "a\u202eb"}},
			result: `{"content_length":1000,"content_type":"a\\u{202e}b","duration_ms":0,"method":"HEAD","status":503,"url":"https://status.example.com/"}`,
		},
		"Unknown": {
			response: wire.BrokerResponse{Status: 200, Body: make([]byte, 10), Truncated: true},
			result:   `{"content_length":null,"content_type":"","duration_ms":0,"method":"GET","status":200,"url":"https://status.example.com/"}`,
		},
		"Denied":      {response: wire.BrokerResponse{Error: "egress_denied: not listed"}, code: sallyport.CodeEgressDenied},
		"Unreachable": {response: wire.BrokerResponse{Error: "connection refused"}, code: sallyport.CodeUnreachable},
		"NoBroker":    {err: errors.New("broken pipe"), code: sallyport.CodeUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			arguments := `{"url":"https://status.example.com/"}`
			if tt.method != "" {
				arguments = `{"method":"` + tt.method + `","url":"https://status.example.com/"}`
			}
			res := builtin.Run(t.Context(), request(wire.ModeRun, "http_probe", arguments, ""), brokerFunc(func(r wire.BrokerRequest) (wire.BrokerResponse, error) {
				if r.URL != "https://status.example.com/" || r.Method != "GET" && r.Method != tt.method {
					t.Errorf("asked for %+v", r)
				}
				return tt.response, tt.err
			}))
			if tt.code != "" {
				wantCode(t, res, tt.code)
				return
			}
			if d := cmp.Diff(tt.result, string(res.Result)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
	wantCode(t, builtin.Run(t.Context(), request(wire.ModeRun, "http_probe", `{"url":"https://status.example.com/"}`, ""), nil), sallyport.CodeUnreachable)
}

// git takes a plan's diff for what it is, and makes the run's file of it.
func TestDiffApplies(t *testing.T) {
	for name, req := range map[string]wire.Request{
		"Middle":   scale(wire.ModePlan, "5", deployment),
		"Inserted": scale(wire.ModePlan, "5", strings.Replace(deployment, "  replicas: 3 # three for the weekend\n", "", 1)),
		"LastLine": scale(wire.ModePlan, "5", "kind: Deployment\nmetadata: {name: api}\nspec:\n  replicas: 3"),
		"OnlyLine": scale(wire.ModePlan, "5", "{kind: Deployment, metadata: {name: api}, spec: {replicas: 3}}\n"),
		"Image":    setImage(wire.ModePlan, "proxy", deployment),
	} {
		t.Run(name, func(t *testing.T) {
			plan := run(t, req).Plan
			if plan == nil {
				t.Fatal("no plan")
			}
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "staging"), 0o750); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "staging/api.yaml")
			if err := os.WriteFile(file, req.Files["staging/api.yaml"], 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "git", "apply", "--unidiff-zero", "-")
			cmd.Dir, cmd.Stdin = dir, strings.NewReader(plan.Diff)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("git apply: %v: %s\n%s", err, out, plan.Diff)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			req.Mode, req.Plan = wire.ModeRun, plan
			if d := cmp.Diff(string(run(t, req).Patch.Content), string(got)); d != "" {
				t.Errorf("(-patch +applied)\n%s", d)
			}
		})
	}
}

// However odd a file is, a change that lands is the one value, and no Secret
// ever comes out.
func FuzzFile(f *testing.F) {
	for _, s := range []string{deployment, secret, deployment + "---\n" + secret, "{kind: Deployment, metadata: {name: api}, spec: {replicas: 3}}", "--- |\n x\n---\n" + deployment} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, req := range []wire.Request{get("deployment", string(file)), scale(wire.ModeRun, "5", string(file)), setImage(wire.ModeRun, "api", string(file))} {
			res := run(t, req)
			if res.Patch == nil {
				continue
			}
			req.Files["staging/api.yaml"] = res.Patch.Content
			if again := run(t, req); again.Error != nil || again.Patch != nil {
				t.Fatalf("the change did not take: %+v\n%q\n%q", again, file, res.Patch.Content)
			}
		}
	})
}

// TestNamespaces: what policy decided about the directory's name holds for the
// object that is applied.
func TestNamespaces(t *testing.T) {
	of := func(line string) string {
		return strings.Replace(deployment, "  labels: {app: api}", "  labels: {app: api}\n  "+line, 1)
	}
	for name, tt := range map[string]struct {
		line    string
		allowed []string
		ok      bool
	}{
		"Own":          {"namespace: staging", nil, true},
		"None":         {"annotations: {}", nil, true},
		"Empty":        {`namespace: ""`, nil, true},
		"Null":         {"namespace: ~", nil, true},
		"Other":        {"namespace: production", nil, false},
		"Prefix":       {"namespace: staging2", nil, false},
		"OtherCase":    {"namespace: Staging", nil, false},
		"Space":        {`namespace: "staging "`, nil, false},
		"Number":       {"namespace: 7", nil, false},
		"Date":         {"namespace: 2026-12-24", nil, false},
		"List":         {"namespace: [staging]", nil, false},
		"Alias":        {"annotations: {x: &p production}\n  namespace: *p", nil, false},
		"Listed":       {"namespace: shop-staging", []string{"shop-staging"}, true},
		"SecondListed": {"namespace: b", []string{"a", "b"}, true},
		"NotListed":    {"namespace: production", []string{"shop-staging"}, false},
		"OwnNotListed": {"namespace: staging", []string{"shop-staging"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, req := range []wire.Request{
				scale(wire.ModePlan, "5", of(tt.line)), scale(wire.ModeRun, "5", of(tt.line)),
				setImage(wire.ModeRun, "api", of(tt.line)), get("deployment", of(tt.line)),
			} {
				req.Namespaces = tt.allowed
				res := run(t, req)
				switch {
				case !tt.ok:
					wantCode(t, res, sallyport.CodeOtherNamespace)
				case res.Error != nil:
					t.Errorf("%s: %+v", req.Intent.Tool.Name, res.Error)
				}
			}
		})
	}
	merged := "base: &b {name: api, namespace: production}\n" + strings.Replace(deployment, "metadata:\n  name:   api   # oddly spaced on purpose\n  labels: {app: api}", "metadata: {<<: *b}", 1)
	wantCode(t, run(t, scale(wire.ModeRun, "5", merged)), sallyport.CodeOtherNamespace)
}
