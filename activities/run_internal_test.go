package activities

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/sallyporttest"
)

// refusing is a runner that does nothing.
type refusing struct{ sallyport.Runner }

func (refusing) Run(context.Context, sallyport.Permit) (sallyport.Outcome, error) {
	return sallyport.Outcome{}, sallyport.Errorf(sallyport.Unavailable, "away", "the cluster is away")
}

// recording keeps the last entry.
type recording struct {
	Ledger

	last sallyport.Entry
}

func (r *recording) Record(_ context.Context, e sallyport.Entry) (sallyport.Receipt, error) {
	r.last = e
	return sallyport.Receipt{Entry: e}, nil
}

type counting struct{ Meter }

func (counting) Call(context.Context, sallyport.Intent, sallyport.State) {}

// TestActResumed: an attempt that changed nothing does not show that the one
// before it changed nothing.
func TestActResumed(t *testing.T) {
	ledger := &recording{}
	a := &Activities{Options: Options{Evaluator: Evaluator{Now: time.Now, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}, Ledger: ledger, Meter: counting{}}}
	i := sallyport.Intent{CallID: "a", Arguments: json.RawMessage("{}"), At: time.Now().UTC()}
	r := namedRunner{Runner: refusing{}, name: "kube", limit: time.Minute}
	end, err := a.act(t.Context(), r, sallyporttest.AllowedPermit(t, i, sallyport.Obligations{}), func(*sallyport.Failure) sallyport.Outcome { return unknown() })
	if err != nil || end.State != sallyport.StateAmbiguous || ledger.last.Outcome == nil || ledger.last.Outcome.State != sallyport.StateAmbiguous {
		t.Errorf("act = %+v, %v, recorded %+v; want it ambiguous", end, err, ledger.last.Outcome)
	}
}
