package proof

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport"
)

// ErrNewer is the error for a leaf of a version that this program does not know.
// It says nothing of the leaf: a newer program verifies it.
var ErrNewer = errors.New("it is of a version newer than this program: verify it with a newer one")

// versionOf is the number of a leaf's version. A version that is none of ours is
// an error, and a later one [ErrNewer].
func versionOf(version string) (int, error) {
	number, ok := strings.CutPrefix(version, leafVersionPrefix)
	n, err := strconv.Atoi(number)
	switch {
	case !ok || err != nil || n < 1 || strconv.Itoa(n) != number:
		return 0, fmt.Errorf("%.40q is not the version of a leaf", version)
	case n > lastLeafVersion:
		return n, ErrNewer
	}
	return n, nil
}

// Chain follows the leaves of one call, or of one freeze, and refuses one that
// can't come next. It needs nothing but the leaves: they show enough of erased
// calls, too. Its zero value is a call without leaves.
type Chain struct {
	sequence sallyport.Sequence
	leaves   int
	last     int64 // index of the last leaf
	keys     []key
	ended    bool
	newer    bool
}

// key is where there is at most one leaf of a call.
type key struct {
	kind sallyport.EntryKind
	key  string
}

// Add adds the next leaf, which has an index in the log. After an error, the
// leaves that follow can be added all the same.
func (c *Chain) Add(index int64, l Leaf) error {
	if c.newer {
		return nil
	}
	err := c.check(index, l)
	c.leaves++
	c.last = index
	c.keys = append(c.keys, key{l.Kind, l.Key})
	c.ended = c.ended || l.Kind == sallyport.EntryOutcome || l.Kind == sallyport.EntryLift
	if err != nil {
		return err
	}
	next, err := c.sequence.Next(l.link())
	if err != nil {
		return fmt.Errorf("it can't come here: %w", err)
	}
	c.sequence = next
	return nil
}

// Skip says that a leaf comes next which this program can't read. Nothing is
// refused after it.
func (c *Chain) Skip() { c.newer = true }

// Skipped reports whether there was such a leaf.
func (c *Chain) Skipped() bool { return c.newer }

func (c *Chain) check(index int64, l Leaf) error {
	switch {
	case l.Number != c.leaves:
		return fmt.Errorf("it is number %d of call %s, and number %d should come here: a leaf is missing", l.Number, l.Call, c.leaves)
	case c.leaves > 0 && index <= c.last:
		return fmt.Errorf("it comes after leaf %d in its call and before it in the log", c.last)
	case slices.Contains(c.keys, key{l.Kind, l.Key}):
		return fmt.Errorf("its call has a %s of the same key already", l.Kind)
	}
	return nil
}

// Leaves is how many there were.
func (c *Chain) Leaves() int { return c.leaves }

// Has reports whether there was a leaf of a kind.
func (c *Chain) Has(k sallyport.EntryKind) bool {
	return slices.ContainsFunc(c.keys, func(had key) bool { return had.kind == k })
}

// Ended reports whether the call has its outcome, or the freeze its lift.
func (c *Chain) Ended() bool { return c.ended }

// link is what the order of leaves depends on of this one. People are pseudonyms,
// which are the same for one person within a call.
func (l Leaf) link() sallyport.Link {
	version, _ := versionOf(l.Version) // ParseLeaf has refused others
	_, planned := l.Commitments["plan"]
	people := slices.Clone(l.People)
	slices.Sort(people)
	return sallyport.Link{
		CallID: l.Call, Kind: l.Kind, Version: version, Planned: planned,
		Ballot: l.Ballot, Person: l.Person, Verdict: sallyport.Verdict(l.Verdict), People: people, State: sallyport.State(l.State),
	}
}
