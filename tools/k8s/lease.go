package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// Lease is the lock that a write must hold before it begins. There is one per
// call, so that at most one of the pods that may have been made for it acts.
type Lease struct {
	Namespace string
	Name      string
	Holder    string // the UID of this pod
}

func leases() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
}

// acquire acquires the lease by compare-and-swap from "no holder". A lease with a
// holder is never released, so that one look decides.
func (l Lease) acquire(ctx context.Context, c *Cluster) error {
	if l.Namespace == "" || l.Name == "" || l.Holder == "" {
		return failf(sallyport.CodeInternal, "a run that writes needs the environment variables %s and %s", wire.EnvLease, wire.EnvPodUID)
	}
	patch, err := json.Marshal([]map[string]string{
		{"op": "test", "path": "/spec/holderIdentity", "value": ""},
		{"op": "replace", "path": "/spec/holderIdentity", "value": l.Holder},
	})
	if err != nil {
		return err
	}
	known := time.Now().Add(rightsLag)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := try(ctx, func(ctx context.Context) error {
			_, err := c.objects.Resource(leases()).Namespace(l.Namespace).
				Patch(ctx, l.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
			return err
		})
		switch f := fateOf(err); {
		case f == fateDone:
			return nil
		case apierrors.IsForbidden(err) && time.Now().Before(known):
		case apierrors.IsNotFound(err):
			return failf(sallyport.CodeNotBegun, "the lease of this call was deleted: its time to begin is over")
		case isTestFailure(err):
			return l.isOurs(ctx, c)
		case f == fateRefused:
			return explain(err)
		}
		if !rested(ctx, pause) {
			return outOfTime(err)
		}
	}
}

// isTestFailure reports whether a JSON patch was rejected because its test
// failed.
func isTestFailure(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.Status().Code == http.StatusUnprocessableEntity
}

// isOurs finds out whether this pod holds the lease: a response may have got
// lost.
func (l Lease) isOurs(ctx context.Context, c *Cluster) error {
	lease, err := c.get(ctx, leases(), l.Namespace, l.Name)
	if err != nil {
		return err
	}
	holder := ""
	if lease != nil {
		holder, _, _ = unstructured.NestedString(lease.Object, "spec", "holderIdentity")
	}
	if holder != l.Holder {
		return failf(sallyport.CodeNotBegun, "another pod holds the lease of this call, so that this pod does nothing")
	}
	return nil
}
