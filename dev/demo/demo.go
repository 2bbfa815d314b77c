// Package demo walks through the main job on a running development instance:
// a read, a write, denials, an approval, forged approvals, a repeated call,
// and the verification of the ledger.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
)

// Options say what the demo walks through.
type Options struct {
	Instance client.Instance
	Out      io.Writer
	// Head tells the repository's newest commit and how many there are.
	Head func() (Commit, error)
	// Verify verifies the ledger and says in words what it found.
	Verify func(context.Context) (string, error)
}

// Commit is the newest commit of the demo's repository.
type Commit struct {
	Hash    string
	Message string
	Count   int // commits up to and including this one
}

// Tell walks through the story. It returns an error at the first step that is
// not as it should be.
func Tell(ctx context.Context, o Options) error {
	s := &story{Options: o, run: fmt.Sprintf("demo-%d", time.Now().UnixNano())}
	for _, who := range []struct {
		as *(*client.Client)
		id string
	}{{&s.bot, "deploy-bot"}, {&s.alice, "alice"}, {&s.bob, "bob"}} {
		token, err := o.Instance.IdentityToken(ctx, who.id, "sallyport")
		if err != nil {
			return err
		}
		if *who.as, err = client.New(o.Instance.API, token); err != nil {
			return err
		}
	}
	steps := []struct {
		title string
		step  func(context.Context) error
	}{
		{"deploy-bot reads a manifest of a Git repository", s.read},
		{"deploy-bot scales a deployment in staging to 5", s.scaleStaging},
		{"deploy-bot scales it to 50", s.scaleTooFar},
		{"deploy-bot reads a secret", s.readSecret},
		{"deploy-bot scales a deployment in production", s.askProduction},
		{"people vote who may not approve", s.forge},
		{"bob approves", s.approve},
		{"deploy-bot repeats itself with the same Idempotency-Key", s.repeat},
		{"an auditor verifies the ledger", s.verify},
	}
	for i, st := range steps {
		fmt.Fprintf(o.Out, "\n%d. %s\n", i+1, st.title)
		if err := st.step(ctx); err != nil {
			return fmt.Errorf("step %d, %q, is not as it should be: %w", i+1, st.title, err)
		}
	}
	fmt.Fprintf(o.Out, "\nAll %d steps are as they should be.\n", len(steps))
	return nil
}

// story is what the steps remember.
type story struct {
	Options
	run             string // makes keys of this demo its own
	bot, alice, bob *client.Client
	asked           client.Call // the call that waits for approval
	submission      client.Submission
}

func (s *story) say(format string, args ...any) {
	for line := range strings.Lines(sallyport.Visible(fmt.Sprintf(format, args...))) {
		fmt.Fprintf(s.Out, "   %s\n", strings.TrimRight(line, "\n"))
	}
}

func (s *story) submit(ctx context.Context, tool string, arguments any, reason string) (client.Call, error) {
	b, err := json.Marshal(arguments)
	if err != nil {
		return client.Call{}, err
	}
	call, err := s.bot.Submit(ctx, client.Submission{Tool: tool, Arguments: b, Reason: reason, Wait: 30 * time.Second})
	if err != nil {
		return call, err
	}
	return call, want(call, sallyport.StateSucceeded)
}

func want(call client.Call, state sallyport.State) error {
	if call.State == state {
		return nil
	}
	why := ""
	if call.Error != nil {
		why = ": " + call.Error.Message
	}
	return fmt.Errorf("call %s is %s and should be %s%s", call.ID, call.State, state, why)
}

type target struct {
	Environment string `json:"environment"`
	Name        string `json:"name"`
	Kind        string `json:"kind,omitempty"`
	Replicas    *int   `json:"replicas,omitempty"`
}

func (s *story) read(ctx context.Context) error {
	call, err := s.submit(ctx, "gitops_get_manifest", target{Environment: "staging", Name: "api"}, "")
	if err != nil {
		return err
	}
	n, err := replicas(call)
	if err != nil {
		return err
	}
	s.say("allowed: %s has %d replicas (call %s)", "staging/api", n, call.ID)
	if n != 5 {
		return nil
	}
	s.say("an earlier demo left it at 5: back to 3 first")
	_, err = s.submit(ctx, "gitops_scale_deployment", target{"staging", "api", "", new(3)}, "an earlier demo")
	return err
}

func (s *story) scaleStaging(ctx context.Context) error {
	before, err := s.Head()
	if err != nil {
		return err
	}
	call, err := s.submit(ctx, "gitops_scale_deployment", target{"staging", "api", "", new(5)}, "p95 latency above the objective")
	if err != nil {
		return err
	}
	return s.committed(call, before)
}

// committed checks that there is one commit more, and that it is the call's.
func (s *story) committed(call client.Call, before Commit) error {
	head, err := s.Head()
	if err != nil {
		return err
	}
	if head.Count != before.Count+1 || !strings.Contains(head.Message, call.ID) {
		return fmt.Errorf("%d commits became %d, the last of which is %q", before.Count, head.Count, head.Message)
	}
	s.say("allowed and done (call %s); the repository's new commit:", call.ID)
	s.say("  %s\n%s", head.Hash, indent(head.Message))
	return nil
}

func (s *story) scaleTooFar(ctx context.Context) error {
	_, err := s.submit(ctx, "gitops_scale_deployment", target{"staging", "api", "", new(50)}, "just in case")
	return s.denied(err, "replica_cap")
}

func (s *story) readSecret(ctx context.Context) error {
	_, err := s.submit(ctx, "gitops_get_manifest", target{Environment: "production", Name: "db", Kind: "secret"}, "")
	return s.denied(err, "secret")
}

// denied checks that a call was refused for a reason whose code has a part.
func (s *story) denied(err error, code string) error {
	p, ok := errors.AsType[*client.Problem](err)
	if !ok || p.Status != 403 || !slices.ContainsFunc(p.Reasons, func(r sallyport.Reason) bool { return strings.Contains(r.Code, code) }) {
		return fmt.Errorf("it should be denied by a rule about %s ; instead: %s", code, said(err))
	}
	for _, r := range p.Reasons {
		s.say("denied: %s (%s)", r.Message, r.Code)
	}
	return nil
}

func (s *story) askProduction(ctx context.Context) error {
	call, err := s.submit(ctx, "gitops_get_manifest", target{Environment: "production", Name: "api"}, "")
	if err != nil {
		return err
	}
	n, err := replicas(call)
	if err != nil {
		return err
	}
	next := 3
	if n < 8 {
		next = n + 1
	}
	b, err := json.Marshal(target{"production", "api", "", &next})
	if err != nil {
		return err
	}
	s.submission = client.Submission{
		Tool: "gitops_scale_deployment", Arguments: b, Reason: "p95 latency above the objective", Key: s.run, Wait: 30 * time.Second,
	}
	if s.asked, err = s.bot.Submit(ctx, s.submission); err != nil {
		return err
	}
	if err := want(s.asked, sallyport.StateAwaitingApproval); err != nil {
		return err
	}
	if s.asked.Plan == nil || s.asked.Ballot == nil {
		return errors.New("the call shows no plan and no ballot")
	}
	s.say("policy asks %d of %v: %s", s.asked.Ballot.Quorum, s.asked.Ballot.Groups, s.asked.Plan.Summary)
	s.say("%s", indent(s.asked.Plan.Diff))
	s.say("see it, and approve it, in the Temporal UI:\n  %s", s.asked.Links.Approve)
	return nil
}

func (s *story) forge(ctx context.Context) error {
	yes := sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: s.asked.Ballot.Digest}
	other := yes
	other.Ballot = sallyport.NewDigest("another ballot")
	for _, f := range []struct {
		who    string
		as     *client.Client
		paper  sallyport.BallotPaper
		status int
		code   string
	}{
		{"the agent itself", s.bot, yes, 403, "not_a_person"},
		{"alice, who answers for the agent,", s.alice, yes, 403, "own_agent"},
		{"bob, with a vote for another ballot,", s.bob, other, 422, "other_ballot"},
	} {
		_, err := f.as.Vote(ctx, s.asked.ID, f.paper)
		p, ok := errors.AsType[*client.Problem](err)
		if !ok || p.Status != f.status || p.Code != f.code {
			return fmt.Errorf("the vote of %s should be refused as %s; instead: %s", f.who, f.code, said(err))
		}
		s.say("%s is refused: %s (%s)", f.who, p.Detail, p.Code)
	}
	call, err := s.bot.Get(ctx, s.asked.ID, 0)
	if err != nil {
		return err
	}
	return want(call, sallyport.StateAwaitingApproval)
}

func (s *story) approve(ctx context.Context) error {
	before, err := s.Head()
	if err != nil {
		return err
	}
	if _, err = s.bob.Vote(ctx, s.asked.ID, sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: s.asked.Ballot.Digest, Reason: "load test"}); err != nil {
		return err
	}
	call, err := s.bot.Get(ctx, s.asked.ID, 30*time.Second)
	if err != nil {
		return err
	}
	if err := want(call, sallyport.StateSucceeded); err != nil {
		return err
	}
	return s.committed(call, before)
}

func (s *story) repeat(ctx context.Context) error {
	before, err := s.Head()
	if err != nil {
		return err
	}
	call, err := s.bot.Submit(ctx, s.submission)
	if err != nil {
		return err
	}
	after, err := s.Head()
	if err != nil {
		return err
	}
	if call.ID != s.asked.ID || before != after {
		return fmt.Errorf("it should be call %s again and is %s; %d commits became %d", s.asked.ID, call.ID, before.Count, after.Count)
	}
	s.say("it is the same call %s, and there is no second commit", call.ID)
	return nil
}

func (s *story) verify(ctx context.Context) error {
	found, err := s.Verify(ctx)
	s.say("%s", found)
	return err
}

// said is what the gateway answered, in words.
func said(err error) string {
	if err == nil {
		return "it was accepted"
	}
	return err.Error()
}

// replicas reads the number of replicas out of a manifest that was read.
func replicas(call client.Call) (int, error) {
	var content struct {
		Manifest string `json:"manifest"`
	}
	if call.Result == nil {
		return 0, errors.New("the call has no result")
	}
	if err := json.Unmarshal(call.Result.Content, &content); err != nil {
		return 0, fmt.Errorf("the result can't be read: %w", err)
	}
	for line := range strings.Lines(content.Manifest) {
		var n int
		if k, _ := fmt.Sscanf(strings.TrimSpace(line), "replicas: %d", &n); k == 1 {
			return n, nil
		}
	}
	return 0, errors.New("the manifest says nothing of replicas")
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
