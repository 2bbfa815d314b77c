package instancetest_test

import (
	"crypto/ed25519"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/adapters/gitops"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/dev/internal/address"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/workflows/wire"
)

// TestExamplesStart starts both programs with the example configurations as they
// are but for the ports and /var/lib/sallyport, in the order that the operators'
// page gives, with the files that it has operators make.
func TestExamplesStart(t *testing.T) {
	t.Parallel()
	dir, state := t.TempDir(), t.TempDir()
	api, metrics := address.Free(t), address.Free(t)
	temporal := temporaltest.Start(t, temporaltest.Options{Open: true, SearchAttributes: wire.SearchAttributes()})
	here := strings.NewReplacer("127.0.0.1:8080", api, "127.0.0.1:9090", metrics, "127.0.0.1:7233", temporal.FrontendAddr(), "/var/lib/sallyport", state)
	for _, name := range []string{"api.yaml", "worker.yaml", "identities.yaml"} {
		text, err := os.ReadFile(filepath.Join("../../deploy/examples", name))
		if err != nil {
			t.Fatal(err)
		}
		secret(t, filepath.Join(dir, name), here.Replace(string(text)))
	}
	key, err := jws.CreateKey(filepath.Join(dir, "api.key"))
	if err != nil {
		t.Fatal(err)
	}
	public, _ := key.Public().(ed25519.PublicKey)
	pem, err := jws.PublicPEM(public)
	if err != nil {
		t.Fatal(err)
	}
	secret(t, filepath.Join(dir, "api.pub"), string(pem))
	secrets := filepath.Join(dir, "secrets")
	err = errors.Join(os.Mkdir(secrets, 0o700), os.Rename(filepath.Join(dir, "api.key"), filepath.Join(secrets, "api.key")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.CreateKey(filepath.Join(secrets, "ledger.key"), "examples.test"); err != nil {
		t.Fatal(err)
	}
	secret(t, filepath.Join(secrets, "payload.key"), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	if err := gitops.Init(filepath.Join(state, "manifests.git"), "main", map[string][]byte{"staging/api.yaml": []byte("kind: Deployment\n")}); err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct{ name, probe string }{{"worker", metrics + "/healthz"}, {"api", api + "/readyz"}} {
		p := instancetest.Serve(t, "sallyport-gateway", part.name, "--config", filepath.Join(dir, part.name+".yaml"))
		instancetest.Await(t, "the "+part.name+" is up", func() bool { return answers(t, "http://"+part.probe) })
		defer p.Stop(t)
	}
}

func secret(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func answers(t *testing.T, url string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}
