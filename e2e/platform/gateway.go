package platform

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/e2e/chart"
	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/e2e/internal/node"
	"github.com/sallyport/sallyport/sallyporttest/program"
)

// Where the chart puts the gateway.
const (
	Namespace = "sallyport"
	Execution = "agent-execution"
	api       = "sallyport-api"
	worker    = "sallyport-worker"

	// TTL is how long Jobs are kept after their outcome is recorded.
	TTL = 10 * time.Second
)

// Gateway is one that is installed as the chart has it.
type Gateway struct {
	URL       string // of the API, on this machine's loopback
	Ledger    string // file of the ledger's database, on this machine
	LedgerKey string // public half of the key that signs checkpoints

	platform *Platform
}

// Install installs the gateway by the chart, with values laid over those that
// a test cluster needs, and returns when API and worker are ready.
func (p *Platform) Install(ctx context.Context, values map[string]any) (*Gateway, error) {
	began := time.Now()
	defer p.told("the gateway", began)
	g := &Gateway{platform: p, Ledger: p.path("ledger", "ledger.db")}
	private, public, err := note.GenerateKey(rand.Reader, "e2e")
	if err != nil {
		return nil, err
	}
	g.LedgerKey = public
	if err := os.MkdirAll(p.path("ledger"), 0o700); err != nil {
		return nil, err
	}
	if err := os.Chown(p.path("ledger"), owner(0), owner(1)); err != nil {
		return nil, err
	}
	objects, err := p.given(private)
	if err != nil {
		return nil, err
	}
	documents, err := documents(objects...)
	if err != nil {
		return nil, err
	}
	if err := g.apply(ctx, documents, values); err != nil {
		return nil, err
	}
	g.URL, err = p.forward(ctx)
	return g, err
}

// Upgrade installs the gateway that is there once more, with other values.
func (g *Gateway) Upgrade(ctx context.Context, values map[string]any) error {
	if err := g.apply(ctx, nil, values); err != nil {
		return err
	}
	anybody, err := client.New(g.URL, "")
	if err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		return anybody.Ready(ctx) == nil, nil
	})
}

// apply applies what the chart makes of values, after other documents, and
// waits for API and worker.
func (g *Gateway) apply(ctx context.Context, documents []byte, values map[string]any) error {
	root, err := program.Module(ctx, module)
	if err != nil {
		return err
	}
	rendered, err := chart.Render(filepath.Join(filepath.Dir(root), "deploy", "chart"), Namespace, merge(g.platform.values(), values))
	if err != nil {
		return err
	}
	for _, name := range order(rendered) {
		documents = append(documents, rendered[name]+"---\n"...)
	}
	if err := g.platform.Apply(ctx, documents); err != nil {
		return err
	}
	return g.platform.Ready(ctx, Namespace, api, worker)
}

// forward opens a port that leads to the API, and waits until it answers
// there: a Service's address leads to a pod somewhat later than the pod is
// ready.
func (p *Platform) forward(ctx context.Context) (string, error) {
	service, err := p.address(ctx, Namespace, api)
	if err != nil {
		return "", err
	}
	l, err := p.cluster.Forward(context.WithoutCancel(ctx), "127.0.0.1:0", service+":80")
	if err != nil {
		return "", err
	}
	url := "http://" + l.String()
	anybody, err := client.New(url, "")
	if err != nil {
		return "", err
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		last = anybody.Ready(ctx)
		return last == nil, nil
	})
	if err != nil {
		return "", fmt.Errorf("the API is not ready at %s: %w: %w", service, err, last)
	}
	return url, nil
}

// owner is a part of whom programs in pods run as.
func owner(part int) int {
	n, err := strconv.Atoi(strings.Split(cluster.User, ":")[part])
	if err != nil {
		panic(err) // a constant
	}
	return n
}

// order has the execution namespace first, in which other templates make
// objects.
func order(rendered map[string]string) []string {
	names := slices.Sorted(maps.Keys(rendered))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case a == "namespace.yaml":
			return -1
		case b == "namespace.yaml":
			return 1
		}
		return 0
	})
	return names
}

// merge lays values over others, section by section.
func merge(under, over map[string]any) map[string]any {
	merged := maps.Clone(under)
	for key, value := range over {
		section, is := value.(map[string]any)
		below, was := merged[key].(map[string]any)
		if is && was {
			value = merge(below, section)
		}
		merged[key] = value
	}
	return merged
}

type section = map[string]any

// values are what the chart can't know.
func (p *Platform) values() section {
	pods := func(namespace string) []any {
		return []any{section{"namespaceSelector": section{"matchLabels": section{"kubernetes.io/metadata.name": namespace}}}}
	}
	return section{
		"images":         section{"gateway": p.images["gateway"], "executor": p.images["kubeexec"], "pullPolicy": "Never"},
		"temporalTokens": section{"audience": UIAudience},
		"configMaps":     section{"policies": "sallyport-policies"},
		"network": section{
			"temporal":         section{"to": pods("temporal"), "port": 7233},
			"identityProvider": section{"to": pods("idp"), "port": 8090},
			"apiServer":        section{"cidrs": []any{node.Address + "/32"}, "port": 443},
		},
		"config": section{
			"shared": section{
				"temporal": section{
					"address": TemporalFrontend, "tls": section{"ca_file": "secrets/ca.crt"},
					"ui": TemporalUI, "principal_issuer": PeopleIssuer,
				},
				"limits": section{"calls_per_minute": 6000, "running": 200},
				"log":    section{"format": "text"},
				"sweep":  section{"every": "2s", "grace": "10s"},
			},
			"worker": section{"kubernetes": section{"ttl": TTL.String()}},
			"api": section{"api": section{
				"calls_per_second": 100, "calls_burst": 200, "operator_groups": []any{"operators"}, "auditor_groups": []any{"auditors"},
			}},
		},
	}
}

// given are the objects that the chart expects: Secrets, the identity table,
// the policy, the targets and a volume for the ledger.
func (p *Platform) given(ledgerKey string) ([]any, error) {
	private, public, err := signingKey()
	if err != nil {
		return nil, err
	}
	payload := make([]byte, 32)
	if _, err := rand.Read(payload); err != nil {
		return nil, err
	}
	policy, err := policy()
	if err != nil {
		return nil, err
	}
	objects := []any{
		namespace(Namespace),
		secret(Namespace, "sallyport-api", map[string][]byte{"api.key": private}),
		secret(Namespace, "sallyport-worker", map[string][]byte{"api.pub": public}),
		secret(Namespace, "sallyport-shared", map[string][]byte{
			"payload.key": []byte(base64.StdEncoding.EncodeToString(payload)), "ledger.key": []byte(ledgerKey), "ca.crt": p.CA,
		}),
		configMap(Namespace, "sallyport-identities", map[string]string{"identities.yaml": string(p.identities)}),
		configMap(Namespace, "sallyport-policies", policy),
		volume("ledger", p.path("ledger"), Namespace, "sallyport-ledger"),
	}
	for _, target := range []string{"staging", "production"} {
		objects = append(objects, namespace(target), Server(target, "api-server"))
	}
	return objects, nil
}

// signingKey makes the API's, as PEM, with its public half.
func signingKey() (private, public []byte, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	known, err := x509.MarshalPKIXPublicKey(pub)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: known}), err
}

// loadGateway makes the gateway's images, and loads them.
func (p *Platform) loadGateway(ctx context.Context) (err error) {
	p.images = map[string]string{}
	for name, files := range map[string][]string{
		"gateway":  {"/sallyport-gateway=" + p.Programs.Gateway["sallyport-gateway"], "/etc/ssl/certs/ca-certificates.crt=" + p.path("pki", "ca.crt")},
		"kubeexec": {"/kubeexec=" + p.Programs.Gateway["kubeexec"]},
	} {
		if p.images[name], err = p.Image(ctx, name, files...); err != nil {
			return err
		}
	}
	return nil
}

// Image makes an image of files as users do, each as path=file, loads it, and
// returns its name by digest.
func (p *Platform) Image(ctx context.Context, name string, files ...string) (string, error) {
	archive := p.path(name + ".tar")
	args := append([]string{"--name=cluster.local/sallyport/" + name + ":1", "--out=" + archive}, files...)
	out, err := exec.CommandContext(ctx, p.Programs.Gateway["image"], args...).Output() //nolint:gosec // what we built
	if err != nil {
		return "", fmt.Errorf("the image of %s: %w", name, err)
	}
	ref, _, _ := strings.Cut(string(out), " ")
	return ref, errors.Join(p.cluster.LoadAs(ctx, archive, ref), os.Remove(archive))
}

// Client is a client of the API for an agent or a person.
func (g *Gateway) Client(ctx context.Context, who string) (*client.Client, error) {
	token, err := g.platform.Token(ctx, who, Audience)
	if err != nil {
		return nil, err
	}
	return client.New(g.URL, token)
}

// Verify verifies the ledger as an auditor does, with the public key alone,
// and returns what the verifier says.
func (g *Gateway) Verify(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, g.platform.Programs.Gateway["sallyport-gateway"], "ledger", "verify", //nolint:gosec // what we built
		"--ledger="+g.Ledger, "--key="+g.LedgerKey).CombinedOutput()
	return string(out), err
}
