package standalone

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/strict"
)

// checker checks the rules of a configuration that its types don't express.
type checker struct{ faults *strict.Faults }

// add adds the fault of a dotted key.
func (c *checker) add(key, format string, args ...any) { c.faults.AddKey(key, format, args...) }

func (c *checker) required(key, value string) {
	if value == "" {
		c.add(key, "is missing")
	}
}

// listen requires the address of an interface, and TLS unless it is loopback.
func (c *checker) listen(key, value string, t *TLS) {
	addr, err := netip.ParseAddrPort(value)
	switch {
	case err != nil:
		c.add(key, "is %q and must be the address of an interface and a port, such as 127.0.0.1:7233", value)
	case !strict.Loopback(addr.Addr().String()) && t == nil:
		c.add(key, "is %s, which is none of the %s: set tls beside it, or tokens would travel in plain text", value, strict.LoopbackRule)
	}
}

func (c *checker) tls(key string, t *TLS) {
	if t == nil {
		return
	}
	c.required(key+".cert_file", t.CertFile)
	c.required(key+".key_file", t.KeyFile)
}

// web requires a URL with TLS, or one of a loopback address.
func (c *checker) web(key, value string) {
	u, err := url.Parse(value)
	if err != nil || !strict.SecureURL(u) {
		c.add(key, "is %q and must be a URL such as https://login.example.com (http is only for the %s)", value, strict.LoopbackRule)
	}
}

// check reports everything that is wrong at once.
func (c Config) check(faults *strict.Faults) error {
	found := &checker{faults}
	found.listen("listen", c.Listen, c.TLS)
	found.tls("tls", c.TLS)
	found.required("namespace", c.Namespace)
	if c.Services == nil {
		found.required("tokens", c.Tokens)
	} else {
		found.services(*c.Services, c.People.Issuer)
	}
	if c.Retention < least {
		found.add("retention", "must be at least %s: a call may wait for people that long", least)
	}
	if c.HistoryShards < leastShards {
		found.add("history_shards", "must be at least %d, and is for good", leastShards)
	}
	found.postgres(c.Postgres)
	found.people(c.People)
	if c.UI != nil {
		found.ui(*c.UI)
	}
	if _, err := c.Log.Logger(io.Discard); err != nil {
		found.add("log", "%v", err)
	}
	return faults.Err()
}

const (
	least       = 24 * time.Hour
	leastShards = 4
)

func (c *checker) postgres(p Postgres) {
	c.required("postgres.host", p.Host)
	c.required("postgres.user", p.User)
	c.required("postgres.password_file", p.PasswordFile)
	c.required("postgres.database", p.Database)
	c.required("postgres.visibility_database", p.VisibilityDatabase)
	if p.Port < 1 || p.Port > 65535 {
		c.add("postgres.port", "is %d and must be a port, such as 5432", p.Port)
	}
	if p.TLS == nil && !strict.Loopback(p.Host) {
		c.add("postgres.host", "is %s, which is none of the %s: set postgres.tls, or what is stored would travel in plain text", p.Host, strict.LoopbackRule)
	}
}

func (c *checker) people(p People) {
	c.web("people.issuer", p.Issuer)
	c.required("people.audience", p.Audience)
	if p.JWKS != "" {
		c.web("people.jwks", p.JWKS)
	}
	c.required("people.identities", p.Identities)
	if len(p.ApproverGroups)+len(p.OperatorGroups)+len(p.ReaderGroups) == 0 {
		c.add("people", "names no groups: set approver_groups, operator_groups or reader_groups, or no person could see workflows")
	}
	for _, list := range [][]string{p.ApproverGroups, p.OperatorGroups, p.ReaderGroups} {
		if slices.Contains(list, "") {
			c.add("people", "has a group without a name")
		}
	}
}

func (c *checker) services(s Services, people string) {
	c.required("services.issuer", s.Issuer)
	c.required("services.audience", s.Audience)
	c.required("services.jwks", s.JWKS)
	c.required("services.api", s.API)
	c.required("services.worker", s.Worker)
	if strings.Contains(s.JWKS, "://") {
		c.web("services.jwks", s.JWKS)
	}
	if s.Issuer != "" && s.Issuer == people {
		c.add("services.issuer", "is %s, which is people's: a person who logs in there could act as a service", s.Issuer)
	}
	if s.API != "" && s.API == s.Worker {
		c.add("services.worker", "is %s, as services.api is: give the API and the worker accounts of their own", s.Worker)
	}
}

func (c *checker) ui(u UI) {
	c.listen("ui.listen", u.Listen, u.TLS)
	c.tls("ui.tls", u.TLS)
	c.web("ui.url", u.URL)
	c.required("ui.client_id", u.ClientID)
	c.required("ui.client_secret_file", u.ClientSecretFile)
	if u.CodecEndpoint != "" {
		c.web("ui.codec_endpoint", u.CodecEndpoint)
	}
}

// Addr is where PostgreSQL listens.
func (p Postgres) Addr() string { return net.JoinHostPort(p.Host, fmt.Sprint(p.Port)) }
