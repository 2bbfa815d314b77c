// Package proof is what an auditor has to trust: the form of the ledger's leaves,
// of its checkpoints and of its tree, and the verification of what the ledger
// gives out. It needs the log's public key, and no database.
//
//   - [Verify] checks a [File], which holds the leaves of one call, and says in
//     words what it proves and what it does not.
//   - [VerifyTiles] checks a whole log that is published as C2SP tlog-tiles.
//
// The package stays small and apart, so that it can be read and built without the
// gateway: it reads no database, asks no server, and evaluates no policy. The
// ledger makes its leaves and checkpoints with the same functions.
package proof
