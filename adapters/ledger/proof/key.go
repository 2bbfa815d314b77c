package proof

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ParseVerifier reads the public key of a log, in the signed-note form
// name+hash+base64. A key that another one has replaced is followed by @ and the
// size of the tree at which it was: it counts up to there. It may have got into
// other hands since.
func ParseVerifier(public string) (note.Verifier, error) {
	text, size, replaced := strings.TrimSpace(public), "", false
	if at := strings.LastIndexByte(text, '@'); at > strings.LastIndexByte(text, '+') { // a name may have one, and base64 has none
		text, size, replaced = text[:at], text[at+1:], true
	}
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a ledger's public key, which reads name+hash+base64", public)
	}
	if !replaced {
		return v, nil
	}
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != size {
		return nil, fmt.Errorf("the key %s was replaced at the size %q, which is none: want the number of leaves of the last checkpoint that it signed", text, size)
	}
	return replacedKey{v, n}, nil
}

// replacedKey verifies what says of a tree that it has at most some leaves.
type replacedKey struct {
	note.Verifier

	size int64
}

// Verify implements [note.Verifier].
func (k replacedKey) Verify(msg, sig []byte) bool {
	size, ok := sizeIn(string(msg))
	return ok && size <= k.size && k.Verifier.Verify(msg, sig)
}

// sizeIn is the size of the tree that a checkpoint or a [Count] is of.
func sizeIn(text string) (int64, bool) {
	if c, err := parseCheckpoint(text); err == nil {
		return c.Tree.N, true
	}
	c, err := parseCount(text)
	return c.Tree.N, err == nil
}

// openWith opens a signed note, and says so where a key was replaced.
func openWith(msg []byte, verifiers note.Verifiers) (*note.Note, error) {
	n, err := note.Open(msg, verifiers)
	if bad, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		if v, err := verifiers.Verifier(bad.Name, bad.Hash); err == nil {
			if k, ok := v.(replacedKey); ok {
				return nil, fmt.Errorf("the key %s+%08x was replaced, and counts up to %d leaves: %w", bad.Name, bad.Hash, k.size, bad)
			}
		}
	}
	return n, err
}

// Verifiers makes a list of public keys, in the form that [ParseVerifier] reads.
func Verifiers(public ...string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, p := range public {
		v, err := ParseVerifier(p)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}
