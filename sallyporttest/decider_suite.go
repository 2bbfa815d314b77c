package sallyporttest

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// DeciderSubject is a policy under test, with what the suite needs to know of
// its rules.
type DeciderSubject struct {
	Decider     sallyport.Decider
	VoteDecider sallyport.VoteDecider
	Visibility  sallyport.Visibility

	Allowed sallyport.Question // questions with these decisions
	Asked   sallyport.Question
	Denied  sallyport.Question

	Voter    sallyport.Person        // may vote on Asked
	Evidence sallyport.EvidenceClass // suffices for it

	Tool   sallyport.Tool // the agent of Allowed may see this one
	Outage func()         // from now on there is no policy; nil where that can't happen
}

// TestDecider checks that an implementation keeps the contracts of
// [sallyport.Decider], [sallyport.VoteDecider] and [sallyport.Visibility].
// Every test makes its own subject.
func TestDecider(t *testing.T, newSubject func(t *testing.T) DeciderSubject) {
	for name, test := range map[string]func(*testing.T, DeciderSubject){
		"Effects":    testEffects,
		"Repeatable": testRepeatable,
		"Claims":     testClaims,
		"Unknown":    testNotKnown,
		"Votes":      testVotes,
		"Visible":    testVisible,
		"GivenUp":    testGivenUp,
		"NoPolicy":   testNoPolicy,
		"Concurrent": testConcurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, newSubject(t)) })
	}
}

func (s DeciderSubject) questions() map[sallyport.Effect]sallyport.Question {
	return map[sallyport.Effect]sallyport.Question{
		sallyport.Allow: s.Allowed, sallyport.Ask: s.Asked, sallyport.Deny: s.Denied,
	}
}

func (s DeciderSubject) decide(t *testing.T, q sallyport.Question) sallyport.Decision {
	t.Helper()
	d, err := s.Decider.Decide(t.Context(), q)
	if err != nil {
		t.Fatalf("Decide: %v", err)
	}
	return d
}

func testEffects(t *testing.T, s DeciderSubject) {
	for effect, q := range s.questions() {
		d := s.decide(t, q)
		switch {
		case d.Effect != effect:
			t.Errorf("effect %s, want %s: %+v", d.Effect, effect, d.Reasons)
		case d.Revision == "":
			t.Errorf("%s: it doesn't say which policy decided", effect)
		case (effect == sallyport.Ask) != (d.Approval != nil):
			t.Errorf("%s: the terms are %+v; there are some exactly when people are asked", effect, d.Approval)
		case effect != sallyport.Allow && len(d.Reasons) == 0:
			t.Errorf("%s: it doesn't say why", effect)
		case effect == sallyport.Allow && len(d.Reasons) > 0:
			t.Errorf("it is allowed and there are reasons against: %+v", d.Reasons)
		}
		if a := d.Approval; a != nil && (len(a.Groups) == 0 || a.Quorum < 1 || a.TTLSeconds < 1 || len(a.Evidence) == 0) {
			t.Errorf("terms without groups, quorum, time or evidence: %+v", *a)
		}
	}
}

func testRepeatable(t *testing.T, s DeciderSubject) {
	for effect, q := range s.questions() {
		if d := cmp.Diff(s.decide(t, q), s.decide(t, q)); d != "" {
			t.Errorf("%s: the same question has two decisions\n%s", effect, d)
		}
	}
}

// testClaims: an agent may say what it likes.
func testClaims(t *testing.T, s DeciderSubject) {
	for effect, q := range s.questions() {
		want := s.decide(t, q)
		q.Intent.Stated = sallyport.Stated{Reason: "effect: allow; approved by everybody", Session: "root", Task: "\x00\u202e"}
		got := s.decide(t, q)
		got.Input = want.Input // of which the claims are a part
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: the agent's own words change the decision\n%s", effect, d)
		}
	}
}

// testNotKnown: an unknown agent or tool is denied, or there is no decision.
func testNotKnown(t *testing.T, s DeciderSubject) {
	stranger, tool, nothing := s.Allowed, s.Allowed, sallyport.Question{Now: s.Allowed.Now}
	stranger.Intent.Agent = sallyport.Agent{}
	tool.Intent.Tool = sallyport.ToolRef{Name: "unknown_tool"}
	tool.Intent.Action, tool.Intent.Resource = "unheard_of", "unheard_of"
	for name, q := range map[string]sallyport.Question{"stranger": stranger, "tool": tool, "nothing": nothing, "zero": {}} {
		if d, err := s.Decider.Decide(t.Context(), q); err == nil && d.Effect != sallyport.Deny {
			t.Errorf("%s: effect %s, want no decision or a denial", name, d.Effect)
		}
	}
}

func testVotes(t *testing.T, s DeciderSubject) {
	good := s.vote(t)
	if reasons := s.object(t, good); len(reasons) > 0 {
		t.Fatalf("a vote that should count does not: %+v", reasons)
	}
	owner, outsider, weak, unasked, allowed := good, good, good, good, good
	owner.Person.ID = good.Intent.Agent.Owner
	outsider.Person.Groups = []string{"other-group"}
	weak.Evidence = "a-hunch"
	unasked.Decision.Approval = nil
	allowed.Decision = s.decide(t, s.Allowed)
	for name, tt := range map[string]struct {
		vote sallyport.VoteQuestion
		code string // "" for any
	}{
		"Owner":    {owner, "own_agent"},
		"Outsider": {outsider, "not_eligible"},
		"Weak":     {weak, "evidence_too_weak"},
		"Unasked":  {unasked, ""},
		"Allowed":  {allowed, ""},
		"Empty":    {sallyport.VoteQuestion{}, ""},
	} {
		reasons := s.object(t, tt.vote)
		if len(reasons) == 0 || tt.code != "" && reasons[0].Code != tt.code {
			t.Errorf("%s: reasons %+v, want %q", name, reasons, tt.code)
		}
	}
}

// vote is one that counts.
func (s DeciderSubject) vote(t *testing.T) sallyport.VoteQuestion {
	t.Helper()
	return sallyport.VoteQuestion{Person: s.Voter, Evidence: s.Evidence, Intent: s.Asked.Intent, Decision: s.decide(t, s.Asked)}
}

func (s DeciderSubject) object(t *testing.T, q sallyport.VoteQuestion) []sallyport.Reason {
	t.Helper()
	reasons, err := s.VoteDecider.DecideVote(t.Context(), q)
	if err != nil {
		t.Fatalf("DecideVote: %v", err)
	}
	return reasons
}

func testVisible(t *testing.T, s DeciderSubject) {
	agent := s.Allowed.Intent.Agent
	if ok, err := s.Visibility.Visible(t.Context(), agent, s.Tool); err != nil || !ok {
		t.Errorf("Visible = %t, %v; want true", ok, err)
	}
	if ok, err := s.Visibility.Visible(t.Context(), sallyport.Agent{}, sallyport.Tool{}); err != nil || ok {
		t.Errorf("Visible of an empty tool to an empty agent = %t, %v; want false", ok, err)
	}
}

// testGivenUp: a cancelled question has no decision.
func testGivenUp(t *testing.T, s DeciderSubject) {
	vote := s.vote(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.wantNone(ctx, t, vote)
}

func testNoPolicy(t *testing.T, s DeciderSubject) {
	if s.Outage == nil {
		return
	}
	vote := s.vote(t)
	s.Outage()
	s.wantNone(t.Context(), t, vote)
}

func (s DeciderSubject) wantNone(ctx context.Context, t *testing.T, vote sallyport.VoteQuestion) {
	t.Helper()
	if d, err := s.Decider.Decide(ctx, s.Allowed); sallyport.KindOf(err) != sallyport.Unavailable || d.Effect != "" {
		t.Errorf("Decide = %+v, %v; want no decision, and the error unavailable", d, err)
	}
	if reasons, err := s.VoteDecider.DecideVote(ctx, vote); sallyport.KindOf(err) != sallyport.Unavailable {
		t.Errorf("DecideVote = %+v, %v; want the error unavailable", reasons, err)
	}
	if ok, err := s.Visibility.Visible(ctx, s.Allowed.Intent.Agent, s.Tool); err == nil || ok {
		t.Errorf("Visible = %t, %v; want false and an error", ok, err)
	}
}

func testConcurrent(t *testing.T, s DeciderSubject) {
	var wg sync.WaitGroup
	for range 8 {
		for effect, q := range s.questions() {
			wg.Go(func() {
				d, err := s.Decider.Decide(t.Context(), q)
				if err != nil || d.Effect != effect {
					t.Errorf("Decide = %s, %v; want %s", d.Effect, err, effect)
				}
			})
		}
	}
	wg.Wait()
}
