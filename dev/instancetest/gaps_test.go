package instancetest_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	temporalclient "go.temporal.io/sdk/client"

	adapter "github.com/sallyport/sallyport/adapters/temporal"
	"github.com/sallyport/sallyport/client"
	"github.com/sallyport/sallyport/dev/instancetest"
	"github.com/sallyport/sallyport/gateway"
	"github.com/sallyport/sallyport/workflows/wire"
)

// TestGaps asks for gaps while calls lose their workflows and an intruder
// starts workflows of its own.
func TestGaps(t *testing.T) {
	t.Parallel()
	s := newSplit(t)
	api := s.serve(t, "api") // without a worker
	bot := s.client(t, "deploy-bot")
	instancetest.Await(t, "the API is ready", func() bool { return bot.Ready(t.Context()) == nil })
	call, err := bot.Submit(t.Context(), client.Submission{
		Tool: "gitops_get_manifest", Arguments: json.RawMessage(`{"environment":"production","name":"api"}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.wantGaps(t, "1h", map[string]string{})
	s.wantGaps(t, "0s", map[string]string{call.ID: "no_end"})

	temporal := s.temporal.Dial(t, s.temporal.Anonymous())
	if err := temporal.TerminateWorkflow(t.Context(), "call-"+call.ID, "", "by hand"); err != nil {
		t.Fatal(err)
	}
	const unrecorded = "call-aaaaaaaaaaaaaaaaaaaaaaaaaa"
	const otherType = "call-aaaaaaaaaaaaaaaaaaaaaaaaab"
	for id, kind := range map[string]string{unrecorded: wire.ToolCallName, "mine": wire.ToolCallName, otherType: "Other"} {
		o := temporalclient.StartWorkflowOptions{ID: id, TaskQueue: "without-worker"}
		if _, err := temporal.ExecuteWorkflow(t.Context(), o, kind); err != nil {
			t.Fatal(err)
		}
	}
	instancetest.Await(t, "the server lists all four", func() bool {
		n := 0
		err := adapter.List(t.Context(), temporal, func(w adapter.Listed) error {
			if w.Running != (w.ID == "call-"+call.ID) {
				n++
			}
			return nil
		})
		return err == nil && n == 4
	})
	s.wantGaps(t, "0s", map[string]string{call.ID: "no_workflow", unrecorded[len("call-"):]: "no_leaves", "mine": "stray_workflow", otherType: "stray_workflow"})
	api.Stop(t)
}

// wantGaps checks the gaps that the program reports: ids and kinds.
func (s *split) wantGaps(t *testing.T, grace string, want map[string]string) {
	t.Helper()
	r := instancetest.Command(t, "sallyport-gateway", "ledger", "gaps", "--config", filepath.Join(s.dir, "worker.yaml"), "--grace", grace, "--json")
	var gaps []gateway.Gap
	if err := json.Unmarshal([]byte(r.Stdout), &gaps); err != nil {
		t.Fatalf("%v: %s%s", err, r.Stdout, r.Stderr)
	}
	got := map[string]string{}
	for _, g := range gaps {
		got[g.ID] = g.Kind
	}
	if d := cmp.Diff(want, got); d != "" || (r.Code == 0) != (len(want) == 0) {
		t.Errorf("exit code %d (-want +got)\n%s", r.Code, d)
	}
}
