package k8s

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

func catalogue(t *testing.T) *tools.Catalogue {
	t.Helper()
	c, err := tools.Load(tools.Embedded())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNames(t *testing.T) {
	var embedded []string
	for _, tool := range catalogue(t).Tools() {
		if m, _ := catalogue(t).Manifest(tool.Name); tool.Runner == tools.RunnerKube && m.Container == nil {
			embedded = append(embedded, tool.Name)
		}
	}
	if d := cmp.Diff(embedded, Names()); d != "" {
		t.Errorf("manifests and tools differ (-manifests +tools)\n%s", d)
	}
}

// TestKindsOfTheManifest: the manifest accepts the kinds, and grants permissions
// for the kinds, that the tool applies.
func TestKindsOfTheManifest(t *testing.T) {
	m, _ := catalogue(t).Manifest("k8s_apply_manifest")
	var schema struct {
		Properties struct {
			Manifest struct {
				Properties struct {
					APIVersion struct{ Enum []string } `json:"apiVersion"`
					Kind       struct{ Enum []string } `json:"kind"`
				} `json:"properties"`
			} `json:"manifest"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(m.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	kinds := slices.Sorted(maps.Keys(Kinds()))
	if d := cmp.Diff(kinds, slices.Sorted(slices.Values(schema.Properties.Manifest.Properties.Kind.Enum))); d != "" {
		t.Errorf("kinds (-tool +manifest)\n%s", d)
	}
	versions := slices.Compact(slices.Sorted(maps.Values(Kinds())))
	if d := cmp.Diff(versions, slices.Sorted(slices.Values(schema.Properties.Manifest.Properties.APIVersion.Enum))); d != "" {
		t.Errorf("API versions (-tool +manifest)\n%s", d)
	}
	granted := map[string]string{}
	for _, r := range m.Permissions.Kubernetes {
		granted[r.For] = r.Group + "/" + r.Resource
	}
	for kind, k := range appliedKinds() {
		if want := k.gvr().Group + "/" + k.resource; granted[kind] != want {
			t.Errorf("permissions for %s: %q, want %q", kind, granted[kind], want)
		}
	}
	if len(granted) != len(kinds) {
		t.Errorf("permissions for %d kinds, want %d", len(granted), len(kinds))
	}
}

// nowhere is a cluster that is never asked by what these tests do.
func nowhere(t *testing.T) *Cluster {
	t.Helper()
	c, err := Connect(&rest.Config{Host: "https://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func request(t *testing.T, tool string, arguments map[string]any) wire.Request {
	t.Helper()
	raw, err := strict.Canonical(arguments)
	if err != nil {
		t.Fatal(err)
	}
	i := sallyport.Intent{CallID: "k", Tool: sallyport.ToolRef{Name: tool}, Arguments: raw, Resource: "deployment", Namespace: "staging", Name: "api"}
	return wire.Request{Mode: wire.ModeRun, Intent: i}
}

func wantCode(t *testing.T, res wire.Response, code string) {
	t.Helper()
	if res.Error == nil || res.Error.Code != code || res.Unknown {
		t.Errorf("response %+v, %+v; want the code %s", res, res.Error, code)
	}
}

// TestRefusesRequests refuses before anything is asked or the lease is taken.
func TestRefusesRequests(t *testing.T) {
	type args = map[string]any
	for name, tt := range map[string]struct {
		reason, tool string
		arguments    args
		change       func(*wire.Request)
		code         string
	}{
		"UnknownTool":      {"the image is another version's", "k8s_exec", args{}, nil, sallyport.CodeUnknownTool},
		"UnknownMode":      {"it means nothing", "k8s_scale_deployment", args{"namespace": "staging", "name": "api", "replicas": 1}, func(r *wire.Request) { r.Mode = "undo" }, sallyport.CodeInvalidArguments},
		"ReadUnknownMode":  {"the same", "k8s_get_deployment", args{"namespace": "staging", "name": "api"}, func(r *wire.Request) { r.Mode = "" }, sallyport.CodeInvalidArguments},
		"OtherNamespace":   {"policy evaluated another object", "k8s_scale_deployment", args{"namespace": "production", "name": "api", "replicas": 1}, nil, sallyport.CodeInvalidArguments},
		"OtherName":        {"policy evaluated another object", "k8s_restart_deployment", args{"namespace": "staging", "name": "db"}, nil, sallyport.CodeInvalidArguments},
		"OtherPod":         {"policy evaluated another object", "k8s_delete_pod", args{"namespace": "staging", "name": "db"}, nil, sallyport.CodeInvalidArguments},
		"OtherLog":         {"policy evaluated another object", "k8s_pod_logs", args{"namespace": "staging", "name": "db"}, nil, sallyport.CodeInvalidArguments},
		"OtherList":        {"policy evaluated another object", "k8s_list_pods", args{"namespace": "production"}, nil, sallyport.CodeInvalidArguments},
		"UnknownArgument":  {"policy did not evaluate it", "k8s_get_deployment", args{"namespace": "staging", "name": "api", "as": "root"}, nil, sallyport.CodeInvalidArguments},
		"NegativeReplicas": {"there is no such number", "k8s_scale_deployment", args{"namespace": "staging", "name": "api", "replicas": -1}, nil, sallyport.CodeInvalidArguments},
		"ManyReplicas":     {"the manifest takes fewer", "k8s_scale_deployment", args{"namespace": "staging", "name": "api", "replicas": 1001}, nil, sallyport.CodeInvalidArguments},
		"NoLines":          {"it asks for nothing", "k8s_pod_logs", args{"namespace": "staging", "name": "api", "tail_lines": 0}, nil, sallyport.CodeInvalidArguments},
		"ManyLines":        {"the manifest takes fewer", "k8s_pod_logs", args{"namespace": "staging", "name": "api", "tail_lines": 1001}, nil, sallyport.CodeInvalidArguments},
		"BadContainer":     {"it is no name", "k8s_pod_logs", args{"namespace": "staging", "name": "api", "container": "a&previous=true"}, nil, sallyport.CodeInvalidArguments},
		"BadSelector":      {"it is another language", "k8s_list_pods", args{"namespace": "staging", "selector": "app in (a,b)"}, nil, sallyport.CodeInvalidArguments},
		"PathAsName":       {"it leads to another resource", "k8s_get_deployment", args{"namespace": "staging", "name": "../pods"}, func(r *wire.Request) { r.Intent.Name = "../pods" }, sallyport.CodeInvalidArguments},
		"PathAsNamespace":  {"the same", "k8s_list_pods", args{"namespace": "a/b"}, func(r *wire.Request) { r.Intent.Namespace = "a/b" }, sallyport.CodeInvalidArguments},
		"NoLease":          {"two pods could act", "k8s_restart_deployment", args{"namespace": "staging", "name": "api"}, nil, sallyport.CodeInternal},
		"Expired":          {"another worker may conclude that no pod writes", "k8s_restart_deployment", args{"namespace": "staging", "name": "api"}, func(r *wire.Request) { r.Expires = time.Unix(1, 0) }, sallyport.CodeNotBegun},
		"ReadReconciled":   {"it leaves nothing", "k8s_get_deployment", args{"namespace": "staging", "name": "api"}, func(r *wire.Request) { r.Mode = wire.ModeReconcile }, sallyport.CodeNotSeen},
	} {
		t.Run(name, func(t *testing.T) {
			req := request(t, tt.tool, tt.arguments)
			if tt.change != nil {
				tt.change(&req)
			}
			res := Run(t.Context(), req, nowhere(t), Lease{})
			wantCode(t, res, tt.code)
			if t.Failed() {
				t.Log(tt.reason)
			}
		})
	}
}

func TestReadsPlanNothing(t *testing.T) {
	req := request(t, "k8s_get_deployment", map[string]any{"namespace": "staging", "name": "api"})
	req.Mode = wire.ModePlan
	res := Run(t.Context(), req, nowhere(t), Lease{})
	if res.Plan == nil || len(res.Plan.Changes) != 0 || !strings.Contains(res.Plan.Summary, "changes nothing") {
		t.Errorf("%+v", res)
	}
}

func TestLastOfALog(t *testing.T) {
	long := strings.Repeat("é", mostLog)
	for name, tt := range map[string]struct {
		reason, said, want string
		truncated          bool
	}{
		"Text":    {"as it is", "one\ntwo\n", "one\ntwo\n", false},
		"NotUTF8": {"no byte may hide", "a\xff\xc3z", `a\xff\xc3z`, false},
		"Escapes": {"a terminal would obey", "\x1b[2J\u202e", `\u{001b}[2J\u{202e}`, false},
		"Long":    {"the end is what was asked for", long + "end", strings.Repeat("é", (mostLog-3)/2) + "end", true},
		"Nothing": {"nothing is nothing", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			told, truncated := lastOf([]byte(tt.said))
			if told != tt.want || truncated != tt.truncated {
				t.Errorf("%.80q (%d bytes, truncated %t), want %.80q: %s", told, len(told), truncated, tt.want, tt.reason)
			}
		})
	}
	if told, truncated := lastOf([]byte(strings.Repeat("\x00", mostLog))); len(told) > 4*mostLog || !truncated {
		t.Errorf("%d bytes of escapes, truncated %t", len(told), truncated)
	}
}
