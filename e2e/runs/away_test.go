//go:build e2e

package runs_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/tools/wire"
)

// TestAway: the API server does not respond for half a minute. What was about to
// be made is made later, what ran is found, and each effect happens once.
//
// It is no parallel test: for all others the API server is away too.
func TestAway(t *testing.T) {
	const away = 30 * time.Second
	server, err := bench.cluster.Process(bench.cluster.Programs.Kubernetes, "kube-apiserver")
	if err != nil {
		t.Fatal(err)
	}
	for name, moment := range map[string]func(i sallyport.Intent){
		"Before": func(sallyport.Intent) {},
		"MidWrite": func(i sallyport.Intent) {
			eventually(t, "its Job", func(context.Context) bool { return len(jobs(t, i.CallID)) == 1 })
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deployment(t, 1)
			r := runnerFor(t, bench.worker, 30*time.Second) // as by default
			i := intent(t, "k8s_scale_deployment", map[string]any{"namespace": "staging", "name": d.Name, "replicas": 2})
			outcome := make(chan sallyport.Outcome, 1)
			run := func() {
				o, err := r.Run(t.Context(), allowed(t, i))
				if err != nil {
					t.Error(err)
				}
				outcome <- o
			}
			if name == "MidWrite" {
				go run()
			}
			moment(i)
			stop(t, server)
			if name == "Before" {
				go run()
			}
			resume := time.AfterFunc(away, func() { _ = syscall.Kill(server, syscall.SIGCONT) })
			defer resume.Stop()
			o := <-outcome
			if now := current(t, d); o.State != sallyport.StateSucceeded || *now.Spec.Replicas != 2 || now.Annotations[wire.AnnotationCall] != i.CallID || now.Generation != 2 {
				t.Errorf("outcome %+v (%+v), deployment of %d replicas, generation %d; want it scaled once", o, o.Error, *now.Spec.Replicas, now.Generation)
			}
			wantNothingLeft(t, i)
		})
	}
}

// stop holds a process, and lets it go at the end of the test whatever happens.
func stop(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
}
