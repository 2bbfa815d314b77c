//go:build !race

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	ui "github.com/temporalio/ui-server/v2/server"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	temporalserver "go.temporal.io/server/temporal"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// Server is a Temporal server that runs in this process, and its Web UI.
// There can be one UI per process.
type Server struct {
	options  Options
	at       addresses
	level    *slog.LevelVar       // at which the server logs
	services *authz.ServiceTokens // nil without Auth
	database *database
	server   temporalserver.Server
	ui       *ui.Server // nil without UIAddr
}

// Start starts a server and returns once it can be used: the frontend
// answers, the namespace is there and its search attributes can be queried,
// and the UI serves. The context bounds the start, not the server.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s := &Server{options: o, level: new(slog.LevelVar)}
	s.level.Set(o.LogLevel.Level())
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the Temporal server: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) (err error) {
	o := s.options
	if s.database, err = openDatabase(ctx, o); err != nil {
		return err
	}
	if err := s.database.prepare(ctx, o); err != nil {
		return err
	}
	security, err := s.security()
	if err != nil {
		return err
	}
	if s.at, err = reserve(o); err != nil {
		return fmt.Errorf("find a port: %w", err)
	}
	if err := s.startServer(security); err != nil {
		return err
	}
	asWorker, err := s.readinessClient()
	if err != nil {
		return err
	}
	if err := awaitReady(ctx, asWorker, o); err != nil {
		return fmt.Errorf("the frontend at %s did not become ready: %w", s.at.frontend, err)
	}
	if o.UIAddr == "" {
		return nil
	}
	s.ui, err = startUI(ctx, o, s.at)
	return err
}

// security is how requests are authenticated and authorized.
func (s *Server) security() ([]temporalserver.ServerOption, error) {
	if s.options.Auth == nil {
		return nil, nil
	}
	services, err := authz.NewServiceTokens()
	if err != nil {
		return nil, err
	}
	verifier, err := authz.NewVerifier(s.options.Auth.People, services, s.options.Auth.Services)
	if err != nil {
		return nil, err
	}
	policy, err := authz.NewPolicy(s.options.Namespace, s.options.TaskQueues...)
	if err != nil {
		return nil, err
	}
	s.services = services
	return []temporalserver.ServerOption{
		temporalserver.WithAuthorizer(authorizer{policy: policy}),
		temporalserver.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
			return claimMapper{verifier: verifier}
		}),
	}, nil
}

func (s *Server) startServer(security []temporalserver.ServerOption) error {
	cfg, err := serverConfig(s.database, s.options, s.at)
	if err != nil {
		return err
	}
	tls, err := newTransport(s.options.TLS, time.Now())
	if err != nil {
		return err
	}
	server, err := temporalserver.NewServer(append(security,
		temporalserver.WithConfig(cfg),
		temporalserver.ForServices(temporalserver.Services),
		temporalserver.WithStaticHosts(s.at.staticHosts()),
		temporalserver.WithTLSConfigFactory(tls),
		temporalserver.WithDynamicConfigClient(dynamicConfig()),
		temporalserver.WithLogger(newLogger(s.options.Logger, s.level)),
	)...)
	if err != nil {
		return err
	}
	s.server = server
	return server.Start()
}

// FrontendAddr is where clients connect.
func (s *Server) FrontendAddr() string { return s.at.frontend }

// UIAddr is where the Web UI is, or "".
func (s *Server) UIAddr() string { return s.at.ui }

// ServiceToken yields a bearer token for the gateway or a worker. It is valid
// for half an hour at least, and at no other server.
func (s *Server) ServiceToken(role authz.Role) (string, error) {
	if s.services == nil {
		return "", sallyport.Errorf(sallyport.Invalid, "no_auth", "the Temporal server runs without authorization and has no tokens")
	}
	return s.services.Token(role)
}

// ClientOptions is what an SDK client needs to connect as the gateway or a
// worker in this process, without TLS. Everything else in it is the SDK's
// default.
func (s *Server) ClientOptions(role authz.Role) client.Options {
	o := client.Options{
		HostPort:  dialable(s.at.frontend),
		Namespace: s.options.Namespace,
		Logger:    sdklog.NewStructuredLogger(s.options.Logger),
	}
	if s.services != nil {
		o.HeadersProvider = s.services.Source(role)
	}
	return o
}

// readinessClient asks as a worker would.
func (s *Server) readinessClient() (client.Options, error) {
	o := s.ClientOptions(authz.Worker)
	o.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	if s.options.TLS == nil {
		return o, nil
	}
	var err error
	o.ConnectionOptions.TLS, err = s.options.TLS.client()
	return o, err
}

// Lost is closed when another server has taken the database, after PostgreSQL
// was away: this one must stop. It is nil where that can't happen.
func (s *Server) Lost() <-chan struct{} { return s.database.lost }

// Stop ends the UI and the server, and gives the database free. Workers and
// clients should have stopped before.
func (s *Server) Stop() error {
	// The server's parts warn that the others are gone.
	s.level.Set(max(s.level.Level(), slog.LevelError))
	var errs []error
	if s.ui != nil {
		s.ui.Stop()
	}
	if s.server != nil {
		errs = append(errs, s.server.Stop())
	}
	if s.database != nil {
		errs = append(errs, s.database.release())
	}
	s.ui, s.server, s.database = nil, nil, nil
	return errors.Join(errs...)
}
