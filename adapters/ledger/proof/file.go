package proof

import "golang.org/x/mod/sumdb/tlog"

// FileVersion is the version of a [File].
const FileVersion = "sallyport/proof/v1"

// File is what the ledger says of one call, or of one freeze, for those who
// don't trust it: the leaves, that each of them is in the log, and what was
// signed of the log. [Verify] checks it with public keys alone.
type File struct {
	Version    string     `json:"version"`
	Call       string     `json:"call"`
	Checkpoint string     `json:"checkpoint"` // C2SP tlog-checkpoint
	Leaves     []Included `json:"leaves"`     // in their order, without a gap
	Salt       []byte     `json:"salt,omitempty"`
}

// Included is a leaf with its inclusion proof.
type Included struct {
	Index     int64       `json:"index"` // in the log
	Leaf      string      `json:"leaf"`  // its bytes, canonical JSON
	Inclusion []tlog.Hash `json:"inclusion"`
	// Entry is what the leaf commits to, as the store has it: JSON. The salt
	// opens the commitments. Both are left out for those who may not see what
	// was asked and who agreed, and there is none of what was erased.
	Entry string `json:"entry,omitempty"`
}
