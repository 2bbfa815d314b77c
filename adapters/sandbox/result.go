package sandbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// jobResult is how one job ended: with the executor's response, or with a
// failure.
type jobResult struct {
	response wire.Response
	failure  *sallyport.Failure
	broken   bool   // the failure was found by the runner, not reported by the tool
	stderr   string // for operators only
}

func failed(code, format string, args ...any) jobResult {
	return jobResult{failure: &sallyport.Failure{Code: code, Message: fmt.Sprintf(format, args...)}, broken: true}
}

func (a jobResult) describe() string {
	if a.failure != nil {
		return a.failure.Code + ": " + a.failure.Message + "; " + sallyport.Inline(a.stderr, 600)
	}
	return "it returned a result"
}

// read parses an executor's response.
func read(output []byte, mode wire.Mode) jobResult {
	r, err := wire.Read(output, mode)
	if err != nil {
		return failed(sallyport.CodeBadOutput, "%v", err)
	}
	return jobResult{response: r, failure: r.Error}
}

// plan returns the result of ModePlan. Planning changes nothing, so everything
// but a plan is an error. An error that the tool reports is permanent.
func (a jobResult) plan() (sallyport.Plan, error) {
	if a.failure == nil {
		return *a.response.Plan, nil
	}
	kind := sallyport.Invalid
	switch {
	case !a.broken:
	case slices.Contains([]string{sallyport.CodeTimeout, sallyport.CodeKilled, sallyport.CodeCancelled}, a.failure.Code):
		kind = sallyport.Unavailable
	default:
		kind = sallyport.Internal
	}
	err := sallyport.Errorf(kind, a.failure.Code, "%s", a.failure.Message)
	err.Fields, err.Reasons = a.failure.Fields, a.failure.Reasons
	return sallyport.Plan{}, err
}

// outcome makes an outcome of the result of ModeRun. It commits the tool's patch:
// a run has no other effect.
func (r *Runner) outcome(ctx context.Context, p sallyport.Permit, m tools.Manifest, files map[string][]byte, a jobResult) sallyport.Outcome {
	if a.failure != nil {
		return sallyport.Outcome{State: sallyport.StateFailed, Error: a.failure}
	}
	o := sallyport.Outcome{State: sallyport.StateSucceeded, Result: a.response.Result}
	patch := a.response.Patch
	if patch == nil {
		return o
	}
	before, given := files[patch.Path]
	switch {
	case m.Permissions.Git != tools.GitWrite || m.Risk.ReadOnly:
		return failedRun(sallyport.CodeBadOutput, "the tool returned a patch, and its manifest does not permit it to write (permissions.git)")
	case !given:
		return failedRun(sallyport.CodeBadOutput, "the tool returned a patch of a file that was not in its request")
	case ctx.Err() != nil:
		return failedRun(sallyport.CodeCancelled, "the run was stopped before its commit")
	}
	reference, err := r.repository.Commit(ctx, p, patch.Path, before, patch.Content)
	if err != nil {
		return uncommitted(err)
	}
	o.Reference = reference
	return o
}

func failedRun(code, message string) sallyport.Outcome {
	return sallyport.Outcome{State: sallyport.StateFailed, Error: &sallyport.Failure{Code: code, Message: message}}
}

// uncommitted makes an outcome of a commit's error: failed if the repository
// refused the commit, ambiguous if it may have been written.
func uncommitted(err error) sallyport.Outcome {
	e := sallyport.AsError(err)
	o := sallyport.Outcome{
		State: sallyport.StateAmbiguous,
		Error: &sallyport.Failure{Code: e.Code, Message: e.Message, Fields: e.Fields, Reasons: e.Reasons},
	}
	switch e.Kind {
	case sallyport.Invalid, sallyport.Denied, sallyport.NotFound, sallyport.Frozen, sallyport.Conflict:
		o.State = sallyport.StateFailed
	case sallyport.Unauthenticated, sallyport.Unavailable, sallyport.Internal:
	}
	if o.Error.Code == "" {
		o.Error.Code = sallyport.CodeCommitFailed
	}
	return o
}
