package proof

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sallyport/sallyport/sallyporttest"
)

// counted adds the log's word on how many leaves a file has.
func (l *testLog) counted(f File, change func(*Count)) File {
	l.t.Helper()
	opened, err := OpenCheckpoint([]byte(f.Checkpoint), note.VerifierList(l.verifier))
	if err != nil {
		l.t.Fatal(err)
	}
	c := Count{Call: f.Call, Leaves: len(f.Leaves), Tree: opened.Tree, Time: time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)}
	change(&c)
	msg, err := SignCount(c, l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	f.Count = string(msg)
	return f
}

// TestShortened: a proof from which the last leaves were taken does not say that
// these are all, or that the call had not ended.
func TestShortened(t *testing.T) {
	l := newLog(t).add(sallyporttest.Approved(1)...)
	whole := l.file(sallyporttest.Approved(1)[0].CallID)
	said := func(f File) (proves, not string) {
		t.Helper()
		s, err := check(t, f, l.verifier)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(s.Proves, "\n"), strings.Join(s.Not, "\n")
	}
	if proves, not := said(whole); !strings.Contains(proves, "no leaf before its end is missing") || !strings.Contains(not, "after its end") {
		t.Errorf("the whole proof proves\n%s\nand not\n%s", proves, not)
	}
	for n := 1; n < len(whole.Leaves); n++ {
		short := whole
		short.Leaves = whole.Leaves[:n]
		proves, not := said(short)
		if strings.Contains(proves, "ended") || !strings.Contains(not, "later ones may have been left out") {
			t.Errorf("the first %d leaves prove\n%s\nand not\n%s", n, proves, not)
		}
	}
}

// TestCount: the log's word on how many leaves an open call has holds for one call
// and one tree, and is no checkpoint.
func TestCount(t *testing.T) {
	story := sallyporttest.Approved(1)[:5]
	l := newLog(t).add(sallyporttest.Approved(0)...).add(story...)
	keys := note.VerifierList(l.verifier)
	genuine := l.counted(l.file(story[0].CallID), func(*Count) {})
	s, err := check(t, genuine, l.verifier)
	if want := "at leaf 12 of the log, at 2026-11-21T23:00:00Z, it had 5 leaves, which are these"; err != nil || !strings.Contains(strings.Join(s.Proves, "\n"), want) {
		t.Errorf("%v: it proves %v, want %q", err, s.Proves, want)
	}
	if c, err := OpenCheckpoint([]byte(genuine.Count), keys); err == nil {
		t.Errorf("a count was taken for the checkpoint %+v", c)
	}
	if c, err := ReadCheckpoint([]byte(genuine.Count)); err == nil {
		t.Errorf("a count was read as the checkpoint %+v", c)
	}
	if c, err := OpenCount([]byte(genuine.Checkpoint), keys); err == nil {
		t.Errorf("a checkpoint was taken for the count %+v", c)
	}
	other := newLog(t).add(sallyporttest.Approved(0)...).add(story...)
	short := genuine
	short.Leaves = genuine.Leaves[:3]
	grown := l.add(sallyporttest.Approved(1)[5]).file(genuine.Call)
	later := grown
	later.Count = genuine.Count
	for name, f := range map[string]File{
		"Shortened":   short,
		"LaterTree":   later,
		"OtherCall":   l.counted(genuine, func(c *Count) { c.Call = sallyporttest.Approved(2)[0].CallID }),
		"OtherLeaves": l.counted(genuine, func(c *Count) { c.Leaves++ }),
		"OtherSize":   l.counted(genuine, func(c *Count) { c.Tree.N++ }),
		"OtherRoot":   l.counted(genuine, func(c *Count) { c.Tree.Hash[0] ^= 1 }),
		"OtherKey": func() File {
			f := genuine
			f.Count = other.counted(other.file(f.Call), func(*Count) {}).Count
			return f
		}(),
		"Checkpoint":   func() File { f := genuine; f.Count = f.Checkpoint; return f }(),
		"AsCheckpoint": func() File { f := genuine; f.Checkpoint = f.Count; return f }(),
	} {
		if s, err := check(t, f, l.verifier); err == nil {
			t.Errorf("%s was taken, and proves %v", name, s.Proves)
		}
	}
	bits(genuine.Count, func(flipped string) {
		if c, err := OpenCount([]byte(flipped), keys); err == nil {
			t.Errorf("a count with a bit flipped was taken: %+v", c)
		}
	})
}
