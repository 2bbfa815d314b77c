package instancetest_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/sallyporttest/program"
)

// TestFreeze stops an agent whose call waits for people, kills the gateway, and
// lifts the freeze when it is back.
func TestFreeze(t *testing.T) {
	t.Parallel()
	d := start(t, seeded(t, "production/api", "staging/api", "staging/worker"))
	waiting := d.submit(scale("production/api", 5))
	d.ballot(waiting)
	olga := d.Client(t, "olga")
	frozen, err := olga.Freeze(t.Context(), client.Freeze{Agent: "deploy-bot", Reason: "it loops"})
	if err != nil {
		t.Fatal(err)
	}
	d.ends(waiting, sallyport.StateCancelled)
	wantCode(t, d.bot, waiting, "frozen")
	wantFrozen(t, d.bot, scale("staging/api", 4))
	if _, err := d.Client(t, "triage-bot").Submit(t.Context(), read("staging/api")); err != nil {
		t.Errorf("another agent's call: %v", err)
	}

	d.Kill(t)
	d.Restart(t)
	d.connect()
	wantFrozen(t, d.bot, scale("staging/worker", 4))
	olga = d.Client(t, "olga")
	if held, err := olga.Freezes(t.Context()); err != nil || len(held) != 1 || held[0].Open != 0 {
		t.Errorf("what holds is %+v, %v", held, err)
	}
	if _, err := olga.Lift(t.Context(), frozen.ID); err != nil {
		t.Fatal(err)
	}
	again := scale("staging/api", 4)
	again.Key, again.Wait = "again", 30*time.Second
	call, err := d.bot.Submit(t.Context(), again)
	if err != nil || call.State != sallyport.StateSucceeded {
		t.Errorf("after it was lifted: %s, %v", call.State, err)
	}
	d.Interrupt(t)
	if r := verify(t, d.Instance); r.Freezes != 1 {
		t.Errorf("the ledger has %d freezes", r.Freezes)
	}
}

// TestFreezeByLogin freezes as operators do who have no token: by logging in.
func TestFreezeByLogin(t *testing.T) {
	t.Parallel()
	d := start(t, seeded(t, "staging/api"))
	for name, tt := range map[string]struct {
		who  string
		args []string
		want string
	}{
		"Approver":  {"bob", []string{"--agent", "deploy-bot"}, "operators may freeze"},
		"Misspelt":  {"olga", []string{"--agent", "deploy-bott"}, "--agent: the identity table has no agent deploy-bott: correct the name, or freeze it with --force"},
		"Namespace": {"olga", []string{"--namespace", "stagging"}, "--namespace: no configuration and no call names the namespace stagging"},
		"Tool":      {"olga", []string{"--tool", "gitops_scale"}, "--tool: the catalogue has no tool gitops_scale"},
	} {
		out, err := d.logsIn(append([]string{"freeze", "--reason", "it loops"}, tt.args...), []string{tt.who})
		if err == nil || !strings.Contains(out, tt.want) || strings.Contains(out, "/agent") {
			t.Errorf("%s: %v, %q; want %q", name, err, out, tt.want)
		}
	}
	reading := read("staging/api")
	reading.Wait = 30 * time.Second // its intent names the namespace
	if _, err := d.bot.Submit(t.Context(), reading); err != nil {
		t.Errorf("what was refused froze something: %v", err)
	}
	out, err := d.logsIn([]string{"freeze", "--agent", "deploy-bot", "--namespace", "Staging", "--reason", "it loops"}, []string{"olga"})
	if err != nil || !strings.Contains(out, "it matches agent deploy-bot, namespace staging") {
		t.Errorf("%v, %q", err, out)
	}
	next := scale("staging/api", 4)
	next.Key = "frozen"
	wantFrozen(t, d.bot, next)
	if out, err := d.logsIn([]string{"freeze", "list"}, []string{"audra"}); err != nil || !strings.Contains(out, "it loops") {
		t.Errorf("%v, %q", err, out)
	}
}

// timeToStop is how long a run may go on after the answer to a freeze, on a
// machine that does much else. It takes some milliseconds on a quiet one, and
// seconds where only a heartbeat tells.
const timeToStop = 2 * time.Second

// TestFreezeKillsRuns stops everything while a tool is at work that would never
// end.
func TestFreezeKillsRuns(t *testing.T) {
	t.Parallel()
	const executor = "github.com/sallyport/sallyport/dev/instancetest/testdata/stuckexec"
	dir, err := program.Build(t.Context(), os.Stderr, "", executor)
	if err != nil {
		t.Fatal(err)
	}
	i := instancetest.Start(t, instancetest.Options{Executor: filepath.Join(dir, filepath.Base(executor))})
	bot, olga := i.Client(t, "triage-bot"), i.Client(t, "olga")
	running := read("staging/api")
	running.Wait = 0
	call, err := bot.Submit(t.Context(), running)
	if err != nil {
		t.Fatal(err)
	}
	instancetest.Await(t, "the tool is at work", func() bool {
		call, err = bot.Get(t.Context(), call.ID, 0)
		return err != nil || call.State == sallyport.StateRunning
	})
	began := time.Now()
	if _, err := olga.Freeze(t.Context(), client.Freeze{Everything: true, Reason: "stop"}); err != nil {
		t.Fatal(err)
	}
	answered := time.Since(began)
	if call, err = bot.Get(t.Context(), call.ID, time.Minute); err != nil || call.State != sallyport.StateFailed {
		t.Fatalf("the call is %s, %v; a read that was killed has failed", call.State, err)
	}
	took := time.Since(began)
	t.Logf("no call can start after %s, and the run's end is recorded after %s", answered, took)
	if took > timeToStop {
		t.Errorf("it took %s", took)
	}
	wantFrozen(t, bot, read("staging/worker"))
}

// wantFrozen makes a call that must be denied by a freeze.
func wantFrozen(t *testing.T, c *client.Client, s client.Submission) {
	t.Helper()
	s.Wait = 30 * time.Second
	_, err := c.Submit(t.Context(), s)
	p, ok := errors.AsType[*client.Problem](err)
	if !ok || p.Status != 403 || p.Code != "frozen" || p.Type != "urn:sallyport:problem:frozen" || p.CallID == "" {
		t.Errorf("a call that is frozen: %v", err)
	}
}

// wantCode checks that a call has ended with a code.
func wantCode(t *testing.T, c *client.Client, id, code string) {
	t.Helper()
	call, err := c.Get(t.Context(), id, 0)
	if err != nil || call.Error == nil || call.Error.Code != code {
		t.Errorf("call %s ended as %s %+v, %v; want %s", id, call.State, call.Error, err, code)
	}
}
