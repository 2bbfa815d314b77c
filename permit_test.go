package sallyport_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

var noon = time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)

// allowed are grounds that policy allows without an approval.
func allowed() sallyport.Grounds {
	account := sallyport.Account{Issuer: "https://id.example", Subject: "deploy-bot"}
	call := sallyport.Call{
		ID: sallyport.CallID([16]byte{1}), AgentID: "deploy-bot", Account: account, Tool: "k8s_scale_deployment",
		Arguments: json.RawMessage(`{"name":"api","namespace":"production","replicas":5}`),
		Stated:    sallyport.Stated{Reason: "latency"}, ReceivedAt: noon.Add(-time.Minute),
	}
	return sallyport.Grounds{
		Call: call,
		Intent: sallyport.Intent{
			CallID: call.ID, Agent: sallyport.Agent{ID: "deploy-bot", Account: account, Owner: "alice"}, Stated: call.Stated,
			Tool: sallyport.ToolRef{Name: call.Tool, Digest: sallyport.NewDigest("tool")}, Arguments: slices.Clone(call.Arguments),
			Action: "scale", Resource: "deployment", Namespace: "production", Name: "api", At: call.ReceivedAt,
		},
		Decision: sallyport.Decision{Effect: sallyport.Allow, Revision: "r1"},
	}
}

// approved are grounds that two people of the group sre approved.
func approved() sallyport.Grounds {
	g := allowed()
	terms := sallyport.Terms{
		Groups: []string{"sre"}, Quorum: 2, TTLSeconds: 600,
		Evidence: []sallyport.EvidenceClass{sallyport.TemporalPrincipal, sallyport.IDPSigned},
	}
	g.Decision.Effect, g.Decision.Approval = sallyport.Ask, &terms
	g.Plan = &sallyport.Plan{Summary: "replicas 3 → 5", Preconditions: json.RawMessage(`{"replicas":3}`)}
	g.Ballot = &sallyport.Ballot{
		CallID: g.Call.ID, Nonce: "n1", Intent: g.Intent.Digest(), Plan: g.Plan.Digest(),
		Terms:    sallyport.Terms{Groups: slices.Clone(terms.Groups), Quorum: 2, TTLSeconds: 600, Evidence: slices.Clone(terms.Evidence)},
		OpenedAt: noon.Add(-time.Minute), ExpiresAt: noon.Add(9 * time.Minute),
	}
	g.Votes = []sallyport.Vote{vote(*g.Ballot, "bob"), vote(*g.Ballot, "carol")}
	return g
}

func vote(b sallyport.Ballot, person string) sallyport.Vote {
	return sallyport.Vote{
		Ballot: b.Digest(), Person: person, Groups: []string{"everyone", "sre"}, Verdict: sallyport.Approve,
		Evidence: sallyport.Evidence{Class: sallyport.IDPSigned, Token: person}, At: noon,
	}
}

func TestNewPermit(t *testing.T) {
	always := allowed()
	always.Plan = &sallyport.Plan{Summary: "planned although no approval is needed"}
	stopped := approved()
	stopped.Decision = sallyport.Decision{Effect: sallyport.Allow, Revision: "r2"}
	unplanned := approved()
	unplanned.Plan, unplanned.Ballot.Plan = nil, ""
	unplanned.Votes = []sallyport.Vote{vote(*unplanned.Ballot, "carol"), vote(*unplanned.Ballot, "bob")}
	for name, tt := range map[string]struct {
		reason string
		given  sallyport.Grounds
		people []string
	}{
		"Allowed":        {reason: "policy requires no approval", given: allowed()},
		"PlannedAlways":  {reason: "a plan without a ballot is for policy alone", given: always},
		"Approved":       {reason: "the quorum is met", given: approved(), people: []string{"bob", "carol"}},
		"NothingToPlan":  {reason: "a tool without plans can be voted on", given: unplanned, people: []string{"bob", "carol"}},
		"AskingNoLonger": {reason: "policy grew more lenient while people voted", given: stopped, people: []string{"bob", "carol"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := sallyport.NewPermit(tt.given, noon)
			if err != nil {
				t.Fatalf("refused, %v: %s", err, tt.reason)
			}
			if err := p.Check(); err != nil {
				t.Errorf("Check = %v", err)
			}
			if d := cmp.Diff(tt.people, p.People()); d != "" {
				t.Errorf("People (-want +got)\n%s", d)
			}
			got := sallyport.Grounds{Call: p.Call(), Intent: p.Intent(), Decision: p.Decision(), Plan: p.Plan(), Ballot: p.Ballot(), Votes: tt.given.Votes}
			if d := cmp.Diff(tt.given, got); d != "" || !p.At().Equal(noon) {
				t.Errorf("the permit says something else at %s (-want +got)\n%s", p.At(), d)
			}
		})
	}
}

// TestNewPermitRefuses spoils good grounds in one way each.
func TestNewPermitRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		reason string
		spoil  func(*sallyport.Grounds)
		code   string
	}{
		"NoCall":         {"an empty intent fits an empty call", func(g *sallyport.Grounds) { *g = sallyport.Grounds{Decision: allowed().Decision} }, "other_call"},
		"OtherCall":      {"a permit is for one call", func(g *sallyport.Grounds) { g.Intent.CallID = sallyport.CallID([16]byte{2}) }, "other_call"},
		"OtherAgent":     {"an agent can't borrow another's intent", func(g *sallyport.Grounds) { g.Intent.Agent.ID = "triage-bot" }, "other_call"},
		"OtherIssuer":    {"the same subject of another issuer is another account", func(g *sallyport.Grounds) { g.Intent.Agent.Account.Issuer = "https://else.example" }, "other_call"},
		"OtherTool":      {"arguments mean something else to another tool", func(g *sallyport.Grounds) { g.Intent.Tool.Name = "k8s_delete_pod" }, "other_call"},
		"OtherArguments": {"the evaluated arguments are the ones that run", func(g *sallyport.Grounds) { g.Intent.Arguments = json.RawMessage(`{"replicas":50}`) }, "other_call"},
		"OtherClaims":    {"people read the reason before they agree", func(g *sallyport.Grounds) { g.Intent.Stated.Reason = "routine" }, "other_call"},
		"OtherTime":      {"policy evaluated the hour of the call", func(g *sallyport.Grounds) { g.Intent.At = noon.Add(time.Hour) }, "other_call"},

		"Denied":       {"policy said no", func(g *sallyport.Grounds) { g.Decision.Effect = sallyport.Deny }, "denied"},
		"NoDecision":   {"no decision is a denial", func(g *sallyport.Grounds) { g.Decision = sallyport.Decision{} }, "denied"},
		"OddEffect":    {"an effect that we don't know is a denial", func(g *sallyport.Grounds) { g.Decision.Effect = "ALLOW" }, "denied"},
		"NoBallot":     {"policy requires approval", func(g *sallyport.Grounds) { g.Ballot, g.Votes = nil, nil }, "no_ballot"},
		"LooseVotes":   {"votes are for a ballot", func(g *sallyport.Grounds) { g.Ballot, g.Decision.Effect = nil, sallyport.Allow }, "no_ballot"},
		"NoTerms":      {"without terms no votes can suffice", func(g *sallyport.Grounds) { g.Decision.Approval = nil }, "drift"},
		"StaleNo":      {"people said no before policy stopped asking", func(g *sallyport.Grounds) { g.Decision.Effect, g.Votes[0].Verdict = sallyport.Allow, sallyport.Reject }, "no_quorum"},
		"StalePlan":    {"people agreed to something else before policy stopped asking", func(g *sallyport.Grounds) { g.Decision.Effect, g.Plan.Summary = sallyport.Allow, "replicas 0 → 5" }, "drift"},
		"OtherBallot":  {"the ballot was for another call", func(g *sallyport.Grounds) { g.Ballot.CallID = sallyport.CallID([16]byte{2}) }, "other_call"},
		"OwnerChanged": {"the agent is part of what was approved", func(g *sallyport.Grounds) { g.Intent.Agent.Owner = "dave" }, "drift"},
		"ToolChanged":  {"a new manifest is a new tool", func(g *sallyport.Grounds) { g.Intent.Tool.Digest = sallyport.NewDigest("other") }, "drift"},
		"OtherName":    {"the target is part of what was approved", func(g *sallyport.Grounds) { g.Intent.Name = "worker" }, "drift"},
		"PlanChanged":  {"the world moved under the approval", func(g *sallyport.Grounds) { g.Plan.Preconditions = json.RawMessage(`{"replicas":0}`) }, "drift"},
		"PlanGone":     {"an approved plan can't be left out", func(g *sallyport.Grounds) { g.Plan = nil }, "drift"},
		"PlanAppeared": {"no approver saw this plan", func(g *sallyport.Grounds) { g.Ballot.Plan = ""; revote(g) }, "drift"},

		"QuorumRaised": {"terms are today's", func(g *sallyport.Grounds) { g.Decision.Approval.Quorum = 3 }, "drift"},
		"OtherGroup":   {"terms are today's", func(g *sallyport.Grounds) { g.Decision.Approval.Groups = []string{"security"} }, "drift"},
		"OtherEvidence": {"terms are today's", func(g *sallyport.Grounds) {
			g.Decision.Approval.Evidence = []sallyport.EvidenceClass{sallyport.IDPSigned}
		}, "drift"},
		"OtherTime2Live": {"terms are today's", func(g *sallyport.Grounds) { g.Decision.Approval.TTLSeconds = 60 }, "drift"},
		"NoQuorum":       {"a quorum of 0 is no approval", func(g *sallyport.Grounds) { g.Decision.Approval.Quorum, g.Ballot.Terms.Quorum = 0, 0; revote(g) }, "no_quorum"},
		"NegativeQuorum": {"nor is one of less", func(g *sallyport.Grounds) { g.Decision.Approval.Quorum, g.Ballot.Terms.Quorum = -1, -1; revote(g) }, "no_quorum"},

		"NoVotes":      {"silence is not consent", func(g *sallyport.Grounds) { g.Votes = nil }, "no_quorum"},
		"OneOfTwo":     {"one is not two", func(g *sallyport.Grounds) { g.Votes = g.Votes[:1] }, "no_quorum"},
		"OneTwice":     {"two accounts of one person are one person", func(g *sallyport.Grounds) { g.Votes[1].Person = "bob" }, "no_quorum"},
		"OneNo":        {"one no is a no", func(g *sallyport.Grounds) { g.Votes = append(g.Votes, no(*g.Ballot, "dave")) }, "no_quorum"},
		"NoFirst":      {"whenever it comes", func(g *sallyport.Grounds) { g.Votes = append([]sallyport.Vote{no(*g.Ballot, "dave")}, g.Votes...) }, "no_quorum"},
		"Owner":        {"an owner does not approve the own agent's calls: separation of duties", func(g *sallyport.Grounds) { g.Votes[1].Person = "alice" }, "own_agent"},
		"OwnerBesides": {"even where the quorum is met without", func(g *sallyport.Grounds) { g.Votes = append(g.Votes, vote(*g.Ballot, "alice")) }, "own_agent"},
		"AnotherWait":  {"a vote names one ballot", func(g *sallyport.Grounds) { g.Votes[0].Ballot = sallyport.NewDigest("another") }, "no_quorum"},
		"NewNonce":     {"a reset draws another nonce, and old votes are void", func(g *sallyport.Grounds) { g.Ballot.Nonce = "n2" }, "no_quorum"},
		"TooLate":      {"the ballot had closed", func(g *sallyport.Grounds) { g.Votes[0].At = g.Ballot.ExpiresAt.Add(time.Nanosecond) }, "no_quorum"},
		"WeakEvidence": {"policy requires stronger evidence", func(g *sallyport.Grounds) { g.Votes[0].Evidence.Class = sallyport.APIAttested }, "no_quorum"},
		"NoEvidence":   {"a vote without evidence is a rumour", func(g *sallyport.Grounds) { g.Votes[0].Evidence = sallyport.Evidence{} }, "no_quorum"},
		"WrongGroup":   {"approvers are in one of the terms' groups", func(g *sallyport.Grounds) { g.Votes[0].Groups = []string{"dev"} }, "no_quorum"},
		"NoGroup":      {"a person without groups is in none of them", func(g *sallyport.Grounds) { g.Votes[0].Groups = nil }, "no_quorum"},
		"NoGroups":     {"terms without groups admit no vote", func(g *sallyport.Grounds) { g.Decision.Approval.Groups, g.Ballot.Terms.Groups = nil, nil; revote(g) }, "no_quorum"},
		"Nameless":     {"a vote needs a person", func(g *sallyport.Grounds) { g.Votes[0].Person = "" }, "no_quorum"},
		"OddVerdict":   {"what is not a yes is none", func(g *sallyport.Grounds) { g.Votes[0].Verdict = "Approve" }, "no_quorum"},
	} {
		t.Run(name, func(t *testing.T) {
			g := approved()
			tt.spoil(&g)
			p, err := sallyport.NewPermit(g, noon)
			if sallyport.KindOf(err) != sallyport.Denied || sallyport.CodeOf(err) != tt.code {
				t.Errorf("NewPermit = %q %v; want %q: %s", sallyport.CodeOf(err), err, tt.code, tt.reason)
			}
			if p.Check() == nil {
				t.Error("what was refused passes a check")
			}
		})
	}
}

// revote lets the same people vote on the ballot as it has become.
func revote(g *sallyport.Grounds) {
	g.Votes = []sallyport.Vote{vote(*g.Ballot, "bob"), vote(*g.Ballot, "carol")}
}

func no(b sallyport.Ballot, person string) sallyport.Vote {
	v := vote(b, person)
	v.Verdict = sallyport.Reject
	return v
}

func TestForgedPermits(t *testing.T) {
	var zero sallyport.Permit
	if err := zero.Check(); sallyport.CodeOf(err) != "no_permit" {
		t.Errorf("the zero permit: %v", err)
	}
	var decoded sallyport.Permit
	//nolint:staticcheck // that JSON can't fill it is the point
	if err := json.Unmarshal([]byte(`{"grounds":{},"at":"2026-11-21T12:00:00Z","Grounds":{},"At":"2026-11-21T12:00:00Z"}`), &decoded); err != nil {
		t.Fatal(err)
	}
	if decoded.Check() == nil {
		t.Error("JSON makes permits")
	}
	if _, err := sallyport.NewPermit(allowed(), time.Time{}); err == nil {
		t.Error("a permit of no time")
	}
	g := approved()
	p, err := sallyport.NewPermit(g, noon)
	if err != nil {
		t.Fatal(err)
	}
	g.Plan.Diff = "something else"
	if p.Check() == nil {
		t.Error("a plan that was changed under its permit passes a check")
	}
}
