package sallyport

// Start records that a run begins.
type Start struct {
	Intent   Digest   `json:"intent"`
	Plan     Digest   `json:"plan,omitempty"`
	Ballot   Digest   `json:"ballot,omitempty"`
	People   []string `json:"people,omitempty"` // the approvers
	Effect   Effect   `json:"effect"`
	Revision string   `json:"revision"` // of the policy that was evaluated
	Runner   string   `json:"runner"`
	Image    string   `json:"image,omitempty"` // by digest
	Place    string   `json:"place,omitempty"` // where it will run, if the runner knows
}

// Placement is where a run executes.
type Placement struct {
	Place string `json:"place"`           // such as a Job's namespace and name
	UID   string `json:"uid"`             // Kubernetes's, of the Job
	Image string `json:"image,omitempty"` // by digest
}

// Drift says that a call, its target or its terms changed since they were
// recorded or approved.
type Drift struct {
	Message string `json:"message"` // how it differs
}

// Stop is a request to end a call, whatever its state.
type Stop struct {
	By     string `json:"by"`               // the agent or the person
	Freeze string `json:"freeze,omitempty"` // id of the freeze that stops it
	Reason string `json:"reason,omitempty"`
}
