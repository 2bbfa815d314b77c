package kube

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (r *Runner) serves(namespace string) bool { return slices.Contains(r.o.Targets, namespace) }

// Sweep cleans up after workers that died: it releases Jobs whose outcome is
// recorded, and revokes the permissions of calls that have ended or whose time is
// over. ended reports whether a call's outcome is recorded.
func (r *Runner) Sweep(ctx context.Context, ended func(ctx context.Context, callID string) (bool, error)) error {
	s := sweep{r, ended, time.Now(), map[string]bool{}}
	var errs []error
	for _, namespace := range append([]string{r.o.Namespace}, r.o.Targets...) {
		errs = append(errs, s.namespace(ctx, namespace))
	}
	return errors.Join(errs...)
}

// sweep is one round.
type sweep struct {
	*Runner

	ended func(ctx context.Context, callID string) (bool, error)
	now   time.Time
	known map[string]bool // whether calls have ended
}

// over reports whether no worker and no pod uses an object any more.
func (s sweep) over(ctx context.Context, o metav1.Object) (bool, error) {
	id, past := o.GetLabels()[labelCall], expired(o, s.now)
	switch {
	case !strings.HasPrefix(o.GetName(), runPrefix) && !strings.HasPrefix(o.GetName(), planPrefix):
		return false, nil // another program may set the same label
	case o.GetLabels()[labelMode] != modeRun:
		return past, nil
	case past && s.Place(id) == "": // this worker may have adopted a run of an earlier worker
		return true, nil
	}
	if over, ok := s.known[id]; ok {
		return over, nil
	}
	over, err := s.ended(ctx, id)
	if err == nil {
		s.known[id] = over
	}
	return over, err
}

// namespace sweeps one namespace. It lists each kind of object, because any one
// of a call's objects may be the only one left.
func (s sweep) namespace(ctx context.Context, namespace string) error {
	o := metav1.ListOptions{LabelSelector: selector}
	left := map[string]bool{} // names of calls and plans whose permissions are to be revoked
	collect := func(objects []metav1.Object, err error) error {
		for _, object := range objects {
			over, e := s.over(ctx, object)
			err = errors.Join(err, e)
			if over {
				left[object.GetName()] = true
			}
		}
		return err
	}
	var errs []error
	target := namespace
	if namespace == s.o.Namespace {
		target = ""
		accounts, err := s.o.Client.CoreV1().ServiceAccounts(namespace).List(ctx, o)
		errs = append(errs, collect(objects(accounts.Items), err))
		policies, err := s.o.Client.NetworkingV1().NetworkPolicies(namespace).List(ctx, o)
		errs = append(errs, collect(objects(policies.Items), err), s.jobs(ctx))
	} else {
		bindings, err := s.o.Client.RbacV1().RoleBindings(namespace).List(ctx, o)
		errs = append(errs, collect(objects(bindings.Items), err))
		roles, err := s.o.Client.RbacV1().Roles(namespace).List(ctx, o)
		errs = append(errs, collect(objects(roles.Items), err))
		leases, err := s.o.Client.CoordinationV1().Leases(namespace).List(ctx, o)
		errs = append(errs, collect(objects(leases.Items), err))
	}
	for name := range left {
		errs = append(errs, s.revoke(ctx, name, target))
	}
	return errors.Join(errs...)
}

// jobs releases the Jobs of calls that have ended, and deletes the Jobs of plans
// whose time is over. A run's Job without a recorded outcome stays, however old.
func (s sweep) jobs(ctx context.Context) error {
	jobs, err := s.o.Client.BatchV1().Jobs(s.o.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return err
	}
	var errs []error
	for _, j := range jobs.Items {
		id := j.Labels[labelCall]
		switch {
		case j.Labels[labelMode] != modeRun && expired(&j, s.now):
			errs = append(errs, s.deleteJob(ctx, j.Name))
		case j.Labels[labelMode] == modeRun && len(j.Finalizers) > 0:
			ended, err := s.ended(ctx, id)
			errs = append(errs, err)
			if ended {
				errs = append(errs, s.Release(ctx, id))
			}
		}
	}
	return errors.Join(errs...)
}

// objects converts a list of one kind.
func objects[T any, P interface {
	*T
	metav1.Object
}](items []T) []metav1.Object {
	all := make([]metav1.Object, len(items))
	for i := range items {
		all[i] = P(&items[i])
	}
	return all
}
