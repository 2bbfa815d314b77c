package k8s

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/sallyport/sallyport"
)

const (
	// oneTry bounds one request to the API server.
	oneTry = 10 * time.Second
	// firstPause and longestPause bound the time between two tries.
	firstPause   = 20 * time.Millisecond
	longestPause = 2 * time.Second
	// rightsLag is how long an API server may take to apply permissions that the
	// worker granted right before it made the pod.
	rightsLag = 1500 * time.Millisecond
	// fieldManager is the gateway's name as an owner of fields.
	fieldManager = "sallyport"
)

// Cluster is a client of one API server, with the permissions of one call.
type Cluster struct {
	objects dynamic.Interface
	raw     rest.Interface
}

// Connect makes the client. It sends no request.
func Connect(config *rest.Config) (*Cluster, error) {
	config = dynamic.ConfigFor(config)
	config.WarningHandler = rest.NoWarnings{} // a pod has no reader of warnings
	config.UserAgent = fieldManager
	config.QPS = -1 // the pauses between tries bound the rate
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	objects, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	config.GroupVersion = &schema.GroupVersion{Version: "v1"}
	config.APIPath = "/api"
	raw, err := rest.UnversionedRESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	return &Cluster{objects: objects, raw: raw}, nil
}

// get returns an object, or nil where there is none.
func (c *Cluster) get(ctx context.Context, r schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	var found *unstructured.Unstructured
	err := ask(ctx, func(ctx context.Context) (err error) {
		found, err = c.objects.Resource(r).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if codeOf(err) == sallyport.CodeNotFound {
		return nil, nil //nolint:nilnil // absence is a valid result
	}
	return found, err
}

// mustGet returns an object, or an error if it does not exist.
func (c *Cluster) mustGet(ctx context.Context, r schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	found, err := c.get(ctx, r, namespace, name)
	if err == nil && found == nil {
		err = notThere(r, namespace, name)
	}
	return found, err
}

func notThere(r schema.GroupVersionResource, namespace, name string) error {
	return failf(sallyport.CodeNotFound, "no object %s in namespace %s among the %s", name, namespace, r.Resource)
}

// ask repeats a read-only request until the API server responds, or ctx ends.
func ask(ctx context.Context, request func(context.Context) error) error {
	known := time.Now().Add(rightsLag)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := try(ctx, request)
		switch f := fateOf(err); {
		case f == fateDone:
			return nil
		case apierrors.IsForbidden(err) && time.Now().Before(known):
		case f == fateRefused, f == fateMoved:
			return explain(err)
		}
		if !rested(ctx, pause) {
			return outOfTime(err)
		}
	}
}

// try makes a request once.
func try(ctx context.Context, request func(context.Context) error) error {
	once, cancel := context.WithTimeout(ctx, oneTry)
	defer cancel()
	return request(once)
}

// rested waits, and reports whether there is time left.
func rested(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// fate is how a request ended.
type fate int

const (
	fateDone    fate = iota
	fateAgain        // it was not carried out; a retry may succeed
	fateMoved        // it was not carried out, because the object has changed
	fateUnclear      // it may have been, or may still be, carried out
	fateRefused      // it was not and will not be carried out
)

func fateOf(err error) fate {
	if err == nil {
		return fateDone
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			return fateAgain
		}
		return fateUnclear
	}
	switch s := status.Status(); {
	case s.Code == http.StatusTooManyRequests:
		return fateAgain
	case isMisfit(s):
		return fateRefused
	case s.Code >= http.StatusInternalServerError:
		return fateUnclear
	case s.Code == http.StatusConflict && len(ownedFields(err)) == 0:
		return fateMoved
	default:
		return fateRefused
	}
}

// isMisfit reports whether a manifest doesn't fit its kind's schema: the API
// server reports that as an internal error.
func isMisfit(s metav1.Status) bool {
	return s.Code == http.StatusInternalServerError && strings.HasPrefix(s.Message, "failed to create typed patch object")
}

// ownedFields are the fields of another field manager because of which the API
// server rejected a request.
func ownedFields(err error) []string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok || status.Status().Details == nil {
		return nil
	}
	var fields []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			fields = append(fields, cause.Field)
		}
	}
	return fields
}

// explain makes a failure of the API server's error.
func explain(err error) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return err
	}
	switch s := status.Status(); {
	case s.Code == http.StatusNotFound:
		return failf(sallyport.CodeNotFound, "the API server did not find it: %v", err)
	case s.Code == http.StatusForbidden, s.Code == http.StatusUnauthorized:
		return failf(sallyport.CodeForbidden, "the API server does not permit it to this call: %v", err)
	case len(ownedFields(err)) > 0:
		return failf(sallyport.CodeConflict, "other field managers own fields that would change: %v", err)
	case s.Code == http.StatusConflict:
		return failf(sallyport.CodePreconditionFailed, "the object has changed: %v", err)
	case s.Code >= http.StatusInternalServerError && !isMisfit(s):
		return failf(sallyport.CodeUnreachable, "the API server failed: %v", err)
	default:
		return failf(sallyport.CodeRejected, "the API server rejected the request: %v", err)
	}
}

func outOfTime(last error) error {
	return failf(sallyport.CodeUnreachable, "the API server did not respond within the call's time limit; last error: %v", last)
}
