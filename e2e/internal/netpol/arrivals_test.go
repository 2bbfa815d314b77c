package netpol

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestArrivalWaitsUntilItsAddressIsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		a := newArrivals(func() { asked++ })
		a.nowInForce([]string{"10.0.0.1"}) // another pod's, a moment ago
		done := make(chan error, 1)
		go func() { done <- a.handle(t.Context(), []string{"add", "uid", "10.0.0.1", "container"}) }()
		synctest.Wait()
		if asked != 1 || len(done) != 0 {
			t.Fatalf("the rules were asked for %d times, and the pod started: %v", asked, len(done) == 1)
		}
		known := a.with([]*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{UID: "uid"}}})
		if known[0].Status.PodIP != "10.0.0.1" {
			t.Errorf("the address is %q", known[0].Status.PodIP)
		}
		a.nowInForce([]string{"10.0.0.2"})
		synctest.Wait()
		if len(done) != 0 {
			t.Fatal("the pod started with rules that don't know it")
		}
		a.nowInForce([]string{"10.0.0.1", "10.0.0.2"})
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestPodWithoutPoliciesInForceDoesNotStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newArrivals(func() {})
		if err := a.handle(t.Context(), []string{"add", "uid", "10.0.0.1", "container"}); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}

func TestDeparture(t *testing.T) {
	a := newArrivals(func() {})
	a.pods["uid"] = arrival{"10.0.0.1", "container"}
	for _, words := range [][]string{nil, {"add"}, {"del"}, {"list", "container"}} {
		if err := a.handle(t.Context(), words); err == nil || len(a.pods) != 1 {
			t.Errorf("%q: %v, %v", words, err, a.pods)
		}
	}
	if err := a.handle(t.Context(), []string{"del", "container"}); err != nil || len(a.pods) != 0 {
		t.Errorf("%v, %v", err, a.pods)
	}
}
