package sallyport

import "slices"

// Link is what the order of entries depends on of one entry. It is made from the
// entry itself, or from its leaf in the log, in which people are pseudonyms.
type Link struct {
	CallID  string // of the call, or of the freeze
	Kind    EntryKind
	Version int      // of the leaf; 0 for an entry
	Planned bool     // a plan came with it
	Ballot  Digest   // of a ballot, a vote or a start
	Person  string   // of a vote
	Verdict Verdict  // of a vote
	People  []string // of a start, sorted
	State   State    // of an outcome
}

// rule says where in a call, or in a freeze, entries of a kind may come.
type rule struct {
	since int         // the version of leaves that has the kind first
	once  bool        // there is at most one
	bars  []EntryKind // it can't come after any of these
	needs EntryKind   // it can't come before this
}

// rule is the one table of what may follow what. It holds for entries that are to
// be recorded, for leaves in the database and in published tiles, and for proofs.
// What depends on more than kinds is in [Sequence.fits]. Nothing follows an erasure.
func (k EntryKind) rule() (r rule, known bool) {
	switch k {
	case EntryReceived, EntryFreeze: // they begin
		return rule{since: 1, once: true}, true
	case EntryIntent, EntryDrift, EntryStop:
		return rule{since: 1, bars: []EntryKind{EntryOutcome}, needs: EntryReceived}, true
	case EntryDecision:
		return rule{since: 1, bars: []EntryKind{EntryOutcome, EntryStart, EntryBallot}, needs: EntryReceived}, true
	case EntryPlan:
		return rule{since: 1, once: true, bars: []EntryKind{EntryOutcome, EntryStart, EntryBallot}, needs: EntryReceived}, true
	case EntryBallot:
		return rule{since: 1, bars: []EntryKind{EntryOutcome, EntryStart, EntryStop}, needs: EntryReceived}, true
	case EntryVote:
		return rule{since: 1, bars: []EntryKind{EntryOutcome, EntryStart}, needs: EntryBallot}, true
	case EntryRefusal: // also after the end
		return rule{since: 1, needs: EntryReceived}, true
	case EntryStart:
		return rule{since: 1, once: true, bars: []EntryKind{EntryOutcome, EntryStop}, needs: EntryReceived}, true
	case EntryPlaced:
		return rule{since: 1, bars: []EntryKind{EntryOutcome}, needs: EntryStart}, true
	case EntryOutcome:
		return rule{since: 1, once: true, needs: EntryReceived}, true
	case EntryErasure: // after the end alone
		return rule{since: 1, once: true, needs: EntryOutcome}, true
	case EntryLift:
		return rule{since: 1, once: true, needs: EntryFreeze}, true
	}
	return rule{}, false
}

// FollowsEnd reports whether entries of this kind may follow a call's outcome.
// Nothing follows the lift of a freeze.
func (k EntryKind) FollowsEnd() bool {
	r, known := k.rule()
	return known && !slices.Contains(r.bars, EntryOutcome) && (!r.once || r.needs == EntryOutcome)
}

// Sequence is what the entries of one call, or of one freeze, so far allow to come
// next. Its zero value allows a beginning.
type Sequence struct {
	had       []EntryKind // each kind once
	planned   bool
	ballot    Digest   // the latest
	voters    []string // on that ballot, sorted
	approvers []string // among them, sorted
	rejected  bool     // a person rejected it
	end       State
}

// Next is the sequence with one more entry. It refuses, with an error of kind
// [Conflict] or [Invalid], one that can't come next.
func (s Sequence) Next(l Link) (Sequence, error) {
	if err := s.admits(l); err != nil {
		return s, err
	}
	if !slices.Contains(s.had, l.Kind) {
		s.had = append(slices.Clip(s.had), l.Kind)
	}
	s.planned = s.planned || l.Planned
	switch l.Kind { //nolint:exhaustive // the others change nothing else
	case EntryBallot:
		s.ballot, s.voters, s.approvers = l.Ballot, nil, nil
	case EntryOutcome:
		s.end = l.State
	case EntryVote:
		s.count(l)
	}
	return s, nil
}

// count counts a vote, as [NewTally] does: a person's second one adds nothing.
func (s *Sequence) count(l Link) {
	at, found := slices.BinarySearch(s.voters, l.Person)
	if found {
		return
	}
	s.voters = slices.Insert(slices.Clone(s.voters), at, l.Person)
	if l.Verdict != Approve {
		s.rejected = true
		return
	}
	at, _ = slices.BinarySearch(s.approvers, l.Person)
	s.approvers = slices.Insert(slices.Clone(s.approvers), at, l.Person)
}

// Has reports whether there was an entry of a kind.
func (s Sequence) Has(k EntryKind) bool { return slices.Contains(s.had, k) }

func (s Sequence) admits(l Link) error {
	r, known := l.Kind.rule()
	begins := l.Kind == EntryReceived || l.Kind == EntryFreeze
	switch {
	case !known || l.Version > 0 && l.Version < r.since:
		return Errorf(Invalid, CodeBadEntry, "there is no kind %q of entry in this version", l.Kind)
	case s.Has(EntryErasure):
		return Errorf(Conflict, CodeErased, "the contents of call %s were erased", l.CallID)
	case len(s.had) > 0 && s.Has(EntryFreeze) != l.Kind.OfFreeze():
		return Errorf(Invalid, CodeBadEntry, "an entry of kind %s does not belong to %s", l.Kind, s.had[0])
	case len(s.had) == 0 && !begins:
		return missing(l, l.Kind.beginning())
	case r.once && s.Has(l.Kind), l.Kind == EntryPlan && s.planned:
		return repeated(l)
	}
	for _, bar := range r.bars {
		if s.Has(bar) {
			return s.barred(l, bar)
		}
	}
	if r.needs != "" && !s.Has(r.needs) {
		return missing(l, r.needs)
	}
	return s.fits(l)
}

// fits checks what depends on more than kinds.
func (s Sequence) fits(l Link) error {
	started := s.Has(EntryStart)
	switch {
	case l.Kind == EntryVote && l.Ballot != s.ballot:
		return Errorf(Conflict, CodeOtherBallot, "call %s does not wait for votes on ballot %s", l.CallID, l.Ballot)
	case s.rejected && (l.Kind == EntryBallot || l.Kind == EntryStart):
		return Errorf(Conflict, CodeRejected, "call %s was rejected", l.CallID)
	case l.Kind == EntryStart && !s.approved(l):
		return Errorf(Conflict, CodeNotApproved, "the recorded votes on call %s are not the ones that its start names", l.CallID)
	case l.Kind == EntryOutcome && !l.State.Final():
		return Errorf(Invalid, CodeBadEntry, "call %s can't end as %q", l.CallID, l.State)
	case l.Kind == EntryOutcome && l.State.Ran() && !started:
		return missing(l, EntryStart)
	case l.Kind == EntryOutcome && l.State.NeverRan() && started:
		return s.barred(l, EntryStart)
	}
	return nil
}

// approved reports whether a start names exactly the latest ballot and the people
// who approved it. Without a ballot it names none.
func (s Sequence) approved(l Link) bool {
	if !s.Has(EntryBallot) {
		return l.Ballot == "" && len(l.People) == 0
	}
	return l.Ballot == s.ballot && len(s.approvers) > 0 && slices.Equal(l.People, s.approvers)
}

// beginning is the kind of entry that begins what a kind belongs to.
func (k EntryKind) beginning() EntryKind {
	if k.OfFreeze() {
		return EntryFreeze
	}
	return EntryReceived
}

func missing(l Link, k EntryKind) error {
	switch k {
	case EntryFreeze:
		return Errorf(Conflict, CodeNotFrozen, "an entry of kind %s cannot come here: there is no freeze %s", l.Kind, l.CallID)
	case EntryBallot:
		return Errorf(Conflict, CodeOtherBallot, "call %s does not wait for votes on ballot %s", l.CallID, l.Ballot)
	case EntryStart:
		return Errorf(Conflict, CodeNotStarted, "call %s never started", l.CallID)
	case EntryOutcome:
		return Errorf(Conflict, CodeNotEnded, "call %s has not ended", l.CallID)
	default:
		return Errorf(Conflict, CodeNotReceived, "call %s was never received", l.CallID)
	}
}

func (s Sequence) barred(l Link, k EntryKind) error {
	switch k {
	case EntryStart:
		return Errorf(Conflict, CodeStarted, "call %s has started", l.CallID)
	case EntryBallot:
		return Errorf(Conflict, CodeAsked, "call %s has a ballot: its decision and its plan cannot change any more", l.CallID)
	case EntryStop:
		return Errorf(Conflict, CodeStopped, "call %s is being stopped and cannot start", l.CallID)
	default:
		return Errorf(Conflict, CodeEnded, "call %s has ended as %s", l.CallID, s.end)
	}
}

func repeated(l Link) error {
	if l.Kind == EntryLift {
		return Errorf(Conflict, CodeLifted, "freeze %s was lifted already", l.CallID)
	}
	return Errorf(Conflict, CodeRepeated, "call %s already has an entry of kind %s", l.CallID, l.Kind)
}

// Link is what the order of entries depends on of this one.
func (e Entry) Link() Link {
	l := Link{CallID: e.CallID, Kind: e.Kind, Planned: e.Plan != nil}
	switch e.Kind { //nolint:exhaustive // the order depends on nothing else of the others
	case EntryBallot:
		l.Ballot = e.Ballot.Digest()
	case EntryVote:
		l.Ballot, l.Person, l.Verdict = e.Vote.Ballot, e.Vote.Person, e.Vote.Verdict
	case EntryStart:
		l.Ballot, l.People = e.Start.Ballot, e.Start.People
	case EntryOutcome:
		l.State = e.Outcome.State
	}
	return l
}
