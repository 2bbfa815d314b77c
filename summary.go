package sallyport

// Summary is a record without what can be large: the signed call, arguments and
// the agent's own words, the plan but its first line, the result, votes' evidence,
// and refusals. Lists show it, and what can come next follows from it as from the
// record. Digests stand for the intent and the plan.
type Summary struct {
	Record

	IntentDigest Digest `json:"intent_digest,omitempty"`
	PlanDigest   Digest `json:"plan_digest,omitempty"`
}

// Summary is the record's.
func (r Record) Summary() Summary {
	s := Summary{Record: r.short()}
	if r.Intent != nil {
		s.IntentDigest = r.Intent.Digest()
	}
	if r.Plan != nil {
		s.PlanDigest = r.Plan.Digest()
	}
	return s
}

// Apply adds the call's next entry, as [Record.Apply] does: the result is the
// summary of the record with that entry.
func (s Summary) Apply(e Entry) (Summary, error) {
	next, err := s.Record.Apply(e)
	if err != nil {
		return s, err
	}
	s.Record = next.short()
	if e.Intent != nil {
		s.IntentDigest = e.Intent.Digest()
	}
	if e.Plan != nil {
		s.PlanDigest = e.Plan.Digest()
	}
	return s, nil
}

// WaitsFor reports whether the call waits for a person's vote: one of the ballot's
// groups has the person, and the person does not own the call's agent.
func (s Summary) WaitsFor(p Person) bool {
	return s.State == StateAwaitingApproval && s.Ballot != nil && Overlap(s.Ballot.Terms.Groups, p.Groups) && !s.OwnedBy(p)
}

// OwnedBy reports whether a person owns the call's agent. The intent names the
// owner: a call without an intent has none.
func (s Summary) OwnedBy(p Person) bool {
	return s.Intent != nil && s.Intent.Agent.Owner == p.ID
}

// short leaves out what a summary has not.
func (r Record) short() Record {
	r.Signed, r.Refusals = "", nil
	r.Call.Arguments, r.Call.Stated, r.Call.Redact, r.Call.Seal = nil, Stated{}, nil, nil
	if r.Intent != nil {
		i := *r.Intent
		i.Arguments, i.Stated, i.Redact, i.Seal = nil, Stated{}, Redaction{}, nil
		r.Intent = &i
	}
	if r.Plan != nil {
		r.Plan = &Plan{Summary: r.Plan.Summary}
	}
	if r.Outcome != nil {
		o := *r.Outcome
		o.Result = nil
		r.Outcome = &o
	}
	var votes []Vote
	for _, v := range r.Votes {
		v.Evidence, v.Key = Evidence{Class: v.Evidence.Class}, nil
		votes = append(votes, v)
	}
	r.Votes = votes
	return r
}
