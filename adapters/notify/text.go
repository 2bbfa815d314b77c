package notify

import (
	"fmt"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
)

const (
	wordLimit   = 200 // characters of a name in a message
	reasonLimit = 500 // characters of the agent's own words
)

// quote shows untrusted text in a code span of a message. Some chats
// end a span at the first backtick, however long its fence is, and read
// <!channel> or an entity inside of one: these characters become escapes, as
// Inline has them.
func quote(s string, limit int) string {
	special := strings.NewReplacer("`", `\u{0060}`, "<", `\u{003c}`, ">", `\u{003e}`, "&", `\u{0026}`)
	return sallyport.Inline(special.Replace(s), limit)
}

// text is a notification as one markdown message, for a chat. Everything but
// numbers, times and the gateway's own words stands in code spans.
func text(n sallyport.Notification) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**: %s, %s %s by agent %s\n\n", title(n), quote(n.Namespace+"/"+n.Name, wordLimit),
		quote(n.Action, wordLimit), quote(n.Resource, wordLimit), quote(n.Agent, wordLimit))
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(&b, "- %s: %s\n", what, value)
		}
	}
	line("call", quote(n.CallID, wordLimit))
	line("tool", quote(n.Tool, wordLimit))
	line("quoted from the tool's plan (untrusted)", quote(n.PlanSummary, reasonLimit))
	line("approved by", names(n.Approvers))
	line("rejected by", names(n.Rejecters))
	line("why it did not run", quote(n.Code, wordLimit))
	if n.Kind == sallyport.ApprovalRequested {
		for _, r := range n.Reasons[:min(len(n.Reasons), maxReasons)] {
			line("why policy asks", quote(r.Code, wordLimit)+" "+quote(r.Message, reasonLimit))
		}
		line("who may vote", fmt.Sprintf("%s (%d needed), but not %s, who owns the agent", names(n.Terms.Groups), n.Terms.Quorum, quote(n.Owner, wordLimit)))
		line("open until", n.ExpiresAt.UTC().Format(time.RFC3339))
		line("ballot", quote(string(n.Ballot), wordLimit))
		line("the agent's own words (untrusted)", quote(n.StatedReason, reasonLimit))
		line("before you vote", "compare the ballot above with the one that you are shown, and read the call there: this message is no ground for a vote")
	}
	if n.Link != "" {
		line("look and vote", "<"+n.Link+">")
	}
	return b.String()
}

// title names the event in a few words.
func title(n sallyport.Notification) string {
	switch n.Kind {
	case sallyport.ApprovalRequested:
		return "Approval requested"
	case sallyport.ApprovalExpired:
		return "Approval expired"
	case sallyport.ApprovalDecided:
		return "Approval decided: " + n.Resolution
	default:
		return "Approval"
	}
}

func names(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s, wordLimit)
	}
	return strings.Join(quoted, ", ")
}
