//go:build !race

// Package instance is the gateway in development mode: the Temporal server
// and its UI, an identity provider, the API and the worker in one process, as
// one user, on loopback. It shows how things work and is no security
// boundary.
package instance

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/demo"
	"github.com/sallyport/sallyport/dev/idp"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/temporal-server/server"
	"github.com/sallyport/sallyport/workflows/wire"
)

//go:embed seed
var seed embed.FS

// Options say where an instance keeps its state and listens. A port that is
// taken, or 0, becomes a free one.
type Options struct {
	Dir              string
	API              string
	Temporal         string
	TemporalUI       string
	IdentityProvider string
	Executor         string // in the place of the toolexec beside the program
	Webhook          string // URL that gets a notification for each call that waits for people; empty turns notifications off
	Logger           *slog.Logger
	// TaskQueues may be used beside the gateway's own, by such programs as
	// OnTemporal is for.
	TaskQueues []string
	// OnTemporal, unless it is nil, is called with the Temporal server before
	// the gateway uses it. It is for programs that measure the gateway beside
	// workflows of their own.
	OnTemporal func(*server.Server)
}

// Defaults are the addresses that are tried first.
func Defaults() Options {
	return Options{
		Dir: ".sallyport", API: "127.0.0.1:8080", Temporal: "127.0.0.1:7233", TemporalUI: "127.0.0.1:8233", IdentityProvider: "127.0.0.1:8090",
	}
}

// stopLimit is how long requests may go on when an instance stops.
const stopLimit = 10 * time.Second

// Run runs an instance until ctx ends. It calls ready once everything
// answers.
func Run(ctx context.Context, o Options, ready func(client.Instance) error) (err error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	s := state{dir}
	release, err := s.lock()
	if err != nil {
		return err
	}
	r := &running{options: o, state: s}
	r.onStop(release)
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := s.prepare(); err != nil {
		return err
	}
	if o.Webhook != "" {
		if err := s.webhookSecret(); err != nil {
			return fmt.Errorf("the webhook's secret: %w", err)
		}
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	return r.serve(ctx, ready)
}

// running is an instance that is being started, or runs.
type running struct {
	options  Options
	state    state
	api      net.Listener
	idp      *idp.Provider
	temporal *server.Server
	gateway  *gateway.Gateway
	instance client.Instance
	stops    []func() error
}

// onStop remembers what to undo, last first.
func (r *running) onStop(f func() error) { r.stops = append(r.stops, f) }

func (r *running) stop() error {
	var errs []error
	for _, stop := range slices.Backward(r.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

func (r *running) start(ctx context.Context) (err error) {
	token, err := randomToken()
	if err != nil {
		return err
	}
	r.instance = client.Instance{PID: os.Getpid(), Token: token, Dir: r.state.dir}
	if r.api, err = listen(ctx, r.options.API); err != nil {
		return err
	}
	r.onStop(func() error { return ignoreClosed(r.api.Close()) })
	r.instance.API = "http://" + r.api.Addr().String()
	ui, err := free(ctx, r.options.TemporalUI)
	if err != nil {
		return err
	}
	r.instance.TemporalUI = "http://" + ui
	if err := r.startProvider(ctx); err != nil {
		return fmt.Errorf("the identity provider: %w", err)
	}
	if err := r.startTemporal(ctx, ui); err != nil {
		return err
	}
	c, err := r.config()
	if err != nil {
		return err
	}
	r.gateway, err = gateway.Open(ctx, gateway.Options{
		Config: c, Name: "sallyport-dev", Logger: r.options.Logger,
		Credentials: func(role temporal.Role) temporal.Credentials {
			return r.temporal.ClientOptions(authz.Role(role)).HeadersProvider
		},
		OneProcess: true,
		CodecGuard: func(req *http.Request) error {
			if _, ok := r.idp.Session(req); !ok {
				return errors.New("this browser has no session at the identity provider: log in to the Temporal UI first")
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	r.onStop(r.gateway.Close)
	return nil
}

// startProvider serves the identity provider and writes the identity table
// that goes with its address.
func (r *running) startProvider(ctx context.Context) error {
	l, err := r.listenAsBefore(ctx, r.options.IdentityProvider)
	if err != nil {
		return err
	}
	base := "http://" + l.Addr().String()
	r.instance.IdentityProvider = base
	people, agents := idp.Demo()
	r.idp, err = idp.New(idp.Options{
		Issuer: base, Dir: r.state.path("idp"), Now: time.Now, People: people, Agents: agents,
		InstanceToken: r.instance.Token, Logger: r.options.Logger,
		Clients: []idp.Client{idp.TemporalUI(r.instance.TemporalUI, ""), idp.Voting()},
	})
	if err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{Handler: r.idp, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }() // until it is shut down
	r.onStop(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		return server.Shutdown(ctx)
	})
	return os.WriteFile(r.state.path("identities.yaml"), idp.Table(base), 0o600)
}

func (r *running) startTemporal(ctx context.Context, ui string) (err error) {
	secret, _ := r.idp.Secret(idp.UIClient)
	roles := rolesOf(idp.Demo())
	r.temporal, err = server.Start(ctx, server.Options{
		Dir: r.state.path("temporal"), FrontendAddr: r.options.Temporal, UIAddr: ui,
		TaskQueues: r.options.TaskQueues, SearchAttributes: wire.SearchAttributes(), CodecEndpoint: r.instance.API + gateway.CodecPath, Logger: r.options.Logger,
		Auth: &server.Auth{People: authz.People{
			JWKS: r.idp.PeopleIssuer() + "/keys", Issuer: r.idp.PeopleIssuer(), Audience: idp.TemporalAudience,
			Role:  func(subject string) authz.Role { return roles[subject] },
			Agent: isAgent,
		}},
		Login: &server.Login{Provider: r.idp.PeopleIssuer(), ClientID: idp.UIClient, ClientSecret: secret},
	})
	if err != nil {
		return err
	}
	r.onStop(r.temporal.Stop)
	r.instance.Temporal = r.temporal.FrontendAddr()
	if r.options.OnTemporal != nil {
		r.options.OnTemporal(r.temporal)
	}
	return nil
}

// isAgent reports whether a client of the demo's identity provider is an agent's.
func isAgent(client string) bool {
	_, agents := idp.Demo()
	return slices.ContainsFunc(agents, func(a idp.AgentEntry) bool { return a.ID == client })
}

// rolesOf says what the demo's people are at the Temporal server.
func rolesOf(people []idp.PersonEntry, _ []idp.AgentEntry) map[string]authz.Role {
	byGroup := map[string]authz.Role{"sre": authz.Approver, "operators": authz.Operator, "auditors": authz.Reader}
	roles := map[string]authz.Role{}
	for _, p := range people {
		for _, g := range p.Groups {
			roles[p.ID] = byGroup[g]
		}
	}
	return roles
}

// serve runs API and worker until ctx ends.
func (r *running) serve(ctx context.Context, ready func(client.Instance) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.gateway.Watch(ctx) })
	group.Go(func() error { return r.gateway.ServeAPI(ctx, r.api) })
	group.Go(func() error { return r.gateway.RunWorker(ctx) })
	group.Go(func() error {
		if err := r.untilReady(ctx); err != nil {
			return err
		}
		return ready(r.instance)
	})
	return group.Wait()
}

// untilReady waits for the API to be ready, and says where everything is.
func (r *running) untilReady(ctx context.Context) error {
	api, err := client.New(r.instance.API, "")
	if err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for api.Ready(ctx) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b, err := json.MarshalIndent(r.instance, "", "  ")
	if err != nil {
		return err
	}
	path := r.state.path(client.InstanceFile)
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	r.onStop(func() error { return os.Remove(path) })
	return os.Rename(path+".new", path)
}

// Demo is what the demo needs of an instance, by its directory.
func Demo(i client.Instance) demo.Options {
	s := state{i.Dir}
	return demo.Options{
		Instance: i,
		Head:     func() (demo.Commit, error) { return head(s.path("demo.git")) },
		Verify:   func(ctx context.Context) (string, error) { return verify(ctx, s) },
	}
}

// verify verifies the ledger as an auditor would, with the public key alone.
func verify(ctx context.Context, s state) (string, error) {
	public, err := os.ReadFile(s.path("ledger.pub"))
	if err != nil {
		return "", err
	}
	verifiers, err := proof.Verifiers(string(public))
	if err != nil {
		return "", err
	}
	report, err := ledger.Verify(ctx, ledger.VerifyOptions{
		Database: ledger.Database{Path: s.path("ledger.db")}, Verifiers: verifiers,
		SignedVote: oidc.Kept{Audience: idp.VoteAudience}.Verify,
	})
	if err != nil {
		return "", err
	}
	if !report.OK() {
		return "", fmt.Errorf("the ledger is not as it was written: %v", report.Findings)
	}
	return fmt.Sprintf("%d leaves of %d calls under %d signed checkpoints: nothing was changed", report.Leaves, report.Calls, report.Checkpoints), nil
}

func publicOf(key crypto.Signer) ed25519.PublicKey {
	public, _ := key.Public().(ed25519.PublicKey)
	return public
}

// listen listens on an address, or on a free port where it is taken.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return nil, splitErr
	}
	return c.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
}

// listenAsBefore listens on an address, or where it was taken at an earlier
// start, on the one that was free then. The identity provider's address is the
// issuer in every identity: if it changes, calls that wait lose their owners.
func (r *running) listenAsBefore(ctx context.Context, addr string) (net.Listener, error) {
	l, err := listen(ctx, r.state.earlier(addr))
	if err != nil {
		return nil, err
	}
	if err := r.state.remember(addr, l.Addr().String()); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// free finds an address that could be listened on, for a server that listens
// by itself.
func free(ctx context.Context, addr string) (string, error) {
	l, err := listen(ctx, addr)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
