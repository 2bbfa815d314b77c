package k8s

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/sallyport/sallyport"
)

func responded(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{Causes: causes}}}
}

// TestFates: only what surely was not carried out is tried again as if it had
// never been sent.
func TestFates(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	owned := metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Field: ".spec.replicas"}
	for name, tt := range map[string]struct {
		reason string
		err    error
		want   fate
		code   string
	}{
		"Done":        {"there is no error", nil, fateDone, ""},
		"Refused":     {"the server does not listen", &url.Error{Op: "Patch", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, fateAgain, ""},
		"Cut":         {"it may have arrived", &url.Error{Op: "Patch", Err: io.ErrUnexpectedEOF}, fateUnclear, ""},
		"Reset":       {"it may have arrived", &url.Error{Op: "Patch", Err: &net.OpError{Op: "read", Err: errors.New("reset")}}, fateUnclear, ""},
		"TimedOut":    {"it may have arrived", context.DeadlineExceeded, fateUnclear, ""},
		"Busy":        {"it was not let in", apierrors.NewTooManyRequests("busy", 1), fateAgain, ""},
		"Internal":    {"the store may have taken it", apierrors.NewInternalError(errors.New("etcdserver: request timed out")), fateUnclear, sallyport.CodeUnreachable},
		"Unavailable": {"the same", apierrors.NewServiceUnavailable("x"), fateUnclear, sallyport.CodeUnreachable},
		"Gateway":     {"the same, by something in between", responded(http.StatusBadGateway, metav1.StatusReasonUnknown, "x"), fateUnclear, sallyport.CodeUnreachable},
		"Misfit":      {"it is refused, whatever the status says", responded(http.StatusInternalServerError, metav1.StatusReasonUnknown, "failed to create typed patch object (x): .spec"), fateRefused, sallyport.CodeRejected},
		"Version":     {"it is another version", apierrors.NewConflict(deployments, "api", errors.New("modified")), fateMoved, sallyport.CodePreconditionFailed},
		"Exists":      {"it was created meanwhile", apierrors.NewAlreadyExists(deployments, "api"), fateMoved, sallyport.CodePreconditionFailed},
		"Owned":       {"it will be refused again", responded(http.StatusConflict, metav1.StatusReasonConflict, "x", owned), fateRefused, sallyport.CodeConflict},
		"Forbidden":   {"it will be refused again", apierrors.NewForbidden(deployments, "api", errors.New("x")), fateRefused, sallyport.CodeForbidden},
		"Unknown":     {"it will be refused again", apierrors.NewUnauthorized("x"), fateRefused, sallyport.CodeForbidden},
		"NotFound":    {"it isn't there", apierrors.NewNotFound(deployments, "api"), fateRefused, sallyport.CodeNotFound},
		"Invalid":     {"it will be refused again", responded(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "x"), fateRefused, sallyport.CodeRejected},
		"Bad":         {"it will be refused again", apierrors.NewBadRequest("x"), fateRefused, sallyport.CodeRejected},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fateOf(tt.err); got != tt.want {
				t.Errorf("fate %d, want %d: %s", got, tt.want, tt.reason)
			}
			if tt.code != "" && codeOf(explain(tt.err)) != tt.code {
				t.Errorf("code %s, want %s", codeOf(explain(tt.err)), tt.code)
			}
		})
	}
}

// TestAskIsPatient with an API server that is away, and says so in the end.
func TestAskIsPatient(t *testing.T) {
	tries := 0
	err := ask(t.Context(), func(context.Context) error {
		if tries++; tries < 4 {
			return io.ErrUnexpectedEOF
		}
		return nil
	})
	if err != nil || tries != 4 {
		t.Errorf("%d tries, %v", tries, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := ask(ctx, func(context.Context) error { return io.ErrUnexpectedEOF }); codeOf(err) != sallyport.CodeUnreachable {
		t.Errorf("after its time: %v", err)
	}
}

// TestRightsMayBeLate: they were granted right before the pod was made.
func TestRightsMayBeLate(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "api", errors.New("x"))
	tries := 0
	err := ask(t.Context(), func(context.Context) error {
		if tries++; tries == 1 {
			return forbidden
		}
		return nil
	})
	if err != nil || tries != 2 {
		t.Errorf("%d tries, %v", tries, err)
	}
	if err := ask(t.Context(), func(context.Context) error { return forbidden }); codeOf(err) != sallyport.CodeForbidden {
		t.Errorf("rights that never come: %v", err)
	}
}
