package notify

import (
	"encoding/json"
	"time"

	"github.com/sallyport/sallyport"
)

// typePrefix and typeVersion make the types of events. Fields are only ever
// added to a version.
const (
	typePrefix  = "io.github.sallyport.approval."
	typeVersion = ".v1"
)

// event is a CloudEvent 1.0 in structured mode.
type event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"` // the call's id
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            data      `json:"data"`
}

// data is the content of an event. Invisible characters are escaped.
type data struct {
	CallID     string             `json:"call_id"`
	Agent      string             `json:"agent"`
	Owner      string             `json:"owner"`
	Tool       string             `json:"tool"`
	Action     string             `json:"action"`
	Resource   string             `json:"resource"`
	Namespace  string             `json:"namespace"`
	Name       string             `json:"name"`
	Reasons    []sallyport.Reason `json:"reasons"`
	Ballot     ballot             `json:"ballot"`
	Link       string             `json:"link,omitempty"`
	Resolution string             `json:"resolution,omitempty"`
	Approvers  []string           `json:"approvers,omitempty"`
	Rejecters  []string           `json:"rejecters,omitempty"`
	Code       string             `json:"code,omitempty"`
	Untrusted  untrusted          `json:"untrusted"`
	Text       string             `json:"text"` // the whole notification as markdown
}

// ballot is what approvers vote on.
type ballot struct {
	Digest    sallyport.Digest          `json:"digest"`
	Groups    []string                  `json:"groups"`
	Quorum    int                       `json:"quorum"`
	Evidence  []sallyport.EvidenceClass `json:"evidence"`
	ExpiresAt time.Time                 `json:"expires_at"`
}

// untrusted is text that agents and tools wrote.
type untrusted struct {
	PlanSummary  string `json:"plan_summary,omitempty"`
	StatedReason string `json:"claimed_reason,omitempty"`
}

// Bounds of untrusted text, in characters, and of the number of policy's reasons:
// people read a message, and the ledger holds the whole text.
const (
	fieldLimit = 2000
	maxReasons = 20
)

// encode is the body of a notification: the same bytes at every attempt.
func encode(n sallyport.Notification, source string) ([]byte, error) {
	reasons := make([]sallyport.Reason, 0, len(n.Reasons))
	for _, r := range n.Reasons[:min(len(n.Reasons), maxReasons)] {
		reasons = append(reasons, sallyport.Reason{Code: shown(r.Code), Message: shown(r.Message)})
	}
	return json.Marshal(event{
		SpecVersion: "1.0", ID: n.ID, Source: source, Type: typePrefix + string(n.Kind) + typeVersion,
		Subject: n.CallID, Time: n.At.UTC(), DataContentType: "application/json",
		Data: data{
			CallID: n.CallID, Agent: shown(n.Agent), Owner: shown(n.Owner), Tool: shown(n.Tool),
			Action: shown(n.Action), Resource: shown(n.Resource), Namespace: shown(n.Namespace), Name: shown(n.Name),
			Reasons: reasons,
			Ballot: ballot{
				Digest: n.Ballot, Groups: n.Terms.Groups, Quorum: n.Terms.Quorum, Evidence: n.Terms.Evidence, ExpiresAt: n.ExpiresAt.UTC(),
			},
			Link: n.Link, Resolution: n.Resolution, Approvers: n.Approvers, Rejecters: n.Rejecters, Code: shown(n.Code),
			Untrusted: untrusted{PlanSummary: shown(n.PlanSummary), StatedReason: shown(n.StatedReason)},
			Text:      text(n),
		},
	})
}

// shown is a text for a field: visible, and bounded.
func shown(s string) string { return sallyport.Shorten(sallyport.Visible(s), fieldLimit) }
