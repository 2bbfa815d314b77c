package sallyporttest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport/sallyport"
)

// NotifierSubject is a notifier under test, and the receiver it delivers to.
type NotifierSubject struct {
	Notifier sallyport.Notifier
	Respond  func(Response) // sets how the receiver responds from now on
	Taken    func() []Taken // the notifications that it accepted, in order
}

// TestNotifier checks that an implementation keeps the contract of
// [sallyport.Notifier]. Every test makes its own subject, whose receiver takes
// what comes.
func TestNotifier(t *testing.T, newSubject func(t *testing.T) NotifierSubject) {
	for name, test := range map[string]func(*testing.T, NotifierSubject){
		"Delivered": testDelivered,
		"Failed":    testFailed,
		"Refused":   testNotifyRefused,
		"Cancelled": testNotifyCancelled,
		"Parallel":  testNotifyParallel,
	} {
		t.Run(name, func(t *testing.T) { test(t, newSubject(t)) })
	}
}

// Requested is the notification that the n-th of [Approved] waits.
func Requested(n int) sallyport.Notification {
	var r sallyport.Record
	for _, e := range Approved(n) {
		if note, ok := (sallyport.Step{Before: r, Entry: e}).Notification(); ok {
			return note
		}
		r, _ = r.Apply(e) // they fit
	}
	return sallyport.Notification{}
}

func testDelivered(t *testing.T, s NotifierSubject) {
	n := Requested(1)
	for range 2 {
		if err := s.Notifier.Notify(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Taken()
	if len(got) != 2 || got[0].ID != n.ID || got[0] != got[1] {
		t.Fatalf("%+v; want the same twice, with id %s", got, n.ID)
	}
	for _, part := range []string{n.CallID, n.Agent, string(n.Ballot), n.Namespace, n.Name, n.PlanSummary, n.StatedReason} {
		if !strings.Contains(got[0].Content, part) {
			t.Errorf("it does not say %q: %s", part, got[0].Content)
		}
	}
}

func testFailed(t *testing.T, s NotifierSubject) {
	s.Respond(Fails)
	if err := s.Notifier.Notify(t.Context(), Requested(1)); err == nil || sallyport.KindOf(err) == sallyport.Denied {
		t.Errorf("%v; want an error after which it is tried again", err)
	}
	if got := s.Taken(); len(got) != 0 {
		t.Errorf("the receiver failed and took %v", got)
	}
	s.Respond(Takes)
	if err := s.Notifier.Notify(t.Context(), Requested(1)); err != nil {
		t.Errorf("the receiver is back: %v", err)
	}
	if got := s.Taken(); len(got) != 1 || got[0].ID != Requested(1).ID {
		t.Errorf("%v; want what was tried before, with its id", got)
	}
}

func testNotifyRefused(t *testing.T, s NotifierSubject) {
	s.Respond(Refuses)
	if err := s.Notifier.Notify(t.Context(), Requested(1)); sallyport.KindOf(err) != sallyport.Denied {
		t.Errorf("%v; want an error after which it is not tried again", err)
	}
}

func testNotifyCancelled(t *testing.T, s NotifierSubject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Notifier.Notify(ctx, Requested(1)); err == nil || sallyport.KindOf(err) == sallyport.Denied {
		t.Errorf("%v; want an error after which it is tried again", err)
	}
	if got := s.Taken(); len(got) != 0 {
		t.Errorf("the context was cancelled, and the receiver took %v", got)
	}
}

func testNotifyParallel(t *testing.T, s NotifierSubject) {
	var wg sync.WaitGroup
	want := make([]string, 8)
	for i := range want {
		want[i] = Requested(i).ID
		wg.Go(func() {
			if err := s.Notifier.Notify(t.Context(), Requested(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var got []string
	for _, n := range s.Taken() {
		got = append(got, n.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("taken: %v, want %v", got, want)
	}
}
