package sallyporttest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// IdentitySubject is an identifier and its directory under test, with what
// the suite needs to know of their table.
type IdentitySubject struct {
	Identifier sallyport.Identifier
	Directory  sallyport.Directory

	AgentToken string // genuine
	Agent      sallyport.Agent

	PersonTokens map[sallyport.Account]string // genuine ones, of two accounts of one person
	Person       sallyport.Person

	Stranger string            // a genuine token of an account that is not listed
	Forged   map[string]string // tokens that are not genuine, by what is wrong with them
	Outage   func()            // makes the issuer unreachable from now on
}

// TestIdentities checks that an implementation keeps the contracts of
// [sallyport.Identifier] and [sallyport.Directory]. Every test makes its own
// subject.
func TestIdentities(t *testing.T, newSubject func(t *testing.T) IdentitySubject) {
	for name, test := range map[string]func(*testing.T, IdentitySubject){
		"Agent":     testAgent,
		"Person":    testPerson,
		"Unknown":   testUnknown,
		"Kinds":     testKinds,
		"Ownership": testOwnership,
		"Outage":    testOutage,
		"Cancelled": testCancelled,
		"Parallel":  testParallel,
	} {
		t.Run(name, func(t *testing.T) { test(t, newSubject(t)) })
	}
}

func testAgent(t *testing.T, s IdentitySubject) {
	who, err := s.Identifier.Identify(t.Context(), s.AgentToken)
	if err != nil {
		t.Fatal(err)
	}
	want := sallyport.Identity{Account: s.Agent.Account, Agent: &s.Agent}
	if d := cmp.Diff(want, who); d != "" {
		t.Errorf("Identify (-want +got)\n%s", d)
	}
	listed, err := s.Directory.Agent(s.Agent.Account)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s.Agent, listed); d != "" {
		t.Errorf("Directory.Agent (-want +got)\n%s", d)
	}
}

func testPerson(t *testing.T, s IdentitySubject) {
	if len(s.PersonTokens) < 2 {
		t.Fatalf("the suite needs two accounts of one person, and has %d", len(s.PersonTokens))
	}
	for account, token := range s.PersonTokens {
		who, err := s.Identifier.Identify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		want := sallyport.Identity{Account: account, Person: &s.Person}
		if d := cmp.Diff(want, who); d != "" {
			t.Errorf("Identify (-want +got)\n%s", d)
		}
		listed, err := s.Directory.Person(account)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s.Person, listed); d != "" {
			t.Errorf("Directory.Person (-want +got)\n%s", d)
		}
	}
}

func testUnknown(t *testing.T, s IdentitySubject) {
	tokens := map[string]string{
		"Empty":    "",
		"Garbage":  "garbage",
		"Stranger": s.Stranger,
		"Tampered": s.AgentToken + "A",
		"Halved":   s.AgentToken[:len(s.AgentToken)/2],
	}
	for name, token := range s.Forged {
		tokens["Forged"+name] = token
	}
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			who, err := s.Identifier.Identify(t.Context(), token)
			if sallyport.KindOf(err) != sallyport.Unauthenticated {
				t.Errorf("Identify = %+v, %v; want an error of kind %s", who, err, sallyport.Unauthenticated)
			}
			if who.Agent != nil || who.Person != nil {
				t.Errorf("an error came with an identity: %+v", who)
			}
		})
	}
}

// testKinds: an agent's account is no person's, and the other way round.
func testKinds(t *testing.T, s IdentitySubject) {
	unlisted := sallyport.Account{Issuer: s.Agent.Account.Issuer, Subject: "unlisted"}
	for _, account := range []sallyport.Account{s.Agent.Account, unlisted, {}} {
		if p, err := s.Directory.Person(account); sallyport.KindOf(err) != sallyport.NotFound {
			t.Errorf("Person(%+v) = %+v, %v; want %s", account, p, err, sallyport.NotFound)
		}
	}
	for account := range s.PersonTokens {
		agents := sallyport.Account{Issuer: s.Agent.Account.Issuer, Subject: account.Subject}
		if p, err := s.Directory.Person(agents); sallyport.KindOf(err) != sallyport.NotFound {
			t.Errorf("Person(%+v) = %+v, %v; an agent's issuer yields no person, want %s", agents, p, err, sallyport.NotFound)
		}
		crossed := sallyport.Account{Issuer: account.Issuer, Subject: s.Agent.Account.Subject}
		for _, other := range []sallyport.Account{account, crossed} {
			if a, err := s.Directory.Agent(other); sallyport.KindOf(err) != sallyport.NotFound {
				t.Errorf("Agent(%+v) = %+v, %v; want %s", other, a, err, sallyport.NotFound)
			}
		}
	}
}

// testOwnership: a caller can't change the table through a result.
func testOwnership(t *testing.T, s IdentitySubject) {
	a, err := s.Directory.Agent(s.Agent.Account)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Groups {
		a.Groups[i] = "changed"
	}
	again, err := s.Directory.Agent(s.Agent.Account)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s.Agent, again); d != "" {
		t.Errorf("the table was changed through a result (-want +got)\n%s", d)
	}
	for account := range s.PersonTokens {
		p, err := s.Directory.Person(account)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Groups {
			p.Groups[i] = "changed"
		}
		again, err := s.Directory.Person(account)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s.Person, again); d != "" {
			t.Errorf("the table was changed through a result (-want +got)\n%s", d)
		}
	}
}

func testOutage(t *testing.T, s IdentitySubject) {
	s.Outage()
	who, err := s.Identifier.Identify(t.Context(), s.AgentToken)
	if sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Identify = %+v, %v; want an error of kind %s", who, err, sallyport.Unavailable)
	}
	if a, err := s.Directory.Agent(s.Agent.Account); err != nil || a.ID != s.Agent.ID {
		t.Errorf("Agent = %+v, %v; the directory must work without the issuer", a, err)
	}
}

func testCancelled(t *testing.T, s IdentitySubject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if who, err := s.Identifier.Identify(ctx, s.AgentToken); err == nil && who.Agent == nil {
		t.Errorf("Identify = %+v without an error", who)
	} else if err != nil && sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("Identify: %v; a cancelled request says nothing about the token, want kind %s", err, sallyport.Unavailable)
	}
}

func testParallel(t *testing.T, s IdentitySubject) {
	results := make(chan error)
	const n = 16
	for range n {
		go func() {
			who, err := s.Identifier.Identify(t.Context(), s.AgentToken)
			if err == nil && (who.Agent == nil || who.Agent.ID != s.Agent.ID) {
				err = sallyport.Errorf(sallyport.Internal, "wrong_identity", "Identify = %+v", who)
			}
			results <- err
		}()
	}
	for range n {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
