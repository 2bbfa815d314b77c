//go:build !race

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport/adapters/oidc"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/temporal-server/server"
	"github.com/sallyport/sallyport/temporal-server/standalone"
	"github.com/sallyport/sallyport/workflows/wire"
)

// webTimeout bounds what the identity provider may take to answer.
const webTimeout = 5 * time.Second

// serve runs the server until ctx ends. It writes where the server is once it
// can be used.
func serve(ctx context.Context, c standalone.Config, out, logs io.Writer) (err error) {
	logger, err := c.Log.Logger(logs)
	if err != nil {
		return err
	}
	slog.SetDefault(logger) //nolint:forbidigo // the Web UI knows only the standard library's
	slog.SetLogLoggerLevel(slog.LevelDebug)
	ids, err := oidc.New(ctx, oidc.Options{Table: c.People.Identities, Client: &http.Client{Timeout: webTimeout}, Now: time.Now, Logger: logger})
	if err != nil {
		return fmt.Errorf("people.identities: %w", err)
	}
	o, err := options(ctx, c, ids, logger)
	if err != nil {
		return err
	}
	running, err := server.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, running.Stop()) }()
	tokens := standalone.Tokens{Dir: c.Tokens, Issue: running.ServiceToken, Logger: logger}
	if c.Tokens != "" {
		if err := tokens.Write(); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "frontend %s\nui %s\nready\n", running.FrontendAddr(), running.UIAddr()); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ids.Watch(ctx) })
	if c.Tokens != "" {
		group.Go(func() error { tokens.Keep(ctx); return nil })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return nil
		case <-running.Lost():
			return errors.New("another Temporal server has taken the database while PostgreSQL was away: this one stops")
		}
	})
	return group.Wait()
}

// options are the configuration in the server's words.
func options(ctx context.Context, c standalone.Config, ids standalone.Directory, logger *slog.Logger) (server.Options, error) {
	password, err := strict.Secret(c.Postgres.PasswordFile)
	if err != nil {
		return server.Options{}, fmt.Errorf("postgres.password_file: %w", err)
	}
	jwks, err := keys(ctx, c.People)
	if err != nil {
		return server.Options{}, err
	}
	p := c.Postgres
	o := server.Options{
		Postgres:     &server.Postgres{Addr: p.Addr(), User: p.User, Password: password, Database: p.Database, Visibility: p.VisibilityDatabase},
		Shards:       c.HistoryShards,
		FrontendAddr: c.Listen, TLS: certificate(c.TLS), FixedPorts: true,
		Namespace: c.Namespace, Retention: c.Retention, SearchAttributes: wire.SearchAttributes(),
		Auth: &server.Auth{People: authz.People{
			JWKS: jwks, Issuer: c.People.Issuer, Audience: c.People.Audience, Role: c.People.Role(ids), Agent: ids.AgentClient,
		}, Services: c.Services.Accounts()},
		Logger: logger,
	}
	if p.TLS != nil {
		o.Postgres.TLS = &server.PostgresTLS{CAFile: p.TLS.CAFile}
	}
	if c.UI == nil {
		return o, nil
	}
	secret, err := strict.Secret(c.UI.ClientSecretFile)
	if err != nil {
		return o, fmt.Errorf("ui.client_secret_file: %w", err)
	}
	o.UIAddr, o.UITLS, o.UIURL, o.CodecEndpoint = c.UI.Listen, certificate(c.UI.TLS), c.UI.URL, c.UI.CodecEndpoint
	o.Login = &server.Login{Provider: c.People.Issuer, ClientID: c.UI.ClientID, ClientSecret: secret}
	return o, nil
}

func certificate(t *standalone.TLS) *server.TLS {
	if t == nil {
		return nil
	}
	return &server.TLS{CertFile: t.CertFile, KeyFile: t.KeyFile, CAFile: t.CAFile}
}

// keys is where the issuer publishes its keys.
func keys(ctx context.Context, p standalone.People) (string, error) {
	if p.JWKS != "" {
		return p.JWKS, nil
	}
	ctx = gooidc.ClientContext(ctx, &http.Client{Timeout: webTimeout})
	provider, err := gooidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return "", fmt.Errorf("people.issuer: discovery: %w", err)
	}
	var found struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := provider.Claims(&found); err != nil {
		return "", fmt.Errorf("people.issuer: discovery: %w", err)
	}
	if found.JWKS == "" {
		return "", fmt.Errorf("people.issuer: the discovery document of %s names no jwks_uri: set people.jwks", p.Issuer)
	}
	return found.JWKS, nil
}
