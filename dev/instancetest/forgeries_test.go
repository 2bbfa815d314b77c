package instancetest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// codeOf names what a request was refused with.
func codeOf(err error) string {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return fmt.Sprintf("%s: %s", p.Code, p.Error())
	}
	if _, ok := errors.AsType[*serviceerror.PermissionDenied](err); ok {
		return "PermissionDenied: " + err.Error()
	}
	return fmt.Sprint(err)
}

// oneOf reports whether a text has one of some parts.
func oneOf(text, parts string) bool {
	for part := range strings.SplitSeq(parts, "|") {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

func (f *forger) refuses(t *testing.T, tt forgery) {
	t.Helper()
	before, votes := len(f.refusals(f.target)), len(f.votesOn(f.target))
	err := tt.try(f)
	if tt.says == "" && err != nil {
		t.Fatalf("%v: %s", err, tt.reason)
	}
	if tt.says != "" && (err == nil || !oneOf(codeOf(err), tt.says)) {
		t.Errorf("it was answered with %q, want %q: %s", codeOf(err), tt.says, tt.reason)
	}
	want := max(0, tt.leaves)
	if tt.leaves == 0 {
		want = 1
	}
	all := f.until(f.target, before+want)
	if got := len(all) - before; got != want {
		t.Fatalf("it left %d leaves, want %d: %s", got, want, tt.reason)
	}
	if tt.leaf != "" {
		said := ""
		for _, r := range all[before:] {
			said += fmt.Sprintf("%s: %s; ", r.Code, r.Message)
		}
		if !oneOf(said, tt.leaf) {
			t.Errorf("the leaf says %q, want %q: %s", said, tt.leaf, tt.reason)
		}
	}
	if got := len(f.votesOn(f.target)); got != votes {
		t.Errorf("%d votes count, and %d did before: %s", got, votes, tt.reason)
	}
}

// TestForgeries tries every forgery of the tables on a call that only bob has
// approved, on a whole instance with all its parts real.
func TestForgeries(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	for _, group := range [][]forgery{atTheAPI(), byIDToken(), atTemporal()} {
		for _, tt := range group {
			t.Run(tt.name, func(t *testing.T) { f.refuses(t, tt) })
		}
	}
	t.Run("Early", func(t *testing.T) { f.early(t) })

	// bob's own yes counts, and once.
	if err := f.signals(f.temporalToken("bob"), f.target, f.yes()); err != nil {
		t.Fatal(err)
	}
	instancetest.Await(t, "bob's vote counts", func() bool { return len(f.votesOn(f.target)) == 1 })
	f.alias(t, "bob", "robert")
	for _, tt := range oncePerPerson() {
		t.Run(tt.name, func(t *testing.T) { f.refuses(t, tt) })
	}
	t.Run("Reset", func(t *testing.T) { f.reset(t) })

	if got := len(commits(t, f.Instance)); got != 0 {
		t.Errorf("%d commits were made without the second approval", got)
	}
	f.approve2(f.target) // the control: two people are enough
	f.ends(f.target, sallyport.StateSucceeded)
	t.Run("Late", func(t *testing.T) {
		instancetest.Await(t, "the workflow closes, and takes no signals", func() bool {
			return f.signals(f.temporalToken("bob"), f.target, f.yes()) != nil
		})
		if err := f.posts(f.Token(t, "carol"), f.yes(), ""); !oneOf(codeOf(err), "not_waiting") {
			t.Errorf("a vote after the end: %v", err)
		}
	})
	f.approve2(f.twin)
	verify(t, f.Instance)
}

// approve2 lets both who may approve a call.
func (f *forger) approve2(id string) {
	f.t.Helper()
	ballot := f.doomed.ballot(id)
	for _, who := range []string{"bob", "carol"} {
		if _, err := f.Client(f.t, who).Vote(f.t.Context(), id, sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: ballot}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// alias gives a person a second account, while the gateway runs.
func (f *forger) alias(t *testing.T, person, subject string) {
	t.Helper()
	line := "        subject: " + person + "\n"
	replaceIn(t, f.Path("identities.yaml"), line, line+
		"      - issuer: \""+f.Info().IdentityProvider+"/people\"\n        subject: "+subject+"\n")
	other, err := client.New(f.Info().API, f.access(f.people, claims{"sub": subject}))
	if err != nil {
		t.Fatal(err)
	}
	instancetest.Await(t, subject+" is "+person, func() bool {
		_, err := other.Get(t.Context(), f.target, 0)
		return err == nil
	})
}

// early signals a call that does not wait yet: its ballot can't be written.
func (f *forger) early(t *testing.T) {
	g := newGate(f.book, f.Instance)
	s := scale("production/early", 5)
	id := f.id(s.Key)
	g.hold(id, 4)
	f.submit(s)
	g.reached(id, 4)
	if err := f.signals(f.temporalToken("bob"), id, f.yes()); err != nil {
		t.Fatal(err)
	}
	g.remove()
	f.doomed.ballot(id)
	if r := f.until(id, 1)[0]; r.Code != "other_ballot" && r.Code != "not_waiting" {
		t.Errorf("a vote before the wait was refused with %+v", r)
	}
	if n := len(f.votesOn(id)); n != 0 {
		t.Errorf("%d votes count that were sent before the wait", n)
	}
}

// reset lets an operator reset the target in the one way that is allowed. No
// vote survives it, and votes on the old ballot no longer count.
func (f *forger) reset(t *testing.T) {
	_, err := f.at(f.temporalToken("olga")).WorkflowService().ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: execution(f.target), Reason: "test", RequestId: "reset",
		WorkflowTaskFinishEventId: 4,
		ResetReapplyExcludeTypes: []enumspb.ResetReapplyExcludeType{
			enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL, enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	instancetest.Await(t, "the call asks anew", func() bool {
		call, err := f.bot.Get(t.Context(), f.target, 0)
		return err == nil && call.Ballot.Digest != f.ballot
	})
	if n := len(f.votesOn(f.target)); n != 0 {
		t.Errorf("%d votes were carried over", n)
	}
	f.refuses(t, forgery{
		name: "OldBallot", reason: "the ballot was closed by the reset", says: "names another ballot", leaf: "other_ballot",
		try: func(f *forger) error { return f.posts(f.Token(f.t, "carol"), f.yes(), "") },
	})
}
