package standalonetest

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/workflows/wire"
)

// TestServer runs the program, uses it as each of those whom it is for, kills
// it, and finds everything again.
func TestServer(t *testing.T) {
	t.Parallel()
	pg := postgrestest.Start(t)
	s := newServer(t, pg)
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	gateway := s.service(t, authz.Gateway)
	const id = "call-aaaaaaaaaaaaaaaaaaaaaaaaaa"
	start(t, gateway, id)
	before, err := os.ReadFile(s.path("tokens/gateway.token"))
	if err != nil {
		t.Fatal(err)
	}

	s.kill(t)
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(s.path("tokens/gateway.token")); err != nil || string(after) == string(before) {
		t.Errorf("the tokens outlive the server: %v", err)
	}
	if _, err := gateway.DescribeWorkflowExecution(t.Context(), id, ""); err != nil {
		t.Errorf("the call of before, with the token of now: %v", err)
	}
	for subject, denied := range map[string]bool{"u-bob": false, "u-olga": true, "u-dave": true, "bob": true} {
		err := s.person(t, subject).SignalWorkflow(t.Context(), id, "", wire.ApproveSignal, "yes")
		if _, got := errors.AsType[*serviceerror.PermissionDenied](err); got != denied || !denied && err != nil {
			t.Errorf("%s signals: %v, want denied %t", subject, err, denied)
		}
	}
	if got := signaller(t, gateway, id); got != "jwt/u-bob" {
		t.Errorf("%s signalled, want jwt/u-bob", got)
	}
	wantUI(t, s)
	s.roots = s.certificate(t) // renewed, by another authority even
	if _, err := s.service(t, authz.Gateway).DescribeWorkflowExecution(t.Context(), id, ""); err != nil {
		t.Errorf("a connection after the renewal of the certificate: %v", err)
	}
	s.stop(t)
}

// TestTableIsReloaded takes a person's role while the server runs.
func TestTableIsReloaded(t *testing.T) {
	t.Parallel()
	s := newServer(t, postgrestest.Start(t))
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	bob := s.person(t, "u-bob")
	if _, err := bob.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{}); err != nil {
		t.Fatalf("bob looks: %v", err)
	}
	table, err := os.ReadFile(s.path("identities.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "identities.yaml", strings.Replace(string(table), "groups: [sre]", "groups: [dev]", 1))
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := bob.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{})
		if _, denied := errors.AsType[*serviceerror.PermissionDenied](err); denied {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("bob still may look: %v", err)
		}
	}
}

// TestRefusals starts the program with what it must not run on.
func TestRefusals(t *testing.T) {
	t.Parallel()
	pg := postgrestest.Start(t)
	for name, test := range map[string]struct{ file, old, with, says string }{
		"OpenPassword": {"postgres.password", "", "", "others may use it"},
		"NoIssuer":     {"temporal.yaml", "\n  audience: temporal", "/nowhere\n  audience: temporal", "people.issuer: discovery"},
		"BadTable":     {"identities.yaml", "kind: person", "kind: robot", "identities.yaml:2"},
		"UnknownKey":   {"temporal.yaml", "history_shards", "shards", "temporal.yaml:3: field shards not found"},
		"BadKey":       {"frontend.key", "PRIVATE KEY", "PUBLIC KEY", "frontend.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, pg)
			data, err := os.ReadFile(s.path(test.file))
			if err != nil {
				t.Fatal(err)
			}
			s.write(t, test.file, strings.ReplaceAll(string(data), test.old, test.with))
			if test.old == "" {
				s.write(t, test.file, string(data))
				if err := os.Chmod(s.path(test.file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			wantError(t, s.run(t), test.says)
		})
	}
}

// TestHelp holds the example of the help against the program itself.
func TestHelp(t *testing.T) {
	t.Parallel()
	path, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, "--help").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"createdb --owner temporal temporal_visibility", "gateway.token", "approver_groups: [sre]", "--config"} {
		if !strings.Contains(string(out), says) {
			t.Errorf("the help does not say %q", says)
		}
	}
}

func start(t *testing.T, gateway client.Client, id string) {
	t.Helper()
	_, err := gateway.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: wire.TaskQueue, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(wire.StateAttribute).ValueSet("pending")),
	}, wire.ToolCallName)
	if err != nil {
		t.Fatalf("start a call: %v", err)
	}
}

// signaller is the principal of the first signal.
func signaller(t *testing.T, c client.Client, id string) string {
	t.Helper()
	events := c.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
			return e.GetPrincipal().GetType() + "/" + e.GetPrincipal().GetName()
		}
	}
	return ""
}

// wantUI looks that the UI speaks TLS, sends people to log in, and reaches the
// frontend.
func wantUI(t *testing.T, s *server) {
	t.Helper()
	browser := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	get := func(path string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.ui+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res
	}
	if res := get("/auth/sso"); !strings.HasPrefix(res.Header.Get("Location"), s.provider.URL()+"/authorize") || !strings.Contains(res.Header.Get("Location"), "https%3A%2F%2F"+strings.ReplaceAll(s.ui, ":", "%3A")+"%2Fauth%2Fsso%2Fcallback") {
		t.Errorf("the UI sends people to %q", res.Header.Get("Location"))
	}
	if res := get("/api/v1/namespaces/default/workflows"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the UI shows workflows to a browser that is not logged in: %s", res.Status)
	}
	if res := get("/api/v1/system-info"); res.StatusCode >= http.StatusInternalServerError {
		t.Errorf("the UI does not reach the frontend: %s", res.Status)
	}
}
