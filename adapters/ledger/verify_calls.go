package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

// calls goes through the log call by call.
func (v *verification) calls(ctx context.Context) error {
	var call *callCheck
	err := eachStep(ctx, v.tx, func(s stored) (err error) {
		call, err = v.step(ctx, call, s)
		return err
	})
	if err != nil {
		return err
	}
	return call.finish(ctx)
}

// step takes the next step of a call, or the first one of another.
func (v *verification) step(ctx context.Context, call *callCheck, s stored) (*callCheck, error) {
	if call == nil || call.id != s.callID {
		if err := call.finish(ctx); err != nil {
			return nil, err
		}
		var err error
		if call, err = v.newCallCheck(ctx, s.callID); err != nil {
			return nil, err
		}
	}
	call.step(s)
	return call, nil
}

// callCheck goes through one call's steps.
type callCheck struct {
	v      *verification
	id     string
	salt   []byte // nil when it is erased, or missing
	record sallyport.Record
	freeze sallyport.FreezeRecord
	chain  proof.Chain
	leaves []proof.Leaf
	shown  columns // what the leaves say in the clear
	sent   sent
	terms  []string
	intact int // steps whose contents are in the store
	broken bool
	erased bool // there is an erasure's content
}

func (v *verification) newCallCheck(ctx context.Context, id string) (*callCheck, error) {
	v.report.Calls++
	c := &callCheck{v: v, id: id}
	err := v.tx.QueryRowContext(ctx, sqlSalt, id).Scan(&c.salt)
	if errors.Is(err, sql.ErrNoRows) {
		c.find("its salt is missing")
		return c, nil
	}
	return c, err
}

func (c *callCheck) find(format string, args ...any) {
	c.broken = true
	c.v.report.Find("call "+c.id, format, args...)
}

func (c *callCheck) findAt(s stored, format string, args ...any) {
	c.broken = true
	c.v.report.Find(s.where(), format, args...)
}

func (c *callCheck) step(s stored) {
	version := c.checkLeaf(s)
	switch {
	case c.chain.Skipped(): // a newer program can say what should be there
	case !s.there:
		c.findAt(s, "its content is missing from the store")
	case s.content != nil:
		c.intact++
		c.checkContent(s, version)
	}
}

// checkLeaf checks what can be checked without the store. It returns the leaf's
// version.
func (c *callCheck) checkLeaf(s stored) string {
	l, err := proof.ParseLeaf(s.leaf)
	if errors.Is(err, proof.ErrNewer) {
		c.v.report.Newer++
		c.chain.Skip()
		return ""
	}
	if err != nil {
		c.findAt(s, "%v", err)
		return ""
	}
	if l.Call != s.callID || l.Number != s.number || string(l.Kind) != s.kind || l.Key != s.key {
		c.findAt(s, "it is %s %q, number %d of call %s, and stored as %s %q, number %d of call %s",
			l.Kind, l.Key, l.Number, l.Call, s.kind, s.key, s.number, s.callID)
	}
	if err := c.chain.Add(s.index, l); err != nil {
		c.findAt(s, "%v", err)
	}
	if err := c.shown.show(l); err != nil {
		c.findAt(s, "%v", err)
	}
	c.leaves = append(c.leaves, l)
	return l.Version
}

// checkContent makes the leaf again from the store, and the record.
func (c *callCheck) checkContent(s stored, version string) {
	e, err := proof.DecodeEntry(s.content)
	if err != nil {
		c.findAt(s, "its content can't be read: %v", errors.Unwrap(err))
		return
	}
	again, err := proof.Encode(e)
	if err != nil || !bytes.Equal(again, s.content) || !bytes.Equal(s.packed, s.content) && !bytes.Equal(s.packed, pack(e, s.content)) {
		c.findAt(s, "its content is not as it was stored")
		return
	}
	if err := e.Check(); err != nil {
		c.findAt(s, "its content is no entry: %v", err)
		return
	}
	if len(c.salt) != proof.SaltSize {
		c.findAt(s, "it has content, and its call has no salt")
		return
	}
	if want, err := proof.LeafAs(version, e, s.number, c.salt); err != nil || !bytes.Equal(want, s.leaf) {
		c.findAt(s, "it is not the leaf of what the store holds")
	}
	switch {
	case e.Kind == sallyport.EntryErasure: // it is all that is left, and adds up to nothing
		c.erased = true
	case e.Kind.OfFreeze():
		c.freeze, err = c.freeze.Apply(e)
	default:
		if e.Kind == sallyport.EntryReceived {
			c.sent = sentIn(*e.Call, s.content)
		}
		c.record, err = c.record.Apply(e)
	}
	if err != nil {
		c.findAt(s, "it can't come here: %v", err)
		return
	}
	c.terms = append(c.terms, e.Terms()...)
	if e.Kind == sallyport.EntryVote {
		c.evidence(s, *e.Vote)
	}
}

// evidence verifies the evidence of a vote as far as the ledger holds what that
// takes.
func (c *callCheck) evidence(s stored, v sallyport.Vote) {
	switch v.Evidence.Class {
	case sallyport.TemporalPrincipal, sallyport.APIAttested: // the keys and the history are not in the ledger
	case sallyport.IDPSigned:
		if c.v.signedVote == nil {
			return
		}
		c.v.report.SignedVotes++
		if err := c.v.signedVote(v, *c.record.Ballot); err != nil {
			c.findAt(s, "the identity provider did not sign this vote: %v", err)
		}
	}
}

// finish compares the call's row in the projection with the fold.
func (c *callCheck) finish(ctx context.Context) error {
	if c == nil { // the log is empty
		return nil
	}
	if c.chain.Skipped() {
		return nil
	}
	if len(c.leaves) > 0 && c.leaves[0].Kind.OfFreeze() {
		return c.finishFreeze(ctx)
	}
	if c.chain.Has(sallyport.EntryStart) && !c.chain.Ended() {
		c.v.report.Unfinished = append(c.v.report.Unfinished, c.id)
	}
	row, err := c.row(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		c.find("its record is missing")
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case c.erased:
		c.finishErased(row)
	case c.intact == 0 && row.record == nil:
		c.find("its contents are gone, and it has no erasure's leaf that names the person")
	case c.intact != len(c.leaves) || c.salt == nil || row.record == nil:
		c.find("only a part of its contents is there")
	case !c.broken:
		return errors.Join(c.compareRow(row), c.compareTerms(ctx))
	}
	return nil
}

// finishErased checks that only the leaves, the erasure's entry and what Rebuild
// makes of them are left of an erased call.
func (c *callCheck) finishErased(row columns) {
	c.v.report.Erased = append(c.v.report.Erased, c.id)
	last := c.leaves[len(c.leaves)-1]
	got, want := fmt.Sprintf("%+v", row), fmt.Sprintf("%+v", c.shown)
	switch {
	case last.Kind != sallyport.EntryErasure || c.intact != 1:
		c.find("it was erased, and something of its contents is there")
	case row.record != nil || row.arguments != "":
		c.find("it was erased, and its record is there")
	case got != want:
		c.find("its record's columns are %s and should be %s, as its leaves say: sallyport-gateway ledger rebuild makes them so", got, want)
	}
}

// compareTerms compares the call's search terms with those of its entries.
func (c *callCheck) compareTerms(ctx context.Context) error {
	var have []string
	err := each(ctx, c.v.tx, func(rows *sql.Rows) error {
		var term string
		var receivedAt int64
		err := rows.Scan(&term, &receivedAt)
		if receivedAt != nanos(c.record.Call.ReceivedAt) {
			term += ", at another time"
		}
		have = append(have, term)
		return err
	}, sqlCallTerms, c.id)
	slices.Sort(c.terms)
	slices.Sort(have) // as we order, whatever the database's collation
	if want := slices.Compact(c.terms); !slices.Equal(have, want) {
		c.find("a search finds it by %q, and should by %q", have, want)
	}
	return err
}

// finishFreeze compares a freeze's row in the projection with the fold.
func (c *callCheck) finishFreeze(ctx context.Context) error {
	c.v.report.Calls--
	c.v.report.Freezes++
	var got struct {
		agent, tool, namespace string
		lifted, at             int64
		record                 []byte
	}
	err := c.v.tx.QueryRowContext(ctx, sqlFreezeRow, c.id).Scan(&got.agent, &got.tool, &got.namespace, &got.lifted, &got.at, &got.record)
	if errors.Is(err, sql.ErrNoRows) {
		c.find("its record is missing")
		return nil
	}
	if err != nil || c.broken {
		return err
	}
	want := got
	f := searchable(c.freeze.Freeze)
	want.agent, want.tool, want.namespace, want.lifted, want.at = f.Agent, f.Tool, f.Namespace, 0, nanos(f.At)
	if c.freeze.Lift != nil {
		want.lifted = 1
	}
	if want.record, err = proof.Encode(c.freeze); err != nil {
		return err
	}
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		c.find("the freeze's record is not what its entries add up to")
	}
	return nil
}

func (c *callCheck) row(ctx context.Context) (columns, error) {
	var r columns
	err := c.v.tx.QueryRowContext(ctx, sqlCallRow, c.id).Scan(&r.state, &r.final, &r.agent, &r.tool, &r.namespace,
		&r.arguments, &r.receivedAt, &r.updatedAt, &r.entries, &r.record, &r.bytes)
	return r, err
}

func (c *callCheck) compareRow(got columns) error {
	want, err := columnsOf(c.record.Summary(), c.sent)
	if err != nil {
		return err
	}
	whole, err := proof.Encode(c.record) // as earlier versions kept it
	if err != nil {
		return err
	}
	if !bytes.Equal(got.record, want.record) && !bytes.Equal(got.record, whole) {
		c.find("its record is not what its entries add up to")
		return nil
	}
	got.record, want.record = nil, nil
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		c.find("its record's columns are %s and should be %s", g, w)
	}
	return nil
}
