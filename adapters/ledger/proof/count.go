package proof

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// countType is the first line of a [Count]. A checkpoint has its origin there, and
// three lines.
const countType = "sallyport/count-of-leaves/v1"

// Count is the log's statement of how many leaves a call has among the first ones
// of the log. It is a signed note, and no checkpoint: neither is taken for the other.
type Count struct {
	Origin string // the log's name
	Call   string // or freeze
	Leaves int    // of the call, in the tree
	Tree   tlog.Tree
	Time   time.Time // by the gateway's clock
}

func (c Count) text() string {
	return fmt.Sprintf("%s\n%s\n%s\n%d\n%d\n%s\n%s\n", countType, c.Origin, c.Call, c.Leaves, c.Tree.N, c.Tree.Hash, c.Time.UTC().Format(time.RFC3339Nano))
}

// SignCount signs a count as its log, whose origin is the key's name.
func SignCount(c Count, signer note.Signer) ([]byte, error) {
	c.Origin = signer.Name()
	return note.Sign(&note.Note{Text: c.text()}, signer)
}

// OpenCount opens a count that one of the verifiers signed as the log itself.
func OpenCount(msg []byte, verifiers note.Verifiers) (Count, error) {
	n, signers, err := openNote(msg, verifiers)
	if err != nil {
		return Count{}, err
	}
	c, err := parseCount(n.Text)
	if err != nil {
		return Count{}, err
	}
	if _, ok := signers[c.Origin]; !ok {
		return Count{}, fmt.Errorf("it is signed by others than its origin %q", c.Origin)
	}
	return c, nil
}

func parseCount(text string) (c Count, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 8 || lines[0] != countType {
		return Count{}, fmt.Errorf("it is no count of a call's leaves")
	}
	c = Count{Origin: lines[1], Call: lines[2]}
	if c.Leaves, err = strconv.Atoi(lines[3]); err == nil {
		c.Tree.N, err = strconv.ParseInt(lines[4], 10, 64)
	}
	if err == nil {
		c.Tree.Hash, err = tlog.ParseHash(lines[5])
	}
	if err == nil {
		c.Time, err = time.Parse(time.RFC3339Nano, lines[6])
	}
	if err != nil || c.text() != text {
		return Count{}, fmt.Errorf("it is not spelt as a count of a call's leaves")
	}
	return c, nil
}
