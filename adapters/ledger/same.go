package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport/sallyport"
)

// A call that repeats another is found in the transaction that would receive it:
// of many at once, in whatever processes, the ledger receives one.

// longestOpen bounds how long ago a call that is still open was received: as long
// as a ballot is open, and a day for the rest.
const longestOpen = sallyport.MaxTTLSeconds*time.Second + 24*time.Hour

// learnSame finds the calls that new ones repeat.
func (t *transaction) learnSame(ctx context.Context, entries []sallyport.Entry) error {
	t.same = map[sallyport.Digest]string{}
	var reads []*statement
	var calls []sallyport.Call
	ids := make([]string, len(entries))
	for i, e := range entries {
		if e.Kind != sallyport.EntryReceived || e.Call.JoinSeconds <= 0 {
			continue
		}
		ended := e.At.Add(-time.Duration(e.Call.JoinSeconds) * time.Second)
		calls = append(calls, *e.Call)
		reads = append(reads, query([]any{&ids[i]}, sqlSame, e.Terms()[len(e.Terms())-1], nanos(e.At.Add(-longestOpen)), nanos(ended), string(sallyport.StateCancelled)))
	}
	if err := t.conn.run(ctx, reads...); err != nil {
		return fmt.Errorf("the calls that new ones repeat can't be read: %w", err)
	}
	for i, c := range calls {
		if id, _ := reads[i].into[0].(*string); !reads[i].none {
			t.same[c.Same] = *id
		}
	}
	return nil
}

// distinct denies a call that repeats another.
func (t *transaction) distinct(c sallyport.Call) error {
	if id := t.same[c.Same]; id != "" && c.JoinSeconds > 0 {
		err := sallyport.Errorf(sallyport.Conflict, sallyport.CodeSameCall, "the call repeats call %s", id)
		err.CallID = id
		return err
	}
	return nil
}
