package sallyporttest

import (
	"context"

	"github.com/sallyport/sallyport"
)

// The issuers of [Identities].
const (
	AgentIssuer  = "https://agents.test"
	PeopleIssuer = "https://people.test"
)

// Identities is the demo's identity table: the agents deploy-bot (owner alice)
// and triage-bot (owner carol); the people alice, bob and carol (sre), dave
// (dev), olga (operators) and audra (auditors). bob has a second account,
// robert. An account's subject is its token. Identities is a
// [sallyport.Identifier] and a [sallyport.Directory].
type Identities struct {
	// Fail, when set, is asked first. Identify returns the error that it
	// returns. Set it before use.
	Fail func() error
}

// Identify implements [sallyport.Identifier].
func (i Identities) Identify(ctx context.Context, token string) (sallyport.Identity, error) {
	if err := ctx.Err(); err != nil {
		return sallyport.Identity{}, sallyport.Errorf(sallyport.Unavailable, "cancelled", "the request was cancelled: %w", err)
	}
	if i.Fail != nil {
		if err := i.Fail(); err != nil {
			return sallyport.Identity{}, err
		}
	}
	account := sallyport.Account{Issuer: AgentIssuer, Subject: token}
	if a, err := i.Agent(account); err == nil {
		return sallyport.Identity{Account: account, Agent: &a}, nil
	}
	account.Issuer = PeopleIssuer
	if p, err := i.Person(account); err == nil {
		return sallyport.Identity{Account: account, Person: &p}, nil
	}
	return sallyport.Identity{}, sallyport.Errorf(sallyport.Unauthenticated, "unknown_identity", "no account of the identity table has this token")
}

// Agent implements [sallyport.Directory].
func (Identities) Agent(a sallyport.Account) (sallyport.Agent, error) {
	owner, ok := map[string]string{"deploy-bot": "alice", "triage-bot": "carol"}[a.Subject]
	if !ok || a.Issuer != AgentIssuer {
		return sallyport.Agent{}, sallyport.Errorf(sallyport.NotFound, "unknown_agent", "%s of %s is no agent of the identity table", a.Subject, a.Issuer)
	}
	return sallyport.Agent{ID: a.Subject, Account: a, Owner: owner, Groups: []string{"agents"}}, nil
}

// Person implements [sallyport.Directory].
func (Identities) Person(a sallyport.Account) (sallyport.Person, error) {
	group, ok := map[string]string{
		"alice": "sre", "bob": "sre", "robert": "sre", "carol": "sre", "dave": "dev", "olga": "operators", "audra": "auditors",
	}[a.Subject]
	if !ok || a.Issuer != PeopleIssuer {
		return sallyport.Person{}, sallyport.Errorf(sallyport.NotFound, "unknown_person", "%s of %s is no person of the identity table", a.Subject, a.Issuer)
	}
	if a.Subject == "robert" {
		a.Subject = "bob"
	}
	return sallyport.Person{ID: a.Subject, Groups: []string{group}}, nil
}
