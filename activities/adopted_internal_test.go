package activities

import (
	"context"
	"testing"

	"github.com/sallyport/sallyport"
)

// adopter is a reconciler that has found a run which goes on until it is killed.
type adopter struct{ following chan struct{} }

func (a adopter) Reconcile(ctx context.Context, _ sallyport.Intent) (*sallyport.Outcome, error) {
	close(a.following)
	<-ctx.Done()
	return &sallyport.Outcome{State: sallyport.StateFailed, Error: &sallyport.Failure{Code: sallyport.CodeKilled, Message: "killed"}}, nil
}

// TestAdoptedRunsAreStopped: a run that outlived its worker, and is followed by
// another, stops by a freeze like any other. The test hangs where it does not.
func TestAdoptedRunsAreStopped(t *testing.T) {
	r := adopter{make(chan struct{})}
	a := &Activities{Options: Options{Reconcilers: map[string]sallyport.Reconciler{"kube": r}}}
	rec := sallyport.Record{Call: sallyport.Call{ID: "call"}, Intent: &sallyport.Intent{}, Start: &sallyport.Start{Runner: "kube"}}
	ended := make(chan *sallyport.Outcome)
	go func() {
		o, _ := a.findEffect(t.Context(), rec)
		ended <- o
	}()
	<-r.following
	a.StopRun("call")
	if o := <-ended; o == nil || o.Error.Code != sallyport.CodeKilled {
		t.Errorf("it ended as %+v", o)
	}
}

// TestStopReachesEveryAttempt: an attempt that Temporal has given up goes on
// beside the next one, and its end takes nothing from that.
func TestStopReachesEveryAttempt(t *testing.T) {
	var a Activities
	first, firstOver := a.runs.begin(t.Context(), "call")
	second, secondOver := a.runs.begin(t.Context(), "call")
	defer secondOver()
	firstOver()
	a.StopRun("other")
	if second.Err() != nil {
		t.Error("another call's stop ended it")
	}
	a.StopRun("call")
	if first.Err() == nil || second.Err() == nil {
		t.Errorf("the attempts go on: %v, %v", first.Err(), second.Err())
	}
}
