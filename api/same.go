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

// joinSame is the call that a write without a key repeats. As with join, it may not
// have been handed over.
func (s *Server) joinSame(ctx context.Context, id string) (sallyport.Record, error) {
	known, err := s.opts.Reader.Call(ctx, id)
	if err != nil || known.State != sallyport.StatePending {
		return known, err
	}
	return known, s.start(ctx, known, known.Call, true)
}
