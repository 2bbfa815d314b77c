//go:build !race

package server

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// Options of a server.
type Options struct {
	// Dir holds the state, in SQLite. It is made when it isn't there. One of
	// Dir and Postgres is required.
	Dir string

	// Postgres holds the state instead.
	Postgres *Postgres

	// Shards is the number of history shards, which bounds the server's
	// parallelism. It is fixed when a database is made: with another number the
	// server does not start. Default 4, which is also the least on PostgreSQL.
	Shards int32

	// FrontendAddr is where clients connect: an IP address and a port. Without
	// TLS it must be a loopback address. Port 0, or one that is taken, means
	// any that is free. Default 127.0.0.1:7233.
	FrontendAddr string

	// TLS is the frontend's certificate. Nil means plain text.
	TLS *TLS

	// UIAddr is where the Web UI is served, likewise. Empty means no UI.
	UIAddr string

	// UITLS is the Web UI's certificate. Nil means plain text.
	UITLS *TLS

	// UIURL is how browsers reach the UI, where that isn't by UIAddr.
	UIURL string

	// FixedPorts makes a taken port an error.
	FixedPorts bool

	// Namespace of all workflows. Default "default".
	Namespace string

	// SearchAttributes of the namespace. New ones may be added to an existing
	// database; none is ever removed, and none may change its type.
	SearchAttributes map[string]enumspb.IndexedValueType

	// TaskQueues may be used beside that of calls. They are for benchmarks.
	TaskQueues []string

	// Retention is how long closed workflows are kept. Default 7 days.
	Retention time.Duration

	// Auth authenticates and authorizes requests. Nil means that every client
	// that reaches the frontend may do everything, and that events carry no
	// principal.
	Auth *Auth

	// Login is how people log in to the UI. It goes with Auth.
	Login *Login

	// CodecEndpoint is the URL at which the UI has payloads decoded. Empty
	// means that it shows them as they are.
	CodecEndpoint string

	// Logger of the server. Required.
	Logger *slog.Logger

	// LogLevel is the least level at which the server logs. Nil means
	// slog.LevelWarn: below it the server logs a lot.
	LogLevel slog.Leveler
}

// Auth authenticates and authorizes the frontend's requests.
type Auth struct {
	// People are authenticated by an identity provider. Its keys are fetched
	// for a person's first request, so it may start after the server.
	People authz.People

	// Services have tokens of another issuer, beside those of
	// [Server.ServiceToken]. Nil means that only the latter are accepted.
	Services *authz.Services
}

// TLS is a certificate with its key, in PEM. The frontend reads them again for
// each connection, so that they can be renewed; the UI at its start.
type TLS struct {
	CertFile string
	KeyFile  string
	CAFile   string // that signed it; empty means the system's authorities
}

// Login is an OpenID Connect client, registered with the redirect URI
// /auth/sso/callback of the UI.
type Login struct {
	Provider     string // issuer URL; must answer discovery when the UI starts
	ClientID     string
	ClientSecret string
	Label        string // on the log-in page; default "Log in"
}

const (
	defaultFrontendAddr = "127.0.0.1:7233"
	defaultNamespace    = "default"
	defaultRetention    = 7 * 24 * time.Hour
	defaultShards       = 4
)

// withDefaults sets defaults and checks the options.
func (o Options) withDefaults() (Options, error) {
	o.FrontendAddr = cmp.Or(o.FrontendAddr, defaultFrontendAddr)
	o.Namespace = cmp.Or(o.Namespace, defaultNamespace)
	o.Retention = cmp.Or(o.Retention, defaultRetention)
	o.Shards = cmp.Or(o.Shards, defaultShards)
	if o.LogLevel == nil {
		o.LogLevel = slog.LevelWarn
	}
	return o, o.check()
}

// check rejects options that are missing or contradict each other.
func (o Options) check() error {
	switch {
	case (o.Dir == "") == (o.Postgres == nil):
		return invalid("no_dir", "the Temporal server needs a directory for its state, or PostgreSQL")
	case o.Logger == nil:
		return invalid("no_logger", "the Temporal server needs a logger")
	case o.Retention < 0:
		return invalid("retention", "a retention of %s is less than nothing", o.Retention)
	case o.Login != nil && (o.Auth == nil || o.UIAddr == ""):
		return invalid("login", "logging in to the Web UI needs Auth and UIAddr")
	case o.Auth != nil && o.UIAddr != "" && o.Login == nil:
		return invalid("login", "the Web UI of a server with Auth needs Login: set Login, or leave UIAddr empty")
	case o.Shards < 1 || o.Postgres != nil && o.Shards < defaultShards:
		return invalid("shards", "%d history shards are too few: %d is the least", o.Shards, defaultShards)
	}
	if o.Postgres != nil {
		if err := o.Postgres.check(); err != nil {
			return err
		}
	}
	return errors.Join(checkAddr(o.FrontendAddr, o.TLS != nil), checkAddr(o.UIAddr, o.UITLS != nil))
}

// checkAddr rejects an address with which tokens would cross a network in plain
// text.
func checkAddr(addr string, encrypted bool) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return invalid("address", "%q is not an address like 127.0.0.1:7233: %w", addr, err)
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return invalid("address", "%q is not the address of an interface, such as 127.0.0.1:7233", addr)
	}
	if !strict.Loopback(host) && !encrypted {
		return invalid("address", "%q is none of the %s: without TLS the server is for this machine only", addr, strict.LoopbackRule)
	}
	return nil
}

func invalid(code, format string, args ...any) error {
	return sallyport.Errorf(sallyport.Invalid, code, format, args...)
}
