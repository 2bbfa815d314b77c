package workflows_test

import (
	"strings"
	"testing"
	"time"

	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/testsuite"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// page is what the Temporal UI shows of a workflow as its current details.
func page(t *testing.T, env *testsuite.TestWorkflowEnvironment) string {
	t.Helper()
	v, err := env.QueryWorkflow("__temporal_workflow_metadata")
	if err != nil {
		t.Fatal(err)
	}
	var m sdkpb.WorkflowMetadata
	if err := v.Get(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCurrentDetails()
}

// TestPageShowsTheCall: people vote on what the worker shows of the call that it
// verified, of a tool without a plan too, and the page stays when the call has
// ended.
func TestPageShowsTheCall(t *testing.T) {
	call := []string{
		"| agent | `deploy-bot` (owner `alice`) |\n", "| what | `scale deployment` |\n| target | `production/api` |\n",
		"\n### Arguments\n\n`{`\n`   \"replicas\": 5 `\n`}`\n",
		"\n### Why the agent asks, in its own words (untrusted)\n\n`` latency | `rm -rf` \\u{202e} ``\n",
	}
	plan := []string{"\n### What would change\n", "\n### What must still hold for the write\n"}
	for name, tt := range map[string]struct {
		tool    string
		verdict sallyport.Verdict
		ended   string
		shows   []string
	}{
		"Approved": {"write", sallyport.Approve, "## Ended: succeeded\n", append(plan, call...)},
		"Rejected": {"write", sallyport.Reject, "## Ended: rejected, `rejected`\n", append(plan, call...)},
		"NoPlan":   {"read", sallyport.Approve, "## Ended: succeeded\n", call},
	} {
		t.Run(name, func(t *testing.T) {
			h := workflowstest.New(t, time.Now)
			h.Policy.Set(workflowstest.Asks(1), nil)
			c, signed := h.Call(tt.tool)
			env := h.Env(c)
			waiting := ""
			env.RegisterDelayedCallback(func() {
				waiting = page(t, env)
				env.UpdateWorkflow(wire.VoteUpdate, "", &updateResult{t, ""}, h.Attest(c.ID, "bob", tt.verdict))
			}, time.Second)
			env.ExecuteWorkflow(workflows.ToolCall, signed)
			if err := env.GetWorkflowError(); err != nil {
				t.Fatal(err)
			}
			ended := page(t, env)
			ballot := h.Read(c.ID).Ballot.Digest()
			want := append([]string{"## Waiting for approval: 0 of 1\n\n*The worker wrote Current Details from the call that it verified.", "ballot: `" + string(ballot) + "`", "\n### Why policy asks\n"}, tt.shows...)
			for _, text := range want {
				if !strings.Contains(waiting, text) {
					t.Errorf("while it waits, the page does not show %q:\n%s", text, waiting)
				}
			}
			for _, text := range append([]string{tt.ended}, tt.shows...) {
				if !strings.Contains(ended, text) {
					t.Errorf("after the end, the page does not show %q:\n%s", text, ended)
				}
			}
		})
	}
}

// TestPageShowsCommitments: redacted arguments are on no page. The ballot is over the
// commitments that stand in their place.
func TestPageShowsCommitments(t *testing.T) {
	h, call, signed := secretive(t, time.Now)
	h.Policy.Set(workflowstest.Asks(1), nil)
	env := h.Env(call)
	waiting := ""
	env.RegisterDelayedCallback(func() {
		waiting = page(t, env)
		env.CancelWorkflow()
	}, time.Second)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	for _, got := range []string{waiting, page(t, env)} {
		if strings.Contains(got, secret) || !strings.Contains(got, `"token": "redacted:hmac-sha256:`) || !strings.Contains(got, "shown as commitments: `/token`") {
			t.Errorf("the page shows\n%s", got)
		}
	}
	if !strings.Contains(waiting, "### How to vote\n") {
		t.Errorf("the page does not say how to vote:\n%s", waiting)
	}
}
