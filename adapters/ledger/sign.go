package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sallyport/sallyport/adapters/ledger/proof"
)

const (
	// signDelay is how long leaves wait for a checkpoint, so that many of
	// them share one.
	signDelay = 100 * time.Millisecond
	// signCheck is how often to look for unsigned leaves of other processes: an
	// eraser has no key, and a process may die before it signs.
	signCheck = 2 * time.Second
	// signAgain is how long to wait after the signer failed.
	signAgain = time.Second
	// signLimit is how long one signature may take.
	signLimit = 30 * time.Second
	// closeLimit is how long the last signature, and closing a session, may take.
	closeLimit = 5 * time.Second
)

// Signer signs checkpoints as their log. A [Key] is one whose private half is a
// file; one that has it elsewhere, as a key management service, takes a
// request for each checkpoint.
//
// Sign returns the Ed25519 signature of a message by the private half of
// Verifier's key, whose name is the log's origin. It may take its time, or
// fail: checkpoints wait for it and nothing else does. Safe for concurrent use.
type Signer interface {
	Verifier() note.Verifier
	Sign(ctx context.Context, msg []byte) ([]byte, error)
}

// noteSigner is a [Signer] as package note takes it.
type noteSigner struct {
	Signer

	ctx context.Context //nolint:containedctx // note's interface has no place for it
}

func (s noteSigner) Name() string { return s.Verifier().Name() }

func (s noteSigner) KeyHash() uint32 { return s.Verifier().KeyHash() }

func (s noteSigner) Sign(msg []byte) ([]byte, error) { return s.Signer.Sign(s.ctx, msg) }

// notary signs heads, beside what is appended.
type notary struct {
	db      *sql.DB
	signer  Signer
	trusted note.Verifiers // the signer's, and those it has replaced
	store   func(context.Context, checkpoint) error
}

// sign signs the head, unless that is done. Before it signs a tree, it checks
// that the last signed one is its beginning: what was changed behind our back
// must not get our signature. It needs no lock, so that writers don't wait for
// it: signed rows never change.
func (n *notary) sign(ctx context.Context) error {
	head, checkpoints, err := readHead(ctx, n.db)
	if err != nil {
		return fmt.Errorf("the head can't be read: %w", err)
	}
	if checkpoints > 0 {
		done, err := n.extends(ctx, head, checkpoints)
		if done || err != nil {
			return err
		}
	} else if head.N > 0 {
		return tamperedError{what: "there are leaves and no checkpoint, which the empty log has already"}
	}
	ctx, cancel := context.WithTimeout(ctx, signLimit)
	defer cancel()
	msg, err := proof.SignCheckpoint(head, noteSigner{n.signer, ctx})
	if err != nil {
		return fmt.Errorf("no signature: %w", err)
	}
	return n.store(ctx, checkpoint{seq: checkpoints, tree: head, note: msg})
}

// extends checks that a head extends the last checkpoint, and reports whether
// it is the same.
func (n *notary) extends(ctx context.Context, head tlog.Tree, checkpoints int64) (bool, error) {
	last, err := n.lastCheckpoint(ctx, checkpoints-1)
	if err != nil || last == head {
		return err == nil, err
	}
	if last.N > head.N {
		return false, tamperedError{what: fmt.Sprintf("a tree of %d leaves was signed, and there are %d", last.N, head.N)}
	}
	if last.N == 0 {
		return false, nil
	}
	consistency, err := tlog.ProveTree(head.N, last.N, hashesOf(ctx, n.db))
	if err != nil {
		return false, err
	}
	if err := tlog.CheckTree(consistency, head.N, head.Hash, last.N, last.Hash); err != nil {
		return false, tamperedError{what: fmt.Sprintf("the signed tree of %d leaves is not the beginning of the one of %d: %v", last.N, head.N, err)}
	}
	return false, nil
}

// lastCheckpoint reads the last checkpoint, which must be one that our key
// signed, or one that ours has replaced.
func (n *notary) lastCheckpoint(ctx context.Context, seq int64) (tlog.Tree, error) {
	var msg []byte
	if err := n.db.QueryRowContext(ctx, sqlCheckpoint, seq).Scan(&msg); err != nil {
		return tlog.Tree{}, fmt.Errorf("the last checkpoint can't be read: %w", err)
	}
	name := n.signer.Verifier().Name()
	if c, err := proof.ReadCheckpoint(msg); err == nil && c.Origin != name {
		return tlog.Tree{}, fmt.Errorf("this is the ledger of %q, and the key is of %q: open it with the key that signed it", c.Origin, name)
	}
	c, err := proof.OpenCheckpoint(msg, n.trusted)
	if err != nil {
		return tlog.Tree{}, tamperedError{what: fmt.Sprintf("the last checkpoint is not signed by this key, nor by one that it has replaced: %v", err)}
	}
	return c.Tree, nil
}

// addCheckpoint stores a checkpoint, unless another process has stored one
// since its head was read. Then there will be a later one.
func (t *transaction) addCheckpoint(c checkpoint) {
	if c.seq != t.checkpoints {
		return
	}
	t.checkpoints++
	t.write(sqlAddCheckpoint, c.seq, c.tree.N, c.note)
	t.write(sqlSetCheckpoints, t.checkpoints)
}

// signSoon signs what this process appends, and a little later what other
// processes append, until the ledger is closed.
func (l *Ledger) signSoon(ctx context.Context) {
	check := time.NewTicker(signCheck)
	defer check.Stop()
	for {
		select {
		case <-l.growth:
		case <-check.C:
		case <-l.closing:
			return
		}
		wait := signDelay
		for {
			select {
			case <-time.After(wait):
			case <-l.closing:
				return
			}
			err := l.notary.sign(ctx)
			if err == nil {
				break
			}
			if l.write.suspect(err); l.write.tampered.Load() != nil {
				return
			}
			l.log.LogAttrs(ctx, slog.LevelError, "ledger checkpoint not signed", slog.Any("error", err))
			wait = signAgain
		}
	}
}

// storeNow stores a checkpoint while the writer's goroutine does not run:
// before the ledger is open and after it is closed.
func (l *Ledger) storeNow(ctx context.Context, c checkpoint) error {
	return l.write.transaction(ctx, func(t *transaction) error {
		t.addCheckpoint(c)
		return nil
	})
}

// storeAmong stores a checkpoint through the writer's goroutine.
func (l *Ledger) storeAmong(ctx context.Context, c checkpoint) error {
	_, err := l.submit(ctx, &request{ctx: ctx, checkpoint: &c})
	return err
}
