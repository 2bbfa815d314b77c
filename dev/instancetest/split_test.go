package instancetest_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/gitops"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/idp"
	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/dev/internal/address"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/policies"
	"github.com/sallyport/sallyport/workflows/wire"
)

// split is the gateway as it runs in production: an API and a worker, each a
// program with its own configuration and its own keys, and a Temporal server
// and an identity provider elsewhere.
type split struct {
	dir      string
	provider *idp.Provider
	api      string
	metrics  string
	temporal *temporaltest.Instance
}

func newSplit(t *testing.T) *split {
	t.Helper()
	s := &split{dir: t.TempDir(), api: address.Free(t), metrics: address.Free(t)}
	s.temporal = temporaltest.Start(t, temporaltest.Options{Open: true, SearchAttributes: wire.SearchAttributes()})

	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	people, agents := idp.Demo()
	var err error
	s.provider, err = idp.New(idp.Options{Issuer: server.URL, Dir: filepath.Join(s.dir, "idp"), Now: time.Now, People: people, Agents: agents})
	if err != nil {
		t.Fatal(err)
	}
	handler = s.provider

	key, err := jws.CreateKey(filepath.Join(s.dir, "api.key"))
	if err != nil {
		t.Fatal(err)
	}
	public, _ := key.Public().(ed25519.PublicKey)
	pem, err := jws.PublicPEM(public)
	if err != nil {
		t.Fatal(err)
	}
	private, verifier, err := ledger.NewKey("split.test")
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "ledger.key", private)
	s.write(t, "ledger.pub", verifier)
	both := fmt.Sprintf("temporal: {address: %q}\nledger: {path: ledger.db, key_file: ledger.key}\npolicies: policies\nidentities: identities.yaml\n"+
		"payload_keys: [{id: k1, file: payload.key}]\n", s.temporal.FrontendAddr())
	s.write(t, "identities.yaml", string(idp.Table(server.URL)))
	s.write(t, "payload.key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	s.write(t, "api.pub", string(pem))
	s.write(t, "api.yaml", both+fmt.Sprintf("api: {listen: %q}\nsigning: {private_key_file: api.key}\n", s.api))
	s.write(t, "worker.yaml", both+fmt.Sprintf("worker: {listen: %q}\nsigning: {public_keys_file: api.pub}\ngit: {repository: manifests.git}\n", s.metrics))
	manifest := []byte("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: api\n  namespace: production\nspec:\n  replicas: 3\n")
	err = errors.Join(os.CopyFS(filepath.Join(s.dir, "policies"), policies.Development()),
		gitops.Init(filepath.Join(s.dir, "manifests.git"), "main", map[string][]byte{"production/api.yaml": manifest}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *split) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *split) serve(t *testing.T, part string) *instancetest.Process {
	t.Helper()
	return instancetest.Serve(t, "sallyport-gateway", part, "--config", filepath.Join(s.dir, part+".yaml"))
}

func (s *split) client(t *testing.T, who string) *client.Client {
	t.Helper()
	token, err := s.provider.Token(who, "sallyport", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New("http://"+s.api, token)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTwoPrograms makes a call wait for approval, with API and worker coming
// and going.
func TestTwoPrograms(t *testing.T) {
	t.Parallel()
	s := newSplit(t)
	api := s.serve(t, "api")
	bot := s.client(t, "deploy-bot")
	instancetest.Await(t, "the API is ready", func() bool { return bot.Ready(t.Context()) == nil })
	call, err := bot.Submit(t.Context(), scale("production/api", 5))
	if err != nil || call.State != sallyport.StatePending {
		t.Fatalf("without a worker the call is %s: %v", call.State, err)
	}
	id := call.ID
	worker := s.serve(t, "worker")
	waits := func() bool {
		call, err = bot.Get(t.Context(), id, 0)
		return err == nil && call.State == sallyport.StateAwaitingApproval
	}
	instancetest.Await(t, "the call waits for approval", waits)
	api.Stop(t)
	worker.Stop(t)

	worker, api = s.serve(t, "worker"), s.serve(t, "api")
	bot = s.client(t, "deploy-bot")
	instancetest.Await(t, "the call still waits for approval", waits)
	vote(t.Context(), s.client(t, "bob"), id)
	for err == nil && !call.State.Final() {
		call, err = bot.Get(t.Context(), id, time.Minute)
	}
	if err != nil || call.State != sallyport.StateSucceeded {
		t.Errorf("the call is %s: %v %+v", call.State, err, call.Error)
	}
	text := scrape(t, "http://"+s.metrics+"/metrics")
	const counted = `agent_tool_calls_total{action="scale",agent_id="deploy-bot",resource="deployment",result="allowed"} 1`
	if !strings.Contains(text, counted) {
		t.Errorf("the worker does not say %s", counted)
	}
	if text := scrape(t, "http://"+s.metrics+"/healthz"); !strings.Contains(text, "ok") {
		t.Errorf("the worker's health is %q", text)
	}
	worker.Stop(t)
	api.Stop(t)
}

// TestEachHasItsOwnKeys starts each program with the other's configuration.
func TestEachHasItsOwnKeys(t *testing.T) {
	t.Parallel()
	s := newSplit(t)
	for _, tt := range []struct{ part, other, want string }{
		{"api", "worker", "lacks signing.private_key_file, which the API needs"},
		{"worker", "api", "lacks signing.public_keys_file, which the worker needs"},
	} {
		r := instancetest.Command(t, "sallyport-gateway", tt.part, "--config", filepath.Join(s.dir, tt.other+".yaml"))
		if r.Code != 1 || !strings.Contains(r.Stderr, tt.want) {
			t.Errorf("%s with the configuration of %s exited with %d: %s", tt.part, tt.other, r.Code, r.Stderr)
		}
	}
}

func scrape(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, req).text
}
