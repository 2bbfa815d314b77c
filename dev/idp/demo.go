package idp

import (
	"bytes"
	_ "embed"
	"fmt"
	"text/template"
	"time"
)

//go:embed identities.yaml.tmpl
var tableText string

// Demo lists the people and agents of the demo.
func Demo() ([]PersonEntry, []AgentEntry) {
	people := []PersonEntry{
		{ID: "alice", Name: "Alice", Groups: []string{"sre"}},
		{ID: "bob", Name: "Bob", Groups: []string{"sre"}},
		{ID: "carol", Name: "Carol", Groups: []string{"sre"}},
		{ID: "dave", Name: "Dave", Groups: []string{"dev"}},
		{ID: "olga", Name: "Olga", Groups: []string{"operators"}},
		{ID: "audra", Name: "Audra", Groups: []string{"auditors"}},
	}
	agents := []AgentEntry{
		{ID: "deploy-bot", Owner: "alice"},
		{ID: "triage-bot", Owner: "carol"},
	}
	return people, agents
}

// Table is the identity table of the demo, for a provider with this base
// URL.
func Table(base string) []byte {
	people, agents := Demo()
	var out bytes.Buffer
	t, err := template.New("identities").Parse(tableText)
	if err == nil {
		err = t.Execute(&out, map[string]any{"Base": base, "Audience": DefaultAudience, "VoteAudience": VoteAudience, "People": people, "Agents": agents})
	}
	if err != nil {
		// Loading this says where it went wrong.
		return fmt.Appendf(nil, "the template of the identity table is broken: %v\n", err)
	}
	return out.Bytes()
}

// UIClient is the client as which people log in to the Temporal UI, and
// TemporalAudience whom their access tokens are then for.
const (
	UIClient         = "temporal-ui"
	TemporalAudience = "temporal"
)

// TemporalUI is the client of a Temporal UI at a URL. Without a secret one is
// made.
func TemporalUI(url, secret string) Client {
	return Client{
		ID: UIClient, Name: "the Temporal UI", Audiences: []string{TemporalAudience}, Secret: secret,
		RedirectURIs: []string{url + "/auth/sso/callback"},
	}
}

// Voting is the client as which people vote.
func Voting() Client {
	return Client{
		ID: VoteAudience, Name: "sallyport approve", Public: true,
		RedirectURIs: []string{"http://127.0.0.1/callback"}, TokenTTL: 10 * time.Minute,
	}
}
