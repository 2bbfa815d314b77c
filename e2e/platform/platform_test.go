//go:build e2e

package platform_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/e2e/platform"
)

// The platform that all tests of this package share, and the gateway in it.
var (
	shared  *platform.Platform
	gateway *platform.Gateway
)

func TestMain(m *testing.M) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

func run(m *testing.M) (status int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "platform-")
	if err != nil {
		return 1, err
	}
	began := time.Now()
	c, err := cluster.Up(ctx, cluster.Options{Dir: filepath.Join(dir, "cluster"), Progress: os.Stderr})
	if err != nil {
		return 1, err // with the directory left, for its logs
	}
	defer func() { err = errors.Join(err, c.Down(ctx), os.RemoveAll(dir)) }()
	fmt.Fprintf(os.Stderr, "the cluster: %.1fs\n", time.Since(began).Seconds())
	if shared, err = platform.Up(ctx, platform.Options{Cluster: c, Dir: filepath.Join(dir, "platform"), Progress: os.Stderr}); err != nil {
		return 1, err
	}
	if gateway, err = shared.Install(ctx, nil); err != nil {
		return 1, err
	}
	fmt.Fprintf(os.Stderr, "all of it: %.1fs\n", time.Since(began).Seconds())
	return m.Run(), nil
}

// TestPlatform goes all the way that a call goes before it runs: an agent with
// a token of the identity provider, the API, Temporal, the worker with the
// policy, which allows no 500 replicas, and the ledger; and people see it.
func TestPlatform(t *testing.T) {
	_, err := agentClient(t, "deploy-bot").Submit(t.Context(), client.Submission{
		Tool:      "k8s_scale_deployment",
		Arguments: json.RawMessage(`{"namespace":"staging","name":"api-server","replicas":500}`), Wait: 20 * time.Second,
	})
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Status != http.StatusForbidden || problem.CallID == "" {
		t.Fatalf("the call is answered with %v, want a problem of status 403", err)
	}
	ctx, login := shared.LogIn(t.Context(), "audra")
	token, err := login.AccessToken(ctx, platform.Audience)
	if err != nil {
		t.Fatal(err)
	}
	auditor, err := client.New(gateway.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	call, err := auditor.Get(t.Context(), problem.CallID, 0)
	if err != nil || call.State != sallyport.StateDenied || call.Agent != "deploy-bot" {
		t.Errorf("the auditor sees %+v, %v; want a call of deploy-bot that was denied", call, err)
	}
	report, err := gateway.Verify(t.Context())
	if err != nil {
		t.Errorf("the ledger does not hold: %v: %s", err, report)
	}
}

// TestCallRuns has an agent look at a target: a Job in the execution namespace
// does, and brings back what it saw.
func TestCallRuns(t *testing.T) {
	call, err := agentClient(t, "deploy-bot").Submit(t.Context(), client.Submission{
		Tool: "k8s_get_deployment", Arguments: json.RawMessage(`{"namespace":"staging","name":"api-server"}`), Wait: 30 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if call.State != sallyport.StateSucceeded || call.Result == nil || !strings.Contains(string(call.Result.Content), "api-server") {
		t.Errorf("the call ended as %+v", call)
	}
}

func agentClient(t *testing.T, agent string) *client.Client {
	t.Helper()
	token, err := shared.AgentToken(t.Context(), agent)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(gateway.URL, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTemporalUI logs a person in there, by the identity provider, as a
// browser does.
func TestTemporalUI(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	web := shared.HTTP()
	web.Jar = jar
	page := func(to string) (status int, location, body string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := web.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, answer.Header.Get("Location"), string(text)
	}
	status, asked, body := page(platform.TemporalUI + "/auth/sso")
	if !strings.HasPrefix(asked, platform.PeopleIssuer+"/authorize?") {
		t.Fatalf("the UI answers %d and sends the browser to %q, want the identity provider: %s", status, asked, body)
	}
	back, err := shared.Choose(t.Context(), asked, "bob")
	if err != nil {
		t.Fatal(err)
	}
	status, _, body = page(back)
	ui, err := url.Parse(platform.TemporalUI)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(jar.Cookies(ui), func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, "user") }) {
		t.Errorf("after the log-in the UI responds with %d and sets no session cookie of a user: %s", status, body)
	}
}

// TestProxy reaches a Service by its name through the proxy, as other programs
// of this machine do.
func TestProxy(t *testing.T) {
	address, err := shared.Proxy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	direct, ok := shared.HTTP().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the client has another transport")
	}
	through := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: direct.TLSClientConfig}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, platform.PeopleIssuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := through.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var says struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&says); err != nil || says.Issuer != platform.PeopleIssuer {
		t.Errorf("through the proxy the issuer is %q, %v", says.Issuer, err)
	}
}
