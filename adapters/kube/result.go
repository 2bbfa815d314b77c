package kube

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
	"github.com/sallyport/sallyport/tools/wire"
)

// jobResult is how one Job ended: with the executor's response, or with a
// failure.
type jobResult struct {
	response wire.Response
	failure  *sallyport.Failure
	began    bool      // the process may have run
	broken   bool      // the failure was found by the worker, not reported by the tool
	detail   string    // for operators only
	at       time.Time // when the process ended, where that was seen
}

func failed(code, format string, args ...any) jobResult {
	return jobResult{failure: &sallyport.Failure{Code: code, Message: fmt.Sprintf(format, args...)}, began: true, broken: true}
}

// uncertain reports whether another pod of the call may have begun it: a pod
// that could not start may start later, and an executor that finds the Lease
// held cannot tell whether another pod or a worker holds it.
func (a jobResult) uncertain() bool {
	return a.failure != nil && (a.broken || a.failure.Code == sallyport.CodeNotBegun)
}

// imageResult makes a result of the output of a tool's own image, which does
// not follow the executor's contract. Secrets are left out before the output is
// cut: what is left of one is not found any more.
func imageResult(out []byte, exit int32, secrets sallyport.Secrets) jobResult {
	text := string(out)
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if exit != 0 {
		// Above 128 a signal ended the process: the code is not the tool's own.
		return jobResult{began: true, broken: exit > 128, failure: &sallyport.Failure{Code: sallyport.CodeExitCode, Message: fmt.Sprintf("the tool ended with exit code %d: %s", exit, said(sallyport.Tail(secrets.Scrub(text), 300)))}}
	}
	result, err := strict.Canonical(map[string]string{"output": text})
	if err != nil {
		return failed(sallyport.CodeBadOutput, "the tool's output cannot be written as JSON: %v", err)
	}
	return jobResult{began: true, response: wire.Response{Result: result}}
}

// plan returns the result of ModePlan. Planning changes nothing, so everything
// but a plan is an error. An error that the tool reports, or that Kubernetes
// gives for this pod, is permanent; a timeout or a lost node is not.
func (a jobResult) plan() (sallyport.Plan, error) {
	if a.failure == nil {
		return *a.response.Plan, nil
	}
	kind := sallyport.Invalid
	if a.broken {
		kind = sallyport.Internal
		if slices.Contains([]string{sallyport.CodeTimeout, sallyport.CodeCancelled, sallyport.CodeUnschedulable, sallyport.CodeNodeLost, sallyport.CodePodLost, sallyport.CodeEvicted, sallyport.CodeImageUnavailable}, a.failure.Code) {
			kind = sallyport.Unavailable
		}
	}
	err := sallyport.Errorf(kind, a.failure.Code, "%s", a.failure.Message)
	err.Fields, err.Reasons = a.failure.Fields, a.failure.Reasons
	return sallyport.Plan{}, err
}

// outcome makes an outcome of the result of ModeRun.
func (r *Runner) outcome(ctx context.Context, t task, a jobResult) sallyport.Outcome {
	switch {
	case a.failure == nil:
		return sallyport.Outcome{State: sallyport.StateSucceeded, Result: a.response.Result, Reference: a.response.Reference}
	case a.detail != "":
		r.o.Logger.WarnContext(ctx, "the executor of a call crashed", slog.String("call_id", t.intent.CallID), slog.String("code", a.failure.Code))
		r.o.Logger.DebugContext(ctx, "what the executor wrote", slog.String("call_id", t.intent.CallID), slog.String("output", t.intent.Secrets().Scrub(a.detail)))
	}
	o := sallyport.Outcome{State: sallyport.StateFailed, Error: a.failure}
	if t.intent.Tool.ReadOnly || !a.broken && !a.response.Unknown || !a.began {
		return o
	}
	// The run may have changed the target: look for its effect there.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.manifest.Limits.Timeout)
	defer cancel()
	effect, err := r.findEffect(ctx, t)
	switch {
	case effect != nil:
		return *effect
	case err != nil:
		r.o.Logger.WarnContext(ctx, "could not look for the effect of a run on its target; the outcome is ambiguous", slog.String("call_id", t.intent.CallID), slog.Any("error", err))
	}
	o.State = sallyport.StateAmbiguous
	return o
}

// findEffect looks for the effect of a run on its target, and returns nil where
// the target shows none.
func (r *Runner) findEffect(ctx context.Context, t task) (*sallyport.Outcome, error) {
	if !t.builtin() {
		return nil, nil //nolint:nilnil // only built-in tools mark the objects that they change
	}
	m, err := r.manifest(t.intent)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // without the manifest there are no permissions to look with
	}
	a, err := r.ask(ctx, m, wire.ModeReconcile, t.intent)
	switch {
	case err != nil:
		return nil, err
	case a.failure != nil && !a.broken && a.failure.Code == sallyport.CodeNotSeen:
		return nil, nil //nolint:nilnil // the contract of a reconciler
	case a.failure != nil:
		return nil, sallyport.Errorf(sallyport.Unavailable, a.failure.Code, "could not look for the effect of the run on its target: %s", a.failure.Message)
	}
	return &sallyport.Outcome{
		State: sallyport.StateSucceeded, Result: a.response.Result, Reference: a.response.Reference,
		FinishedAt: t.intent.At.UTC(), // the earliest possible time: the target does not record one
	}, nil
}
