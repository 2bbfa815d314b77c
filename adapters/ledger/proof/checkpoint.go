package proof

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is what a C2SP tlog-checkpoint says.
type Checkpoint struct {
	Origin string // the log's name
	Tree   tlog.Tree
	Key    uint32 // hash of the key that signed it, where that was verified
}

// text is what is signed: origin, size and root hash, a line each.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Tree.N, c.Tree.Hash)
}

func parseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] == "" || lines[3] != "" {
		return Checkpoint{}, fmt.Errorf("a checkpoint has three lines: origin, size and hash")
	}
	c.Tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || c.Tree.N < 0 || strconv.FormatInt(c.Tree.N, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%.40q is not the size of a tree", lines[1])
	}
	c.Tree.Hash, err = tlog.ParseHash(lines[2])
	if err != nil || c.Tree.Hash.String() != lines[2] {
		return Checkpoint{}, fmt.Errorf("%.60q is not the hash of a tree", lines[2])
	}
	c.Origin = lines[0]
	return c, nil
}

// SignCheckpoint signs a tree as its log, whose origin is the key's name.
func SignCheckpoint(tree tlog.Tree, signer note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: Checkpoint{Origin: signer.Name(), Tree: tree}.text()}, signer)
}

// ReadCheckpoint reads what a checkpoint says and verifies no signature.
func ReadCheckpoint(msg []byte) (Checkpoint, error) {
	text, _, _ := bytes.Cut(msg, []byte("\n\n"))
	return parseCheckpoint(string(text) + "\n")
}

// OpenCheckpoint opens a checkpoint that one of the verifiers signed as the
// log itself.
func OpenCheckpoint(msg []byte, verifiers note.Verifiers) (Checkpoint, error) {
	n, signers, err := openNote(msg, verifiers)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := parseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	var ok bool
	if c.Key, ok = signers[c.Origin]; !ok {
		return Checkpoint{}, fmt.Errorf("it is signed by others than its origin %q", c.Origin)
	}
	return c, nil
}

// openNote opens a signed note, and lists the keys by whose names it is signed.
func openNote(msg []byte, verifiers note.Verifiers) (n *note.Note, signers map[string]uint32, err error) {
	if n, err = openWith(msg, verifiers); err != nil {
		return nil, nil, err
	}
	for _, s := range append(n.Sigs, n.UnverifiedSigs...) {
		// The unused bits at the end of base64 have to be zero.
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return nil, nil, fmt.Errorf("a signature is not spelt as it was made: %w", err)
		}
	}
	signers = map[string]uint32{}
	for _, s := range n.Sigs {
		if _, ok := signers[s.Name]; !ok {
			signers[s.Name] = s.Hash
		}
	}
	return n, signers, nil
}
