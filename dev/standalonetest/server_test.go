package standalonetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/sallyport/sallyport/dev/internal/address"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
	"github.com/sallyport/sallyport/sallyporttest/program"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// executable is the path of cmd/temporal-server, built at the first call.
var executable = sync.OnceValues(func() (string, error) {
	dir, err := program.Build(context.Background(), os.Stderr, "", "github.com/sallyport/sallyport/temporal-server/cmd/temporal-server")
	return filepath.Join(dir, "temporal-server"), err
})

// server is the program with the files that it needs.
type server struct {
	dir      string
	provider *temporaltest.Provider
	roots    *x509.CertPool
	frontend string
	ui       string
	cmd      *exec.Cmd
	logs     *bytes.Buffer
}

// newServer writes the configuration. The frontend is on a port that was free
// a moment ago, and stays there when the server is started again.
func newServer(t *testing.T, pg *postgrestest.Cluster) *server {
	t.Helper()
	s := &server{dir: t.TempDir(), provider: temporaltest.NewProvider(t), frontend: address.Free(t), ui: address.Free(t)}
	s.roots = s.certificate(t)
	s.write(t, "postgres.password", pg.Password)
	s.write(t, "ui.secret", "not-a-secret")
	s.write(t, "identities.yaml", fmt.Sprintf(`issuers:
  - {url: %q, kind: person, audiences: [sallyport]}
people:
  - {id: bob, groups: [sre], accounts: [{issuer: %q, subject: u-bob}]}
  - {id: olga, groups: [operators], accounts: [{issuer: %q, subject: u-olga}]}
  - {id: dave, groups: [dev], accounts: [{issuer: %q, subject: u-dave}]}
agents: []
`, s.provider.URL(), s.provider.URL(), s.provider.URL(), s.provider.URL()))
	host, port, err := net.SplitHostPort(pg.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "temporal.yaml", fmt.Sprintf(`listen: %s
tls: {cert_file: frontend.pem, key_file: frontend.key, ca_file: frontend.pem}
history_shards: 4
postgres: {host: %s, port: %s, user: %s, password_file: postgres.password, database: %s, visibility_database: %s}
tokens: tokens
people:
  issuer: %s
  audience: temporal
  identities: identities.yaml
  approver_groups: [sre]
  operator_groups: [operators]
ui:
  listen: %s
  tls: {cert_file: frontend.pem, key_file: frontend.key, ca_file: frontend.pem}
  url: https://%s
  client_id: temporal-ui
  client_secret_file: ui.secret
log: {level: warn, format: text}
`, s.frontend, host, port, postgrestest.User, pg.Database(t), pg.Database(t), s.provider.URL(), s.ui, s.ui))
	return s
}

func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *server) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate writes one for loopback that is its own authority.
func (s *server) certificate(t *testing.T) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.write(t, "frontend.pem", string(public))
	s.write(t, "frontend.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(public)
	return pool
}

// run starts the program and waits until it says that it is ready.
func (s *server) run(t *testing.T) error {
	t.Helper()
	path, err := executable()
	if err != nil {
		t.Fatal(err)
	}
	s.logs = &bytes.Buffer{}
	s.cmd = exec.Command(path, "--config", s.path("temporal.yaml"))
	s.cmd.Stderr = s.logs
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd := s.cmd
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return nil
		}
	}
	return fmt.Errorf("it ended: %w\n%s", errors.Join(s.cmd.Wait(), lines.Err()), s.logs)
}

// kill kills the program as kill -9 does.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // it says that it was killed
}

// stop ends the program as its operator does.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("it stopped with %v\n%s", err, s.logs)
	}
}

// dial connects with whatever token there is at each request.
func (s *server) dial(t *testing.T, token authz.TokenSource) client.Client {
	t.Helper()
	o := client.Options{HostPort: s.frontend, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	o.ConnectionOptions.TLS = &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	o.HeadersProvider = token
	c, err := client.NewLazyClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// service reads the token that the server wrote, as the gateway does.
func (s *server) service(t *testing.T, role authz.Role) client.Client {
	t.Helper()
	return s.dial(t, func(context.Context) (string, error) {
		return strict.Secret(s.path("tokens/" + string(role) + ".token"))
	})
}

func (s *server) person(t *testing.T, subject string) client.Client {
	t.Helper()
	return s.dial(t, func(context.Context) (string, error) { return s.provider.AccessToken(subject), nil })
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one that says %q", err, text)
	}
}
