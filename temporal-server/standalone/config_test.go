package standalone_test

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/temporal-server/authz"
	"github.com/sallyport/sallyport/temporal-server/standalone"
)

const good = `
postgres: {password_file: postgres.password}
tokens: /run/sallyport
people:
  issuer: https://login.example.com
  audience: temporal
  identities: identities.yaml
  approver_groups: [sre]
  operator_groups: [operators]
  reader_groups: [auditors]
`

const services = "services: {issuer: 'https://kubernetes.default.svc', audience: temporal, jwks: keys.json, api: a, worker: w}\n"

func load(t *testing.T, text string) (standalone.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "temporal.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return standalone.Load(path)
}

func TestLoad(t *testing.T) {
	c, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:7233" || c.HistoryShards != 4 || c.Postgres.Addr() != "127.0.0.1:5432" {
		t.Errorf("the defaults are missing: %+v", c)
	}
	if !filepath.IsAbs(c.Postgres.PasswordFile) || !filepath.IsAbs(c.People.Identities) || c.Tokens != "/run/sallyport" {
		t.Errorf("paths are not absolute: %+v", c)
	}
}

// TestLoadServices: no directory for tokens is needed where another issuer
// issues them.
func TestLoadServices(t *testing.T) {
	c, err := load(t, strings.Replace(good, "tokens: /run/sallyport\n", services, 1))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]authz.Role{"a": authz.Gateway, "w": authz.Worker}
	if got := c.Services.Accounts(); !filepath.IsAbs(got.JWKS) || !maps.Equal(got.Roles, want) {
		t.Errorf("the services are %+v", got)
	}
	if (*standalone.Services)(nil).Accounts() != nil {
		t.Error("there are services where none are configured")
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, test := range map[string]struct{ old, add, says string }{
		"UnknownKey":          {"", "password: x\n", "field password not found"},
		"Twice":               {"", "tokens: /tmp\n", "already defined"},
		"Empty":               {good, "", "empty"},
		"PlainBeyond":         {"", "listen: 0.0.0.0:7233\n", "listen is 0.0.0.0:7233, which is none of the loopback addresses"},
		"ListenName":          {"", "listen: localhost:7233\n", "listen is"},
		"HalfTLS":             {"", "tls: {cert_file: a.pem}\n", ":11: tls.key_file is missing"},
		"FewShards":           {"", "history_shards: 1\n", ":11: history_shards must be at least 4"},
		"ShortRetention":      {"", "retention: 1h\n", "retention must be at least"},
		"NoPassword":          {"password_file: postgres.password", "", "postgres.password_file is missing"},
		"RemotePlain":         {"{password_file", "{host: db.example.com, password_file", "postgres.host is db.example.com, which is none of the loopback addresses"},
		"LocalNamePlain":      {"{password_file", "{host: localhost, password_file", "postgres.host is localhost, which is none of the loopback addresses (127.0.0.0/8 and ::1; write 127.0.0.1, not localhost): set postgres.tls"},
		"PlainIssuer":         {"https://login", "http://login", "people.issuer"},
		"NoAudience":          {"  audience: temporal\n", "", "people.audience is missing"},
		"NoGroups":            {"  approver_groups: [sre]\n  operator_groups: [operators]\n  reader_groups: [auditors]\n", "", "names no groups"},
		"EmptyGroup":          {"[sre]", "['']", "a group without a name"},
		"NoTokens":            {"tokens: /run/sallyport\n", "", "tokens is missing"},
		"ServicesWithout":     {"", "services: {issuer: 'https://kubernetes.default.svc'}\n", "services.audience is missing"},
		"ServicesPlain":       {"", strings.Replace(services, "keys.json", "http://keys.example.com", 1), "services.jwks"},
		"ServicesOfPeople":    {"", strings.Replace(services, "kubernetes.default.svc", "login.example.com", 1), "which is people's"},
		"ServicesForBothOnce": {"", strings.Replace(services, "worker: w", "worker: a", 1), "services.worker is a, as services.api is"},
		"UIWithout":           {"", "ui: {listen: 127.0.0.1:8233, url: 'https://temporal.example.com'}\n", "ui.client_id is missing"},
		"UIPlain":             {"", "ui: {listen: 0.0.0.0:8233, url: 'http://temporal.example.com', client_id: x, client_secret_file: y}\n", "ui.url"},
	} {
		t.Run(name, func(t *testing.T) {
			text := good + test.add
			if test.old != "" {
				text = strings.Replace(good, test.old, test.add, 1)
			}
			if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), "temporal.yaml") {
				t.Errorf("error %v, want one that names the file and says %q", err, test.says)
			}
		})
	}
}

// table is an identity table.
type table map[string][]string

func (d table) Person(a sallyport.Account) (sallyport.Person, error) {
	groups, ok := d[a.Subject]
	if !ok || a.Issuer != "https://login.example.com" {
		return sallyport.Person{}, sallyport.Errorf(sallyport.Unauthenticated, "unknown", "not listed")
	}
	return sallyport.Person{ID: a.Subject, Groups: groups}, nil
}

func (d table) AgentClient(string) bool { return false }

func TestRole(t *testing.T) {
	people := standalone.People{
		Issuer: "https://login.example.com", ApproverGroups: []string{"sre", "leads"}, OperatorGroups: []string{"operators"}, ReaderGroups: []string{"auditors"},
	}
	role := people.Role(table{
		"bob": {"leads"}, "olga": {"operators"}, "audra": {"auditors"}, "dave": {"dev"}, "carol": {"auditors", "operators", "sre"}, "alice": nil,
	})
	for subject, want := range map[string]authz.Role{
		"bob": authz.Approver, "olga": authz.Operator, "audra": authz.Reader, "dave": authz.None, "carol": authz.Approver, "alice": authz.None,
		"mallory": authz.None, "": authz.None, "gateway": authz.None,
	} {
		if got := role(subject); got != want {
			t.Errorf("%q is %q, want %q", subject, got, want)
		}
	}
	other := people
	other.Issuer = "https://other.example.com"
	if got := other.Role(table{"bob": {"sre"}})("bob"); got != authz.None {
		t.Errorf("bob of another issuer is %q", got)
	}
}

// TestDocumentation loads the configuration that the documentation shows.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/operators/temporal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), "```yaml\n")
	example, _, closed := strings.Cut(example, "```")
	if !ok || !closed {
		t.Fatal("there is no configuration in it")
	}
	if _, err := load(t, example); err != nil {
		t.Error(err)
	}
}
