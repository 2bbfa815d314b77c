package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport/sallyport"
)

// What stands against an entry is looked up in the transaction that would append
// it: no policy, no race and no other process gets round it.

// admit refuses an entry that a freeze or an agent's limits stand against.
func (t *transaction) admit(k *known, e sallyport.Entry) error {
	switch e.Kind { //nolint:exhaustive // all else is the record's business
	case sallyport.EntryReceived:
		return t.agents[e.Call.AgentID].receive(e.At)
	case sallyport.EntryBallot, sallyport.EntryStart:
		if k.frozen != nil {
			return k.frozen.Refusal()
		}
		if e.Kind == sallyport.EntryStart {
			return t.agents[k.record.Call.AgentID].start()
		}
	}
	return nil
}

// learnFreezes reads what stops the calls that are about to go on.
func (t *transaction) learnFreezes(ctx context.Context, entries []sallyport.Entry) error {
	var reads []*statement
	var calls []*known
	records := make([][]byte, len(entries))
	for i, e := range entries {
		if k := t.calls[e.CallID]; (e.Kind == sallyport.EntryBallot || e.Kind == sallyport.EntryStart) && k.record.Entries > 0 {
			calls = append(calls, k)
			reads = append(reads, query([]any{&records[i]}, sqlFrozen,
				sallyport.Searchable(k.record.Call.AgentID), sallyport.Searchable(k.record.Call.Tool), namespaceOf(k.record)))
		}
	}
	if err := t.conn.run(ctx, reads...); err != nil {
		return fmt.Errorf("freezes can't be read: %w", err)
	}
	for i, k := range calls {
		if record, _ := reads[i].into[0].(*[]byte); !reads[i].none {
			r, err := decodeFreeze(*record)
			if err != nil {
				return err
			}
			k.frozen = &r.Freeze
		}
	}
	return nil
}

// namespaceOf is where a call acts: nil where nobody knows, which is anywhere.
func namespaceOf(r sallyport.Record) *string {
	if r.Intent == nil {
		return nil
	}
	return new(sallyport.Searchable(r.Intent.Namespace))
}

// limitWindow is what a limit per minute looks at. Times of calls are those of
// the processes that took them: some of them may be as much ahead.
const limitWindow = time.Minute

// retrySoon is when to try again where nobody knows when there will be room.
const retrySoon = time.Second

// tally counts an agent's calls, with those that this transaction adds.
type tally struct {
	agent           string
	limits          sallyport.Limits
	received        int
	oldest          *int64 // received within the window
	atWork, running int
}

// learnAgents counts the calls of agents that have limits.
func (t *transaction) learnAgents(ctx context.Context, entries []sallyport.Entry, limits func(string) sallyport.Limits) error {
	t.agents = map[string]*tally{}
	var reads []*statement
	for _, e := range entries {
		agent := t.limited(e)
		if agent == "" || t.agents[agent] != nil {
			continue
		}
		c := &tally{agent: agent, limits: limits(agent)}
		t.agents[agent] = c
		if c.limits.CallsPerMinute > 0 {
			reads = append(reads, query([]any{&c.received, &c.oldest}, sqlReceivedBetween, sallyport.Searchable(agent), nanos(e.At.Add(-limitWindow)), nanos(e.At.Add(limitWindow))))
		}
		if c.limits.Running > 0 {
			reads = append(reads, query([]any{&c.atWork, &c.running}, sqlAtWork, sallyport.Searchable(agent)))
		}
	}
	if err := t.conn.run(ctx, reads...); err != nil {
		return fmt.Errorf("calls can't be counted: %w", err)
	}
	return nil
}

// limited is the agent whose limits an entry may reach, or "".
func (t *transaction) limited(e sallyport.Entry) string {
	switch e.Kind {
	case sallyport.EntryReceived:
		return e.Call.AgentID
	case sallyport.EntryStart:
		return t.calls[e.CallID].record.Call.AgentID
	default:
		return ""
	}
}

// receive refuses one more call.
func (c *tally) receive(at time.Time) error {
	switch l := c.limits; {
	case l.CallsPerMinute > 0 && c.received >= l.CallsPerMinute:
		e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeRateLimited,
			"agent %s has made %d calls within a minute and may make %d", c.agent, c.received, l.CallsPerMinute)
		e.RetryAfter = retrySoon
		if c.oldest != nil {
			e.RetryAfter = max(retrySoon, time.Unix(0, *c.oldest).Add(limitWindow).Sub(at))
		}
		return e
	case l.Running > 0 && c.atWork >= l.Running:
		return c.busy(c.atWork)
	}
	return nil
}

// start refuses one more run.
func (c *tally) start() error {
	if c != nil && c.limits.Running > 0 && c.running >= c.limits.Running {
		return c.busy(c.running)
	}
	return nil
}

func (c *tally) busy(have int) error {
	e := sallyport.Errorf(sallyport.Unavailable, sallyport.CodeTooManyRunning,
		"agent %s has %d calls at work and may have %d: wait until one has ended", c.agent, have, c.limits.Running)
	e.RetryAfter = retrySoon
	return e
}

// count takes an entry that was appended into account for the next ones.
func (t *transaction) count(e sallyport.Entry) {
	c := t.agents[t.limited(e)]
	switch {
	case c == nil:
	case e.Kind == sallyport.EntryReceived:
		c.received++
		c.atWork++
	default:
		c.running++
	}
}
