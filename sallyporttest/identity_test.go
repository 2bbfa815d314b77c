package sallyporttest_test

import (
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

func TestIdentitiesKeepTheContract(t *testing.T) {
	sallyporttest.TestIdentities(t, func(t *testing.T) sallyporttest.IdentitySubject {
		t.Helper()
		table := sallyporttest.NewIdentities()
		bob := sallyport.Person{ID: "bob", Groups: []string{"sre"}}
		home := sallyport.Account{Issuer: sallyporttest.PeopleIssuer, Subject: "bob"}
		work := sallyport.Account{Issuer: "https://other.example.com", Subject: "b-4711"}
		stranger := sallyport.Account{Issuer: sallyporttest.PeopleIssuer, Subject: "dave"}
		subject := sallyporttest.IdentitySubject{
			Identifier: table,
			Directory:  table,
			AgentToken: table.AddAgent("deploy-bot", "alice", "bots"),
			Agent: sallyport.Agent{
				ID: "deploy-bot", Owner: "alice", Groups: []string{"bots"},
				Account: sallyport.Account{Issuer: sallyporttest.AgentIssuer, Subject: "deploy-bot"},
			},
			PersonTokens: map[sallyport.Account]string{home: table.AddAccount(bob, home), work: table.AddAccount(bob, work)},
			Person:       bob,
			Stranger:     table.AddAccount(sallyport.Person{ID: "dave"}, stranger),
			Outage: func() {
				table.Fail = func(string) error {
					return sallyport.Errorf(sallyport.Unavailable, "issuer_unavailable", "the issuer does not answer")
				}
			},
		}
		table.Remove(stranger)
		return subject
	})
}

func TestDemoIdentities(t *testing.T) {
	table := sallyporttest.DemoIdentities()
	for id, isAgent := range map[string]bool{
		"deploy-bot": true, "triage-bot": true,
		"alice": false, "bob": false, "carol": false, "dave": false, "olga": false, "audra": false,
	} {
		who, err := table.Identify(t.Context(), table.Token(id))
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		if (who.Agent != nil) != isAgent || (who.Person != nil) == isAgent {
			t.Errorf("%s: %+v", id, who)
		}
	}
	if who, err := table.Identify(t.Context(), table.Token("nobody")); sallyport.KindOf(err) != sallyport.Unauthenticated {
		t.Errorf("nobody: %+v, %v", who, err)
	}
}
