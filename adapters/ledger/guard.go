package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport/sallyport"
)

// Freezes and limits are read in the transaction that would append an entry, so
// that no policy, no race and no other process can bypass them.

// admit denies an entry that a freeze stops or that exceeds its agent's limits.
func (t *transaction) admit(k *known, e sallyport.Entry, content []byte) error {
	switch e.Kind { //nolint:exhaustive // the record checks the other kinds
	case sallyport.EntryReceived:
		if err := t.distinct(*e.Call); err != nil {
			return err
		}
		return t.receive(t.agents[e.Call.AgentID], e.At, int64(len(content)))
	case sallyport.EntryBallot, sallyport.EntryStart:
		if k.frozen != nil {
			return k.frozen.Denial()
		}
		if e.Kind == sallyport.EntryStart {
			return t.agents[k.record.Call.AgentID].start()
		}
	}
	return nil
}

// learnFreezes reads the freezes that stop the calls of ballots and starts.
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

// namespaceOf is the namespace in which a call acts. It is nil for a call
// without an intent, which every freeze of a namespace stops.
func namespaceOf(r sallyport.Summary) *string {
	if r.Intent == nil {
		return nil
	}
	return new(sallyport.Searchable(r.Intent.Namespace))
}

// limitWindow is the time over which a limit per minute counts. A call's time
// is that of the process that received it, whose clock may be ahead by as much.
const limitWindow = time.Minute

// retrySoon is the retry delay where it can't be computed when the agent's
// usage falls below its limit.
const retrySoon = time.Second

// retryWaiting is the retry delay where people have to act first.
const retryWaiting = time.Minute

// usage counts an agent's calls, with those that this transaction adds.
type usage struct {
	agent           string
	limits          sallyport.Limits
	received        int
	oldest          *int64 // received within the window
	atWork, running int
	waiting         int   // for people
	bytes           int64 // received in this hour and the 23 before it
}

// learnAgents counts the calls of agents, as far as these are limited.
func (t *transaction) learnAgents(ctx context.Context, entries []sallyport.Entry, limits func(string) sallyport.Limits) error {
	t.agents = map[string]*usage{}
	receiving := slices.ContainsFunc(entries, func(e sallyport.Entry) bool { return e.Kind == sallyport.EntryReceived })
	var reads []*statement
	if receiving && t.places > 0 {
		reads = append(reads, query([]any{&t.taken}, sqlTaken))
	}
	for _, e := range entries {
		agent := t.limited(e)
		if agent == "" || t.agents[agent] != nil {
			continue
		}
		c := &usage{agent: agent, limits: limits(agent)}
		t.agents[agent] = c
		if receiving {
			reads = append(reads, c.count(e.At, t.places > 0)...)
		} else if c.limits.Running > 0 {
			reads = append(reads, c.countAtWork())
		}
	}
	if err := t.conn.run(ctx, reads...); err != nil {
		return fmt.Errorf("calls can't be counted: %w", err)
	}
	return nil
}

// count is how an agent's calls are counted before one more is received, as far as
// a limit needs it.
func (c *usage) count(at time.Time, places bool) (reads []*statement) {
	agent := sallyport.Searchable(c.agent)
	if c.limits.CallsPerMinute > 0 {
		reads = append(reads, query([]any{&c.received, &c.oldest}, sqlReceivedBetween, agent, nanos(at.Add(-limitWindow)), nanos(at.Add(limitWindow))))
	}
	if c.limits.Running > 0 || c.limits.Waiting > 0 || places {
		reads = append(reads, c.countAtWork())
	}
	if c.limits.BytesPerDay > 0 {
		reads = append(reads, query([]any{&c.bytes}, sqlBytesSince, agent, hourOf(nanos(at))-23*60))
	}
	return reads
}

// countAtWork is how an agent's open calls are counted, which is all that a start
// takes.
func (c *usage) countAtWork() *statement {
	return query([]any{&c.atWork, &c.running, &c.waiting}, sqlAtWork, sallyport.Searchable(c.agent))
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

// receive denies one more call when the agent has reached a limit. Of the places
// for calls at work, an agent may have as many as are left: alone it gets half of
// them, and of n busy agents each gets one of n+1 parts. An agent that has none at
// work gets one, however many the others have: the identity table bounds how many
// more there are than places.
func (t *transaction) receive(c *usage, at time.Time, bytes int64) error {
	switch l := c.limits; {
	case l.CallsPerMinute > 0 && c.received >= l.CallsPerMinute:
		after := retrySoon
		if c.oldest != nil {
			after = max(retrySoon, time.Unix(0, *c.oldest).Add(limitWindow).Sub(at))
		}
		return refusal(sallyport.CodeRateLimited, after, "agent %s has made %d calls within a minute and may make %d", c.agent, c.received, l.CallsPerMinute)
	case l.Running > 0 && c.atWork >= l.Running:
		return c.busy(c.atWork)
	case t.places > 0 && c.atWork > 0 && c.atWork >= t.places-t.taken:
		after := 2*time.Second + time.Duration(at.Nanosecond()%4)*time.Second // apart, for each try costs
		return refusal(sallyport.CodeOverloaded, after,
			"%d of %d places for calls at work are taken; agent %s has %d, and may have as many as are left", t.taken, t.places, c.agent, c.atWork)
	case l.Waiting > 0 && c.waiting >= l.Waiting:
		return refusal(sallyport.CodeTooManyWaiting, retryWaiting,
			"agent %s has %d calls that wait for people and may have %d: wait until one has ended", c.agent, c.waiting, l.Waiting)
	case l.BytesPerDay > 0 && c.bytes+bytes > l.BytesPerDay:
		after := max(retrySoon, at.Truncate(time.Hour).Add(time.Hour).Sub(at)) // an hour of a day ago counts no more
		return refusal(sallyport.CodeTooManyBytes, after, "agent %s has sent %d bytes within a day and may send %d", c.agent, c.bytes, l.BytesPerDay)
	}
	return nil
}

// start denies one more run when the agent has reached a limit.
func (c *usage) start() error {
	if c != nil && c.limits.Running > 0 && c.running >= c.limits.Running {
		return c.busy(c.running)
	}
	return nil
}

func (c *usage) busy(have int) error {
	return refusal(sallyport.CodeTooManyRunning, retrySoon,
		"agent %s has %d calls at work and may have %d: wait until one has ended", c.agent, have, c.limits.Running)
}

// refusal is the error of an agent that has reached a limit, and may come again.
func refusal(code string, after time.Duration, format string, args ...any) error {
	e := sallyport.Errorf(sallyport.Unavailable, code, format, args...)
	e.RetryAfter = after
	return e
}

// count adds an appended entry to its agent's usage.
func (t *transaction) count(e sallyport.Entry, content []byte) {
	c := t.agents[t.limited(e)]
	switch {
	case c == nil:
	case e.Kind == sallyport.EntryReceived:
		c.received++
		c.atWork++
		t.taken++
		c.bytes += int64(len(content))
	default:
		c.running++
	}
}
