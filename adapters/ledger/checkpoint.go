package ledger

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkpointText is the text of a C2SP tlog-checkpoint: origin, size and root
// hash, a line each.
func checkpointText(origin string, tree tlog.Tree) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, tree.N, tree.Hash)
}

func parseCheckpointText(text string) (origin string, tree tlog.Tree, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] == "" || lines[3] != "" {
		return "", tree, fmt.Errorf("a checkpoint has three lines: origin, size and hash")
	}
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || tree.N < 0 || strconv.FormatInt(tree.N, 10) != lines[1] {
		return "", tree, fmt.Errorf("%.40q is not the size of a tree", lines[1])
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	if err != nil || tree.Hash.String() != lines[2] {
		return "", tree, fmt.Errorf("%.60q is not the hash of a tree", lines[2])
	}
	return lines[0], tree, nil
}

// signCheckpoint signs a tree as its log, whose origin is the key's name.
func signCheckpoint(tree tlog.Tree, signer note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: checkpointText(signer.Name(), tree)}, signer)
}

// originOf is the log that a checkpoint says it is of, or "".
func originOf(msg []byte) string {
	origin, _, _ := parseCheckpointText(textOf(msg))
	return origin
}

// textOf is what was signed of a note.
func textOf(msg []byte) string {
	text, _, _ := bytes.Cut(msg, []byte("\n\n"))
	return string(text) + "\n"
}

// opened is a checkpoint whose signature was verified.
type opened struct {
	tree tlog.Tree
	key  uint32 // hash of the key that signed it
}

// openCheckpoint opens a checkpoint that one of the verifiers signed as the
// log itself.
func openCheckpoint(msg []byte, verifiers note.Verifiers) (opened, error) {
	n, err := note.Open(msg, verifiers)
	if err != nil {
		return opened{}, err
	}
	for _, s := range append(n.Sigs, n.UnverifiedSigs...) {
		// Base64 has bits at its end that nobody reads: they have to be none.
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return opened{}, fmt.Errorf("a signature is not spelt as it was made: %w", err)
		}
	}
	origin, tree, err := parseCheckpointText(n.Text)
	if err != nil {
		return opened{}, err
	}
	for _, s := range n.Sigs {
		if s.Name == origin {
			return opened{tree, s.Hash}, nil
		}
	}
	return opened{}, fmt.Errorf("it is signed by others than its origin %q", origin)
}
