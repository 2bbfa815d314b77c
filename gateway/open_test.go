package gateway_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/adapters/gitops"
	"github.com/sallyport/sallyport/adapters/jws"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/policies"
)

// harness is a directory with all files that a gateway needs; tests spoil one.
type harness struct {
	t   *testing.T
	dir string
}

func newHarness(t *testing.T) harness {
	t.Helper()
	h := harness{t, t.TempDir()}
	h.write("sallyport.yaml", least+"policies: policies\ntools: tools\nsigning: {private_key_file: api.key, public_keys_file: api.pub}\n"+
		"git: {repository: manifests.git}\nsandbox: {executor: toolexec}\n"+
		"notifications: {url: \"https://hooks.example.com/\", secret_files: [notify.key]}\n", 0o600)
	h.write("identities.yaml", "issuers:\n  - url: https://agents.example.com\n    kind: agent\n    audiences: [sallyport]\n    jwks: agents.jwks\n", 0o644)
	h.write("agents.jwks", `{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "1", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, 0o644)
	h.write("payload.key", base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 0o600)
	h.write("notify.key", "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 0o600)
	h.write("tools/none", "", 0o644)
	key, err := jws.CreateKey(h.path("api.key"))
	if err != nil {
		t.Fatal(err)
	}
	public, _ := key.Public().(ed25519.PublicKey)
	pem, err := jws.PublicPEM(public)
	if err != nil {
		t.Fatal(err)
	}
	h.write("api.pub", string(pem), 0o644)
	if _, err := ledger.CreateKey(h.path("ledger.key"), "gateway.test"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.CopyFS(h.path("policies"), policies.FS()), gitops.Init(h.path("manifests.git"), "main", map[string][]byte{"a": nil})); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h harness) path(name string) string { return filepath.Join(h.dir, name) }

func (h harness) write(name, text string, mode fs.FileMode) {
	h.t.Helper()
	path := h.path(name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		h.t.Fatal(err)
	}
}

func (h harness) open() (*gateway.Gateway, error) {
	h.t.Helper()
	c, err := gateway.Load(h.path("sallyport.yaml"))
	if err != nil {
		h.t.Fatal(err)
	}
	return gateway.Open(h.t.Context(), gateway.Options{Config: c, Name: "sallyport-test", Logger: slog.New(slog.DiscardHandler)})
}

func TestOpen(t *testing.T) {
	h := newHarness(t)
	for range 2 { // what the first made, the second finds
		g, err := h.open()
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestOpenRefuses spoils one file at a time.
func TestOpenRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		file, text string
		mode       fs.FileMode
		want       string // a regular expression
	}{
		"NoIdentities":      {"identities.yaml", "", 0, `identities\.yaml`},
		"IdentityKey":       {"identities.yaml", "issuers: []\nagent: []\n", 0o644, `identities\.yaml:2: field agent not found`},
		"IdentityRule":      {"identities.yaml", "issuers:\n  - url: http://agents.example.com\n    kind: agent\n    audiences: [a]\n", 0o644, `identities\.yaml:2: .*must be https`},
		"NoOwner":           {"identities.yaml", "issuers:\n  - url: https://agents.example.com\n    kind: agent\n    audiences: [a]\n    jwks: agents.jwks\nagents:\n  - id: bot\n    issuer: https://agents.example.com\n    subject: bot\n    owner: unlisted\n", 0o644, `identities\.yaml:10: .*unlisted`},
		"Policy":            {"policies/call.rego", "package sallyport\n\ngranted if nonsense(1)\n", 0o644, `policies.*call\.rego:3: .*nonsense`},
		"CuriousPolicy":     {"policies/call.rego", "package sallyport\n\ngranted if opa.runtime().env\n", 0o644, `policies.*call\.rego:3: .*opa\.runtime`},
		"PolicyData":        {"policies/data.yaml", "actions: [\n", 0o644, `policies.*data\.yaml:\d+`},
		"NoPolicy":          {"policies", "", 0, `policies`},
		"ManifestKey":       {"tools/mine.yaml", "name: mine\ncolour: red\n", 0o644, `tools.*mine\.yaml:2: field colour not found`},
		"ManifestRule":      {"tools/mine.yaml", "title: Mine\nname: Not A Name\n", 0o644, `tools(?s:.*)mine\.yaml:2: .*name`},
		"NoPayloadKey":      {"payload.key", "", 0, `payload key "k1": .*payload\.key`},
		"OpenPayloadKey":    {"payload.key", "x", 0o644, `payload key "k1": .*payload\.key has mode 0644: others may use it`},
		"PayloadKeyText":    {"payload.key", "not base64!", 0o600, `payload key "k1": .*payload\.key is not standard base64`},
		"ShortPayloadKey":   {"payload.key", "AAAA", 0o600, `payload key "k1".*32 bytes`},
		"NoLedgerKey":       {"ledger.key", "", 0, `ledger\.key`},
		"OpenLedgerKey":     {"ledger.key", "PRIVATE+KEY+x", 0o604, `ledger\.key has mode 0604: others may use it`},
		"LedgerKeyText":     {"ledger.key", "hunter2", 0o600, `ledger\.key: this is not a ledger's private key`},
		"AnotherLedger":     {"ledger.db", "This is a text, and long enough to be none of what a database begins with.", 0o600, `ledger`},
		"KeysOfTheIssuer":   {"agents.jwks", "{}", 0o644, `agents\.jwks|identities\.yaml:5`},
		"SecretJWKS":        {"agents.jwks", `{"keys": [{"kty": "oct", "k": "aHVudGVyMg"}]}`, 0o644, `agents\.jwks|identities\.yaml:5`},
		"ManifestTwice":     {"tools/two.yaml", "name: mine\n---\nname: other\n", 0o644, `tools.*two\.yaml:`},
		"PolicyIsNoPackage": {"policies/call.rego", "", 0o644, `call\.rego`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			if err := os.RemoveAll(h.path(tt.file)); err != nil {
				t.Fatal(err)
			}
			if tt.mode != 0 {
				h.write(tt.file, tt.text, tt.mode)
			}
			g, err := h.open()
			if err == nil {
				t.Fatalf("it is accepted; close: %v", g.Close())
			}
			if !regexp.MustCompile(tt.want).MatchString(err.Error()) {
				t.Errorf("%v\ndoes not match %s", err, tt.want)
			}
			for _, secret := range []string{"hunter2", "aHVudGVyMg"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error gives the secret away: %v", err)
				}
			}
			if _, err := os.Stat(h.path("ledger.db")); tt.file != "ledger.db" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("there is a ledger now, as if it had started: %v", err)
			}
		})
	}
}

func TestOpenObeysTheEnvironmentOrSaysWhyNot(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")
	if _, err := newHarness(t).open(); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL") {
		t.Errorf("spans would go nowhere: %v", err)
	}
}

// TestPartsRefuse spoils what only one of API and worker has. Neither must
// begin to serve.
func TestPartsRefuse(t *testing.T) {
	serveAPI := func(ctx context.Context, t *testing.T, g *gateway.Gateway) error {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		err = g.ServeAPI(ctx, l)
		if c, dialErr := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String()); dialErr == nil {
			_ = c.Close()
			t.Error("it still listens")
		}
		return err
	}
	runWorker := func(ctx context.Context, _ *testing.T, g *gateway.Gateway) error { return g.RunWorker(ctx) }
	for name, tt := range map[string]struct {
		part       func(context.Context, *testing.T, *gateway.Gateway) error
		file, text string
		mode       fs.FileMode
		want       string
	}{
		"NoPrivateKey":   {serveAPI, "api.key", "", 0, `signing\.private_key_file: .*api\.key`},
		"OpenPrivateKey": {serveAPI, "api.key", "x", 0o644, `signing\.private_key_file: .*api\.key has mode 0644: others may use it`},
		"PrivateKeyText": {serveAPI, "api.key", "hunter2", 0o600, `signing\.private_key_file: .*api\.key: must hold one PEM block`},
		"NoPublicKey":    {runWorker, "api.pub", "", 0, `signing\.public_keys_file: .*api\.pub`},
		"PublicKeyText":  {runWorker, "api.pub", "hunter2", 0o644, `signing\.public_keys_file: .*api\.pub: block 1`},
		"NoRepository":   {runWorker, "manifests.git", "", 0, `manifests\.git`},
		"NoNotifyKey":    {runWorker, "notify.key", "", 0, `notifications\.secret_files: .*notify\.key`},
		"OpenNotifyKey":  {runWorker, "notify.key", "x", 0o644, `notifications\.secret_files: .*notify\.key has mode 0644: others may use it`},
		"NotifyKeyText":  {runWorker, "notify.key", "hunter2", 0o600, `notifications\.secret_files: .*notify\.key: the secret is not valid; want standard base64`},
		"ShortNotifyKey": {runWorker, "notify.key", "aHVudGVy", 0o600, `notifications\.secret_files: .*notify\.key: the secret must have 24 to 64 bytes`},
		"NoExecutor":     {runWorker, "toolexec", "", 0, `toolexec`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			if err := os.RemoveAll(h.path(tt.file)); err != nil {
				t.Fatal(err)
			}
			if tt.mode != 0 {
				h.write(tt.file, tt.text, tt.mode)
			}
			g, err := h.open()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = g.Close() }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err = tt.part(ctx, t, g)
			if err == nil || ctx.Err() != nil || !regexp.MustCompile(tt.want).MatchString(err.Error()) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v\ndoes not match %s", err, tt.want)
			}
		})
	}
}
