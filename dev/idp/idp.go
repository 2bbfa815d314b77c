// Package idp is the identity provider of development mode: OpenID Connect
// for the demo's agents and people, without passwords, on loopback or in a
// network that was made for tests.
//
// An issuer of agents never yields a person, so it is two issuers, each with
// its own keys, which are kept over restarts:
//
//	<base>/agents   client credentials, for agents
//	<base>/people   authorization code with PKCE, for people
//
// Each has its discovery document at /.well-known/openid-configuration and
// its keys at /keys. The log-in page asks for no password: every client that
// reaches the provider can choose any person, so it is for development only.
package idp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/strict"
)

// DefaultAudience is whom access tokens are for unless another is asked for.
const DefaultAudience = "sallyport"

// VoteAudience is the client as which people vote, and so whom the ID tokens
// are for that are votes.
const VoteAudience = "sallyport-approve"

// Options are what [New] needs. Claims, InstanceToken and Logger may be zero.
type Options struct {
	Issuer  string           // base URL, such as http://127.0.0.1:8090: on loopback, unless Named
	Dir     string           // where keys and secrets are kept, created with mode 0700
	Now     func() time.Time // clock of tokens, codes and sessions
	People  []PersonEntry
	Agents  []AgentEntry
	Clients []Client // relying parties through which people log in

	// Named lets the provider have a name that is not this machine's alone,
	// over https. Every client that reaches it can choose any person: it is for
	// networks that exist for tests.
	Named bool
	// Claims adds claims to access tokens, such as the permissions that a
	// Temporal server maps. It can't change those that RFC 9068 defines.
	Claims func(subject, audience string) map[string]any
	// InstanceToken guards POST /dev/token, which is not there without it.
	InstanceToken string
	// Logger gets a line for each issued token; nil discards them.
	Logger *slog.Logger
}

// PersonEntry is a person that the log-in page offers.
type PersonEntry struct {
	ID     string // the subject of this person's tokens
	Name   string // shown; "" means the id
	Groups []string
}

// AgentEntry is an agent, which is its own OAuth client.
type AgentEntry struct {
	ID        string // client id, and the subject of its tokens
	Secret    string // "" means one that is made, kept, and told by Provider.Secret
	Owner     string
	Groups    []string
	Audiences []string // that it may ask for; the first is the default, none means DefaultAudience
}

// Client is a relying party through which people log in.
type Client struct {
	ID   string
	Name string // shown on the log-in page; "" means the id
	// RedirectURIs are compared exactly. Of a public client, one on a
	// loopback address without a port means any port (RFC 8252, section 7.3).
	RedirectURIs []string
	// LogoutURIs are where people may be sent after logging out.
	LogoutURIs []string
	// Public clients have no secret and must use PKCE.
	Public bool
	// Secret of a client that is not public; "" means one that is made, kept,
	// and told by Provider.Secret.
	Secret string
	// Audiences that may be asked for; the first is the default, none means
	// DefaultAudience.
	Audiences []string
	// TokenTTL is how long its tokens are valid; zero means an hour.
	TokenTTL time.Duration
}

// Provider is the identity provider, as an [http.Handler]. It is safe for
// concurrent use.
type Provider struct {
	opts    Options
	host    string
	agents  *issuer
	people  *issuer
	secrets secrets
	codes   *store[grant]
	waiting *store[authorization]
	logins  *store[login]
	handler http.Handler
}

// New makes a provider, and its keys and secrets where they are not there
// yet.
func New(opts Options) (*Provider, error) {
	base, err := checkOptions(opts)
	if err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Provider{
		opts: opts, host: base.Host,
		codes: newStore[grant](codeTTL), waiting: newStore[authorization](waitingTTL), logins: newStore[login](loginTTL),
	}
	if p.agents, err = newIssuer(opts.Issuer+"/agents", opts.Dir, "agents.pem"); err != nil {
		return nil, err
	}
	if p.people, err = newIssuer(opts.Issuer+"/people", opts.Dir, "people.pem"); err != nil {
		return nil, err
	}
	if p.secrets, err = loadSecrets(opts); err != nil {
		return nil, err
	}
	p.handler = p.routes(strings.TrimSuffix(base.Path, "/"))
	return p, nil
}

// AgentIssuer is the issuer URL of agents' tokens.
func (p *Provider) AgentIssuer() string { return p.agents.url }

// PeopleIssuer is the issuer URL of people's tokens.
func (p *Provider) PeopleIssuer() string { return p.people.url }

// Secret is the secret of an agent, or of a client that is not public.
func (p *Provider) Secret(id string) (string, bool) {
	secret, ok := p.secrets[id]
	return secret, ok
}

func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func checkOptions(opts Options) (*url.URL, error) {
	base, err := url.Parse(opts.Issuer)
	switch {
	case err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.HasSuffix(opts.Issuer, "/"):
		return nil, fmt.Errorf("the identity provider's base URL %q must be like http://127.0.0.1:8090", opts.Issuer)
	case !strict.Loopback(base.Hostname()) && !opts.Named:
		return nil, fmt.Errorf("the identity provider has no passwords and is only for the %s, not for %s", strict.LoopbackRule, base.Host)
	case !strict.SecureURL(base):
		return nil, fmt.Errorf("the identity provider must be https to be %s: tokens would travel in plain text", base.Host)
	case opts.Dir == "":
		return nil, errors.New("the identity provider needs a folder for its keys")
	case opts.Now == nil:
		return nil, errors.New("the identity provider needs a clock")
	}
	return base, checkEntries(opts)
}

// checkEntries refuses entries that could be taken for each other.
func checkEntries(opts Options) error {
	seen := map[string]bool{}
	once := func(id string) error {
		if id == "" || seen[id] {
			return fmt.Errorf("the identity provider's id %q is empty or given twice", id)
		}
		seen[id] = true
		return nil
	}
	for _, p := range opts.People {
		if err := once(p.ID); err != nil {
			return err
		}
	}
	for _, a := range opts.Agents {
		if err := once(a.ID); err != nil {
			return err
		}
	}
	for _, c := range opts.Clients {
		if err := once(c.ID); err != nil {
			return err
		}
		if err := checkClient(c); err != nil {
			return err
		}
	}
	return nil
}

func checkClient(c Client) error {
	if len(c.RedirectURIs) == 0 {
		return fmt.Errorf("client %s has no redirect URI", c.ID)
	}
	for _, uri := range slices.Concat(c.RedirectURIs, c.LogoutURIs) {
		u, err := url.Parse(uri)
		if err != nil || u.User != nil || u.Fragment != "" || !strict.SecureURL(u) {
			return fmt.Errorf("client %s: %q must be https, without a user or fragment (http is only for the %s)", c.ID, uri, strict.LoopbackRule)
		}
	}
	if c.Public && c.Secret != "" {
		return fmt.Errorf("client %s is public, and has a secret", c.ID)
	}
	return nil
}
