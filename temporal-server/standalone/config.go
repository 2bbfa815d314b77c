// Package standalone is the configuration of cmd/temporal-server, the
// Temporal server for teams that have none, and what of it links no Temporal
// server.
package standalone

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport/sallyport/adapters/telemetry"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// Config is the configuration file. Relative paths in it are relative to the
// file. Every secret is a path of a file that holds it, with mode 0600.
type Config struct {
	Listen    string        `yaml:"listen"` // ip:port of the frontend; without tls a loopback address
	TLS       *TLS          `yaml:"tls"`    // the frontend's certificate
	Namespace string        `yaml:"namespace"`
	Retention time.Duration `yaml:"retention"` // of closed workflows; the ledger keeps calls regardless
	// HistoryShards bounds the server's parallelism. It is fixed when the
	// database is made; 4 at least, and 128 suffice for any gateway.
	HistoryShards int32    `yaml:"history_shards"`
	Postgres      Postgres `yaml:"postgres"`
	People        People   `yaml:"people"`
	// Tokens is the directory in which gateway.token and worker.token are
	// written. It may be empty where the services have tokens of another issuer.
	Tokens   string              `yaml:"tokens"`
	Services *Services           `yaml:"services"` // empty: the services have the tokens above alone
	UI       *UI                 `yaml:"ui"`       // empty: no Web UI
	Log      telemetry.LogConfig `yaml:"log"`
}

// TLS is a certificate with its key, in PEM. The frontend reads them again for
// each connection.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	CAFile   string `yaml:"ca_file"` // that signed it, for the UI to check; empty: the system's authorities
}

// Postgres is a PostgreSQL server, version 13 or newer, with two databases
// that belong to the user.
type Postgres struct {
	Host               string       `yaml:"host"`
	Port               int          `yaml:"port"`
	User               string       `yaml:"user"`
	PasswordFile       string       `yaml:"password_file"`
	Database           string       `yaml:"database"`
	VisibilityDatabase string       `yaml:"visibility_database"`
	TLS                *PostgresTLS `yaml:"tls"` // empty: plain text, for loopback only
}

// PostgresTLS makes the connection encrypted, to a server whose name and
// certificate are checked.
type PostgresTLS struct {
	CAFile string `yaml:"ca_file"` // empty: the system's authorities
}

// People is how people are authenticated, and their roles by group.
type People struct {
	Issuer     string `yaml:"issuer"`     // of their access tokens, and of the log-in to the UI
	Audience   string `yaml:"audience"`   // that their access tokens carry for this server
	JWKS       string `yaml:"jwks"`       // URL of the issuer's keys; empty: by discovery
	Identities string `yaml:"identities"` // the gateway's identity table, read again when it changes
	// Roles by groups of the table. A person in several groups has the first of
	// these roles, and a person in none has no role.
	ApproverGroups []string `yaml:"approver_groups"` // see everything, signal "approve"
	OperatorGroups []string `yaml:"operator_groups"` // see everything, cancel, terminate, reset
	ReaderGroups   []string `yaml:"reader_groups"`   // see everything
}

// Services is how the gateway's services are authenticated where another issuer
// issues their tokens, such as Kubernetes to service accounts.
type Services struct {
	Issuer   string `yaml:"issuer"`
	Audience string `yaml:"audience"` // that the tokens carry for this server
	JWKS     string `yaml:"jwks"`     // the issuer's keys: a URL, or a file that is read again for a key that it had not
	API      string `yaml:"api"`      // subject of the API's tokens
	Worker   string `yaml:"worker"`   // subject of the worker's
}

// Accounts are the services as the verifier's type.
func (s *Services) Accounts() *authz.Services {
	if s == nil {
		return nil
	}
	return &authz.Services{
		JWKS: s.JWKS, Issuer: s.Issuer, Audience: s.Audience,
		Roles: map[string]authz.Role{s.API: authz.Gateway, s.Worker: authz.Worker},
	}
}

// UI is the Web UI, with log-in at the people's issuer.
type UI struct {
	Listen           string `yaml:"listen"` // ip:port; without tls a loopback address
	TLS              *TLS   `yaml:"tls"`
	URL              string `yaml:"url"` // as browsers see it; /auth/sso/callback below it is where log-ins return to
	ClientID         string `yaml:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file"`
	CodecEndpoint    string `yaml:"codec_endpoint"` // the API's /codec, which decodes payloads; empty shows them as they are
}

// Defaults are the values of keys that a configuration file leaves out.
func Defaults() Config {
	return Config{
		Listen: "127.0.0.1:7233", Namespace: "default", Retention: 7 * 24 * time.Hour, HistoryShards: 4,
		Postgres: Postgres{Host: "127.0.0.1", Port: 5432, User: "temporal", Database: "temporal", VisibilityDatabase: "temporal_visibility"},
		Log:      telemetry.LogConfig{Level: "info", Format: "text"},
	}
}

// Load reads a configuration file. Missing keys have the values of [Defaults];
// unknown keys are rejected with their line number.
func Load(path string) (Config, error) {
	c := Defaults()
	data, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("the configuration can't be read: %w", err)
	}
	faults, err := strict.Document(path, data, &c)
	if err != nil {
		return c, err
	}
	if err := c.check(faults); err != nil {
		return c, err
	}
	c.resolve(filepath.Dir(path))
	return c, nil
}

// resolve makes paths absolute.
func (c *Config) resolve(dir string) {
	paths := []*string{&c.Postgres.PasswordFile, &c.People.Identities, &c.Tokens}
	if t := c.Postgres.TLS; t != nil {
		paths = append(paths, &t.CAFile)
	}
	if s := c.Services; s != nil && !strings.Contains(s.JWKS, "://") {
		paths = append(paths, &s.JWKS)
	}
	tls := []*TLS{c.TLS}
	if c.UI != nil {
		paths = append(paths, &c.UI.ClientSecretFile)
		tls = append(tls, c.UI.TLS)
	}
	for _, t := range tls {
		if t != nil {
			paths = append(paths, &t.CertFile, &t.KeyFile, &t.CAFile)
		}
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}
