package oidc_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/oidc"
)

// raw is a claim as the token spells it.
func raw(text string) json.RawMessage { return json.RawMessage(text) }

// delegations are claims of genuine tokens whose subject is bob, by which
// another party than bob acts.
func delegations(agents string) map[string]map[string]any {
	return map[string]map[string]any{
		"Actor":              {"act": map[string]any{"sub": "deploy-bot"}},
		"ActorWithIssuer":    {"act": map[string]any{"sub": "deploy-bot", "iss": agents}},
		"ActorUnknown":       {"act": map[string]any{"sub": "a-gateway-of-theirs"}},
		"ActorIsBob":         {"act": map[string]any{"sub": "bob"}},
		"ActorIsAPerson":     {"act": map[string]any{"sub": "carol"}},
		"ActorNested":        {"act": map[string]any{"sub": "carol", "act": map[string]any{"sub": "deploy-bot"}}},
		"ActorDeep":          {"act": raw(strings.Repeat(`{"act":`, 50) + `{"sub":"bob"}` + strings.Repeat("}", 50))},
		"ActorWithoutSub":    {"act": map[string]any{"client_id": "deploy-bot"}},
		"ActorEmpty":         {"act": map[string]any{}},
		"ActorNull":          {"act": raw("null")},
		"ActorText":          {"act": "deploy-bot"},
		"ActorEmptyText":     {"act": ""},
		"ActorList":          {"act": []any{map[string]any{"sub": "deploy-bot"}}},
		"ActorEmptyList":     {"act": []any{}},
		"ActorTrue":          {"act": true},
		"ActorFalse":         {"act": false},
		"ActorZero":          {"act": 0},
		"ActorNumericSub":    {"act": map[string]any{"sub": 7}},
		"ActorBesideMayAct":  {"act": map[string]any{"sub": "x"}, "may_act": map[string]any{"sub": "x"}},
		"ActorOfPublic":      {"act": map[string]any{"sub": "x"}, "azp": "sallyport-approve"},
		"AuthorizedSubject":  {"azp": "deploy-bot"},
		"AuthorizedAccount":  {"azp": "system:serviceaccount:agents:triage"},
		"AuthorizedID":       {"azp": "triage-bot"},
		"AuthorizedClient":   {"azp": "0oa-triage"},
		"AuthorizedList":     {"azp": []string{"deploy-bot"}},
		"AuthorizedNumber":   {"azp": 7},
		"AuthorizedObject":   {"azp": map[string]any{"sub": "deploy-bot"}},
		"Client":             {"client_id": "deploy-bot"},
		"ClientOfTable":      {"client_id": "0oa-triage"},
		"ClientList":         {"client_id": []string{"temporal-ui", "deploy-bot"}},
		"ClientBesidePublic": {"azp": "sallyport-approve", "client_id": "deploy-bot"},
		"PublicBesideClient": {"client_id": "sallyport-approve", "azp": "deploy-bot"},
		"ClientOkta":         {"cid": "0oa-triage"},
		"ClientEntra":        {"appid": "deploy-bot"},
		"ClientEscaped":      {"azp": raw(`"deploy\u002dbot"`)},
	}
}

// delegationTable has an agent whose subject is no client id, as in
// Kubernetes.
const delegationTable = tableText + `  - id: carol
    accounts:
      - {issuer: PEOPLE, subject: carol}
`

func withTriage(text string) string {
	return strings.Replace(text, "people:\n", `  - {id: triage-bot, issuer: AGENTS, subject: "system:serviceaccount:agents:triage", owner: alice, clients: [0oa-triage]}
people:
`, 1)
}

// TestDelegatedTokens holds genuine tokens of bob's, by which an agent acts,
// against every door that this package guards.
func TestDelegatedTokens(t *testing.T) {
	w := newWorld(t)
	w.write(t, withTriage(delegationTable))
	identities := w.identities(t)
	refused := func(t *testing.T, err error, code string) {
		t.Helper()
		if sallyport.CodeOf(err) != code || !strings.Contains(err.Error(), "not its subject's own") && !strings.Contains(err.Error(), "another application") {
			t.Errorf("%v; want it refused with %s", err, code)
		}
	}
	for name, claims := range delegations(w.agents.URL) {
		t.Run(name, func(t *testing.T) {
			_, err := identities.Identify(t.Context(), w.people.token(t, "bob", claims))
			refused(t, err, sallyport.CodeDelegatedToken)

			ui := maps.Clone(claims)
			ui["aud"] = "temporal"
			_, err = identities.ForAudience("temporal").Identify(t.Context(), w.people.token(t, "bob", ui))
			refused(t, err, sallyport.CodeDelegatedToken)
			if oidc.Personal(w.people.token(t, "bob", ui), identities.AgentClient) == nil {
				t.Error("Personal took it for bob's own")
			}

			_, err = identities.VerifyVote(t.Context(), w.people.voteOf(t, claims))
			refused(t, err, sallyport.CodeBadEvidence)
		})
	}
}

// TestKeptVotesAreNotDelegated is for the reader of a ledger, who has no
// identity table.
func TestKeptVotesAreNotDelegated(t *testing.T) {
	w := newWorld(t)
	said, err := w.identities(t).VerifyVote(t.Context(), w.people.voteOf(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, claims := range delegations(w.agents.URL) {
		if claims["cid"] != nil || claims["appid"] != nil {
			continue // only the table says whose they are
		}
		vote := sallyport.Vote{
			Ballot: said.Ballot, Person: "bob", Account: said.Account, Verdict: said.Verdict, At: said.IssuedAt, Key: said.Key,
			Evidence: sallyport.Evidence{Class: sallyport.IDPSigned, Token: w.people.voteOf(t, claims)},
		}
		if err := (oidc.Kept{Audience: "sallyport-approve"}).Verify(vote, asked); sallyport.CodeOf(err) != sallyport.CodeBadEvidence {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOwnTokens are the tokens that people and agents have without any
// delegation: those of public clients above all.
func TestOwnTokens(t *testing.T) {
	w := newWorld(t)
	w.write(t, withTriage(delegationTable))
	identities := w.identities(t)
	for name, claims := range map[string]map[string]any{
		"UI":            {"azp": "temporal-ui", "client_id": "temporal-ui"},
		"CLI":           {"azp": "sallyport-cli"},
		"OktaCLI":       {"cid": "0oa-cli"},
		"CustomerID":    {"cid": 4711, "appid": raw("null")},
		"OwnClient":     {"client_id": "bob"},
		"NoClient":      {},
		"NullClient":    {"azp": raw("null"), "client_id": raw("null")},
		"MayAct":        {"may_act": map[string]any{"sub": "deploy-bot"}},
		"OtherCase":     {"azp": "Deploy-Bot"}, // client ids are compared exactly
		"ActElsewhere":  {"ext": map[string]any{"act": map[string]any{"sub": "deploy-bot"}}},
		"AgentAudience": {"aud": []string{"sallyport", "deploy-bot"}},
	} {
		who, err := identities.Identify(t.Context(), w.people.token(t, "bob", claims))
		if err != nil || who.Person == nil || who.Person.ID != "bob" {
			t.Errorf("%s: %+v, %v; want bob", name, who, err)
		}
	}
	for name, claims := range map[string]map[string]any{
		"Authorized": {"azp": "sallyport-approve"},
		"Both":       {"azp": "sallyport-approve", "client_id": "sallyport-approve"},
		"MayAct":     {"may_act": map[string]any{"sub": "deploy-bot"}},
	} {
		if _, err := identities.VerifyVote(t.Context(), w.people.voteOf(t, claims)); err != nil {
			t.Errorf("vote %s: %v", name, err)
		}
	}
	who, err := identities.Identify(t.Context(), w.agents.token(t, "deploy-bot", map[string]any{"azp": "deploy-bot", "client_id": "deploy-bot"}))
	if err != nil || who.Agent == nil {
		t.Errorf("%+v, %v; want deploy-bot", who, err)
	}
}

// TestDelegatedAgents: a call by one agent in another's name would be recorded
// as the other's own.
func TestDelegatedAgents(t *testing.T) {
	w := newWorld(t)
	for name, act := range map[string]any{
		"Actor": map[string]any{"sub": "triage-bot"}, "Person": map[string]any{"sub": "bob"}, "Null": raw("null"), "Text": "bob",
	} {
		who, err := w.identities(t).Identify(t.Context(), w.agents.token(t, "deploy-bot", map[string]any{"act": act}))
		if sallyport.CodeOf(err) != sallyport.CodeDelegatedToken {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

// TestDelegationTwice: two readers could take two values.
func TestDelegationTwice(t *testing.T) {
	w := newWorld(t)
	claims, err := json.Marshal(w.people.claimsOf("bob", map[string]any{"azp": "deploy-bot"}))
	if err != nil {
		t.Fatal(err)
	}
	twice := strings.TrimSuffix(string(claims), "}") + `,"azp":"temporal-ui"}`
	token := signedPayload(t, jose.ES256, w.people.keys["first"], "first", &jose.SignerOptions{}, []byte(twice))
	if who, err := w.identities(t).Identify(t.Context(), token); sallyport.CodeOf(err) != sallyport.CodeBadToken {
		t.Errorf("%+v, %v", who, err)
	}
}
