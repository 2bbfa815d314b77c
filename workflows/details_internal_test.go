package workflows

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/activities"
)

// TestPageOfAnotherBallot: where the ballot is about something else than the
// workflow remembers, its page shows no call and nothing to vote with.
func TestPageOfAnotherBallot(t *testing.T) {
	intent := sallyport.Intent{CallID: "one", Arguments: json.RawMessage(`{"replicas":20}`)}
	plan := sallyport.Plan{Summary: "6 → 20"}
	ballot := sallyport.Ballot{CallID: "one", Nonce: "n", Intent: intent.Digest(), Plan: plan.Digest()}
	for name, tt := range map[string]struct {
		reason string
		change func(*toolCall)
		shown  bool
	}{
		"Same":      {"the control", func(*toolCall) {}, true},
		"Arguments": {"the arguments are others", func(c *toolCall) { c.valid.Intent.Arguments = json.RawMessage(`{"replicas":6}`) }, false},
		"Plan":      {"the plan is another", func(c *toolCall) { c.plan = &sallyport.Plan{Summary: "6 already"} }, false},
		"NoPlan":    {"there is none", func(c *toolCall) { c.plan = nil }, false},
		"Call":      {"the ballot is another call's", func(c *toolCall) { c.approval.ballot.CallID = "two" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, p := ballot, plan
			c := &toolCall{valid: activities.Validated{Intent: intent}, plan: &p, approval: approval{ballot: &b}}
			tt.change(c)
			page := c.waitingDetails()
			votes, warns := strings.Contains(page, `"verdict"`) && strings.Contains(page, "6 → 20"), strings.Contains(page, "### Do not vote\n")
			if votes != tt.shown || warns == tt.shown {
				t.Errorf("%s, and the page shows\n%s", tt.reason, page)
			}
		})
	}
}
