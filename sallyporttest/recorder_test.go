package sallyporttest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

func TestLedgerInMemory(t *testing.T) {
	sallyporttest.TestRecorder(t, func(*testing.T) sallyporttest.RecorderReader { return sallyporttest.NewLedger() })
}

func TestLedgerFaults(t *testing.T) {
	e := sallyport.Entry{
		CallID: sallyport.CallID([16]byte{1}), Kind: sallyport.EntryReceived, At: time.Unix(1, 0),
		Call: &sallyport.Call{ID: sallyport.CallID([16]byte{1})}, Signed: "a.b.c",
	}
	fault := errors.New("the disk is full")
	for name, tt := range map[string]struct {
		written int
		kind    sallyport.Kind
	}{
		"Before": {written: 0, kind: sallyport.Unavailable},
		"After":  {written: 1, kind: sallyport.Unavailable},
		"Kind":   {written: 0, kind: sallyport.Frozen},
	} {
		t.Run(name, func(t *testing.T) {
			l := sallyporttest.NewLedger()
			fail := func(sallyport.Entry) error { return fault }
			switch name {
			case "Before":
				l.Fail = fail
			case "After":
				l.FailAfter = fail
			case "Kind":
				l.Fail = func(sallyport.Entry) error { return sallyport.Errorf(sallyport.Frozen, "frozen", "%w", fault) }
			}
			_, err := l.Record(t.Context(), e)
			if sallyport.KindOf(err) != tt.kind || !errors.Is(err, fault) {
				t.Errorf("error %v of kind %s, want %s", err, sallyport.KindOf(err), tt.kind)
			}
			if got := len(l.Entries(e.CallID)); got != tt.written {
				t.Errorf("%d entries were written, want %d", got, tt.written)
			}
		})
	}
}
