package ledger_test

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/adapters/ledger"
	"github.com/sallyport/sallyport/sallyporttest"
)

// swapped are two rows of a table that have changed places.
func swapped(table string) string {
	return strings.ReplaceAll("UPDATE ? SET idx = -1 WHERE idx = 2; UPDATE ? SET idx = 2 WHERE idx = 3; UPDATE ? SET idx = 3 WHERE idx = -1", "?", table)
}

// TestTamperingPostgres makes changes that the server's owner can make, beside
// changing and deleting single values and rows.
func TestTamperingPostgres(t *testing.T) {
	newPlace := onPostgres(t)
	const empty = `'\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'`
	for name, tt := range map[string]struct {
		reason, change string
		opens          bool // only Verify looks at what has been written
	}{
		"SwappedLeaves":   {"the order of what happened is evidence", swapped("leaves"), true},
		"SwappedContents": {"contents belong to their leaf", swapped("contents"), true},
		"SwappedNodes":    {"so do hashes", swapped("nodes"), true},
		"InsertedLeaf": {
			"a leaf without a checkpoint that covers it",
			`INSERT INTO leaves SELECT idx + 1, 'x', 0, kind, key, leaf FROM leaves ORDER BY idx DESC LIMIT 1`, true,
		},
		"InsertedNode":    {"the tree has none there", `INSERT INTO nodes SELECT max(idx) + 1, ` + empty + ` FROM nodes`, true},
		"InsertedContent": {"there is no leaf for it", `INSERT INTO contents SELECT max(idx) + 1, 'x' FROM contents`, true},
		"InsertedSalt":    {"there is no call for it", `INSERT INTO salts VALUES ('x', ` + empty + `)`, true},
		"InsertedCall": {"it was never received", `
			INSERT INTO calls SELECT 'x', state, final, agent, tool, namespace, arguments, received_at, updated_at, entries, record FROM calls LIMIT 1`, true},
		"InsertedCheckpoint": {"the same is not signed twice", `
			INSERT INTO checkpoints SELECT seq + 1, 1000, note FROM checkpoints ORDER BY seq DESC LIMIT 1; UPDATE head SET checkpoints = checkpoints + 1`, true},
		"Truncated":     {"signed leaves can't be removed", `TRUNCATE leaves, nodes; UPDATE head SET size = 0, hash = ` + empty, false},
		"NothingLeft":   {"even an empty log has a checkpoint", `TRUNCATE leaves, nodes, checkpoints, salts, contents, calls; UPDATE head SET size = 0, checkpoints = 0, hash = ` + empty, true},
		"NoHead":        {"there is always one", `DELETE FROM head`, false},
		"ErasedSalt":    {"without it the contents prove nothing", `UPDATE salts SET salt = NULL`, true},
		"ErasedContent": {"one step of a call can't be erased", `UPDATE contents SET entry = NULL WHERE idx = 4`, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			l := p.open(t)
			mustRecord(t, l, sallyporttest.Approved(1)...)
			mustClose(t, l)
			p.mustVerify(t)
			f := forger{t, connect(t, p.owner)}
			f.exec("SET session_replication_role = replica") // no trigger fires
			f.exec(tt.change)
			mustBeFound(t, p, tt.reason)
			l, err := ledger.Open(t.Context(), ledger.Options{Database: p.database(), Signer: p.key})
			if err == nil {
				mustClose(t, l)
			}
			if (err == nil) != tt.opens {
				t.Errorf("opening it: %v", err)
			}
		})
	}
}
