package workflows_test

import (
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	sdklog "go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/sallyport/sallyport/workflows"
	"github.com/sallyport/sallyport/workflows/wire"
)

// TestReplay replays the histories of every path, as workflows that wait for
// approval are replayed by a new version of the program. A change that fails
// here needs workflow.GetVersion; `make record-history` records new paths.
func TestReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"allowed", "planned", "failed", "ambiguous", "invalid", "denied", "approved_by_vote", "approved_by_signal",
		"approved_without_plan", "drifted", "rejected", "expired", "cancelled",
	} {
		if !slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, "/"+path+".json") }) {
			t.Errorf("there is no history of the path %s", path)
		}
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			r := sdkworker.NewWorkflowReplayer()
			r.RegisterWorkflowWithOptions(workflows.ToolCall, workflow.RegisterOptions{Name: wire.ToolCallName})
			if err := r.ReplayWorkflowHistoryFromJSONFile(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), file); err != nil {
				t.Error(err)
			}
		})
	}
}
