package instancetest_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/strict"
)

// doomed is an instance that is going to be killed, and who speaks to it.
type doomed struct {
	*instancetest.Instance

	t        *testing.T
	book     book
	bot, bob *client.Client
	subject  sallyport.Account // deploy-bot's
}

func start(t *testing.T, i *instancetest.Instance) *doomed {
	t.Helper()
	i.Restart(t)
	d := &doomed{Instance: i, t: t, book: openBook(t, i)}
	d.connect()
	return d
}

// connect gets clients of their own time: an identity's token may have ended.
func (d *doomed) connect() {
	d.t.Helper()
	d.bot, d.bob = d.Client(d.t, "deploy-bot"), d.Client(d.t, "bob")
	_, rest, _ := strings.Cut(d.Token(d.t, "deploy-bot"), ".")
	payload, _, _ := strings.Cut(rest, ".")
	b, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		d.t.Fatal(err)
	}
	var claims struct{ Iss, Sub string }
	if err := json.Unmarshal(b, &claims); err != nil {
		d.t.Fatal(err)
	}
	d.subject = sallyport.Account{Issuer: claims.Iss, Subject: claims.Sub}
}

// id is the id of deploy-bot's call with an Idempotency-Key.
func (d *doomed) id(key string) string {
	d.t.Helper()
	id, err := idOf(d.subject, key)
	if err != nil {
		d.t.Fatal(err)
	}
	return id
}

// idOf derives a call's id as the design says.
func idOf(agent sallyport.Account, key string) (string, error) {
	name, err := strict.Canonical([]string{agent.Issuer, agent.Subject, key})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(name)
	return sallyport.CallID([16]byte(sum[:16])), nil
}

// scale is a call that scales a target such as "staging/api". The target is
// the Idempotency-Key too.
func scale(target string, replicas int) client.Submission {
	environment, name, _ := strings.Cut(target, "/")
	return client.Submission{
		Tool: "gitops_scale_deployment", Key: target,
		Arguments: fmt.Appendf(nil, `{"environment": %q, "name": %q, "replicas": %d}`, environment, name, replicas),
	}
}

func read(target string) client.Submission {
	environment, name, _ := strings.Cut(target, "/")
	return client.Submission{
		Tool: "gitops_get_manifest", Key: target,
		Arguments: fmt.Appendf(nil, `{"environment": %q, "name": %q}`, environment, name),
	}
}

// submit makes a call and waits for its answer, not for its end.
func (d *doomed) submit(s client.Submission) string {
	d.t.Helper()
	call, err := d.bot.Submit(d.t.Context(), s)
	if err != nil {
		d.t.Fatal(err)
	}
	if call.ID != d.id(s.Key) {
		d.t.Fatalf("the call is %s, want %s", call.ID, d.id(s.Key))
	}
	return call.ID
}

// ballot waits until a call waits for approval.
func (d *doomed) ballot(id string) sallyport.Digest {
	d.t.Helper()
	var call client.Call
	instancetest.Await(d.t, "call "+id+" waits for approval", func() bool {
		var err error
		if call, err = d.bot.Get(d.t.Context(), id, 0); err != nil || call.State.Final() {
			d.t.Fatalf("call %s is %s: %v %+v", id, call.State, err, call.Error)
		}
		return call.State == sallyport.StateAwaitingApproval
	})
	return call.Ballot.Digest
}

func (d *doomed) approve(id string) {
	d.t.Helper()
	paper := sallyport.BallotPaper{Verdict: sallyport.Approve, Ballot: d.ballot(id)}
	if _, err := d.bob.Vote(d.t.Context(), id, paper); err != nil {
		d.t.Fatalf("bob's vote on call %s: %v", id, err)
	}
}

// ends waits for a call's end.
func (d *doomed) ends(id string, want ...sallyport.State) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 90*time.Second)
	defer cancel()
	var call client.Call
	var err error
	for err == nil && !call.State.Final() {
		call, err = d.bot.Get(ctx, id, 30*time.Second)
	}
	if err != nil || !slices.Contains(want, call.State) {
		d.t.Errorf("call %s is %s, want %v: %v %+v", id, call.State, want, err, call.Error)
	}
}

// repeat submits a call again and checks that it is the same one.
func (d *doomed) repeat(s client.Submission) {
	d.t.Helper()
	call, err := d.bot.Submit(d.t.Context(), s)
	id := call.ID
	if err != nil {
		id = problemCall(err)
	}
	if id != d.id(s.Key) {
		d.t.Errorf("repeated, the call is %q, want %s: %v", id, d.id(s.Key), err)
	}
}

// problemCall is the call that an answer is about.
func problemCall(err error) string {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return p.CallID
	}
	return ""
}
