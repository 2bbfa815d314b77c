//go:build mcp

package mcptest_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/dev/instancetest"
)

// route leads to the instance, and adds an agent's token to each request: the
// conformance suite has no option for one. Host and Origin are the client's.
func route(t *testing.T, i *instancetest.Instance) string {
	t.Helper()
	target, err := url.Parse(i.Info().API)
	if err != nil {
		t.Fatal(err)
	}
	token := i.Token(t, "deploy-bot")
	proxy := httptest.NewServer(&httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		r.Out.Header.Set("Authorization", "Bearer "+token)
	}})
	t.Cleanup(proxy.Close)
	return proxy.URL + "/mcp"
}

// node runs a program of node_modules, or a script of ours, with the Node that
// package.json names.
func node(t *testing.T, args ...string) (string, error) {
	t.Helper()
	binary, err := filepath.Abs("node_modules/node/bin/node")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "MCP_INSPECTOR_SECRET_STORE=memory", "NO_COLOR=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String() + errs.String(), err
}

func TestClients(t *testing.T) {
	i := instancetest.Start(t, instancetest.Options{})
	t.Run("Conformance", func(t *testing.T) { conforms(t, route(t, i)) })
	t.Run("Inspector", func(t *testing.T) { inspects(t, i) })
	for library, revision := range map[string]string{"sdk": "2025-11-25", "client": "2026-07-28"} {
		t.Run("TypeScript/"+library, func(t *testing.T) { drives(t, i, library, revision) })
	}
}

// scenarios are those of the conformance suite that need no tools of its own.
var scenarios = map[string][]string{
	"2025-11-25": {"server-initialize", "ping", "tools-list", "dns-rebinding-protection"},
	"2026-07-28": {"server-stateless", "tools-list", "caching", "http-header-validation", "dns-rebinding-protection", "server-sse-multiple-streams"},
}

// expected are the checks that fail, with the reason.
var expected = map[string]string{
	"sep-2575-server-rejects-undeclared-capability":          "it calls a diagnostic tool of the suite's own; no tool of ours wants a client's capability",
	"sep-2575-missing-capability-http-400":                   "the same",
	"sep-2575-http-server-no-independent-requests-on-stream": "it calls a diagnostic tool of the suite's own; the gateway sends no requests",
	"sep-2575-server-no-log-without-loglevel":                "it calls a diagnostic tool of the suite's own; the gateway sends no log messages",
	"sep-2549-prompts-list-caching-hints":                    "the gateway has no prompts, and declares none",
	"sep-2549-resources-list-caching-hints":                  "the gateway has no resources, and declares none",
	"sep-2549-resources-templates-list-caching-hints":        "the same",
}

// conforms runs the scenarios, and writes the table of what they checked.
func conforms(t *testing.T, address string) {
	seen := map[string]bool{}
	for _, revision := range slices.Sorted(maps.Keys(scenarios)) {
		for _, name := range scenarios[revision] {
			t.Run(revision+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				out, err := node(t, "node_modules/.bin/conformance", "server", "--url", address, "--scenario", name, "--spec-version", revision, "--output-dir", dir)
				failed, passed := checks(t, dir)
				t.Logf("| %s | %s | %d passed | %d failed as expected |", revision, name, passed, len(failed))
				for _, id := range failed {
					seen[id] = true
					if expected[id] == "" {
						t.Errorf("%s fails: %s", id, out)
					}
				}
				if passed == 0 || err != nil && len(failed) == 0 {
					t.Errorf("%d checks passed, %v", passed, err)
				}
			})
		}
	}
	for id := range expected {
		if !seen[id] {
			t.Errorf("%s is expected to fail, and does not: take it out of the list", id)
		}
	}
}

// checks are what the suite wrote down of a scenario.
func checks(t *testing.T, dir string) (failed []string, passed int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ ID, Status string }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		switch c.Status {
		case "SUCCESS":
			passed++
		case "FAILURE":
			failed = append(failed, c.ID)
		}
	}
	return failed, passed
}

// inspects lists and calls tools by the Inspector's command line.
func inspects(t *testing.T, i *instancetest.Instance) {
	inspector := []string{
		"node_modules/.bin/mcp-inspector", "--cli", i.Info().API + "/mcp", "--transport", "http",
		"--header", "Authorization: Bearer " + i.Token(t, "deploy-bot"),
	}
	list, err := node(t, slices.Concat(inspector, []string{"--method", "tools/list"})...)
	if err != nil || !strings.Contains(list, "gitops_scale_deployment") || !strings.Contains(list, "get_call") {
		t.Errorf("%v: %s", err, list)
	}
	result, err := node(t, slices.Concat(inspector, []string{
		"--method", "tools/call", "--tool-name", "gitops_get_manifest", "--tool-arg", "environment=staging", "--tool-arg", "kind=deployment", "--tool-arg", "name=api",
	})...)
	if err != nil || !strings.Contains(result, "dev.sallyport/call") || strings.Contains(result, `"isError": true`) {
		t.Errorf("%v: %s", err, result)
	}
}

// result is that of a tool's call.
type result struct {
	IsError bool
	Content []struct{ Text string }
	Meta    struct {
		Call struct {
			ID, State string
			Repeats   bool
		} `json:"dev.sallyport/call"`
	} `json:"_meta"`
}

// drives uses the gateway by a client library.
func drives(t *testing.T, i *instancetest.Instance, library, revision string) {
	out, err := node(t, "driver.mjs", library, i.Info().API+"/mcp", i.Token(t, "deploy-bot"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version                                 string
		Tools, Progress                         []string
		Succeeded, Again, Denied, Asked, Looked result
		Unknown                                 struct{ Code int }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Version != revision {
		t.Errorf("the client speaks %s, and was to speak %s", got.Version, revision)
	}
	if !slices.Contains(got.Tools, "gitops_scale_deployment") || !slices.Contains(got.Tools, "get_call") {
		t.Errorf("tools: %q", got.Tools)
	}
	if s := got.Succeeded; s.IsError || s.Meta.Call.State != "succeeded" || len(got.Progress) == 0 {
		t.Errorf("%+v, with the progress %q", s, got.Progress)
	}
	if a := got.Again.Meta.Call; a.ID != got.Succeeded.Meta.Call.ID || !a.Repeats {
		t.Errorf("sent again, it is %+v", a)
	}
	if d := got.Denied; !d.IsError || d.Meta.Call.State != "denied" || !strings.Contains(d.Content[0].Text, "replica_cap") {
		t.Errorf("%+v", d)
	}
	if a := got.Asked; a.IsError || a.Meta.Call.State != "awaiting_approval" || !strings.Contains(a.Content[0].Text, "waits_for") {
		t.Errorf("%+v", a)
	}
	if l := got.Looked; l.IsError || !strings.Contains(l.Content[0].Text, got.Asked.Meta.Call.ID) {
		t.Errorf("%+v", l)
	}
	if got.Unknown.Code != -32602 {
		t.Errorf("%s", out)
	}
}

// A client without a token finds the issuer by the gateway's own documents.
func TestAuthorization(t *testing.T) {
	i := instancetest.Start(t, instancetest.Options{})
	for _, token := range []string{"", "forged"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.Info().API+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = w.Body.Close()
		_, after, _ := strings.Cut(w.Header.Get("WWW-Authenticate"), `resource_metadata="`)
		address, _, _ := strings.Cut(after, `"`)
		if w.StatusCode != http.StatusUnauthorized || address == "" {
			t.Fatalf("%d %q", w.StatusCode, w.Header)
		}
		var metadata struct {
			Resource string
			Servers  []string `json:"authorization_servers"`
		}
		get(t, address, &metadata)
		if metadata.Resource != i.Info().API+"/mcp" || len(metadata.Servers) != 1 {
			t.Fatalf("%+v", metadata)
		}
		var issuer struct{ Issuer string }
		get(t, metadata.Servers[0]+"/.well-known/openid-configuration", &issuer)
		if issuer.Issuer != metadata.Servers[0] {
			t.Errorf("%+v", issuer)
		}
	}
}

func get(t *testing.T, address string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if err := json.NewDecoder(w.Body).Decode(into); err != nil || w.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", address, w.StatusCode, err)
	}
}
