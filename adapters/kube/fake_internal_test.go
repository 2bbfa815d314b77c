package kube

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// faking makes a runner with a fake API server. It is for moments in which the
// real API server of the end-to-end tests cannot be held.
func faking(t *testing.T, objects ...runtime.Object) (*Runner, *fake.Clientset) {
	t.Helper()
	client := fake.NewClientset(objects...)
	o := options()
	o.Client, o.TTL, o.Logger = client, 30*time.Second, slog.New(slog.NewTextHandler(t.Output(), nil))
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r, client
}

// react responds to requests in the API server's place.
func react(client *fake.Clientset, verb, resource string, respond func(clienttesting.Action) (runtime.Object, error)) {
	client.PrependReactor(verb, resource, func(a clienttesting.Action) (bool, runtime.Object, error) {
		o, err := respond(a)
		return o != nil || err != nil, o, err
	})
}

// leasing lets a runner acquire a Lease without a holder, as the API server does.
func leasing(t *testing.T, client *fake.Clientset, l *coordinationv1.Lease) {
	t.Helper()
	react(client, "patch", "leases", func(clienttesting.Action) (runtime.Object, error) {
		if *l.Spec.HolderIdentity != "" {
			return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "patch", schema.GroupResource{Resource: "leases"}, l.Name, "the test failed", 0, false)
		}
		taken := l.DeepCopy()
		taken.Spec.HolderIdentity = new(worker)
		return taken, nil
	})
}

func forbidden(resource string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", nil)
}

// permitOf is a permit that was made at a time.
func permitOf(t *testing.T, i sallyport.Intent, at time.Time) sallyport.Permit {
	t.Helper()
	p, err := sallyport.NewPermit(sallyport.Grounds{
		Call: sallyport.Call{
			ID: i.CallID, AgentID: i.Agent.ID, Account: i.Agent.Account, Tool: i.Tool.Name, Arguments: i.Arguments, Stated: i.Stated, ReceivedAt: i.At,
		},
		Intent: i, Decision: sallyport.Decision{Effect: sallyport.Allow, Revision: "test"},
	}, at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func scaling(t *testing.T) task {
	t.Helper()
	return taskOf(t, "k8s_scale_deployment", `{"name":"api","namespace":"staging","replicas":2}`, wire.ModeRun)
}
