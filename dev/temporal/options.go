//go:build !race

package temporal

import (
	"cmp"
	"log/slog"
	"net"
	"net/netip"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/dev/authz"
)

// Options of a server.
type Options struct {
	// Dir holds the state. It is made when it isn't there. Required.
	Dir string

	// FrontendAddr is where clients connect: a loopback address and a port.
	// Port 0, or one that is taken, means any that is free. Default
	// 127.0.0.1:7233.
	FrontendAddr string

	// UIAddr is where the Web UI is served, likewise. Empty means no UI.
	UIAddr string

	// Namespace that everything happens in. Default "default".
	Namespace string

	// SearchAttributes of the namespace. New ones may be added to an existing
	// database; none is ever removed, and none may change its type.
	SearchAttributes map[string]enumspb.IndexedValueType

	// Retention is how long closed workflows are kept. Default 7 days.
	Retention time.Duration

	// Auth says who may do what. Nil means that everyone who reaches the
	// frontend may do everything, and that events carry no principal.
	Auth *Auth

	// Login is how people log in to the UI. It goes with Auth.
	Login *Login

	// CodecEndpoint is the URL at which the UI has payloads decoded. Empty
	// means that it shows them as they are.
	CodecEndpoint string

	// Logger of the server. Required.
	Logger *slog.Logger

	// LogLevel is the least level at which the server logs. Nil means
	// slog.LevelWarn: the server is talkative below.
	LogLevel slog.Leveler
}

// Auth says who may do what at the frontend.
type Auth struct {
	// People are authenticated by an identity provider. Its keys are fetched
	// when the first person comes, so it may start after the server.
	People authz.People
}

// Login is an OpenID Connect client, registered with the redirect URI
// http://<UIAddr>/auth/sso/callback.
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
)

// withDefaults fills in what may be left out and refuses what can't be.
func (o Options) withDefaults() (Options, error) {
	o.FrontendAddr = cmp.Or(o.FrontendAddr, defaultFrontendAddr)
	o.Namespace = cmp.Or(o.Namespace, defaultNamespace)
	o.Retention = cmp.Or(o.Retention, defaultRetention)
	if o.LogLevel == nil {
		o.LogLevel = slog.LevelWarn
	}
	switch {
	case o.Dir == "":
		return o, invalid("no_dir", "the Temporal server needs a directory for its state")
	case o.Logger == nil:
		return o, invalid("no_logger", "the Temporal server needs a logger")
	case o.Retention < 0:
		return o, invalid("retention", "a retention of %s is less than nothing", o.Retention)
	case o.Login != nil && (o.Auth == nil || o.UIAddr == ""):
		return o, invalid("login", "logging in to the Web UI needs Auth and UIAddr")
	case o.Auth != nil && o.UIAddr != "" && o.Login == nil:
		return o, invalid("login", "the Web UI of a server with Auth needs Login, or nobody could use it")
	}
	for _, addr := range []string{o.FrontendAddr, o.UIAddr} {
		if err := checkLoopback(addr); err != nil {
			return o, err
		}
	}
	return o, nil
}

func checkLoopback(addr string) error {
	if addr == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return invalid("address", "%q is not an address like 127.0.0.1:7233: %w", addr, err)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return invalid("address", "%q is not a loopback address: the embedded server is for this machine only", addr)
	}
	return nil
}

func invalid(code, format string, args ...any) error {
	return sallyport.Errorf(sallyport.Invalid, code, format, args...)
}
