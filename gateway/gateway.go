package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
	"github.com/sallyport/sallyport/adapters/kube"
	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/adapters/opa"
	"github.com/sallyport/sallyport/adapters/telemetry"
	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools"
)

// Options configure a gateway.
type Options struct {
	Config  Config
	Name    string // of the program, in traces: sallyport-api, sallyport-worker
	Version string
	Logger  *slog.Logger
	// Credentials for Temporal's frontend by role. Nil takes the token file of
	// the configuration for every role.
	Credentials func(temporal.Role) temporal.Credentials
	// CodecGuard admits people to the codec of the Temporal UI. Nil requires a
	// bearer token for the UI's audience, which the UI sends over TLS alone.
	CodecGuard func(*http.Request) error
	// OneProcess says that the API and the worker run in this process, and so
	// may share a connection: Temporal then returns a call's first task from
	// its start, and the worker need not poll for it. Each request
	// still carries the credentials of the part that makes it.
	OneProcess bool
}

// Gateway holds the parts that the API and the worker both need.
type Gateway struct {
	o         Options
	telemetry *telemetry.Telemetry
	ids       *oidc.Identities
	policy    *opa.Engine
	catalogue *tools.Catalogue
	ledger    *ledger.Ledger
	origin    string // the ledger's name
	codec     *temporal.Codec
	temporal  *temporal.Connections

	kube *kube.Runner // nil where nothing runs in Kubernetes, or in the API
}

// httpTimeout bounds a request to an identity provider.
const httpTimeout = 5 * time.Second

// Open loads everything that the configuration names. It rejects an invalid
// policy, manifest, identity table or key with the reason, and starts
// nothing. The caller must call Close.
func Open(ctx context.Context, o Options) (*Gateway, error) {
	if o.Logger == nil || o.Name == "" {
		return nil, errors.New("gateway: Options.Logger and Name are required")
	}
	g := &Gateway{o: o}
	if err := g.open(ctx); err != nil {
		return nil, errors.Join(err, g.Close()) //nolint:contextcheck // what was opened is closed even when ctx has ended
	}
	return g, nil
}

// open opens the ledger last: only that has an effect.
func (g *Gateway) open(ctx context.Context) (err error) {
	o, c := g.o, g.o.Config
	if g.telemetry, err = telemetry.Start(ctx, telemetry.Options{Service: o.Name, Version: o.Version, Logger: o.Logger}); err != nil {
		return err
	}
	web := &http.Client{Timeout: httpTimeout}
	if g.ids, err = oidc.New(ctx, oidc.Options{Table: c.Identities, Client: web, Now: time.Now, Logger: o.Logger}); err != nil {
		return err
	}
	if g.policy, err = opa.New(ctx, opa.Options{Dir: c.Policies, Logger: o.Logger}); err != nil {
		return err
	}
	all, err := loadCatalogue(c.Tools)
	if err != nil {
		return err
	}
	g.catalogue = all.For(c.runnerNames()...)
	if g.codec, err = loadCodec(c.Payloads); err != nil {
		return err
	}
	g.temporal = &temporal.Connections{
		Options: temporal.Options{
			Config: c.Temporal.Config, Codec: g.codec, Logger: o.Logger, Propagator: g.telemetry.Propagator(),
			Tracer: g.telemetry.TracerProvider().Tracer("github.com/sallyport/sallyport/gateway"),
		},
		Credentials: o.Credentials, OneProcess: o.OneProcess,
	}
	g.ledger, g.origin, err = openLedger(ctx, c.Ledger, ledger.Options{Logger: o.Logger, Limits: c.Limits.of, AtWork: c.Limits.AtWork})
	return err
}

func openLedger(ctx context.Context, c LedgerConfig, o ledger.Options) (*ledger.Ledger, string, error) {
	key, err := ledger.LoadKey(c.KeyFile)
	if err != nil {
		return nil, "", err
	}
	o.Signer = key
	for _, file := range c.OldKeys {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, "", fmt.Errorf("an old public key of the ledger can't be read: %w", err)
		}
		old, err := proof.ParseVerifier(string(b))
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", file, err)
		}
		o.OldKeys = append(o.OldKeys, old)
	}
	if o.Database, err = c.Database(); err != nil {
		return nil, "", err
	}
	l, err := ledger.Open(ctx, o)
	return l, key.Verifier().Name(), err
}

// Database is the ledger's database.
func (c LedgerConfig) Database() (ledger.Database, error) {
	if c.DSNFile == "" {
		return ledger.Database{Path: c.Path}, nil
	}
	dsn, err := strict.Secret(c.DSNFile)
	if err != nil {
		return ledger.Database{}, fmt.Errorf("the address of the ledger's database can't be read: %w", err)
	}
	return ledger.Database{DSN: dsn}, nil
}

// Watch keeps the policy and the identity table up to date until ctx ends.
func (g *Gateway) Watch(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.ids.Watch(ctx) })
	if g.o.Config.Policies != "" {
		group.Go(func() error { return g.policy.Watch(ctx) })
	}
	return group.Wait()
}

// Close closes everything. The API and the worker must have stopped.
func (g *Gateway) Close() error {
	var errs []error
	if g.temporal != nil {
		g.temporal.Close()
	}
	if g.ledger != nil {
		errs = append(errs, g.ledger.Close())
	}
	if g.telemetry != nil {
		ctx, cancel := context.WithTimeout(context.Background(), httpTimeout)
		defer cancel()
		errs = append(errs, g.telemetry.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// evaluator evaluates calls, for the API and the worker.
func (g *Gateway) evaluator() activities.Evaluator {
	return activities.Evaluator{Catalogue: g.catalogue, Policy: g.policy, HistoryReader: g.ledger, Logger: g.o.Logger, Now: time.Now, Says: g.says}
}

// says reports whether an operator wrote a word that a call of a tool names.
func (g *Gateway) says(kind sallyport.WordKind, tool, word string) bool {
	return g.policy.Says(kind, word) || g.catalogue.Says(tool, word) ||
		kind == sallyport.WordNamespace && slices.Contains(g.o.Config.namespaces(), word)
}

func loadCatalogue(dir string) (*tools.Catalogue, error) {
	manifests := []fs.FS{tools.Embedded()}
	if dir != "" {
		manifests = append(manifests, os.DirFS(dir))
	}
	c, err := tools.Load(manifests...)
	if err != nil && dir != "" {
		return nil, fmt.Errorf("the tools of %s can't be loaded: %w", dir, err)
	}
	return c, err
}

func loadCodec(files []PayloadKey) (*temporal.Codec, error) {
	if len(files) == 0 {
		return nil, errors.New("the configuration lacks payload_keys")
	}
	keys := make([]temporal.Key, len(files))
	for i, f := range files {
		text, err := strict.Secret(f.File)
		if err != nil {
			return nil, fmt.Errorf("payload key %q: %w", f.ID, err)
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("payload key %q: %s is not standard base64", f.ID, f.File)
		}
		keys[i] = temporal.Key{ID: f.ID, Secret: b}
	}
	return temporal.NewCodec(keys...)
}
