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

// grant creates the task's ServiceAccount, NetworkPolicy, Role, RoleBinding and
// Lease. It adopts those that an earlier attempt created: their name is made of
// the call's id.
func (r *Runner) grant(ctx context.Context, t task) error {
	group, ctx := errgroup.WithContext(ctx)
	create := func(f func(context.Context) error) {
		group.Go(func() error {
			err := r.persist(ctx, f)
			if apierrors.IsAlreadyExists(err) {
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
	if t.leased() {
		create(func(ctx context.Context) error {
			_, err := lease.Leases(t.intent.Namespace).Create(ctx, t.lease(), metav1.CreateOptions{})
			return err
		})
	}
	return group.Wait()
}

// revoke deletes everything that grant created, but not the Job.
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
	if r.serves(target) { // grant creates nothing in other namespaces
		drop(rbac.RoleBindings(target).Delete)
		drop(rbac.Roles(target).Delete)
		drop(lease.Leases(target).Delete)
	}
	drop(core.ServiceAccounts(r.o.Namespace).Delete)
	drop(network.NetworkPolicies(r.o.Namespace).Delete)
	return group.Wait()
}

// revokeTime bounds the attempts to revoke before the worker returns the outcome
// all the same. The sweeper revokes the rest.
const revokeTime = 45 * time.Second

// requestTime bounds one request to the API server.
const requestTime = 10 * time.Second

// persist repeats a request until the API server responds, or ctx ends.
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
			return sallyport.Errorf(sallyport.Unavailable, sallyport.CodeKubernetesUnavailable, "the Kubernetes API server did not respond in time: %w", errors.Join(ctx.Err(), err))
		case <-timer.C:
		}
	}
}

// away reports whether a retry may help: the API server is out of reach or busy,
// and has neither accepted nor rejected the request.
func away(err error) bool {
	if _, ours := errors.AsType[*sallyport.Error](err); ours {
		return false
	}
	if apierrors.ReasonForError(err) == metav1.StatusReasonUnknown { // no status of the API server's, or one without a reason
		return true
	}
	return apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err) || apierrors.IsUnexpectedServerError(err)
}

// rejected makes a [sallyport.Error] of an API server's error about an object.
// The gateway's installation is at fault, and nothing was done. Only the log
// holds the API server's text: it may reveal details of the cluster.
func (r *Runner) rejected(ctx context.Context, t task, err error, object string) error {
	if e, ok := errors.AsType[*sallyport.Error](err); ok {
		return e
	}
	r.o.Logger.ErrorContext(ctx, "the Kubernetes API server did not create an object of a call", slog.String("call_id", t.intent.CallID), slog.String("object", object), slog.Any("error", err))
	if away(err) {
		return &sallyport.Error{Kind: sallyport.Unavailable, Code: sallyport.CodeKubernetesUnavailable, Message: "the Kubernetes API server did not respond to the request to create " + object, Err: err}
	}
	return &sallyport.Error{
		Kind: sallyport.Denied, Code: sallyport.CodeKubernetesRefused, Err: err,
		Message: "the Kubernetes API server refused to create " + object + "; see the worker's log for the reason",
	}
}
