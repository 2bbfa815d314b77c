package proof

import "golang.org/x/mod/sumdb/tlog"

// FileVersion is the version of a [File].
const FileVersion = "sallyport/proof/v1"

// File proves one call, or one freeze, to an auditor who does not trust the
// ledger: it has the leaves, an inclusion proof of each, and a signed
// checkpoint. [Verify] checks it with public keys alone.
type File struct {
	Version    string     `json:"version"`
	Call       string     `json:"call"`
	Checkpoint string     `json:"checkpoint"` // C2SP tlog-checkpoint
	Leaves     []Included `json:"leaves"`     // in their order, without a gap
	Salt       []byte     `json:"salt,omitempty"`
	// Count is the log's word that these are all leaves of the call in the
	// checkpoint's tree: a signed note, see [Count]. Calls that have ended need
	// none.
	Count string `json:"count,omitempty"`
}

// Included is a leaf with its inclusion proof.
type Included struct {
	Index     int64       `json:"index"` // in the log
	Leaf      string      `json:"leaf"`  // its bytes, canonical JSON
	Inclusion []tlog.Hash `json:"inclusion"`
	// Entry is what the leaf commits to, as the store has it: JSON. The salt
	// opens the commitments. Both are left out for readers who may not see
	// arguments and people, and erased calls have neither.
	Entry string `json:"entry,omitempty"`
}
