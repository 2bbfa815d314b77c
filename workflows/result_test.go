package workflows_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/workflowstest"
	"github.com/sallyport/sallyport/workflows"
)

// promising has tools whose results are not what their manifests promise.
type promising struct{ workflowstest.Catalogue }

func (promising) CheckResult(tool string, result json.RawMessage) error {
	if tool != "write" || !strings.Contains(string(result), "unpromised") {
		return nil
	}
	return sallyport.Errorf(sallyport.Invalid, sallyport.CodeResultWithheld, "it does not fit")
}

// A result that does not fit is in no answer and in no ledger. The call has had its
// effect all the same, once.
func TestResultWithheld(t *testing.T) {
	h := workflowstest.New(t, time.Now)
	h.Acts.Catalogue = promising{}
	h.Runner.RunFunc = func(_ context.Context, p sallyport.Permit) (sallyport.Outcome, error) {
		h.Runner.Act(p)
		out := sallyporttest.OutcomeOf(p, sallyport.StateSucceeded)
		out.Result = json.RawMessage(`{"unpromised":"text"}`)
		return out, nil
	}
	call, signed := h.Call("write")
	h.Policy.Set(sallyport.Decision{Effect: sallyport.Allow}, nil)
	env := h.Env(call)
	env.ExecuteWorkflow(workflows.ToolCall, signed)
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	h.WantEnd(call.ID, sallyport.StateSucceeded, sallyport.CodeResultWithheld)
	if rec := h.Read(call.ID); len(rec.Outcome.Result) > 0 || rec.Outcome.Reference == "" {
		t.Errorf("%+v", rec.Outcome)
	}
}
