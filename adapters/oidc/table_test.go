package oidc_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc"
)

const head = `issuers:
  - {url: "https://a.example.com", kind: agent, audiences: [sallyport]}
  - {url: "https://p.example.com", kind: person, audiences: [sallyport]}
`

const alice = `people:
  - id: alice
    accounts: [{issuer: "https://p.example.com", subject: alice}]
`

func TestBadTables(t *testing.T) {
	for name, tt := range map[string]struct {
		reason, table string
		want          []string
	}{
		"Empty":         {"every token would be rejected", "", []string{":1: the file is empty"}},
		"NoIssuers":     {"every token would be rejected", "people: []\n", []string{":1: issuers is empty"}},
		"UnknownKey":    {"a misspelt key would be ignored", head + "agent: []\n", []string{":4: field agent not found"}},
		"DuplicateKey":  {"one of the two would be ignored", head + "people: []\npeople: []\n", []string{`:5: mapping key "people" already defined`}},
		"WrongType":     {"a number is no list", head + "people: 7\n", []string{":4: cannot unmarshal"}},
		"SecondTable":   {"one of the two would be ignored", head + "---\n" + head, []string{"second document"}},
		"NoURL":         {"an issuer has an address", "issuers:\n  - kind: agent\n    audiences: [x]\n", []string{":2: the issuer's url \"\" must be an absolute URL"}},
		"PlainHTTP":     {"plain http does not authenticate the issuer", "issuers:\n  - url: http://idp.example.com\n    kind: agent\n    audiences: [x]\n", []string{":2: the issuer's url \"http://idp.example.com\" must be https"}},
		"PlainLocal":    {"a resolver decides what localhost means", "issuers:\n  - url: http://localhost:80\n    kind: agent\n    audiences: [x]\n", []string{":2: the issuer's url"}},
		"OtherScheme":   {"keys come over https", "issuers:\n  - url: ftp://idp.example.com\n    kind: agent\n    audiences: [x]\n", []string{"must be https"}},
		"URLWithUser":   {"credentials have no place in it", "issuers:\n  - url: https://u:p@idp.example.com\n    kind: agent\n    audiences: [x]\n", []string{"no user"}},
		"TwiceIssuer":   {"one of the two would be ignored", strings.Replace(head, "https://p", "https://a", 1), []string{":3: issuer https://a.example.com is listed twice"}},
		"NoKind":        {"it would vouch for everybody", "issuers:\n  - url: https://idp.example.com\n    audiences: [x]\n", []string{":2: the kind of issuer https://idp.example.com is \"\""}},
		"NoAudience":    {"tokens for others would be accepted", "issuers:\n  - url: https://idp.example.com\n    kind: agent\n", []string{":2: issuer https://idp.example.com needs at least one audience"}},
		"EmptyAudience": {"tokens without an audience would be accepted", "issuers:\n  - url: https://idp.example.com\n    kind: agent\n    audiences:\n      - \"\"\n", []string{":5: issuer https://idp.example.com needs"}},
		"HMAC":          {"an issuer's keys are public", "issuers:\n  - url: https://idp.example.com\n    kind: agent\n    audiences: [x]\n    algorithms:\n      - RS256\n      - HS256\n", []string{`:7: algorithm "HS256" is not one of`}},
		"NoneAlgorithm": {"any sender can write an unsigned token", "issuers:\n  - {url: https://idp.example.com, kind: agent, audiences: [x], algorithms: [none]}\n", []string{`:2: algorithm "none"`}},
		"MaxAge":        {"a token must not be good for ever", "issuers:\n  - url: https://idp.example.com\n    kind: agent\n    audiences: [x]\n    max_age: 9000h\n", []string{":5: max_age is 9000h0m0s"}},
		"NoKeyFile":     {"without keys nothing can be verified", "issuers:\n  - url: https://idp.example.com\n    kind: agent\n    audiences: [x]\n    jwks: missing.json\n", []string{":5: the keys of issuer https://idp.example.com: open"}},
		"UnknownIssuer": {"no listed issuer authenticates it", head + "people:\n  - id: alice\n    accounts:\n      - issuer: https://x.example.com\n        subject: alice\n", []string{`:7: issuer "https://x.example.com" of "alice" is not listed under issuers`}},
		"AgentAtPeople": {"an issuer vouches for one kind", head + alice + "agents:\n  - id: bot\n    issuer: https://p.example.com\n    subject: bot\n    owner: alice\n", []string{":9: issuer https://p.example.com is of kind person"}},
		"PersonAtAgent": {"an agent could vote", head + "people:\n  - id: alice\n    accounts:\n      - {issuer: \"https://a.example.com\", subject: alice}\n", []string{":7: issuer https://a.example.com is of kind agent"}},
		"TwiceAccount":  {"one account can't be two people", head + alice + "  - id: bob\n    accounts:\n      - issuer: https://p.example.com\n        subject: alice\n", []string{`:10: "alice" of issuer https://p.example.com is "alice" already`}},
		"TwicePerson":   {"groups of one would be another's", head + alice + "  - id: alice\n    accounts: [{issuer: \"https://p.example.com\", subject: a2}]\n", []string{`:7: id "alice" is given twice`}},
		"AgentAsPerson": {"the ledger names both by id", head + alice + "agents:\n  - {id: alice, issuer: \"https://a.example.com\", subject: a, owner: alice}\n", []string{`:8: id "alice" is given twice`}},
		"UnknownOwner":  {"an agent's owner is a listed person", head + alice + "agents:\n  - id: bot\n    issuer: https://a.example.com\n    subject: bot\n    owner: bob\n", []string{`:11: owner "bob" of agent "bot" is not listed under people`}},
		"NoOwner":       {"an agent's owner is a listed person", head + alice + "agents:\n  - id: bot\n    issuer: https://a.example.com\n    subject: bot\n", []string{`:8: owner "" of agent "bot" is not listed`}},
		"BadID":         {"ids stand in policies and paths", head + "people:\n  - id: Alice Smith\n    accounts: [{issuer: \"https://p.example.com\", subject: alice}]\n", []string{`:5: id "Alice Smith" must be`}},
		"NoAccount":     {"a person without an account can't log in", head + "people:\n  - id: alice\n", []string{`:5: person "alice" has no account`}},
		"NoSubject":     {"a token names its subject", head + "people:\n  - id: alice\n    accounts: [{issuer: \"https://p.example.com\"}]\n", []string{`:6: subject "" of "alice"`}},
		"TwiceGroup":    {"it is a slip", head + "people:\n  - id: alice\n    groups: [sre, sre]\n    accounts: [{issuer: \"https://p.example.com\", subject: alice}]\n", []string{`:6: group "sre" is given twice`}},
		"BadGroup":      {"groups stand in policies", head + "people:\n  - id: alice\n    groups: [\"*\"]\n    accounts: [{issuer: \"https://p.example.com\", subject: alice}]\n", []string{`:6: group "*" must be`}},
		"AgentsVote":    {"agents don't vote", "issuers:\n  - url: https://a.example.com\n    kind: agent\n    audiences: [x]\n    vote_audience: v\n", []string{":5: issuer https://a.example.com is of kind agent"}},
		"VoteAudience":  {"another token of the person would vote", "issuers:\n  - url: https://p.example.com\n    kind: person\n    audiences: [x]\n    vote_audience: x\n", []string{`:5: audience "x" of votes is among the audiences of issuer https://p.example.com`}},
		"AgentAudience": {"an agent's ID token would vote", "issuers:\n  - {url: \"https://a.example.com\", kind: agent, audiences: [x]}\n  - url: https://p.example.com\n    kind: person\n    audiences: [x]\n    vote_audience: bot-app\n" + alice + "agents:\n  - {id: bot, issuer: \"https://a.example.com\", subject: b, owner: alice, clients: [bot-app]}\n", []string{`:6: audience "bot-app" of votes is a client of agent "bot"`}},
		"EmptyClient":   {"tokens without a client would be the agent's", head + alice + "agents:\n  - id: bot\n    issuer: https://a.example.com\n    subject: b\n    owner: alice\n    clients:\n      - \"\"\n", []string{`:13: client "" of agent "bot" must be`}},
		"AllAtOnce":     {"who repairs a table wants to know everything", head + "people:\n  - id: A\n  - id: B\n", []string{`:5: id "A"`, `:5: person "A"`, `:6: id "B"`, `:6: person "B"`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(t, tt.table)
			_, err := oidc.New(t.Context(), w.options(t))
			if sallyport.KindOf(err) != sallyport.Invalid {
				t.Fatalf("New: %v; want it refused as invalid: %s", err, tt.reason)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), w.path) || !strings.Contains(err.Error(), want) {
					t.Errorf("New: %v; want %q", err, want)
				}
			}
		})
	}
}

// jwks writes a JWKS file beside the table.
func (w *world) jwks(t *testing.T, set any) {
	t.Helper()
	content, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(w.path), "keys.json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeyFile(t *testing.T) {
	w := newWorld(t)
	w.jwks(t, w.agents.jwks())
	w.write(t, strings.Replace(tableText, "kind: agent", "kind: agent\n    jwks: keys.json", 1))
	w.agents.change(func(i *fakeIssuer) { i.down = true })
	identities := w.identities(t)
	token := w.agents.token(t, "deploy-bot", nil)
	if _, err := identities.Identify(t.Context(), token); err != nil {
		t.Fatalf("Identify by a key from a file: %v", err)
	}

	other := newECKey(t)
	w.jwks(t, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: other.Public(), KeyID: "other"}}})
	if changed, err := identities.Reload(t.Context()); err != nil || !changed {
		t.Fatalf("Reload with other keys = %v, %v", changed, err)
	}
	if _, err := identities.Identify(t.Context(), token); sallyport.KindOf(err) != sallyport.Unauthenticated {
		t.Errorf("Identify by a key that is gone: %v", err)
	}

	for name, set := range map[string]any{
		"PrivateKey": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: other, KeyID: "other"}}},
		"Symmetric":  jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: []byte("secret"), KeyID: "other"}}},
		"NoKeys":     jose.JSONWebKeySet{},
		"Encryption": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: other.Public(), KeyID: "other", Use: "enc"}}},
		"NotJWKS":    []string{"key"},
	} {
		w.jwks(t, set)
		if changed, err := identities.Reload(t.Context()); err == nil || changed || !strings.Contains(err.Error(), ":4: the keys of issuer") {
			t.Errorf("%s: Reload = %v, %v; want the line of the file's name", name, changed, err)
		}
	}
	if _, err := identities.Identify(t.Context(), signed(t, jose.ES256, other, "other", "JWT", w.agents.claimsOf("deploy-bot", nil))); err != nil {
		t.Errorf("the last good keys are gone: %v", err)
	}
}

func TestReloadKeepsTheLastGoodTable(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	token := w.agents.token(t, "deploy-bot", nil)
	if _, err := identities.Identify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if changed, err := identities.Reload(t.Context()); changed || err != nil {
		t.Errorf("Reload of the same table = %v, %v", changed, err)
	}
	w.write(t, strings.Replace(tableText, "owner: alice", "owner: unlisted", 1))
	if changed, err := identities.Reload(t.Context()); changed || sallyport.KindOf(err) != sallyport.Invalid {
		t.Errorf("Reload of a bad table = %v, %v", changed, err)
	}
	if err := os.Remove(w.path); err != nil {
		t.Fatal(err)
	}
	if changed, err := identities.Reload(t.Context()); changed || err == nil {
		t.Errorf("Reload without a table = %v, %v", changed, err)
	}
	if who, err := identities.Identify(t.Context(), token); err != nil || who.Agent.Owner != "alice" {
		t.Errorf("the last good table is gone: %+v, %v", who, err)
	}

	w.write(t, strings.Replace(tableText, "owner: alice", "owner: bob", 1))
	if changed, err := identities.Reload(t.Context()); !changed || err != nil {
		t.Errorf("Reload of another table = %v, %v", changed, err)
	}
	if who, err := identities.Identify(t.Context(), token); err != nil || who.Agent.Owner != "bob" {
		t.Errorf("Identify by the new table: %+v, %v", who, err)
	}
	if n := w.agents.fetches(); n != 1 {
		t.Errorf("reloads made us fetch the keys of an issuer that has not changed: %d times in all", n)
	}
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	identities := w.identities(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- identities.Watch(ctx) }()
	bob := sallyport.Account{Issuer: w.people.URL, Subject: "bob"}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
			if time.Now().After(deadline) {
				t.Fatalf("not within 10 s: %s", what)
			}
		}
	}
	w.write(t, strings.Replace(tableText, "[sre, oncall]", "[dev]", 1))
	eventually("bob's new group", func() bool {
		p, err := identities.Person(bob)
		return err == nil && cmp.Equal(p.Groups, []string{"dev"})
	})
	w.write(t, "issuers: [\n")
	w.write(t, strings.Replace(tableText, "subject: bob", "subject: bobby", 1))
	eventually("bob's account gone", func() bool {
		_, err := identities.Person(bob)
		return sallyport.KindOf(err) == sallyport.NotFound
	})
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Watch: %v", err)
	}
}
