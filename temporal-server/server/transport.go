//go:build !race

package server

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.temporal.io/server/common/rpc/encryption"
)

// newTransport makes the parts' certificate and reads the frontend's.
func newTransport(frontend *TLS, now time.Time) (transport, error) {
	parts, err := newInternode(now)
	if err != nil || frontend == nil {
		return transport{internode: parts}, err
	}
	shown, err := frontend.server()
	return transport{internode: parts, frontend: shown}, err
}

// transport is the server's TLS: always between its parts, and at the
// frontend where it has a certificate.
type transport struct {
	internode *internode
	frontend  *tls.Config // nil for plain text
}

var _ encryption.TLSConfigProvider = transport{}

// GetInternodeServerConfig implements [encryption.TLSConfigProvider], as do
// the next five.
func (t transport) GetInternodeServerConfig() (*tls.Config, error) { return t.internode.server(), nil }

// GetInternodeClientConfig is for the parts, and for clients of the internal
// frontend.
func (t transport) GetInternodeClientConfig() (*tls.Config, error) { return t.internode.client(), nil }

// GetFrontendServerConfig is for clients.
func (t transport) GetFrontendServerConfig() (*tls.Config, error) { return t.frontend, nil }

// GetFrontendClientConfig would be for parts that use the public frontend.
// None does.
func (t transport) GetFrontendClientConfig() (*tls.Config, error) {
	return nil, nil //nolint:nilnil // no TLS is no configuration
}

// GetRemoteClusterClientConfig would be for other clusters. There are none.
func (t transport) GetRemoteClusterClientConfig(string) (*tls.Config, error) {
	return nil, nil //nolint:nilnil // no TLS is no configuration
}

// GetExpiringCerts reports none: the parts' own certificate outlives them, and
// the operator monitors the frontend's.
func (t transport) GetExpiringCerts(time.Duration) (expiring, expired encryption.CertExpirationMap, err error) {
	return nil, nil, nil
}

func (t TLS) load() (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("the certificate %s with its key %s: %w", t.CertFile, t.KeyFile, err)
	}
	return &c, nil
}

// server reads the certificate anew for each connection, and goes on with the
// last good one while the files don't go together.
func (t TLS) server() (*tls.Config, error) {
	first, err := t.load()
	if err != nil {
		return nil, err
	}
	var good atomic.Pointer[tls.Certificate]
	good.Store(first)
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c, err := t.load(); err == nil {
				good.Store(c)
			}
			return good.Load(), nil
		},
	}, nil
}

// name is the first that the certificate is for.
func (t TLS) name() (string, error) {
	c, err := t.load()
	switch {
	case err != nil:
		return "", err
	case len(c.Leaf.DNSNames) > 0:
		return c.Leaf.DNSNames[0], nil
	case len(c.Leaf.IPAddresses) > 0:
		return c.Leaf.IPAddresses[0].String(), nil
	default:
		return "", invalid("tls", "the certificate %s is for no name: clients check the subject alternative names", t.CertFile)
	}
}

// client is how this process itself connects to where the certificate is
// shown.
func (t TLS) client() (*tls.Config, error) {
	name, err := t.name()
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	if t.CAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("the authorities of the certificate %s: %w", t.CertFile, err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, invalid("tls", "%s holds no certificate", t.CAFile)
	}
	return c, nil
}
