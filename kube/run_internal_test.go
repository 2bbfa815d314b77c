package kube

import (
	"encoding/json"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/sallyport/sallyport/tools/wire"
)

// TestBegin: a worker that slept since it had its permit makes a Job that may
// not begin any more, even if it is awake when it makes it: meanwhile another
// worker's may have come and gone.
func TestBegin(t *testing.T) {
	r, client := faking(t)
	i := scaling(t).intent
	var request wire.Request
	react(client, "create", "jobs", func(a clienttesting.Action) (runtime.Object, error) {
		for _, e := range a.(clienttesting.CreateAction).GetObject().(*batchv1.Job).Spec.Template.Spec.Containers[0].Env {
			if e.Name == wire.EnvRequest {
				if err := json.Unmarshal([]byte(e.Value), &request); err != nil {
					t.Error(err)
				}
			}
		}
		return nil, forbidden("jobs")
	})
	permitted := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	if _, err := r.Run(t.Context(), permitOf(t, i, permitted)); err == nil {
		t.Error("a run without a Job is no error")
	}
	if want := permitted.Add(45 * time.Second); !request.Expires.Equal(want) {
		t.Errorf("it may begin until %s, want %s, which is over", request.Expires, want)
	}
}
