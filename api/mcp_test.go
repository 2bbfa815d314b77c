package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api"
)

// revisions are those that clients speak: of the oldest, with the handshake, and
// of the newest, without.
func revisions() []string { return []string{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"} }

// bearer adds a token to each request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// agentOf connects the SDK's client to a server, as the agent whose token it is.
func agentOf(t *testing.T, g *gateway, token, revision string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	server := httptest.NewServer(g.server(t).Handler())
	t.Cleanup(server.Close)
	return connect(t, server.URL, token, revision, o)
}

func connect(t *testing.T, address, token, revision string, o *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, o)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: address + "/mcp", HTTPClient: &http.Client{Transport: bearer(token)}, MaxRetries: -1, DisableStandaloneSSE: true,
	}, &mcp.ClientSessionOptions{ProtocolVersion: revision})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func callTool(t *testing.T, s *mcp.ClientSession, params *mcp.CallToolParams) *mcp.CallToolResult {
	t.Helper()
	result, err := s.CallTool(t.Context(), params)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// noteIn is what an answer says of its call.
func noteIn(t *testing.T, r *mcp.CallToolResult) (note struct {
	ID      string `json:"id"`
	State   string `json:"state"`
	Repeats bool   `json:"repeats"`
	Next    string `json:"next"`
	Error   *struct {
		Code, Message string
		Reasons       []sallyport.Reason
		Errors        []sallyport.Field
	}
	WaitsFor *struct {
		Groups  []string
		Approve string
	} `json:"waits_for"`
	RetryAfter int `json:"retry_after_seconds"`
},
) {
	t.Helper()
	b, err := json.Marshal(r.Meta["dev.sallyport/call"])
	if err == nil {
		err = json.Unmarshal(b, &note)
	}
	if err != nil {
		t.Fatal(err)
	}
	return note
}

func textOf(r *mcp.CallToolResult) string {
	var b strings.Builder
	for _, c := range r.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String()
}

func scaleTo(name string) map[string]any {
	return map[string]any{"environment": "staging", "name": name}
}

func TestMCPRevisions(t *testing.T) {
	for _, revision := range revisions() {
		t.Run(revision, func(t *testing.T) {
			g := newGateway(t)
			s := agentOf(t, g, "deploy-bot", revision, nil)
			var names []string
			for tool, err := range s.Tools(t.Context(), nil) {
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, tool.Name)
			}
			want := []string{"gitops_get_manifest", "gitops_scale_deployment", "cancel_call", "get_call", "list_calls"}
			if d := cmp.Diff(want, names); d != "" {
				t.Errorf("tools (-want +got)\n%s", d)
			}
			arguments := scaleTo("api")
			arguments["sallyport_reason"] = "p95 latency above the objective"
			result := callTool(t, s, &mcp.CallToolParams{
				Name: "gitops_get_manifest", Arguments: arguments,
				Meta: mcp.Meta{"dev.sallyport/session": "s-42", "dev.sallyport/task": "t-7"},
			})
			if result.IsError || textOf(result) != `{"manifest":"kind: Deployment # <b>"}` {
				t.Errorf("%+v: %s", result, textOf(result))
			}
			note := noteIn(t, result)
			record, err := g.ledger.Call(t.Context(), note.ID)
			if err != nil {
				t.Fatal(err)
			}
			stated := sallyport.Stated{Reason: "p95 latency above the objective", Session: "s-42", Task: "t-7"}
			if record.Call.Stated != stated || string(record.Call.Arguments) != `{"environment":"staging","name":"api"}` {
				t.Errorf("the ledger received %+v with %s", record.Call.Stated, record.Call.Arguments)
			}
		})
	}
}

// The list is the agent's own, and says which call a model can state a reason in.
func TestMCPListsWhatTheAgentMaySee(t *testing.T) {
	g := newGateway(t)
	s := agentOf(t, g, "triage-bot", "2026-07-28", nil)
	list, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if list.CacheScope != "private" || list.TTLMs <= 0 || list.TTLMs > 300_000 {
		t.Errorf("the list may be cached as %+v", list.Cacheable)
	}
	if n := slices.IndexFunc(list.Tools, func(t *mcp.Tool) bool { return t.Name == "gitops_scale_deployment" }); n >= 0 {
		t.Error("a hidden tool is listed")
	}
	schema, err := json.Marshal(list.Tools[0].InputSchema)
	if err != nil || !strings.Contains(string(schema), `"sallyport_reason"`) {
		t.Errorf("%s %v", schema, err)
	}
	if !list.Tools[0].Annotations.ReadOnlyHint {
		t.Errorf("%+v", list.Tools[0].Annotations)
	}
}

// A tool whose manifest promises a result has a schema of its answers, which fits
// them all, and the result itself as JSON.
func TestMCPStructuredContent(t *testing.T) {
	s := agentOf(t, newGateway(t), "deploy-bot", "2025-11-25", nil)
	list, err := s.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	schemas := jsonschema.NewCompiler()
	if err := schemas.AddResource("output.json", list.Tools[0].OutputSchema); err != nil {
		t.Fatal(err)
	}
	schema, err := schemas.Compile("output.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct{ failed, result bool }{"api": {false, true}, "slow": {false, false}, "odd": {false, false}, "flaky": {true, false}} {
		r := callTool(t, s, &mcp.CallToolParams{Name: "gitops_get_manifest", Arguments: scaleTo(name), Meta: mcp.Meta{"dev.sallyport/wait-seconds": 0}})
		if err := schema.Validate(r.StructuredContent); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		content, _ := r.StructuredContent.(map[string]any)
		if _, result := content["manifest"]; r.IsError != want.failed || result != want.result {
			t.Errorf("%s: %t %s", name, r.IsError, textOf(r))
		}
	}
	if list.Tools[1].OutputSchema != nil {
		t.Errorf("%s promises %v", list.Tools[1].Name, list.Tools[1].OutputSchema)
	}
}

func TestMCPRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		reason    string
		arguments any
		code      string
	}{
		"Denied":       {"a model has to read why", map[string]any{"environment": "staging", "name": "api", "replicas": 50}, "denied"},
		"Failed":       {"the tool's own failure is one too", scaleTo("flaky"), "tool_failed"},
		"Ambiguous":    {"a model must not take it for a failure that did nothing", scaleTo("lost"), "ambiguous"},
		"BadArguments": {"the model can mend them", map[string]any{"name": "api", "replicas": 5000}, "invalid_arguments"},
		"ReasonNoText": {"the model can mend it", map[string]any{"name": "api", "sallyport_reason": 7}, "invalid_arguments"},
		"LongReason":   {"the model can shorten it", map[string]any{"name": "api", "sallyport_reason": strings.Repeat("x", 2001)}, "invalid_arguments"},
	} {
		t.Run(name, func(t *testing.T) {
			s := agentOf(t, newGateway(t), "deploy-bot", "2025-11-25", nil)
			result := callTool(t, s, &mcp.CallToolParams{Name: "gitops_scale_deployment", Arguments: test.arguments})
			note := noteIn(t, result)
			if !result.IsError || note.Error == nil || note.Error.Code != test.code {
				t.Errorf("%s: %s", test.reason, textOf(result))
			}
		})
	}
}

// An agent learns nothing about tools that it may not see.
func TestMCPHiddenToolsLookUnknown(t *testing.T) {
	g := newGateway(t)
	s := agentOf(t, g, "deploy-bot", "2025-11-25", nil)
	var texts []string
	for _, name := range []string{"hidden", "no_such_tool"} {
		_, err := s.CallTool(t.Context(), &mcp.CallToolParams{Name: name, Arguments: map[string]any{}})
		wire, ok := errors.AsType[*jsonrpc.Error](err)
		if !ok || wire.Code != jsonrpc.CodeInvalidParams {
			t.Fatalf("%v", err)
		}
		texts = append(texts, strings.ReplaceAll(wire.Message, name, "TOOL"))
	}
	if texts[0] != texts[1] {
		t.Errorf("a hidden tool answers otherwise than an unknown one: %q", texts)
	}
}

func TestMCPWaitsForPeople(t *testing.T) {
	g := newGateway(t)
	var mu sync.Mutex
	var progress []string
	s := agentOf(t, g, "deploy-bot", "2026-07-28", &mcp.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
			mu.Lock()
			defer mu.Unlock()
			progress = append(progress, r.Params.Message)
		},
	})
	params := &mcp.CallToolParams{Name: "gitops_scale_deployment", Arguments: map[string]any{"environment": "production", "name": "api"}, Meta: mcp.Meta{"dev.sallyport/wait-seconds": 1}}
	params.SetProgressToken("p-1")
	result := callTool(t, s, params)
	note := noteIn(t, result)
	if result.IsError || note.State != "awaiting_approval" || note.WaitsFor == nil || note.WaitsFor.Groups[0] != "sre" || note.WaitsFor.Approve == "" || !strings.Contains(note.Next, "get_call") {
		t.Errorf("%s", textOf(result))
	}
	mu.Lock()
	if !slices.ContainsFunc(progress, func(p string) bool { return strings.Contains(p, "awaiting_approval") }) {
		t.Errorf("progress: %q", progress)
	}
	mu.Unlock()

	got := callTool(t, s, &mcp.CallToolParams{Name: "get_call", Arguments: map[string]any{"id": note.ID}})
	if !strings.Contains(textOf(got), `"state":"awaiting_approval"`) {
		t.Errorf("get_call: %s", textOf(got))
	}
	listed := callTool(t, s, &mcp.CallToolParams{Name: "list_calls", Arguments: map[string]any{"state": []string{"awaiting_approval"}}})
	if !strings.Contains(textOf(listed), note.ID) {
		t.Errorf("list_calls: %s", textOf(listed))
	}
	cancelled := callTool(t, s, &mcp.CallToolParams{Name: "cancel_call", Arguments: map[string]any{"id": note.ID}})
	if cancelled.IsError {
		t.Errorf("cancel_call: %s", textOf(cancelled))
	}
	again := callTool(t, s, &mcp.CallToolParams{Name: "cancel_call", Arguments: map[string]any{"id": "aaaa"}})
	if note := noteIn(t, again); !again.IsError || note.Error.Code != "no_call" {
		t.Errorf("cancel_call of no call: %s", textOf(again))
	}
}

// Many clients that send the same key get the same call.
func TestMCPOneKeyIsOneCall(t *testing.T) {
	wantOneCall(t, mcp.CallToolParams{
		Name: "gitops_scale_deployment", Arguments: scaleTo("api"), Meta: mcp.Meta{"dev.sallyport/idempotency-key": "scale-1"},
	})
}

// wantOneCall sends the same at once by many clients.
func wantOneCall(t *testing.T, params mcp.CallToolParams) {
	t.Helper()
	g := newGateway(t)
	server := httptest.NewServer(g.server(t).Handler())
	t.Cleanup(server.Close)
	const clients = 64
	ids := make([]string, clients)
	var wg sync.WaitGroup
	for i := range clients {
		s := connect(t, server.URL, "deploy-bot", "2026-07-28", nil)
		wg.Go(func() {
			own := params
			own.Meta = maps.Clone(params.Meta) // the client adds to it
			result, err := s.CallTool(t.Context(), &own)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = noteIn(t, result).ID
		})
	}
	wg.Wait()
	if slices.Sort(ids); ids[0] == "" || ids[0] != ids[clients-1] || g.workflow.calls() != 1 {
		t.Errorf("%d calls were started, with ids from %q to %q", g.workflow.calls(), ids[0], ids[clients-1])
	}
}

// One key names one call at both doors.
func TestMCPAndRESTShareKeys(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g.server(t).Handler())
	t.Cleanup(server.Close)
	s := connect(t, server.URL, "deploy-bot", "2026-07-28", nil)
	arguments := scaleTo("api")
	arguments["sallyport_reason"] = "load test"
	result := callTool(t, s, &mcp.CallToolParams{
		Name: "gitops_scale_deployment", Arguments: arguments, Meta: mcp.Meta{"dev.sallyport/idempotency-key": "scale-1"},
	})
	status, body := post(t, server.URL+"/v1/calls", "deploy-bot", http.Header{"Idempotency-Key": {"scale-1"}},
		`{"reason":"load test","tool":"gitops_scale_deployment","arguments":{"name":"api","environment":"staging"}}`)
	if status != http.StatusOK || !strings.Contains(body, noteIn(t, result).ID) || g.workflow.calls() != 1 {
		t.Errorf("%d %s", status, body)
	}
	other := callTool(t, s, &mcp.CallToolParams{
		Name: "gitops_scale_deployment", Arguments: scaleTo("other"), Meta: mcp.Meta{"dev.sallyport/idempotency-key": "scale-1"},
	})
	if note := noteIn(t, other); !other.IsError || note.Error.Code != "idempotency_mismatch" {
		t.Errorf("%s", textOf(other))
	}
}

// A client whose answer got lost sends a write again, without a key: that is the
// same call. A read is always a new one.
func TestMCPWriteSentAgain(t *testing.T) {
	g := newGateway(t)
	s := agentOf(t, g, "deploy-bot", "2025-11-25", nil)
	send := func(tool, name string, meta mcp.Meta) (id string, repeats bool, text string) {
		t.Helper()
		r := callTool(t, s, &mcp.CallToolParams{Name: tool, Arguments: scaleTo(name), Meta: meta})
		note := noteIn(t, r)
		return note.ID, note.Repeats, textOf(r)
	}
	session := mcp.Meta{"dev.sallyport/session": "s-42"}
	first, repeats, _ := send("gitops_scale_deployment", "api", session)
	if repeats {
		t.Error("the first call repeats none")
	}
	again, repeats, text := send("gitops_scale_deployment", "api", session)
	if again != first || !repeats || !strings.Contains(text, first) {
		t.Errorf("sent again, it is call %s and not %s: %s", again, first, text)
	}
	for name, other := range map[string]func() (string, bool, string){
		"another target":  func() (string, bool, string) { return send("gitops_scale_deployment", "web", session) },
		"another session": func() (string, bool, string) { return send("gitops_scale_deployment", "api", nil) },
		"asked for": func() (string, bool, string) {
			return send("gitops_scale_deployment", "api", mcp.Meta{"dev.sallyport/session": "s-42", "dev.sallyport/new-call": true})
		},
		"a key": func() (string, bool, string) {
			return send("gitops_scale_deployment", "api", mcp.Meta{"dev.sallyport/session": "s-42", "dev.sallyport/idempotency-key": "k"})
		},
	} {
		if id, repeats, _ := other(); id == first || repeats {
			t.Errorf("%s: it is taken for call %s", name, id)
		}
	}
	read, _, _ := send("gitops_get_manifest", "api", session)
	if id, repeats, _ := send("gitops_get_manifest", "api", session); id == read || repeats {
		t.Error("a read joined another")
	}
	g.clock.advance(2 * time.Minute)
	if id, repeats, _ := send("gitops_scale_deployment", "api", session); id == first || repeats {
		t.Error("the same write two minutes later is taken for the first")
	}
}

// Many clients that send the same write at once, without keys, get one call.
func TestMCPSameWriteRaces(t *testing.T) {
	wantOneCall(t, mcp.CallToolParams{Name: "gitops_scale_deployment", Arguments: scaleTo("api")})
}

// A write by REST is a new call unless it has a key.
func TestRESTJoinsNothing(t *testing.T) {
	g := newGateway(t)
	server := httptest.NewServer(g.server(t).Handler())
	t.Cleanup(server.Close)
	for range 2 {
		post(t, server.URL+"/v1/calls", "deploy-bot", nil, `{"tool":"gitops_scale_deployment","arguments":{"name":"api","environment":"staging"}}`)
	}
	if g.workflow.calls() != 2 {
		t.Errorf("%d calls were started", g.workflow.calls())
	}
}

// Of a call that was recorded and not handed over, the repetition hands it over.
func TestMCPRepetitionHandsOver(t *testing.T) {
	g := newGateway(t)
	s := agentOf(t, g, "deploy-bot", "2025-11-25", nil)
	call := sallyport.Call{
		ID: sallyport.CallID([16]byte{7}), AgentID: "deploy-bot", Tool: "gitops_scale_deployment",
		Account: sallyport.Account{Issuer: "https://agents.test", Subject: "deploy-bot"}, Arguments: []byte(`{"environment":"staging","name":"api"}`),
		Body: sallyport.NewDigest("b"), ReceivedAt: g.clock.Now(),
	}
	call.Same = call.SameDigest()
	signed, err := seal(call)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.ledger.Record(t.Context(), sallyport.Entry{CallID: call.ID, Kind: sallyport.EntryReceived, At: call.ReceivedAt, Call: &call, Signed: sallyport.SignedCall(signed)}); err != nil {
		t.Fatal(err)
	}
	result := callTool(t, s, &mcp.CallToolParams{Name: "gitops_scale_deployment", Arguments: scaleTo("api")})
	if note := noteIn(t, result); note.ID != call.ID || note.State != "succeeded" {
		t.Errorf("%s", textOf(result))
	}
}

// post sends one request that no SDK has made.
func post(t *testing.T, address, token string, h http.Header, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = h
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, w.Header.Get("WWW-Authenticate") + "\n" + string(b)
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

func accepting(pairs ...string) http.Header {
	h := http.Header{"Accept": {"application/json, text/event-stream"}}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestMCPDoor(t *testing.T) {
	g := newGateway(t)
	g.options.ExternalURL = &url.URL{Scheme: "https", Host: "sallyport.example.com"}
	g.options.AgentIssuers = func() []string { return []string{"https://agents.test"} }
	server := httptest.NewServer(g.server(t).Handler())
	t.Cleanup(server.Close)
	const metadata = `resource_metadata="https://sallyport.example.com/.well-known/oauth-protected-resource/mcp"`
	modern := func(name string) http.Header {
		return accepting("Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", name)
	}
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_call","arguments":{"id":"x"},"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	for name, test := range map[string]struct {
		reason, token string
		header        http.Header
		body          string
		status        int
		want          string
	}{
		"Ping":          {"it is allowed", "deploy-bot", accepting(), ping, 200, `"result":{}`},
		"NoToken":       {"a client learns where to get one", "", accepting(), ping, 401, metadata},
		"BadToken":      {"the same, of a token that is worth nothing", "stranger", accepting(), ping, 401, `error="invalid_token", ` + metadata},
		"Person":        {"people act by REST and the Temporal UI", "alice", accepting(), ping, 403, `error="insufficient_scope", ` + metadata},
		"ForeignOrigin": {"a page of another site must not use a browser's way in", "deploy-bot", accepting("Origin", "https://evil.example.com"), ping, 403, "foreign_site"},
		"NoOrigin":      {"a page in a file or a sandbox has none of ours", "deploy-bot", accepting("Origin", "null"), ping, 403, "foreign_site"},
		"OwnOrigin":     {"it is ours", "deploy-bot", accepting("Origin", "https://sallyport.example.com"), ping, 200, `"result":{}`},
		"LocalOrigin":   {"it is a page of this machine", "deploy-bot", accepting("Origin", "http://localhost:6274"), ping, 200, `"result":{}`},
		"Rebound":       {"a name of another site that leads here", "deploy-bot", accepting("Host", "evil.example.com"), ping, 403, "foreign_site"},
		"Proxied":       {"a reverse proxy on this machine keeps the name", "deploy-bot", accepting("Host", "sallyport.example.com"), ping, 200, `"result":{}`},
		"Batch":         {"many requests would cost one", "deploy-bot", accepting(), "[" + ping + "]", 400, "bad_json"},
		"Duplicate":     {"two parsers read it in two ways", "deploy-bot", accepting(), `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}`, 400, "bad_json"},
		"Large":         {"nothing larger is read", "deploy-bot", accepting(), `{"a":"` + strings.Repeat("x", 64<<10) + `"}`, 413, "too_large"},
		"HeaderDiffers": {"a proxy that filters by headers would be passed by", "deploy-bot", modern("cancel_call"), call, 400, "-32020"},
		"HeaderEquals":  {"the same, with the right header", "deploy-bot", modern("get_call"), call, 200, "no_call"},
		"Complete":      {"clients of the newest revision want to know that there is no more", "deploy-bot", modern("get_call"), call, 200, `"resultType":"complete"`},
		"NoPrompts":     {"there are none", "deploy-bot", accepting(), `{"jsonrpc":"2.0","id":1,"method":"prompts/list"}`, 200, "-32601"},
		"MisspeltMeta":  {"a misspelt key would join nothing", "deploy-bot", accepting(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"gitops_get_manifest","_meta":{"dev.sallyport/idempotencyKey":"1"}}}`, 200, "-32602"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := post(t, server.URL+"/mcp", test.token, test.header, test.body)
			if status != test.status || !strings.Contains(body, test.want) {
				t.Errorf("%s: %d %s", test.reason, status, body)
			}
		})
	}
}

// A client without a token learns from the configuration where to get one.
func TestResourceMetadata(t *testing.T) {
	g := newGateway(t)
	g.options.ExternalURL = &url.URL{Scheme: "https", Host: "sallyport.example.com"}
	g.options.AgentIssuers = func() []string { return []string{"https://a.test", "https://b.test"} }
	h := g.server(t).Handler()
	for path, resource := range map[string]string{"": "https://sallyport.example.com", "/mcp": "https://sallyport.example.com/mcp"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://evil.example.com/.well-known/oauth-protected-resource"+path, http.NoBody)
		h.ServeHTTP(w, r)
		want := `{"resource":"` + resource + `","authorization_servers":["https://a.test","https://b.test"],"bearer_methods_supported":["header"],"resource_name":"Sallyport"}`
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d %s", path, w.Code, got)
		}
	}
}

// Each message draws from the share of what it does, and a model is told when
// to come back.
func TestMCPDrawsFromShares(t *testing.T) {
	g := newGateway(t)
	g.options.RateLimit = api.RateLimit{PerSecond: 0.001, Burst: 2}
	g.options.ReadLimit = api.RateLimit{PerSecond: 0.001, Burst: 100}
	s := agentOf(t, g, "deploy-bot", "2025-11-25", nil)
	read := &mcp.CallToolParams{Name: "gitops_get_manifest", Arguments: scaleTo("api")}
	for range 2 {
		if r := callTool(t, s, read); r.IsError {
			t.Fatal(textOf(r))
		}
	}
	result := callTool(t, s, read)
	if note := noteIn(t, result); !result.IsError || note.Error.Code != "rate_limited" || note.RetryAfter == 0 {
		t.Errorf("%s", textOf(result))
	}
	if r := callTool(t, s, &mcp.CallToolParams{Name: "list_calls", Arguments: map[string]any{}}); r.IsError {
		t.Errorf("reads are another share: %s", textOf(r))
	}
	for range 2 {
		r := callTool(t, s, &mcp.CallToolParams{Name: "cancel_call", Arguments: map[string]any{"id": "x"}})
		if note := noteIn(t, r); note.Error.Code != "no_call" {
			t.Errorf("controls are another share: %s", textOf(r))
		}
	}
	r := callTool(t, s, &mcp.CallToolParams{Name: "cancel_call", Arguments: map[string]any{"id": "x"}})
	if note := noteIn(t, r); note.Error.Code != "rate_limited" {
		t.Errorf("%s", textOf(r))
	}
}

// A frozen agent may look at single calls and cancel them; what it submits is
// recorded and denied.
func TestMCPFrozenAgent(t *testing.T) {
	g := newGateway(t)
	s := agentOf(t, g, "deploy-bot", "2025-11-25", nil)
	freeze := sallyport.Freeze{ID: sallyport.CallID([16]byte{1}), Agent: "deploy-bot", By: "olga", Reason: "incident", At: g.clock.Now()}
	if _, err := g.ledger.Record(t.Context(), sallyport.Entry{CallID: freeze.ID, Kind: sallyport.EntryFreeze, At: freeze.At, Freeze: &freeze}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ListTools(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "incident") {
		t.Errorf("tools/list: %v", err)
	}
	result := callTool(t, s, &mcp.CallToolParams{Name: "gitops_scale_deployment", Arguments: scaleTo("api")})
	if note := noteIn(t, result); !result.IsError || note.ID == "" || note.Error.Code != "frozen" {
		t.Errorf("%s", textOf(result))
	}
	looked := callTool(t, s, &mcp.CallToolParams{Name: "get_call", Arguments: map[string]any{"id": noteIn(t, result).ID}})
	if looked.IsError {
		t.Errorf("get_call: %s", textOf(looked))
	}
}

// A client that hangs up cancels nothing.
func TestMCPHangUpCancelsNothing(t *testing.T) {
	g := newGateway(t)
	awaited := make(chan struct{}, 1)
	g.options.Reader = watched{reader: reader{Ledger: g.ledger, down: g.down}, awaited: awaited}
	s := agentOf(t, g, "deploy-bot", "2026-07-28", nil)
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = s.CallTool(ctx, &mcp.CallToolParams{Name: "gitops_scale_deployment", Arguments: scaleTo("slow")})
	}()
	<-awaited
	hangUp()
	<-done
	page, err := g.ledger.Calls(t.Context(), sallyport.Query{Limit: 10})
	if err != nil || len(page.Records) != 1 || page.Records[0].State != sallyport.StateRunning {
		t.Errorf("%+v %v", page.Records, err)
	}
}

// The call is in the trace that _meta names, whether or not the server makes spans:
// of its own request's span too, it would be in two.
func TestMCPTrace(t *testing.T) {
	const named = "0af7651916cd43dd8448eb211c80319c"
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	for name, wrap := range map[string]func(http.Handler) http.Handler{"Without": nil, "With": func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, span := tracer.Start(r.Context(), "http")
			defer span.End()
			h.ServeHTTP(w, r.WithContext(ctx))
		})
	}} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t)
			g.options.Wrap = wrap
			s := agentOf(t, g, "deploy-bot", "2026-07-28", nil)
			result := callTool(t, s, &mcp.CallToolParams{
				Name: "gitops_get_manifest", Arguments: scaleTo("api"), Meta: mcp.Meta{"traceparent": "00-" + named + "-b7ad6b7169203331-01"},
			})
			record, err := g.ledger.Call(t.Context(), noteIn(t, result).ID)
			if err != nil || sallyport.TraceID(record.Call.TraceParent) != named {
				t.Errorf("%q %v", record.Call.TraceParent, err)
			}
		})
	}
	for _, s := range spans.Ended() {
		if s.Name() == "tools/call" && s.Parent().SpanID().String() == "b7ad6b7169203331" && len(s.Links()) == 1 {
			return
		}
	}
	t.Error("no span of the call is a child of the one that the client named")
}

// A panic in a handler must not end the server: it is the SDK's goroutine.
func TestMCPPanic(t *testing.T) {
	g := newGateway(t)
	g.options.Catalogue = panicking{}
	s := agentOf(t, g, "deploy-bot", "2025-11-25", nil)
	if _, err := s.ListTools(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("%v", err)
	}
	if !strings.Contains(g.log.String(), "handler panicked") {
		t.Error("the log does not say so")
	}
}

type panicking struct{}

func (panicking) Visible(context.Context, sallyport.Agent) ([]sallyport.Tool, error) { panic("x") }

func (panicking) Sees(context.Context, sallyport.Agent, string) (sallyport.Tool, bool, error) {
	panic("x")
}
