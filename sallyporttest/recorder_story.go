package sallyporttest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport/sallyport"
)

// Approved are the entries of a whole call, from its receipt over its approval
// to its end. Calls of different n are different.
func Approved(n int) []sallyport.Entry { return newStory(n).approved() }

// story makes one call's entries for the suite of recorders.
type story struct {
	id, agent, tool string
	arguments       string
	at              time.Time
}

// newStory is the n-th call of deploy-bot, received n seconds after others
// began.
func newStory(n int) story {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(n)) //nolint:gosec // any bits will do
	return story{
		id:        sallyport.CallID(id),
		agent:     "deploy-bot",
		tool:      "gitops_scale_deployment",
		arguments: `{"environment":"production","name":"api","replicas":5}`,
		at:        time.Date(2026, 11, 21, 22, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second),
	}
}

func (s story) entry(k sallyport.EntryKind, key string) sallyport.Entry {
	return sallyport.Entry{CallID: s.id, Kind: k, Key: key, At: s.at}
}

func (s story) account() sallyport.Account {
	return sallyport.Account{Issuer: "https://agents.example", Subject: s.agent}
}

func (s story) received() sallyport.Entry {
	e := s.entry(sallyport.EntryReceived, "")
	e.Known = &sallyport.Known{Tool: true}
	e.Call = &sallyport.Call{
		ID: s.id, AgentID: s.agent, Account: s.account(), Tool: s.tool,
		Arguments:  json.RawMessage(s.arguments),
		Stated:     sallyport.Stated{Reason: "p95 latency above the objective", Session: "s-42"},
		Body:       sallyport.NewDigest("body", []byte(s.id)),
		ReceivedAt: s.at,
	}
	e.Signed = "header.payload.signature"
	return e
}

func (s story) intent() sallyport.Intent {
	return sallyport.Intent{
		CallID:    s.id,
		Agent:     sallyport.Agent{ID: s.agent, Account: s.account(), Owner: "alice", Groups: []string{"agents"}},
		Stated:    sallyport.Stated{Reason: "p95 latency above the objective", Session: "s-42"},
		Tool:      sallyport.ToolRef{Name: s.tool, Digest: sallyport.NewDigest("tool", []byte(s.tool))},
		Arguments: json.RawMessage(s.arguments),
		Action:    "scale", Resource: "deployment", Namespace: "production", Name: "api",
		At: s.at,
	}
}

func (s story) plan() sallyport.Plan {
	return sallyport.Plan{
		Summary:       "replicas 3 → 5",
		Diff:          "-  replicas: 3\n+  replicas: 5\n",
		Changes:       []sallyport.Change{{Path: "/spec/replicas", Before: json.RawMessage("3"), After: json.RawMessage("5")}},
		Preconditions: json.RawMessage(`{"blob":"abc"}`),
	}
}

func (s story) terms() sallyport.Terms {
	return sallyport.Terms{Groups: []string{"sre"}, Quorum: 1, TTLSeconds: 900, Evidence: []sallyport.EvidenceClass{sallyport.APIAttested}}
}

func (s story) ballot() sallyport.Ballot {
	return sallyport.Ballot{
		CallID: s.id, Nonce: "nonce", Intent: s.intent().Digest(), Plan: s.plan().Digest(), Terms: s.terms(),
		RunID: "run", OpenedAt: s.at, ExpiresAt: s.at.Add(15 * time.Minute),
	}
}

func (s story) decision(key string, effect sallyport.Effect) sallyport.Entry {
	e := s.entry(sallyport.EntryDecision, key)
	e.Decision = &sallyport.Decision{
		Effect:   effect,
		Reasons:  []sallyport.Reason{{Code: "production_write", Message: "writes in production need approval"}},
		Revision: "rev-1",
	}
	if effect == sallyport.Ask {
		terms, plan := s.terms(), s.plan()
		e.Decision.Approval, e.Plan = &terms, &plan
	}
	return e
}

func (s story) refusal(key string) sallyport.Entry {
	e := s.entry(sallyport.EntryRefusal, key)
	e.Refusal = &sallyport.Refusal{
		Evidence: sallyport.Evidence{Class: sallyport.APIAttested, Token: "header.payload." + key},
		Account:  sallyport.Account{Issuer: "https://people.example", Subject: "alice"},
		Code:     "own_agent", Message: "alice owns deploy-bot", At: s.at,
	}
	return e
}

func (s story) vote(person string) sallyport.Entry {
	e := s.entry(sallyport.EntryVote, person)
	e.Vote = &sallyport.Vote{
		Ballot: s.ballot().Digest(), Person: person, Groups: []string{"sre"},
		Account:  sallyport.Account{Issuer: "https://people.example", Subject: person},
		Verdict:  sallyport.Approve,
		Reason:   "looks right",
		Evidence: sallyport.Evidence{Class: sallyport.APIAttested, Token: "header.payload." + person},
		At:       s.at.Add(time.Second),
	}
	return e
}

func (s story) start(runner string) sallyport.Entry {
	e := s.entry(sallyport.EntryStart, "")
	e.Start = &sallyport.Start{Intent: s.intent().Digest(), Effect: sallyport.Allow, Runner: runner}
	return e
}

// agreed is the start of a call that people were asked about.
func (s story) agreed(people ...string) sallyport.Entry {
	e := s.start("sandbox")
	e.Start.Ballot, e.Start.People = s.ballot().Digest(), people
	return e
}

func (s story) outcome(state sallyport.State) sallyport.Entry {
	e := s.entry(sallyport.EntryOutcome, "")
	e.Outcome = &sallyport.Outcome{State: state, FinishedAt: s.at.Add(2 * time.Second)}
	if state.Ran() {
		e.Outcome.Result = json.RawMessage(fmt.Sprintf(`{"commit":%q}`, s.id))
		e.Outcome.StartedAt = s.at.Add(time.Second)
	}
	return e
}

func (story) keyed(e sallyport.Entry, key string) sallyport.Entry {
	e.Key = key
	return e
}

// keyedTo is another call's entry under this call's id.
func (s story) keyedTo(e sallyport.Entry) sallyport.Entry {
	e.CallID = s.id
	return e
}

// approved is the whole story of a call that was approved and ran.
func (s story) approved() []sallyport.Entry {
	intent := s.entry(sallyport.EntryIntent, "")
	intent.Known = &sallyport.Known{Tool: true, Action: true, Resource: true, Namespace: true}
	i := s.intent()
	intent.Intent = &i
	ballot := s.entry(sallyport.EntryBallot, "1")
	b := s.ballot()
	ballot.Ballot = &b
	return []sallyport.Entry{
		s.received(), intent, s.decision("first", sallyport.Ask), ballot, s.refusal("alice"),
		s.vote("bob"), s.agreed("bob"), s.outcome(sallyport.StateSucceeded),
	}
}
