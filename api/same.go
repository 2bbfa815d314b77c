package api

import (
	"context"

	"github.com/sallyport/sallyport"
)

// compare says which other call this one repeats: a client of a model sends a write
// again without a key when an answer got lost. A read has no effect to repeat, of
// redacted arguments nothing is left to compare, and a tool that the agent may not
// see is none.
func (s *Server) compare(call *sallyport.Call, sub submission) {
	if !sub.joins || sub.key != "" || sub.tool == nil || sub.tool.ReadOnly || s.opts.JoinWrites <= 0 || len(call.Redact) > 0 {
		return
	}
	call.Same = call.SameDigest()
	if !sub.apart {
		call.JoinSeconds = int(s.opts.JoinWrites.Seconds())
	}
}

// joinSame is the call that a write without a key repeats. The ledger finds it in a
// table that is for searches and that no leaf binds: the found call itself must say
// that it is the same. As with join, it may not have been handed over.
func (s *Server) joinSame(ctx context.Context, call sallyport.Call, id string) (sallyport.Record, error) {
	known, err := s.opts.Reader.Call(ctx, id)
	switch {
	case err != nil:
		return sallyport.Record{}, err
	case known.Call.Same != call.Same || known.Call.AgentID != call.AgentID:
		return sallyport.Record{}, sallyport.Errorf(sallyport.Internal, sallyport.CodeInternal,
			"the ledger names call %s as what a call of agent %s repeats, and that one is another: verify the ledger", id, call.AgentID)
	case known.State != sallyport.StatePending:
		return known, nil
	}
	return known, s.start(ctx, known, known.Call, true)
}
