package sallyporttest_test

import (
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

func TestIdentitiesKeepTheContract(t *testing.T) {
	sallyporttest.TestIdentities(t, func(t *testing.T) sallyporttest.IdentitySubject {
		t.Helper()
		var fault error
		table := sallyporttest.Identities{Fail: func() error { return fault }}
		account := func(issuer, subject string) sallyport.Account {
			return sallyport.Account{Issuer: issuer, Subject: subject}
		}
		return sallyporttest.IdentitySubject{
			Identifier: table, Directory: table,
			AgentToken: "deploy-bot",
			Agent: sallyport.Agent{
				ID: "deploy-bot", Owner: "alice", Groups: []string{"agents"}, Account: account(sallyporttest.AgentIssuer, "deploy-bot"),
			},
			PersonTokens: map[sallyport.Account]string{
				account(sallyporttest.PeopleIssuer, "bob"):    "bob",
				account(sallyporttest.PeopleIssuer, "robert"): "robert",
			},
			Person:   sallyport.Person{ID: "bob", Groups: []string{"sre"}},
			Stranger: "mallory",
			Outage: func() {
				fault = sallyport.Errorf(sallyport.Unavailable, "issuer_unavailable", "the issuer does not answer")
			},
		}
	})
}
