package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"

	"github.com/sallyport/sallyport/worker"
	"github.com/sallyport/sallyport/workflows"
)

// Role is what a part of the gateway is at the Temporal server.
type Role string

// The roles. None of them may do what the other may.
const (
	RoleAPI    Role = "gateway" // starts calls, carries votes, cancels
	RoleWorker Role = "worker"  // takes tasks and answers them
)

// Credentials yields the headers that authenticate a request.
type Credentials interface {
	GetHeaders(context.Context) (map[string]string, error)
}

// tokenFile reads the token anew for every request, so that whoever rotates
// it need not restart us.
type tokenFile string

func (f tokenFile) GetHeaders(context.Context) (map[string]string, error) {
	token, err := Secret(string(f))
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// credentials are what a part of the gateway sends; nil where it sends none.
func (g *Gateway) credentials(role Role) Credentials {
	switch file := g.o.Config.Temporal.TokenFile; {
	case g.o.Credentials != nil:
		return g.o.Credentials(role)
	case file != "":
		return tokenFile(file)
	default:
		return nil
	}
}

// dial makes a client of Temporal's. It connects when it is first used.
func (g *Gateway) dial(credentials Credentials) (client.Client, error) {
	c := g.o.Config.Temporal
	tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer:            g.telemetry.TracerProvider().Tracer("github.com/sallyport/sallyport/gateway"),
		TextMapPropagator: g.telemetry.Propagator(),
		SpanStarter: func(ctx context.Context, t trace.Tracer, name string, o ...trace.SpanStartOption) trace.Span {
			_, span := t.Start(ctx, name, o...)
			return span
		},
	})
	if err != nil {
		return nil, err
	}
	o := client.Options{
		HostPort: c.Address, Namespace: c.Namespace, Logger: worker.Logger(g.o.Logger),
		DataConverter:    workflows.NewDataConverter(g.codec),
		FailureConverter: workflows.NewFailureConverter(g.codec),
		Interceptors:     []interceptor.ClientInterceptor{tracing},
	}
	// What is large in our requests is encrypted and can't be compressed.
	o.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	if credentials != nil {
		o.HeadersProvider = credentials
	}
	if c.TLS != nil {
		if o.ConnectionOptions.TLS, err = c.TLS.load(); err != nil {
			return nil, err
		}
	}
	return client.NewLazyClient(o)
}

func (t *TLSConfig) load() (*tls.Config, error) {
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
