package sallyporttest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport/sallyport"
)

// ReconcilerSubject is a reconciler under test, and a way to have an effect
// that it is to find.
type ReconcilerSubject struct {
	Reconciler sallyport.Reconciler
	Intent     sallyport.Intent                // writes; its effect has not happened
	Act        func(t *testing.T) (ref string) // makes the effect of Intent happen
	Break      func(t *testing.T)              // from now on the target can't be asked
}

// TestReconciler checks that an implementation keeps the contract of
// [sallyport.Reconciler]. Every test makes its own subject.
func TestReconciler(t *testing.T, newSubject func(t *testing.T) ReconcilerSubject) {
	for name, test := range map[string]func(*testing.T, ReconcilerSubject){
		"Absent":    testAbsent,
		"Found":     testFound,
		"OtherCall": testOtherCall,
		"ReadOnly":  testReadOnly,
		"Broken":    testBroken,
		"Cancelled": testReconcileCancelled,
		"Parallel":  testReconcileParallel,
	} {
		t.Run(name, func(t *testing.T) { test(t, newSubject(t)) })
	}
}

func wantNothing(t *testing.T, s ReconcilerSubject, i sallyport.Intent, why string) {
	t.Helper()
	if o, err := s.Reconciler.Reconcile(t.Context(), i); err != nil || o != nil {
		t.Errorf("Reconcile = %+v, %v; want nothing: %s", o, err, why)
	}
}

func testAbsent(t *testing.T, s ReconcilerSubject) {
	wantNothing(t, s, s.Intent, "nothing has happened")
}

func testFound(t *testing.T, s ReconcilerSubject) {
	ref := s.Act(t)
	first, err := s.Reconciler.Reconcile(t.Context(), s.Intent)
	if err != nil || first == nil {
		t.Fatalf("Reconcile = %+v, %v; want the effect", first, err)
	}
	if first.State != sallyport.StateSucceeded || first.Reference != ref || first.FinishedAt.IsZero() {
		t.Errorf("outcome %+v; want it succeeded, with reference %s and a time", first, ref)
	}
	again, err := s.Reconciler.Reconcile(t.Context(), s.Intent)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, again); d != "" {
		t.Errorf("a second look says something else (-first +second)\n%s", d)
	}
}

func testOtherCall(t *testing.T, s ReconcilerSubject) {
	s.Act(t)
	other := s.Intent
	other.CallID = sallyport.CallID([16]byte{0xff, 1})
	wantNothing(t, s, other, "the effect is another call's, however alike they are")
	other = s.Intent
	other.Arguments = json.RawMessage(`{"other":true}`)
	wantNothing(t, s, other, "the effect is another intent's: something is forged")
}

func testReadOnly(t *testing.T, s ReconcilerSubject) {
	i := s.Intent
	i.Tool.ReadOnly = true
	wantNothing(t, s, i, "a read has no effect")
}

func testBroken(t *testing.T, s ReconcilerSubject) {
	s.Break(t)
	if o, err := s.Reconciler.Reconcile(t.Context(), s.Intent); err == nil || o != nil {
		t.Errorf("Reconcile = %+v, %v; want an error: that a target can't be asked doesn't mean that nothing happened", o, err)
	}
}

func testReconcileCancelled(t *testing.T, s ReconcilerSubject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if o, err := s.Reconciler.Reconcile(ctx, s.Intent); err == nil || o != nil {
		t.Errorf("Reconcile = %+v, %v; want an error, as a cancelled Reconcile does not know whether there is an effect", o, err)
	}
}

func testReconcileParallel(t *testing.T, s ReconcilerSubject) {
	ref := s.Act(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if o, err := s.Reconciler.Reconcile(t.Context(), s.Intent); err != nil || o == nil || o.Reference != ref {
				t.Errorf("Reconcile = %+v, %v; want %s", o, err, ref)
			}
		})
	}
	wg.Wait()
}
