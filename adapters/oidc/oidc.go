// Package oidc authenticates the sender of a token by the identity table: a
// file that lists issuers, and maps their subjects to agents and people.
//
// A token is a signed JWT (RFC 7519), in the form of RFC 9068 or of a
// Kubernetes projected token. Only its issuer and subject are used: agent or
// person, owner and groups come from the table, never from a claim. A subject
// that is not in the table is not authenticated.
//
// Keys come from the issuer by OpenID Connect discovery, when the first token
// needs them, or from a JWKS file. Starting needs no issuer to be up.
package oidc

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport"
)

// Leeway is by how much an issuer's clock may differ from ours. RFC 7519
// speaks of a few minutes at most; machines that keep their time need
// seconds.
const Leeway = 10 * time.Second

// Options are what [New] needs; all of them.
type Options struct {
	Table  string           // path of the identity table
	Client *http.Client     // fetches discovery documents and keys; redirects are not followed
	Now    func() time.Time // the clock that tokens are compared with
	Logger *slog.Logger     // logs reloads and issuers that fail
}

// Identities is the identity table and the keys of its issuers. It is a
// [sallyport.Identifier] and a [sallyport.Directory], and safe for concurrent
// use.
type Identities struct {
	opts     Options
	loading  sync.Mutex // one reload at a time
	snapshot atomic.Pointer[snapshot]
}

var (
	_ sallyport.Identifier = (*Identities)(nil)
	_ sallyport.Directory  = (*Identities)(nil)
)

// snapshot is one good table.
type snapshot struct {
	source  []byte             // what it was read from
	files   map[string][]byte  // the JWKS files that it names, by path
	issuers map[string]*issuer // by URL
	agents  map[sallyport.Account]sallyport.Agent
	people  map[sallyport.Account]sallyport.Person
	clients map[string]bool // that are agents'
}

// New reads the table. An error names file, line and reason, and is of kind
// [sallyport.Invalid].
func New(ctx context.Context, opts Options) (*Identities, error) {
	switch {
	case opts.Table == "":
		return nil, errors.New("identities need the path of an identity table")
	case opts.Client == nil:
		return nil, errors.New("identities need an HTTP client")
	case opts.Now == nil:
		return nil, errors.New("identities need a clock")
	case opts.Logger == nil:
		return nil, errors.New("identities need a logger")
	}
	client := *opts.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	opts.Client = &client
	i := &Identities{opts: opts}
	if _, err := i.Reload(ctx); err != nil {
		return nil, err
	}
	return i, nil
}

// Reload reads the table again, and reports whether it has changed. A table
// that is not right changes nothing: the last good one stays.
func (i *Identities) Reload(ctx context.Context) (bool, error) {
	i.loading.Lock()
	defer i.loading.Unlock()
	old := i.snapshot.Load()
	next, err := i.load(old)
	if err != nil {
		return false, sallyport.Errorf(sallyport.Invalid, sallyport.CodeBadIdentityTable, "%w", err)
	}
	if next == old {
		return false, nil
	}
	i.snapshot.Store(next)
	i.opts.Logger.InfoContext(ctx, "identity table loaded",
		slog.String("file", i.opts.Table), slog.Int("issuers", len(next.issuers)),
		slog.Int("agents", len(next.agents)), slog.Int("accounts", len(next.people)))
	return true, nil
}

// Identify implements [sallyport.Identifier].
func (i *Identities) Identify(ctx context.Context, token string) (sallyport.Identity, error) {
	return i.snapshot.Load().identify(ctx, token, "", i.opts.Now())
}

// Issuers lists the issuers of one kind of identities.
func (i *Identities) Issuers(kind Kind) []string {
	var urls []string
	for url, issuer := range i.snapshot.Load().issuers {
		if issuer.kind == kind {
			urls = append(urls, url)
		}
	}
	slices.Sort(urls)
	return urls
}

// ForAudience is an identifier of the same identities by tokens for another
// audience than the table's, such as those that people have for the Temporal
// UI. It accepts none of those for us.
func (i *Identities) ForAudience(audience string) sallyport.Identifier {
	return sallyport.IdentifierFunc(func(ctx context.Context, token string) (sallyport.Identity, error) {
		if audience == "" {
			return sallyport.Identity{}, unauthenticated(sallyport.CodeOtherAudience, "tokens without an audience are not accepted")
		}
		return i.snapshot.Load().identify(ctx, token, audience, i.opts.Now())
	})
}

// identify looks the subject up among agents or people, by the kind of the
// token's issuer. An audience takes the place of the table's.
func (s *snapshot) identify(ctx context.Context, token, audience string, now time.Time) (sallyport.Identity, error) {
	issuer, account, err := s.verify(ctx, token, audience, now)
	if err != nil {
		return sallyport.Identity{}, err
	}
	switch issuer.kind {
	case KindAgent:
		if a, err := s.agent(account); err == nil {
			return sallyport.Identity{Account: account, Agent: &a}, nil
		}
	case KindPerson:
		if p, err := s.person(account); err == nil {
			return sallyport.Identity{Account: account, Person: &p}, nil
		}
	}
	return sallyport.Identity{}, unauthenticated(sallyport.CodeUnknownSubject,
		"the token is genuine, but %q of %s is no %s of the identity table", account.Subject, account.Issuer, issuer.kind)
}

// AgentOf is the agent that the table lists under this id, or an error of kind
// [sallyport.NotFound]. Before it says so, it reads the table again: any other
// error means that an agent may have been added that the gateway could not load.
func (i *Identities) AgentOf(ctx context.Context, id string) (sallyport.Agent, error) {
	if a, ok := i.snapshot.Load().agentOf(id); ok {
		return a, nil
	}
	if _, err := i.Reload(ctx); err != nil {
		return sallyport.Agent{}, err
	}
	if a, ok := i.snapshot.Load().agentOf(id); ok {
		return a, nil
	}
	return sallyport.Agent{}, sallyport.Errorf(sallyport.NotFound, sallyport.CodeUnknownSubject, "the identity table has no agent %q", id)
}

// agentOf is the agent with this id, by the first of its accounts.
func (s *snapshot) agentOf(id string) (agent sallyport.Agent, ok bool) {
	for account, a := range s.agents {
		first := cmp.Or(cmp.Compare(account.Issuer, agent.Account.Issuer), cmp.Compare(account.Subject, agent.Account.Subject)) < 0
		if a.ID == id && (!ok || first) {
			agent, ok = a, true
		}
	}
	return agent, ok
}

// Agent implements [sallyport.Directory].
func (i *Identities) Agent(account sallyport.Account) (sallyport.Agent, error) {
	return i.snapshot.Load().agent(account)
}

// Person implements [sallyport.Directory].
func (i *Identities) Person(account sallyport.Account) (sallyport.Person, error) {
	return i.snapshot.Load().person(account)
}

func (s *snapshot) agent(account sallyport.Account) (sallyport.Agent, error) {
	a, ok := s.agents[account]
	if !ok {
		return sallyport.Agent{}, sallyport.Errorf(sallyport.NotFound, sallyport.CodeUnknownAgent,
			"%q of %s is no agent of the identity table", account.Subject, account.Issuer)
	}
	a.Groups = slices.Clone(a.Groups)
	return a, nil
}

func (s *snapshot) person(account sallyport.Account) (sallyport.Person, error) {
	p, ok := s.people[account]
	if !ok {
		return sallyport.Person{}, sallyport.Errorf(sallyport.NotFound, sallyport.CodeUnknownPerson,
			"%q of %s is no person of the identity table", account.Subject, account.Issuer)
	}
	p.Groups = slices.Clone(p.Groups)
	return p, nil
}
