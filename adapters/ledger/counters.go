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
)

// minute is the unit in which calls are counted, in nanoseconds.
const minute = 60_000_000_000

// counter names a row of the table of counters.
type counter struct {
	agent, name, part string
	minute            int64
}

// counters are those in which a call's row counts.
func (c columns) counters() []counter {
	if c.entries == 0 { // there is no row yet
		return nil
	}
	in := func(name, part string) counter { return counter{c.agent, name, part, c.receivedAt / minute} }
	all := []counter{in(countCalls, "")}
	if c.state == string(sallyport.StateDenied) {
		all = append(all, in(countDenied, ""))
	}
	if c.arguments != "" { // it is, of an erased call
		all = append(all, in(countSame, c.tool+" "+c.arguments))
	}
	return all
}

// recount is what a changed row changes in the counters. A counter of nothing is
// removed: its part stands for arguments that may be erased.
func recount(before, after columns) (writes []*statement) {
	was, is := before.counters(), after.counters()
	for _, c := range was {
		if !slices.Contains(is, c) {
			writes = append(writes, c.add(-1), exec(sqlDropCounter, c.agent, c.name, c.part, c.minute))
		}
	}
	for _, c := range is {
		if !slices.Contains(was, c) {
			writes = append(writes, c.add(1))
		}
	}
	return writes
}

func (c counter) add(n int64) *statement {
	return exec(sqlCount, c.agent, c.name, c.part, c.minute, n)
}
