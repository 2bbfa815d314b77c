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

// answer is what became of one Job: a response that can be acted on, or a
// failure. broken says that the failure is not the tool's own word.
type answer struct {
	response wire.Response
	failure  *sallyport.Failure
	began    bool // the process may have run
	broken   bool
	detail   string    // for operators only
	at       time.Time // when the process ended, where that was seen
}

func failed(code, format string, args ...any) answer {
	return answer{failure: &sallyport.Failure{Code: code, Message: fmt.Sprintf(format, args...)}, began: true, broken: true}
}

// doubtful reports whether the answer leaves open if the call was begun. A pod
// that could not start may start yet, and one that did not begin because the
// Lease was not nobody's says nothing of who had it.
func (a answer) doubtful() bool {
	return a.failure != nil && (a.broken || a.failure.Code == sallyport.CodeNotBegun)
}

// foreign makes an answer of what an image wrote that knows nothing of us.
func foreign(out []byte, exit int32) answer {
	text := string(out)
	if !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text, "\uFFFD")
	}
	if exit != 0 {
		// A process that a signal ended has said nothing by its code.
		return answer{began: true, broken: exit > 128, failure: &sallyport.Failure{Code: sallyport.CodeExitCode, Message: fmt.Sprintf("the tool ended with exit code %d: %s", exit, said(sallyport.Tail(text, 300)))}}
	}
	result, err := strict.Canonical(map[string]string{"output": text})
	if err != nil {
		return failed(sallyport.CodeBadOutput, "what the tool wrote can't be told: %v", err)
	}
	return answer{began: true, response: wire.Response{Result: result}}
}

// plan is the answer to ModePlan. Nothing can have been done, so everything
// but a plan is an error; what a tool says itself, and what the cluster will
// not have, does not change by asking again.
func (a answer) plan() (sallyport.Plan, error) {
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

// conclude makes an outcome of the answer to ModeRun.
func (r *Runner) conclude(ctx context.Context, t task, a answer) sallyport.Outcome {
	switch {
	case a.failure == nil:
		return sallyport.Outcome{State: sallyport.Succeeded, Result: a.response.Result, Reference: a.response.Reference}
	case a.detail != "":
		r.o.Logger.WarnContext(ctx, "an executor crashed", slog.String("call_id", t.intent.CallID), slog.String("output", sallyport.Scrub(a.detail, t.intent.Secrets())))
	}
	o := sallyport.Outcome{State: sallyport.Failed, Error: a.failure}
	if t.intent.Tool.ReadOnly || !a.broken && !a.response.Unknown || !a.began {
		return o
	}
	// It may have acted. The target may show it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.manifest.Limits.Timeout)
	defer cancel()
	found, err := r.seen(ctx, t)
	switch {
	case found != nil:
		return *found
	case err != nil:
		r.o.Logger.WarnContext(ctx, "the target could not be asked what a run did", slog.String("call_id", t.intent.CallID), slog.Any("error", err))
	}
	o.State = sallyport.Ambiguous
	return o
}

// seen asks the target for the effect of a run: nil says that it doesn't show.
func (r *Runner) seen(ctx context.Context, t task) (*sallyport.Outcome, error) {
	if !t.builtin() {
		return nil, nil //nolint:nilnil // nobody but the tool knows where to look
	}
	m, err := r.manifest(t.intent)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // nobody knows any more what it takes to look
	}
	a, err := r.ask(ctx, m, wire.ModeReconcile, t.intent)
	switch {
	case err != nil:
		return nil, err
	case a.failure != nil && !a.broken && a.failure.Code == sallyport.CodeNotSeen:
		return nil, nil //nolint:nilnil // the contract of a reconciler
	case a.failure != nil:
		return nil, sallyport.Errorf(sallyport.Unavailable, a.failure.Code, "the target could not be asked: %s", a.failure.Message)
	}
	return &sallyport.Outcome{
		State: sallyport.Succeeded, Result: a.response.Result, Reference: a.response.Reference,
		FinishedAt: t.intent.At.UTC(), // not before; the target does not say when
	}, nil
}
