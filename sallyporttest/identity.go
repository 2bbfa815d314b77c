package sallyporttest

import (
	"context"
	"sync"

	"github.com/sallyport/sallyport"
)

// The issuers of [Identities].
const (
	AgentIssuer  = "https://agents.example.com"
	PeopleIssuer = "https://people.example.com"
)

// Identities is an identity table in memory, and whoever holds one of its
// tokens is who the table says. It is a [sallyport.Identifier] and a
// [sallyport.Directory].
type Identities struct {
	// Fail, when set, is asked before a token is looked at. What it returns
	// is what Identify returns. Set it before use.
	Fail func(token string) error

	mu     sync.Mutex
	tokens map[string]sallyport.Account
	agents map[sallyport.Account]sallyport.Agent
	people map[sallyport.Account]sallyport.Person
}

// NewIdentities makes an empty table.
func NewIdentities() *Identities {
	return &Identities{
		tokens: map[string]sallyport.Account{},
		agents: map[sallyport.Account]sallyport.Agent{},
		people: map[sallyport.Account]sallyport.Person{},
	}
}

// DemoIdentities makes the table of the demo: agents deploy-bot (owned by
// alice) and triage-bot (owned by carol); people alice, bob and carol (sre),
// dave (dev), olga (operators) and audra (auditors). Token finds their
// tokens.
func DemoIdentities() *Identities {
	i := NewIdentities()
	for _, id := range []string{"alice", "bob", "carol"} {
		i.AddPerson(id, "sre")
	}
	i.AddPerson("dave", "dev")
	i.AddPerson("olga", "operators")
	i.AddPerson("audra", "auditors")
	i.AddAgent("deploy-bot", "alice")
	i.AddAgent("triage-bot", "carol")
	return i
}

// AddAgent lists an agent and returns its token. Its subject is its id.
func (i *Identities) AddAgent(id, owner string, groups ...string) string {
	account := sallyport.Account{Issuer: AgentIssuer, Subject: id}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.agents[account] = sallyport.Agent{ID: id, Account: account, Owner: owner, Groups: cloneGroups(groups)}
	return i.grant(account)
}

// AddPerson lists a person and returns a token of theirs. The account's
// subject is the person's id.
func (i *Identities) AddPerson(id string, groups ...string) string {
	return i.AddAccount(sallyport.Person{ID: id, Groups: groups}, sallyport.Account{Issuer: PeopleIssuer, Subject: id})
}

// AddAccount lists an account of a person, who may have several, and returns
// its token.
func (i *Identities) AddAccount(p sallyport.Person, account sallyport.Account) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	p.Groups = cloneGroups(p.Groups)
	i.people[account] = p
	return i.grant(account)
}

// Remove strikes an account off the table. Its token stays genuine.
func (i *Identities) Remove(account sallyport.Account) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.agents, account)
	delete(i.people, account)
}

// Token is a token of the agent or person of that id, or one that nobody
// knows.
func (i *Identities) Token(id string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, issuer := range []string{AgentIssuer, PeopleIssuer} {
		if token := tokenOf(sallyport.Account{Issuer: issuer, Subject: id}); i.tokens[token].Subject == id {
			return token
		}
	}
	return "unknown-token-of-" + id
}

// grant makes the account's token genuine.
func (i *Identities) grant(account sallyport.Account) string {
	token := tokenOf(account)
	i.tokens[token] = account
	return token
}

// tokenOf has only characters that RFC 6750 allows in a bearer token.
func tokenOf(account sallyport.Account) string {
	return "token-" + string(sallyport.NewDigest("sallyporttest/token", []byte(account.Issuer), []byte(account.Subject)))[len("sha256:"):]
}

// Identify implements [sallyport.Identifier].
func (i *Identities) Identify(ctx context.Context, token string) (sallyport.Identity, error) {
	if err := ctx.Err(); err != nil {
		return sallyport.Identity{}, sallyport.Errorf(sallyport.Unavailable, "cancelled", "nobody waits for this identity: %w", err)
	}
	if i.Fail != nil {
		if err := i.Fail(token); err != nil {
			return sallyport.Identity{}, err
		}
	}
	i.mu.Lock()
	account, genuine := i.tokens[token]
	i.mu.Unlock()
	if !genuine {
		return sallyport.Identity{}, sallyport.Errorf(sallyport.Unauthenticated, "bad_token", "the token is not genuine")
	}
	if a, err := i.Agent(account); err == nil {
		return sallyport.Identity{Account: account, Agent: &a}, nil
	}
	if p, err := i.Person(account); err == nil {
		return sallyport.Identity{Account: account, Person: &p}, nil
	}
	return sallyport.Identity{}, sallyport.Errorf(sallyport.Unauthenticated, "unknown_subject", "%s of %s is not in the identity table", account.Subject, account.Issuer)
}

// Agent implements [sallyport.Directory].
func (i *Identities) Agent(account sallyport.Account) (sallyport.Agent, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	a, ok := i.agents[account]
	if !ok {
		return sallyport.Agent{}, sallyport.Errorf(sallyport.NotFound, "unknown_agent", "%s of %s is no agent of the identity table", account.Subject, account.Issuer)
	}
	a.Groups = cloneGroups(a.Groups)
	return a, nil
}

// Person implements [sallyport.Directory].
func (i *Identities) Person(account sallyport.Account) (sallyport.Person, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	p, ok := i.people[account]
	if !ok {
		return sallyport.Person{}, sallyport.Errorf(sallyport.NotFound, "unknown_person", "%s of %s is no person of the identity table", account.Subject, account.Issuer)
	}
	p.Groups = cloneGroups(p.Groups)
	return p, nil
}

// cloneGroups never returns nil: no groups are [] in JSON, and in digests.
func cloneGroups(groups []string) []string {
	return append([]string{}, groups...)
}
