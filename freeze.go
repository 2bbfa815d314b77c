package sallyport

import (
	"fmt"
	"strings"
	"time"
)

// Freeze is the kill switch. It stops calls until it is lifted: no new ones
// start, those that wait end, and those that run are killed. It names an agent, a tool, a namespace or
// several of these, and stops calls that match all of them; one that names none stops
// everything.
type Freeze struct {
	ID        string    `json:"id"` // as of a call
	Agent     string    `json:"agent,omitempty"`
	Tool      string    `json:"tool,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Reason    string    `json:"reason"`
	By        string    `json:"by"` // the operator
	At        time.Time `json:"at"`
}

// Lift ends a freeze.
type Lift struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Stops reports whether a call of this agent, tool and namespace is stopped.
// Before a call is made precise, its namespace is "". Upper and lower case of a
// namespace are one: a freeze of Production stops production.
func (f Freeze) Stops(agent, tool, namespace string) bool {
	return fits(f.Agent, agent) && fits(f.Tool, tool) && (f.Namespace == "" || strings.EqualFold(f.Namespace, namespace))
}

// Same reports whether two freezes stop the same for the same reason, by the
// same operator.
func (f Freeze) Same(other Freeze) bool {
	return f.Agent == other.Agent && f.Tool == other.Tool && strings.EqualFold(f.Namespace, other.Namespace) &&
		f.Reason == other.Reason && f.By == other.By
}

func fits(want, have string) bool { return want == "" || want == have }

// Scope names what is stopped.
func (f Freeze) Scope() string {
	var of []string
	for _, s := range []struct{ what, which string }{{"agent", f.Agent}, {"tool", f.Tool}, {"namespace", f.Namespace}} {
		if s.which != "" {
			of = append(of, s.what+" "+s.which)
		}
	}
	if len(of) == 0 {
		return "everything"
	}
	return strings.Join(of, ", ")
}

// Denial is the error of a call that the freeze stops.
func (f Freeze) Denial() *Error {
	return Errorf(Frozen, CodeFrozen, "%s", f.message())
}

func (f Freeze) message() string {
	return fmt.Sprintf("%s is frozen since %s: %s (freeze %s)", f.Scope(), f.At.Format(time.RFC3339), f.Reason, f.ID)
}

// Decision denies a call that the freeze stops.
func (f Freeze) Decision() Decision {
	return Decision{Effect: Deny, Reasons: []Reason{{Code: CodeFrozen, Message: f.message()}}}
}

// Limits are an agent's hard limits: policy cannot raise them. Zero is no limit.
type Limits struct {
	CallsPerMinute int   // received per minute
	Running        int   // open calls that do not wait for approval
	Waiting        int   // open calls that wait for approval, when one more is received
	BytesPerDay    int64 // of calls as they are recorded, received in this hour and the 23 before it
}
