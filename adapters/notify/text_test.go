package notify_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

// hostile are texts that try to be more than text.
var hostile = map[string]struct{ reason, text string }{
	"Link":      {"a link that lies", "[approve](https://evil.example)"},
	"Heading":   {"a message of its own", "x\n\n# Approved\n\n- by: bob"},
	"HTML":      {"a chat may render it", "<img src=x onerror=alert(1)>"},
	"Entity":    {"or decode it", "&lt;b&gt;"},
	"Mention":   {"everybody would be woken", "<!channel> <@U123>"},
	"Tick":      {"it ends a code span", "`**bold**`"},
	"Ticks":     {"so does a longer run", "```\n**bold**\n```"},
	"Bidi":      {"it shows text backwards", "replicas 5\u202e0"},
	"ZeroWidth": {"it hides", "pr\u200bod"},
	"ANSI":      {"a terminal obeys", "\x1b[2J"},
	"Table":     {"another column", "a | b"},
	"Long":      {"it pushes the rest away", strings.Repeat("spam ", 10000)},
}

// outside is the text outside of code spans in a message, for a chat that knows
// only spans of single backticks.
func outside(text string) string {
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "")
}

// TestHostileText puts hostile text wherever others write. In the message,
// nothing of it leaves its code span.
func TestHostileText(t *testing.T) {
	harmless := sallyporttest.Requested(1)
	message, _ := delivered(t, harmless)
	skeleton := outside(message)
	for name, tt := range hostile {
		t.Run(name, func(t *testing.T) {
			n := harmless
			n.StatedReason, n.PlanSummary, n.Name, n.Namespace, n.Resource = tt.text, tt.text, tt.text, tt.text, tt.text
			n.Reasons = []sallyport.Reason{{Code: "production_write", Message: tt.text}}
			message, body := delivered(t, n)
			if got := outside(message); got != skeleton {
				t.Errorf("%s: what stands outside of code spans is\n%s\nand should be\n%s", tt.reason, got, skeleton)
			}
			if strings.ContainsAny(message, "<>&\u202e\u200b\x1b") {
				t.Errorf("%s: %s", tt.reason, message)
			}
			if strings.ContainsAny(body, "\u202e\u200b\x1b") || strings.Contains(body, `\u001b`) {
				t.Errorf("%s: a field hides something: %s", tt.reason, body)
			}
			if len(body) > 20<<10 {
				t.Errorf("%s: %d bytes", tt.reason, len(body))
			}
		})
	}
}

// delivered is the message of a notification, and the whole body.
func delivered(t *testing.T, n sallyport.Notification) (message, body string) {
	t.Helper()
	r := newReceiver(t)
	if err := webhook(t, options(t, r.URL)).Notify(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	var got struct{ Data struct{ Text string } }
	if err := json.Unmarshal(r.requests()[0].body, &got); err != nil {
		t.Fatal(err)
	}
	return got.Data.Text, string(r.requests()[0].body)
}

func TestTitles(t *testing.T) {
	for name, tt := range map[string]struct {
		n    sallyport.Notification
		want []string
	}{
		"Approved": {sallyport.Notification{Kind: sallyport.ApprovalDecided, Resolution: sallyport.Approved, Approvers: []string{"bob"}}, []string{"**Approval decided: approved**", "- approved by: `bob`\n"}},
		"Rejected": {sallyport.Notification{Kind: sallyport.ApprovalDecided, Resolution: "rejected", Rejecters: []string{"carol"}}, []string{"**Approval decided: rejected**", "- rejected by: `carol`\n"}},
		"Drifted":  {sallyport.Notification{Kind: sallyport.ApprovalDecided, Resolution: "denied", Code: "drift"}, []string{"**Approval decided: denied**", "- why it did not run: `drift`\n"}},
		"Expired":  {sallyport.Notification{Kind: sallyport.ApprovalExpired, Resolution: "expired"}, []string{"**Approval expired**"}},
	} {
		t.Run(name, func(t *testing.T) {
			message, _ := delivered(t, tt.n)
			for _, want := range tt.want {
				if !strings.Contains(message, want) {
					t.Errorf("the message does not say %q: %s", want, message)
				}
			}
			if strings.Contains(message, "who may vote") {
				t.Error("it asks for votes on what is decided")
			}
		})
	}
}
