package proof

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/strict"
)

// maxProof bounds a proof's file, in bytes.
const maxProof = 64 << 20

// Options say by which keys a proof is verified.
type Options struct {
	Verifiers note.Verifiers // of checkpoints
	// SignedVote verifies a vote that an identity provider signed. Nil leaves
	// that out.
	SignedVote func(sallyport.Vote, sallyport.Ballot) error
	// ProviderKeys says that SignedVote accepts only keys that the caller has from
	// the identity provider. Without it SignedVote takes the key that the log holds
	// beside the vote, and the owner of the log's key could have made that one.
	ProviderKeys bool
	// SignedCall and Attestation open what the API signed. Nil leaves that
	// out.
	SignedCall  func(sallyport.SignedCall) (sallyport.Call, error)
	Attestation func(token string) (sallyport.Attestation, error)
}

// Verify checks a proof, as the ledger makes it, with public keys
// alone, and says what it shows. An error says what is wrong with it: then it
// proves nothing.
func Verify(data []byte, o Options) (Statement, error) {
	if o.Verifiers == nil {
		return Statement{}, fmt.Errorf("to verify a proof takes the verifiers of checkpoints")
	}
	if len(data) > maxProof {
		return Statement{}, fmt.Errorf("a proof has at most %d bytes, and this has %d", maxProof, len(data))
	}
	canonical, err := strict.JSON(data, strict.Limits{Depth: strict.DefaultLimits.Depth, Tokens: maxProof / 16})
	if err != nil {
		return Statement{}, fmt.Errorf("this is no proof: %w", err)
	}
	c := &fileCheck{o: o}
	if err := strict.Decode(canonical, &c.proof); err != nil {
		return Statement{}, fmt.Errorf("this is no proof: %w", err)
	}
	if c.proof.Version != FileVersion {
		return Statement{}, fmt.Errorf("this is a %q, and not a %s", c.proof.Version, FileVersion)
	}
	opened, err := OpenCheckpoint([]byte(c.proof.Checkpoint), o.Verifiers)
	if err != nil {
		return Statement{}, fmt.Errorf("the checkpoint is not one that the log signed: %w", err)
	}
	c.tree, c.log = opened.Tree, opened.Origin
	if len(c.proof.Leaves) == 0 {
		return Statement{}, fmt.Errorf("it has no leaves")
	}
	for i := range c.proof.Leaves {
		if err := c.check(i); err != nil {
			return Statement{}, fmt.Errorf("leaf %d of the call: %w", i, err)
		}
	}
	if err := c.complete(); err != nil {
		return Statement{}, err
	}
	if err := c.counted(); err != nil {
		return Statement{}, fmt.Errorf("the count of its leaves: %w", err)
	}
	return c.report(), nil
}

// fileCheck goes through one proof.
type fileCheck struct {
	o      Options
	proof  File
	log    string // its name
	tree   tlog.Tree
	chain  Chain
	leaves []Leaf
	opened bool // entries are there
	count  *Count
	record sallyport.Record
	freeze sallyport.FreezeRecord
	said   []string
}

// check checks the i-th leaf: that it is in the log, that it comes here, and,
// where the entry is there, that it is what the leaf commits to.
func (c *fileCheck) check(i int) error {
	p := c.proof.Leaves[i]
	if err := tlog.CheckRecord(p.Inclusion, c.tree.N, c.tree.Hash, p.Index, tlog.RecordHash([]byte(p.Leaf))); err != nil {
		return fmt.Errorf("it is not in the log that was signed: %w", err)
	}
	l, err := ParseLeaf([]byte(p.Leaf))
	if err != nil {
		return err
	}
	if l.Call != c.proof.Call {
		return fmt.Errorf("it is of call %s", sallyport.Visible(l.Call))
	}
	if err := c.chain.Add(p.Index, l); err != nil {
		return err
	}
	c.leaves = append(c.leaves, l)
	c.said = append(c.said, l.say())
	if p.Entry == "" {
		return nil
	}
	return c.open(i, l, p)
}

// open checks an entry against its leaf, and against what came before it.
func (c *fileCheck) open(i int, l Leaf, p Included) error {
	e, err := DecodeEntry([]byte(p.Entry))
	if err == nil {
		err = e.Check()
	}
	if err != nil {
		return fmt.Errorf("its entry can't be read: %w", err)
	}
	if stored, err := Encode(e); err != nil || string(stored) != p.Entry {
		return fmt.Errorf("its entry is not as it was stored: a leaf commits to its bytes")
	}
	if again, err := LeafAs(l.Version, e, i, c.proof.Salt); err != nil || !bytes.Equal(again, []byte(p.Leaf)) {
		return fmt.Errorf("it does not commit to the entry that the file shows")
	}
	c.opened = true
	if e.Kind == sallyport.EntryErasure { // what came before is gone
		c.said = append(c.said, sayEntry(e))
		return nil
	}
	if e.Kind.OfFreeze() {
		c.freeze, err = c.freeze.Apply(e)
	} else {
		c.record, err = c.record.Apply(e)
	}
	if err != nil {
		return fmt.Errorf("it can't come here: %w", err)
	}
	if said := sayEntry(e); said != "" {
		c.said = append(c.said, said)
	}
	return c.signatures(e)
}

// signatures verifies the signatures of the API and of the identity provider.
func (c *fileCheck) signatures(e sallyport.Entry) error {
	switch {
	case e.Call != nil && c.o.SignedCall != nil:
		signed, err := c.o.SignedCall(e.Signed)
		if err != nil || signed.ID != e.Call.ID || string(signed.Arguments) != string(e.Call.Arguments) || signed.Tool != e.Call.Tool || signed.AgentID != e.Call.AgentID {
			return fmt.Errorf("the API did not sign this call: %w", err)
		}
		c.said = append(c.said, "  the API signed it")
	case e.Kind == sallyport.EntryVote:
		return c.evidence(e.CallID, *e.Vote)
	}
	return nil
}

// evidence verifies a vote's evidence, each class by its own verifier.
func (c *fileCheck) evidence(callID string, v sallyport.Vote) error {
	switch v.Evidence.Class {
	case sallyport.TemporalPrincipal: // its evidence is the Temporal server's history, which is not in the file
	case sallyport.IDPSigned:
		if c.o.SignedVote == nil {
			return nil
		}
		if err := c.o.SignedVote(v, *c.record.Ballot); err != nil {
			return fmt.Errorf("the identity provider did not sign this vote: %w", err)
		}
		said := "  its ID token is signed, with a key for which the log alone vouches"
		if c.o.ProviderKeys {
			said = "  the identity provider signed it, with one of the keys that you gave"
		}
		c.said = append(c.said, said)
	case sallyport.APIAttested:
		if c.o.Attestation == nil {
			return nil
		}
		a, err := c.o.Attestation(v.Evidence.Token)
		if err != nil || a.CallID != callID || a.Account != v.Account || a.Paper.Ballot != v.Ballot || a.Paper.Verdict != v.Verdict {
			return fmt.Errorf("the API did not attest this vote: %w", err)
		}
		c.said = append(c.said, "  the API signed that it saw this vote")
	}
	return nil
}

// complete rejects a file that lacks some entries: all are there, or none, or
// none before an erasure.
func (c *fileCheck) complete() error {
	last := len(c.leaves) - 1
	erased := c.leaves[last].Kind == sallyport.EntryErasure
	for i, p := range c.proof.Leaves {
		if c.opened && p.Entry == "" && !erased {
			return fmt.Errorf("leaf %d of the call: its entry was left out, and others are there", i)
		}
	}
	return nil
}

// counted verifies the log's word on how many leaves the call has.
func (c *fileCheck) counted() error {
	if c.proof.Count == "" {
		return nil
	}
	n, err := OpenCount([]byte(c.proof.Count), c.o.Verifiers)
	switch {
	case err != nil:
		return err
	case n.Origin != c.log || n.Tree != c.tree:
		return fmt.Errorf("it is of another tree than the checkpoint")
	case n.Call != c.proof.Call:
		return fmt.Errorf("it is of call %s", sallyport.Visible(n.Call))
	case n.Leaves != len(c.leaves):
		return fmt.Errorf("the call has %d leaves in that tree, and the file %d", n.Leaves, len(c.leaves))
	}
	c.count = &n
	return nil
}

func (c *fileCheck) report() Statement {
	proves := []string{fmt.Sprintf("the log %s, of %d leaves, was signed as it then was, and these are %d of them, in this order:",
		c.log, c.tree.N, len(c.leaves))}
	proves = append(proves, c.said...)
	if c.chain.Ended() {
		proves = append(proves, "it has ended, and no leaf before its end is missing")
	}
	if c.count != nil {
		proves = append(proves, fmt.Sprintf("at leaf %d of the log, at %s, it had %d leaves, which are these", c.tree.N-1, c.count.Time.Format(time.RFC3339), c.count.Leaves))
	}
	return Statement{Call: c.proof.Call, Proves: proves, Not: append(c.later(), c.limits()...)}
}

// later says which leaves of the call the file may lack.
func (c *fileCheck) later() []string {
	last := c.leaves[len(c.leaves)-1].Kind
	switch {
	case last == sallyport.EntryErasure || last == sallyport.EntryLift: // nothing follows these
		return nil
	case c.count != nil:
		return []string{fmt.Sprintf("what came after leaf %d of the log", c.tree.N-1)}
	case c.chain.Ended():
		return []string{"that no vote was refused and nothing was erased after its end: such leaves may have been left out"}
	}
	return []string{"that these are all its leaves: later ones may have been left out, its end among them. A proof that the API makes has the log's word on how many there are"}
}
