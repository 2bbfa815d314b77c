package sallyport_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// told applies the entries of these names and collects their notifications. "expired" and "drift" are ends that entries doesn't have.
func told(t *testing.T, names ...string) []sallyport.Notification {
	t.Helper()
	all := entries()
	for name, s := range map[string]sallyport.State{"expired": sallyport.StateExpired, "drift": sallyport.StateDenied} {
		e := all["never"]
		e.Outcome = &sallyport.Outcome{State: s, Error: &sallyport.Failure{Code: name, Message: "may quote a target"}}
		all[name] = e
	}
	var r sallyport.Record
	var got []sallyport.Notification
	for i, name := range names {
		if n, ok := (sallyport.Step{Index: int64(i), Before: r, Entry: all[name]}).Notification(); ok {
			got = append(got, n)
		}
		r = apply(t, r, all[name])
	}
	return got
}

func TestNotifications(t *testing.T) {
	type note struct {
		Number, Kind, Resolution, Code string
		Yes, No                        []string
	}
	asked := note{Number: "3", Kind: "requested"}
	begin := func(names ...string) []string { return append([]string{"received", "intent", "decision"}, names...) }
	for name, tt := range map[string]struct {
		reason  string
		entries []string
		want    []note
	}{
		"Allowed":  {"a call without a ballot gives no notification", begin("start", "ran"), nil},
		"Denied":   {"nor does a denial", begin("never"), nil},
		"Waiting":  {"approvers are told as soon as there is a ballot", begin("ballot"), []note{asked}},
		"Voted":    {"votes decide nothing before the run starts", begin("ballot", "vote", "refusal"), []note{asked}},
		"Approved": {"the start decides; the outcome of the run is not about the wait", begin("ballot", "vote", "start1", "ran"), []note{asked, {"5", "decided", "approved", "", []string{"bob"}, nil}}},
		"Rejected": {"the end of a call that never ran decides", begin("ballot", "no", "never"), []note{asked, {"5", "decided", "denied", "", nil, []string{"carol"}}}},
		"Drifted":  {"the run refused in spite of a yes", begin("ballot", "vote", "drift"), []note{asked, {"5", "decided", "denied", "drift", []string{"bob"}, nil}}},
		"Expired":  {"a ballot without a decision has a kind of its own", begin("ballot", "expired"), []note{asked, {"4", "expired", "expired", "expired", nil, nil}}},
		"Reset": {
			"a second ballot wants votes of its own, and the first one's don't count", begin("ballot", "vote", "ballot2", "expired"),
			[]note{asked, {Number: "5", Kind: "requested"}, {"6", "expired", "expired", "expired", nil, nil}},
		},
		"Late": {"a refusal after the end gives no notification", begin("ballot", "expired", "refusal"), []note{asked, {"4", "expired", "expired", "expired", nil, nil}}},
	} {
		t.Run(name, func(t *testing.T) {
			id := approved().Call.ID
			var got []note
			for _, n := range told(t, tt.entries...) {
				got = append(got, note{n.ID[len(id)+1:], string(n.Kind), n.Resolution, n.Code, n.Approvers, n.Rejecters})
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("%s (-want +got)\n%s", tt.reason, d)
			}
		})
	}
}

// TestNotificationSaysWhatApproversNeed looks at all of one notification.
func TestNotificationSaysWhatApproversNeed(t *testing.T) {
	g := approved()
	i, b := g.Intent, entries()["ballot"].Ballot
	want := []sallyport.Notification{{
		ID: g.Call.ID + "/3", Kind: sallyport.ApprovalRequested, At: noon, CallID: g.Call.ID,
		Agent: i.Agent.ID, Owner: i.Agent.Owner, Tool: i.Tool.Name,
		Action: i.Action, Resource: i.Resource, Namespace: i.Namespace, Name: i.Name,
		PlanSummary: g.Plan.Summary, Reasons: g.Decision.Reasons,
		Ballot: b.Digest(), Terms: b.Terms, ExpiresAt: b.ExpiresAt, RunID: b.RunID,
		StatedReason: g.Call.Stated.Reason,
	}}
	if d := cmp.Diff(want, told(t, "received", "intent", "decision", "ballot")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
