//go:build !race

// Command temporald runs the embedded Temporal server as a process of its
// own. Tests use it: a server that is linked into a test would have to be
// built for the race detector, and can't be killed.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/sallyport/sallyport/dev/internal/temporald"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/temporal-server/server"
)

// maxConfig bounds the line that is read.
const maxConfig = 1 << 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "temporald:", err)
		os.Exit(1)
	}
}

// run serves until the context or the input ends. The first line of input is
// the configuration.
func run(ctx context.Context, in io.Reader, out, logs io.Writer) error {
	input := bufio.NewReader(io.LimitReader(in, maxConfig))
	line, err := input.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the configuration, one line of JSON: %w", err)
	}
	options, err := readConfig(line, logs)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, input)
		cancel()
	}()
	running, err := server.Start(ctx, options)
	if err != nil {
		return err
	}
	if err := announce(out, running, options.Auth != nil); err != nil {
		return errors.Join(err, running.Stop())
	}
	select {
	case <-ctx.Done():
		return running.Stop()
	case <-running.Lost():
		return errors.Join(errors.New("another Temporal server has taken the database"), running.Stop())
	}
}

func readConfig(line []byte, logs io.Writer) (server.Options, error) {
	var c temporald.Config
	if err := strict.Decode(line, &c); err != nil {
		return server.Options{}, err
	}
	level := slog.LevelWarn
	if c.LogLevel != "" {
		if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
			return server.Options{}, err
		}
	}
	logger := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: level}))
	slog.SetDefault(logger) //nolint:forbidigo // the Web UI knows only the standard library's
	slog.SetLogLoggerLevel(slog.LevelDebug)
	o := server.Options{
		Dir:           c.Dir,
		Shards:        c.Shards,
		FrontendAddr:  c.FrontendAddr,
		UIAddr:        c.UIAddr,
		Namespace:     c.Namespace,
		CodecEndpoint: c.CodecEndpoint,
		Logger:        logger,
		LogLevel:      level,
	}
	if p := c.Postgres; p != nil {
		o.Postgres = &server.Postgres{Addr: p.Addr, User: p.User, Password: p.Password, Database: p.Database, Visibility: p.Visibility}
	}
	if p := c.People; p != nil {
		o.Auth = &server.Auth{People: authz.People{
			JWKS: p.JWKS, Issuer: p.Issuer, Audience: p.Audience,
			Role:  func(subject string) authz.Role { return p.Roles[subject] },
			Agent: func(client string) bool { return slices.Contains(p.Agents, client) },
		}}
	}
	if l := c.Login; l != nil {
		o.Login = &server.Login{Provider: l.Provider, ClientID: l.ClientID, ClientSecret: l.ClientSecret}
	}
	var err error
	o.SearchAttributes, err = searchAttributes(c.SearchAttributes)
	return o, err
}

func searchAttributes(names map[string]string) (map[string]enumspb.IndexedValueType, error) {
	attributes := map[string]enumspb.IndexedValueType{}
	for name, typ := range names {
		t, err := enumspb.IndexedValueTypeFromString(typ)
		if err != nil {
			return nil, fmt.Errorf("search attribute %s: %w", name, err)
		}
		attributes[name] = t
	}
	return attributes, nil
}

// announce tells where the server is, in one line of JSON.
func announce(out io.Writer, s *server.Server, auth bool) error {
	ready := temporald.Ready{FrontendAddr: s.FrontendAddr(), UIAddr: s.UIAddr(), Tokens: map[authz.Role]string{}}
	if auth {
		for _, role := range []authz.Role{authz.Gateway, authz.Worker} {
			token, err := s.ServiceToken(role)
			if err != nil {
				return err
			}
			ready.Tokens[role] = token
		}
	}
	return json.NewEncoder(out).Encode(ready)
}
