package kube

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestSweepKeepsRunningCalls: a run that this worker adopted keeps the expired
// objects that an earlier worker made for it. Objects of other programs stay.
func TestSweepKeepsRunningCalls(t *testing.T) {
	k := scaling(t)
	k.expires = time.Now().Add(-time.Minute)
	theirs := k.lease()
	theirs.Name = "not-ours"
	r, client := faking(t, k.lease(), theirs)
	leases := func() int {
		if err := r.Sweep(t.Context(), func(context.Context, string) (bool, error) { return false, nil }); err != nil {
			t.Error(err)
		}
		l, err := client.CoordinationV1().Leases("staging").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return len(l.Items)
	}
	r.at(k.intent.CallID, "here")
	if n := leases(); n != 2 {
		t.Errorf("%d Leases are left while the call runs, want both", n)
	}
	r.at(k.intent.CallID, "")
	if n := leases(); n != 1 {
		t.Errorf("%d Leases are left, want only the one that belongs to no call", n)
	}
}
