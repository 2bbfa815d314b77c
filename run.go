package sallyport

// Start says that a run is about to act.
type Start struct {
	Intent   Digest   `json:"intent"`
	Plan     Digest   `json:"plan,omitempty"`
	Ballot   Digest   `json:"ballot,omitempty"`
	People   []string `json:"people,omitempty"` // who approved
	Effect   Effect   `json:"effect"`
	Revision string   `json:"revision"` // of the policy that agreed
	Runner   string   `json:"runner"`
	Image    string   `json:"image,omitempty"` // what runs, by digest
	Place    string   `json:"place,omitempty"` // where it will run, as far as that is known before
}

// Placement is where a run found its place.
type Placement struct {
	Place string `json:"place"`           // such as a Job's namespace and name
	UID   string `json:"uid"`             // Kubernetes's, of the Job
	Image string `json:"image,omitempty"` // by digest
}

// Drift says that a call is not any more what was recorded or agreed to.
type Drift struct {
	Message string `json:"message"` // how it differs
}

// Stop is somebody's wish that a call end, wherever it is.
type Stop struct {
	By     string `json:"by"`               // the agent or the person
	Freeze string `json:"freeze,omitempty"` // id of the freeze that wants it
	Reason string `json:"reason,omitempty"`
}
