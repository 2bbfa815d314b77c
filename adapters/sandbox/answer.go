package sandbox

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools"
	"github.com/sallyport/sallyport/tools/wire"
)

// answer is what became of one executor: a response that can be acted on, or
// a failure. Broken says that the failure is not the tool's own word.
type answer struct {
	response wire.Response
	failure  *sallyport.Failure
	broken   bool
	stderr   string // for operators only
}

func failed(code, format string, args ...any) answer {
	return answer{failure: &sallyport.Failure{Code: code, Message: fmt.Sprintf(format, args...)}, broken: true}
}

func (a answer) describe() string {
	if a.failure != nil {
		return a.failure.Code + ": " + a.failure.Message + "; " + sallyport.Inline(a.stderr, 600)
	}
	return "it answered a result"
}

// read makes an answer of what an executor wrote.
func read(output []byte, mode wire.Mode) answer {
	r, err := wire.Read(output, mode)
	if err != nil {
		return failed(sallyport.CodeBadOutput, "%v", err)
	}
	return answer{response: r, failure: r.Error}
}

// plan is the answer to ModePlan. Nothing can have been done, so everything
// but a plan is an error; what a tool says itself will not change by asking
// again.
func (a answer) plan() (sallyport.Plan, error) {
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

// conclude makes an outcome of the answer to ModeRun. The commit is the only
// effect that there can be, and it is made here.
func (r *Runner) conclude(ctx context.Context, p sallyport.Permit, m tools.Manifest, files map[string][]byte, a answer) sallyport.Outcome {
	if a.failure != nil {
		return sallyport.Outcome{State: sallyport.Failed, Error: a.failure}
	}
	o := sallyport.Outcome{State: sallyport.Succeeded, Result: a.response.Result}
	patch := a.response.Patch
	if patch == nil {
		return o
	}
	before, given := files[patch.Path]
	switch {
	case m.Permissions.Git != tools.GitWrite || m.Risk.ReadOnly:
		return refusal(sallyport.CodeBadOutput, "the tool answered a patch, and its manifest does not let it write")
	case !given:
		return refusal(sallyport.CodeBadOutput, "the tool answered a patch of a file that it was not given")
	case ctx.Err() != nil:
		return refusal(sallyport.CodeCancelled, "the run was stopped before its commit")
	}
	reference, err := r.repository.Commit(ctx, p, patch.Path, before, patch.Content)
	if err != nil {
		return uncommitted(err)
	}
	o.Reference = reference
	return o
}

func refusal(code, message string) sallyport.Outcome {
	return sallyport.Outcome{State: sallyport.Failed, Error: &sallyport.Failure{Code: code, Message: message}}
}

// uncommitted tells the commits that were refused from those of which nobody
// knows.
func uncommitted(err error) sallyport.Outcome {
	e := sallyport.AsError(err)
	o := sallyport.Outcome{
		State: sallyport.Ambiguous,
		Error: &sallyport.Failure{Code: e.Code, Message: e.Message, Fields: e.Fields, Reasons: e.Reasons},
	}
	switch e.Kind {
	case sallyport.Invalid, sallyport.Denied, sallyport.NotFound, sallyport.Frozen, sallyport.Conflict:
		o.State = sallyport.Failed
	case sallyport.Unauthenticated, sallyport.Unavailable, sallyport.Internal:
	}
	if o.Error.Code == "" {
		o.Error.Code = sallyport.CodeCommitFailed
	}
	return o
}
