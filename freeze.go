package sallyport

import "time"

// Freeze stops calls until it is lifted: no new ones start, those that wait
// end, and those that run are killed. It names an agent, a tool, a namespace or
// several of these, and stops what is of all of them; one that names none stops
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
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Stops reports whether a call of this agent, tool and namespace is stopped.
func (f Freeze) Stops(agent, tool, namespace string) bool {
	return fits(f.Agent, agent) && fits(f.Tool, tool) && fits(f.Namespace, namespace)
}

func fits(want, have string) bool { return want == "" || want == have }
