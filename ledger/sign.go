package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// trySign signs the head. Where it fails it will be tried again.
func (w *writer) trySign(ctx context.Context) {
	if !w.unsigned || w.tampered.Load() != nil {
		return
	}
	if err := w.sign(ctx); err != nil {
		w.log.LogAttrs(ctx, slog.LevelError, "ledger checkpoint not signed", slog.Any("error", err))
	}
}

// sign signs the head, unless that is done. Before it signs a tree, it checks
// that the last signed one is its beginning: what was changed behind our back
// must not get our signature.
func (w *writer) sign(ctx context.Context) error {
	err := w.transaction(ctx, func(t *transaction) error {
		head := tlog.Tree{N: t.edge.size}
		var err error
		if head.Hash, err = t.edge.root(); err != nil {
			return err
		}
		if t.checkpoints == 0 {
			if head.N > 0 {
				return tamperedError{what: "there are leaves and no checkpoint, which the empty log has already"}
			}
			return t.addCheckpoint(ctx, head)
		}
		last, err := t.lastCheckpoint(ctx)
		if err != nil || last.N == head.N && last.Hash == head.Hash {
			return err
		}
		if err := t.consistent(ctx, last, head); err != nil {
			return err
		}
		return t.addCheckpoint(ctx, head)
	})
	w.unsigned = err != nil
	if t := w.tampered.Load(); t != nil {
		return errors.Join(t, err)
	}
	if err != nil {
		return unavailable(err, "the ledger's checkpoint can't be signed: %v", err)
	}
	return nil
}

// lastCheckpoint reads the last checkpoint, which must be one that our key
// signs.
func (t *transaction) lastCheckpoint(ctx context.Context) (tlog.Tree, error) {
	var msg []byte
	if err := t.w.row(ctx, []any{&msg}, sqlCheckpoint, t.checkpoints-1); err != nil {
		return tlog.Tree{}, fmt.Errorf("the last checkpoint can't be read: %w", err)
	}
	signer := t.w.signer
	text, _, _ := bytes.Cut(msg, []byte("\n\n"))
	origin, tree, err := parseCheckpointText(string(text) + "\n")
	if err != nil {
		return tree, tamperedError{what: "the last checkpoint is damaged: " + err.Error()}
	}
	if origin != signer.Name() {
		return tree, fmt.Errorf("this is the ledger of %q, and the key is of %q: open it with the key that signed it", origin, signer.Name())
	}
	ours, err := note.Sign(&note.Note{Text: string(text) + "\n"}, signer)
	if err != nil {
		return tree, err
	}
	if !bytes.Equal(ours, msg) {
		return tree, tamperedError{what: "the last checkpoint is not signed by this key"}
	}
	return tree, nil
}

// consistent checks that a tree is the beginning of another.
func (t *transaction) consistent(ctx context.Context, old, head tlog.Tree) error {
	if old.N == 0 && head.N > 0 {
		return nil
	}
	if old.N > head.N {
		return tamperedError{what: fmt.Sprintf("a tree of %d leaves was signed, and there are %d", old.N, head.N)}
	}
	proof, err := tlog.ProveTree(head.N, old.N, t.nodes(ctx))
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, head.N, head.Hash, old.N, old.Hash); err != nil {
		return tamperedError{what: fmt.Sprintf("the signed tree of %d leaves is not the beginning of the one of %d: %v", old.N, head.N, err)}
	}
	return nil
}

func (t *transaction) addCheckpoint(ctx context.Context, tree tlog.Tree) error {
	msg, err := signCheckpoint(tree, t.w.signer)
	if err != nil {
		return err
	}
	if err := t.w.exec(ctx, sqlAddCheckpoint, t.checkpoints, tree.N, msg); err != nil {
		return err
	}
	return t.w.exec(ctx, sqlSetCheckpoints, t.checkpoints+1)
}
