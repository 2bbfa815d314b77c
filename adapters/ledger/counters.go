package ledger

import (
	"slices"

	"github.com/sallyport/sallyport"
)

// The counters of the projection: how many of an agent's calls of a kind were
// received in a minute. An agent's history is read from them at the same cost
// however many calls it makes.
const (
	countCalls  = "calls"  // all of them
	countDenied = "denied" // those that were denied
	countSame   = "same"   // those of one tool with the same arguments
	countBytes  = "bytes"  // what was received, by hours
)

// The units in which calls are counted, in nanoseconds.
const (
	minute = 60_000_000_000
	hour   = 60 * minute
)

// counter names a row of the table of counters, and what a call adds to it.
type counter struct {
	agent, name, part string
	minute            int64
	n                 int64
}

// counters are those in which a call's row counts.
func (c columns) counters() []counter {
	if c.entries == 0 { // there is no row yet
		return nil
	}
	in := func(name, part string) counter { return counter{c.agent, name, part, c.receivedAt / minute, 1} }
	all := []counter{in(countCalls, "")}
	if c.state == string(sallyport.StateDenied) {
		all = append(all, in(countDenied, ""))
	}
	if c.arguments != "" { // it is, of an erased call
		all = append(all, in(countSame, c.tool+" "+c.arguments))
	}
	if c.bytes > 0 {
		all = append(all, counter{c.agent, countBytes, "", hourOf(c.receivedAt), c.bytes})
	}
	return all
}

// hourOf is the first minute of a time's hour.
func hourOf(nanos int64) int64 { return nanos / hour * 60 }

// recount is what a changed row changes in the counters. A counter of nothing is
// removed: its part stands for arguments that may be erased.
func recount(before, after columns) (writes []*statement) {
	was, is := before.counters(), after.counters()
	for _, c := range was {
		if !slices.Contains(is, c) {
			writes = append(writes, c.add(-c.n), exec(sqlDropCounter, c.agent, c.name, c.part, c.minute))
		}
	}
	for _, c := range is {
		if !slices.Contains(was, c) {
			writes = append(writes, c.add(c.n))
		}
	}
	return writes
}

func (c counter) add(n int64) *statement {
	return exec(sqlCount, c.agent, c.name, c.part, c.minute, n)
}
