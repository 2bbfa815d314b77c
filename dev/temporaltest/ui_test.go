package temporaltest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// TestUI logs bob in at the Web UI, has him approve there, and tries what the
// UI is not for.
func TestUI(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{UI: true, CodecEndpoint: "http://127.0.0.1:8080/codec"})
	work(t, server, server.Service(authz.Worker))
	gateway := gatewayClient(t, server)
	call := submit(t, gateway, "call-1")
	server.Provider().LogIn("bob")
	bob := logIn(t, server)

	calls := "/api/v1/namespaces/default/workflows"
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", calls, "", http.StatusOK},
		{"GET", calls + "/call-1", "", http.StatusOK},
		{"GET", calls + "/call-1/history", "", http.StatusOK},
		{"GET", calls + "/call-1/history-reverse", "", http.StatusOK},
		{"POST", calls + "/call-1/query/__temporal_workflow_metadata", "{}", http.StatusOK},
		{"GET", "/api/v1/namespaces", "", http.StatusOK},
		{"GET", "/api/v1/namespaces/default", "", http.StatusOK},
		{"GET", "/api/v1/namespaces/default/search-attributes", "", http.StatusOK},
		{"GET", "/api/v1/namespaces/default/workflow-count", "", http.StatusOK},
		{"GET", "/api/v1/namespaces/default/task-queues/" + taskQueue, "", http.StatusOK},
		{"GET", "/api/v1/system-info", "", http.StatusOK},
		{"GET", "/api/v1/cluster-info", "", http.StatusOK},
		{"POST", calls + "/call-1/signal/other", "{}", http.StatusForbidden},
		{"POST", calls + "/call-1/terminate", "{}", http.StatusForbidden},
		{"POST", calls + "/call-1/cancel", "{}", http.StatusForbidden},
		{"POST", calls + "/call-1/reset", "{}", http.StatusForbidden},
		{"POST", calls + "/call-9", `{"workflowType":{"name":"ToolCall"}}`, http.StatusForbidden},
		{"GET", "/api/v1/namespaces/temporal-system/workflows", "", http.StatusForbidden},
	} {
		if got, body := bob.do(t, test.method, test.path, test.body); got != test.want {
			t.Errorf("%s %s: %d, want %d: %s", test.method, test.path, got, test.want, body)
		}
	}

	vote := `{"input":{"payloads":[{"metadata":{"encoding":"` + base64.StdEncoding.EncodeToString([]byte("json/plain")) + `"},"data":"` +
		base64.StdEncoding.EncodeToString([]byte(`"yes"`)) + `"}]},"identity":"alice"}`
	if status, body := bob.do(t, "POST", calls+"/call-1/signal/approve", vote); status != http.StatusOK {
		t.Fatalf("bob approves: %d: %s", status, body)
	}
	if got := result(t, call); got != "yes" {
		t.Errorf("result %q", got)
	}
	if diff := cmp.Diff("jwt/bob", principal(find(t, gateway, "call-1", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED))); diff != "" {
		t.Errorf("who approved: %s", diff)
	}
}

func TestUINeedsLogin(t *testing.T) {
	t.Parallel()
	server := temporaltest.Start(t, temporaltest.Options{UI: true, CodecEndpoint: "http://127.0.0.1:8080/codec"})
	anonymous := &browser{base: "http://" + server.UIAddr(), client: http.DefaultClient}
	if status, _ := anonymous.do(t, "GET", "/api/v1/namespaces/default/workflows", ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	forged := &browser{base: anonymous.base, client: http.DefaultClient, access: server.Provider().AccessToken("bob")}
	if status, _ := forged.do(t, "GET", "/api/v1/namespaces/default/workflows", ""); status != http.StatusUnauthorized {
		t.Errorf("without an ID token: %d", status)
	}
	if status, body := anonymous.do(t, "GET", "/", ""); status != http.StatusOK || !strings.Contains(body, "<html") {
		t.Errorf("the page: %d", status)
	}
	_, body := anonymous.do(t, "GET", "/api/v1/settings", "")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"WorkflowTerminateDisabled": true, "WorkflowCancelDisabled": true, "WorkflowResetDisabled": true,
		"WorkflowUpdateDisabled": true, "WorkflowPauseDisabled": true, "BatchActionsDisabled": true,
		"StartWorkflowDisabled": true, "ActivityCommandsDisabled": true,
		"WorkflowSignalDisabled": false, "DisableWriteActions": false,
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("setting %s is %v, want %v", name, got[name], value)
		}
	}
	codec := map[string]any{"Endpoint": "http://127.0.0.1:8080/codec", "PassAccessToken": false, "IncludeCredentials": true, "DefaultErrorMessage": "", "DefaultErrorLink": ""}
	if diff := cmp.Diff(codec, got["Codec"]); diff != "" {
		t.Errorf("codec: %s", diff)
	}
}

func TestUIWithoutProvider(t *testing.T) {
	t.Parallel()
	server := temporaltest.New(t, temporaltest.Options{UI: true})
	server.Provider().Close()
	wantError(t, server.Run(), "the Web UI needs the identity provider")
}

// browser is what the UI's page does with the tokens of a log-in.
type browser struct {
	base       string
	client     *http.Client
	access, id string
}

// logIn goes through the log-in as a browser does and takes the tokens from
// the cookies, as the page does.
func logIn(t *testing.T, server *temporaltest.Instance) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{base: "http://" + server.UIAddr(), client: &http.Client{Jar: jar}}
	if status, body := b.do(t, "GET", "/auth/sso", ""); status != http.StatusOK {
		t.Fatalf("log in: %d: %s", status, body)
	}
	base, err := url.Parse(b.base)
	if err != nil {
		t.Fatal(err)
	}
	cookies := jar.Cookies(base)
	slices.SortFunc(cookies, func(x, y *http.Cookie) int { return strings.Compare(x.Name, y.Name) })
	var encoded strings.Builder
	for _, c := range cookies {
		if strings.HasPrefix(c.Name, "user") {
			encoded.WriteString(c.Value)
		}
	}
	user, err := base64.StdEncoding.DecodeString(encoded.String())
	if err != nil {
		t.Fatalf("cookies %v: %v", cookies, err)
	}
	var tokens struct {
		AccessToken string `json:"AccessToken"`
		IDToken     string `json:"IDToken"`
	}
	if err := json.Unmarshal(user, &tokens); err != nil {
		t.Fatalf("cookies %v: %v", cookies, err)
	}
	b.access, b.id = tokens.AccessToken, tokens.IDToken
	return b
}

func (b *browser) do(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.base+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	if b.access != "" {
		req.Header.Set("Authorization", "Bearer "+b.access)
	}
	if b.id != "" {
		req.Header.Set("Authorization-Extras", b.id)
	}
	res, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
