package instancetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
)

// TestOlderLedger restores the ledger from a backup that is older than Temporal
// and the repository: one call has run since, and one waits for approval. Neither
// runs again, both are found, and the log shows readers that it was set back.
func TestOlderLedger(t *testing.T) {
	t.Parallel()
	s := newSplit(t)
	s.write(t, "worker.yaml", s.read(t, "worker.yaml")+"sweep: {every: 1s, grace: 1s}\n")
	stop := s.both(t)
	s.runs(t, read("production/api"))
	stop()
	backup := s.read(t, "ledger.db")

	stop = s.both(t)
	scaled, waiting := scale("production/api", 5), scale("production/api", 7)
	scaled.Key, waiting.Key = "scaled", "waiting"
	ran := s.runs(t, scaled)
	waits := s.awaits(t, waiting)
	stop()
	tiles, key := filepath.Join(s.dir, "tiles"), filepath.Join(s.dir, "ledger.pub")
	ledger := filepath.Join(s.dir, "ledger.db")
	publish := func() instancetest.Result {
		return instancetest.Command(t, "sallyport-gateway", "ledger", "publish", tiles, "--ledger", ledger, "--key", key)
	}
	if r := publish(); r.Code != 0 {
		t.Fatalf("publish the log: %s%s", r.Stdout, r.Stderr)
	}

	s.write(t, "ledger.db", backup)
	stop = s.both(t)
	defer stop()
	if r := instancetest.Command(t, "sallyport-gateway", "ledger", "verify", "--ledger", ledger, "--key", key); r.Code != 0 {
		t.Errorf("the restored ledger does not verify: %s%s", r.Stdout, r.Stderr)
	}
	if r := publish(); r.Code == 0 || !strings.Contains(r.Stderr, "leaves") {
		t.Errorf("a log that was set back is published over a longer one: %d %s%s", r.Code, r.Stdout, r.Stderr)
	}
	s.wantGaps(t, "1h", map[string]string{ran: "no_leaves", waits: "no_leaves"})
	if _, err := s.client(t, "bob").Get(t.Context(), waits, 0); err == nil {
		t.Error("a call that the ledger lost is shown to its approver")
	}

	// The agent repeats the call that has run: the ledger takes it for a new one,
	// and Temporal for an old one.
	bot := s.client(t, "deploy-bot")
	_, _ = bot.Submit(t.Context(), scaled) // it may end while it is waited for
	var call client.Call
	instancetest.Await(t, "the repeated call ends", func() bool {
		var err error
		call, err = bot.Get(t.Context(), ran, time.Second)
		return err == nil && call.State.Final()
	})
	if call.State != sallyport.StateCancelled || call.Error.Code != sallyport.CodeWorkflowLost ||
		!strings.Contains(call.Error.Message, "the ledger shows no run") { // it must not say that there was none
		t.Errorf("the repeated call is %s: %+v", call.State, call.Error)
	}
	if n := commitsIn(t, filepath.Join(s.dir, "manifests.git"))[ran]; n != 1 {
		t.Errorf("the repeated call has %d commits, want the one from before", n)
	}
}

// both starts API server and worker, and returns a function that stops them.
func (s *split) both(t *testing.T) func() {
	t.Helper()
	worker, api := s.serve(t, "worker"), s.serve(t, "api")
	bot := s.client(t, "deploy-bot")
	instancetest.Await(t, "the API server is ready", func() bool { return bot.Ready(t.Context()) == nil })
	return func() { api.Stop(t); worker.Stop(t) }
}

// runs makes a call, approves it where it waits, and returns its id when it has
// succeeded.
func (s *split) runs(t *testing.T, c client.Submission) string {
	t.Helper()
	bot, bob := s.client(t, "deploy-bot"), s.client(t, "bob")
	call, err := bot.Submit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	id := call.ID
	instancetest.Await(t, "the call ends", func() bool {
		vote(t.Context(), bob, id)
		call, err = bot.Get(t.Context(), id, time.Second)
		return err == nil && call.State.Final()
	})
	if call.State != sallyport.StateSucceeded {
		t.Fatalf("the call ends as %s: %+v", call.State, call.Error)
	}
	return id
}

// awaits makes a call, and returns its id when it waits for approval.
func (s *split) awaits(t *testing.T, c client.Submission) string {
	t.Helper()
	bot := s.client(t, "deploy-bot")
	call, err := bot.Submit(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	instancetest.Await(t, "the call waits for approval", func() bool {
		call, err = bot.Get(t.Context(), call.ID, 0)
		return err == nil && call.State == sallyport.StateAwaitingApproval
	})
	return call.ID
}

func (s *split) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
