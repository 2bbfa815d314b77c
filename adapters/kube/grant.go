package kube

import (
	"context"
	"errors"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"golang.org/x/sync/errgroup"

	"github.com/sallyport/sallyport"
)

// grant makes what a task is lent, and the job after all of it is there.
// Whatever is there already, and was made for the same intent, is adopted.
func (r *Runner) grant(ctx context.Context, t task) error {
	group, ctx := errgroup.WithContext(ctx)
	create := func(f func(context.Context) error) {
		group.Go(func() error {
			err := r.persist(ctx, f)
			if apierrors.IsAlreadyExists(err) { // an earlier attempt made it: its name says for whom
				return nil
			}
			return err
		})
	}
	core, network := r.o.Client.CoreV1(), r.o.Client.NetworkingV1()
	rbac, lease := r.o.Client.RbacV1(), r.o.Client.CoordinationV1()
	create(func(ctx context.Context) error {
		_, err := core.ServiceAccounts(r.o.Namespace).Create(ctx, r.serviceAccount(t), metav1.CreateOptions{})
		return err
	})
	create(func(ctx context.Context) error {
		_, err := network.NetworkPolicies(r.o.Namespace).Create(ctx, r.networkPolicy(t), metav1.CreateOptions{})
		return err
	})
	if len(t.rules()) > 0 {
		create(func(ctx context.Context) error {
			_, err := rbac.Roles(t.intent.Namespace).Create(ctx, t.role(), metav1.CreateOptions{})
			return err
		})
		create(func(ctx context.Context) error {
			_, err := rbac.RoleBindings(t.intent.Namespace).Create(ctx, r.binding(t), metav1.CreateOptions{})
			return err
		})
	}
	if t.claims() {
		create(func(ctx context.Context) error {
			_, err := lease.Leases(t.intent.Namespace).Create(ctx, t.lease(), metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}

// revoke takes back all that a task was lent: first what it may do.
func (r *Runner) revoke(ctx context.Context, name, target string) error {
	core, network := r.o.Client.CoreV1(), r.o.Client.NetworkingV1()
	rbac, lease := r.o.Client.RbacV1(), r.o.Client.CoordinationV1()
	group := errgroup.Group{}
	drop := func(f func(context.Context, string, metav1.DeleteOptions) error) {
		group.Go(func() error {
			err := r.persist(ctx, func(ctx context.Context) error { return f(ctx, name, metav1.DeleteOptions{}) })
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		})
	}
	if r.serves(target) { // elsewhere nothing is lent
		drop(rbac.RoleBindings(target).Delete)
		drop(rbac.Roles(target).Delete)
		drop(lease.Leases(target).Delete)
	}
	drop(core.ServiceAccounts(r.o.Namespace).Delete)
	drop(network.NetworkPolicies(r.o.Namespace).Delete)
	return group.Wait()
}

// revokeTime is how long taking back is tried before the outcome goes out all
// the same. The sweep takes back what is left.
const revokeTime = 45 * time.Second

// requestTime bounds one request to the API server.
const requestTime = 10 * time.Second

// persist asks the API server until it answers, or ctx ends.
func (r *Runner) persist(ctx context.Context, ask func(context.Context) error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, requestTime)
			defer cancel()
			return ask(ctx)
		}()
		if err == nil || !away(err) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeKubernetesUnavailable, "Kubernetes did not answer in time: %w", errors.Join(ctx.Err(), err))
		case <-timer.C:
		}
	}
}

// away reports whether asking again may help: all that is no answer of the
// API server's to this request.
func away(err error) bool {
	if _, ours := errors.AsType[*sallyport.Error](err); ours {
		return false
	}
	if apierrors.ReasonForError(err) == metav1.StatusReasonUnknown { // it is no status of the API server's, or one that says nothing
		return true
	}
	return apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || apierrors.IsUnexpectedServerError(err)
}

// refusal makes an error of ours of what the API server says no to. It is the
// gateway's set-up that is at fault, and nothing was done. What the API server
// said is for operators: it may say much of the cluster.
func (r *Runner) refusal(ctx context.Context, t task, err error, what string) error {
	if e, ok := errors.AsType[*sallyport.Error](err); ok {
		return e
	}
	r.o.Logger.ErrorContext(ctx, "Kubernetes refused a call", slog.String("call_id", t.intent.CallID), slog.String("what", what), slog.Any("error", err))
	if away(err) {
		return &sallyport.Error{Kind: sallyport.Unavailable, Code: sallyport.CodeKubernetesUnavailable, Message: "Kubernetes did not answer " + what, Err: err}
	}
	return &sallyport.Error{
		Kind: sallyport.Denied, Code: sallyport.CodeKubernetesRefused, Err: err,
		Message: "Kubernetes refused " + what + "; the worker's log says why",
	}
}
