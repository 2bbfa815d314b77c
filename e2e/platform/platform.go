package platform

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"

	"github.com/sallyport/sallyport/e2e/cluster"
	"github.com/sallyport/sallyport/e2e/internal/pki"
)

//go:embed manifests
var manifests embed.FS

// Where everything is, under the same names for pods and for tests.
const (
	IdentityProvider = "https://idp.idp.svc.cluster.local:8090"
	AgentIssuer      = IdentityProvider + "/agents"
	PeopleIssuer     = IdentityProvider + "/people"
	TemporalFrontend = "temporal.temporal.svc.cluster.local:7233"
	TemporalUI       = "https://temporal.temporal.svc.cluster.local:8233"
)

// Options say what a platform is made of.
type Options struct {
	Cluster *cluster.Cluster
	// Dir is for what is written on the way, and for volumes that outlive
	// pods. As the node must see it, it is like [cluster.Options.Dir].
	Dir string
	// Progress gets a line for each slow step; nil discards them.
	Progress io.Writer
}

// Platform is what surrounds a gateway. It ends with its cluster.
type Platform struct {
	Programs Programs
	CA       []byte // certificate of the authority that everything shows certificates of, PEM
	Kube     kubernetes.Interface

	cluster    *cluster.Cluster
	dir        string
	roots      *x509.CertPool
	authority  *pki.Authority
	identities []byte // the identity table
	secrets    map[string]string
	images     map[string]string // of the gateway, by digest
	progress   io.Writer
}

// Up brings a platform up in a cluster that has none, and returns when people
// can log in at the identity provider and in the Temporal UI.
func Up(ctx context.Context, o Options) (*Platform, error) {
	if err := Missing(); err != nil {
		return nil, fmt.Errorf("this machine can't have a platform yet: %w", err)
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	p := &Platform{cluster: o.Cluster, progress: o.Progress, secrets: map[string]string{}}
	var err error
	if p.dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	if p.Programs, err = Build(ctx, o.Progress); err != nil {
		return nil, err
	}
	if p.Kube, err = o.Cluster.Client(); err != nil {
		return nil, err
	}
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.startTemporal(ctx) })
	group.Go(func() error { return p.loadGateway(ctx) })
	return p, group.Wait()
}

// told says on the progress writer how long a step took.
func (p *Platform) told(what string, began time.Time) {
	_, _ = fmt.Fprintf(p.progress, "%s: %.1fs\n", what, time.Since(began).Seconds()) // to whom it may concern
}

// prepare makes what both servers need to know of each other.
func (p *Platform) prepare(ctx context.Context) (err error) {
	if p.authority, err = pki.New(p.path("pki"), time.Now()); err != nil {
		return err
	}
	if p.CA, err = os.ReadFile(p.path("pki", "ca.crt")); err != nil {
		return err
	}
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(p.CA)
	for _, name := range []string{"instance", "deploy-bot", "triage-bot", "temporal-ui"} {
		p.secrets[name] = rand.Text()
	}
	p.identities, err = exec.CommandContext(ctx, p.Programs.IdentityProvider, "table", IdentityProvider).Output() //nolint:gosec // what we built
	return err
}

func (p *Platform) path(names ...string) string {
	return filepath.Join(append([]string{p.dir}, names...)...)
}

// certificate is one of a Service, with its key.
func (p *Platform) certificate(name, namespace string) (cert, key []byte, err error) {
	host := name + "." + namespace + ".svc.cluster.local"
	if err := p.authority.Server(host, []string{host, name + "." + namespace + ".svc", name + "." + namespace, "localhost"}); err != nil {
		return nil, nil, err
	}
	cert, err = os.ReadFile(p.path("pki", host+".crt"))
	key, other := os.ReadFile(p.path("pki", host+".key"))
	return cert, key, errors.Join(err, other)
}

// startProvider starts the identity provider and waits for it: the Temporal
// UI does not start without.
func (p *Platform) startProvider(ctx context.Context) error {
	began := time.Now()
	if err := p.load(ctx, cluster.Image{Ref: "cluster.local/idp:1", Source: p.Programs.IdentityProvider}); err != nil {
		return err
	}
	cert, key, err := p.certificate("idp", "idp")
	if err != nil {
		return err
	}
	secrets, err := json.Marshal(p.secrets)
	if err != nil {
		return err
	}
	config := secret("idp", "idp", map[string][]byte{"tls.crt": cert, "tls.key": key, "secrets.json": secrets})
	if err := p.applyFile(ctx, "idp.yaml", namespace("idp"), config); err != nil {
		return err
	}
	defer p.told("the identity provider", began)
	return p.Ready(ctx, "idp", "idp")
}

// startTemporal starts the Temporal server, for which images are loaded while
// the identity provider starts.
func (p *Platform) startTemporal(ctx context.Context) error {
	began := time.Now()
	group, loading := errgroup.WithContext(ctx)
	group.Go(func() error { return p.startProvider(loading) })
	group.Go(func() error {
		return p.load(loading, cluster.Image{Ref: "cluster.local/temporal-server:1", Source: p.Programs.TemporalServer})
	})
	group.Go(func() error {
		root := p.path("postgres")
		if err := postgres(loading, root); err != nil {
			return err
		}
		return p.load(loading, cluster.Image{Ref: "cluster.local/postgres:1", Source: root})
	})
	if err := group.Wait(); err != nil {
		return err
	}
	config, err := p.temporalConfig(ctx)
	if err != nil {
		return err
	}
	if err := p.applyFile(ctx, "temporal.yaml", namespace("temporal"), secret("temporal", "temporal", config)); err != nil {
		return err
	}
	defer p.told("Temporal, with all that it needs", began)
	return p.Ready(ctx, "temporal", "temporal")
}

func (p *Platform) temporalConfig(ctx context.Context) (map[string][]byte, error) {
	cert, key, err := p.certificate("temporal", "temporal")
	if err != nil {
		return nil, err
	}
	config, err := manifests.ReadFile("manifests/temporal-config.yaml")
	if err != nil {
		return nil, err
	}
	keys, err := p.Kube.Discovery().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("the keys of service accounts: %w", err)
	}
	return map[string][]byte{
		"temporal.yaml": config, "tls.crt": cert, "tls.key": key, "ca.crt": p.CA, "identities.yaml": p.identities, "cluster-keys.json": keys,
		"postgres.password": []byte(rand.Text()), "ui.secret": []byte(p.secrets["temporal-ui"]),
	}, nil
}

// load writes an image's archive and loads it into the node.
func (p *Platform) load(ctx context.Context, i cluster.Image) error {
	file, err := os.CreateTemp(p.dir, "image-*.tar")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	if err := file.Close(); err != nil {
		return err
	}
	if err := i.Write(file.Name()); err != nil {
		return err
	}
	return p.cluster.Load(ctx, file.Name())
}
