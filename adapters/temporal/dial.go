package temporal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"

	"github.com/sallyport/sallyport/strict"
)

// Config says where the Temporal server is.
type Config struct {
	Address   string `yaml:"address"` // host:port of the frontend
	Namespace string `yaml:"namespace"`
	TokenFile string `yaml:"token_file"` // bearer token for the frontend, read again when it changes; empty sends none
	TLS       *TLS   `yaml:"tls"`        // empty means plain text, for loopback only
}

// TLS is for the connection to the server.
type TLS struct {
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

// Role is the role of a part of the gateway at the Temporal server.
type Role string

// The roles. Separation of duties: neither may do what the other may.
const (
	RoleAPI    Role = "gateway" // starts calls, sends votes, cancels
	RoleWorker Role = "worker"  // polls for tasks and completes them
)

// Credentials yields the headers that authenticate a request.
type Credentials interface {
	GetHeaders(context.Context) (map[string]string, error)
}

// tokenFile reads the token for every request, so that a rotated token needs no
// restart.
type tokenFile string

func (f tokenFile) GetHeaders(context.Context) (map[string]string, error) {
	token, err := strict.Secret(string(f))
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// Options are what a client of Temporal's is made of.
type Options struct {
	Config     Config
	Codec      *Codec
	Tracer     trace.Tracer
	Propagator propagation.TextMapPropagator
	Logger     *slog.Logger
}

// Dial makes a client that sends credentials, or none where they are nil. It
// connects when it is first used.
func Dial(o Options, credentials Credentials) (client.Client, error) {
	tracing, err := NewTracing(o.Tracer, o.Propagator)
	if err != nil {
		return nil, err
	}
	c, err := o.Config.options(credentials)
	if err != nil {
		return nil, err
	}
	c.Logger = NewLogger(o.Logger)
	c.DataConverter, c.FailureConverter = NewDataConverter(o.Codec), NewFailureConverter(o.Codec)
	c.Interceptors = []interceptor.ClientInterceptor{tracing}
	// What is large in our requests is encrypted and can't be compressed.
	c.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	return client.NewLazyClient(c)
}

// DialToList connects with the configuration's own token, to ask for the names
// of workflows: it decodes nothing.
func DialToList(ctx context.Context, c Config) (client.Client, error) {
	o, err := c.options(c.credentials())
	if err != nil {
		return nil, err
	}
	return client.DialContext(ctx, o)
}

func (c Config) options(credentials Credentials) (o client.Options, err error) {
	o = client.Options{HostPort: c.Address, Namespace: c.Namespace}
	if credentials != nil {
		o.HeadersProvider = credentials
	}
	if c.TLS != nil {
		o.ConnectionOptions.TLS, err = c.TLS.load()
	}
	return o, err
}

// credentials are the token of the configuration; nil where it names none.
func (c Config) credentials() Credentials {
	if c.TokenFile == "" {
		return nil
	}
	return tokenFile(c.TokenFile)
}

func (t *TLS) load() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("temporal.tls.ca_file: %s holds no certificate", t.CAFile)
		}
	}
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("temporal.tls: cert_file and key_file go together")
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls: %w", err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	return conf, nil
}
