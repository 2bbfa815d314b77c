package workflows_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// ballotPaper is a vote to be cast.
type ballotPaper struct {
	person  string
	verdict sallyport.Verdict
}

// refused is why the vote does not count, or "".
func (v ballotPaper) refused() string {
	if v.person == "alice" {
		return "own_agent"
	}
	return ""
}

// TestEveryStep wants an entry for each step of a call, in the order in which
// they were taken.
func TestEveryStep(t *testing.T) {
	decided := []sallyport.EntryKind{sallyport.EntryReceived, sallyport.EntryIntent, sallyport.EntryDecision}
	ran := []sallyport.EntryKind{sallyport.EntryStart, sallyport.EntryOutcome}
	planned := slices.Concat(decided, []sallyport.EntryKind{sallyport.EntryPlan, sallyport.EntryDecision})
	allowed := sallyport.Decision{Effect: sallyport.Allow}
	asked := slices.Concat(planned, []sallyport.EntryKind{sallyport.EntryBallot})
	ended, voted, refused := ran[1:], []sallyport.EntryKind{sallyport.EntryVote}, []sallyport.EntryKind{sallyport.EntryRefusal}
	for name, tt := range map[string]struct {
		tool   string
		policy sallyport.Decision
		votes  []ballotPaper
		want   []sallyport.EntryKind
	}{
		"Allowed":         {"write", allowed, nil, slices.Concat(decided, ran)},
		"Denied":          {"write", sallyport.Decision{Effect: sallyport.Deny}, nil, slices.Concat(decided, ended)},
		"PlannedAnyway":   {"planned", allowed, nil, slices.Concat(planned, ran)},
		"Approved":        {"write", workflowstest.Asks(1), []ballotPaper{{"bob", sallyport.Approve}}, slices.Concat(asked, voted, ran)},
		"OwnerVotes":      {"write", workflowstest.Asks(1), []ballotPaper{{"alice", sallyport.Approve}, {"bob", sallyport.Approve}}, slices.Concat(asked, refused, voted, ran)},
		"Rejected":        {"write", workflowstest.Asks(1), []ballotPaper{{"bob", sallyport.Reject}}, slices.Concat(asked, voted, ended)},
		"ExpiredUnvoted":  {"write", workflowstest.Asks(1), nil, slices.Concat(asked, ended)},
		"NoSuchTool":      {"nothing", allowed, nil, slices.Concat(decided[:1], ended)},
		"NothingCanRunIt": {"nowhere", allowed, nil, slices.Concat(decided, ended)},
	} {
		t.Run(name, func(t *testing.T) {
			h, env, call, signed := preparing(t, tt.tool, tt.policy)
			for i, v := range tt.votes {
				env.RegisterDelayedCallback(func() {
					env.UpdateWorkflow(wire.VoteUpdate, v.person, &updateResult{t, v.refused()}, h.Attest(call.ID, v.person, v.verdict))
				}, time.Minute*time.Duration(i+1))
			}
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if d := cmp.Diff(tt.want, h.Kinds(call.ID)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestStartSaysWhere: what is known before a run stands in its start.
func TestStartSaysWhere(t *testing.T) {
	h := workflowstest.New(t, time.Now)
	h.Acts.Runners["fake"] = &sallyporttest.Resumable{Runner: h.Runner, Where: "kube/agents/call", Image: "tool@sha256:1"}
	call, signed := h.Call("write")
	env := h.Env(call)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	h.WantEnd(call.ID, sallyport.StateSucceeded, "")
	if s := h.Read(call.ID).Start; s.Place != "kube/agents/call" || s.Image != "tool@sha256:1" {
		t.Errorf("the start says that it is at %q, of %q", s.Place, s.Image)
	}
}
