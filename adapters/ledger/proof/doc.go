// Package proof is the code that an auditor has to trust: it defines the
// ledger's leaves, checkpoints and tree, and verifies proofs and published logs.
// It needs the log's public key, and no database.
//
//   - [Verify] checks a [File], which holds the leaves of one call, and lists
//     what it proves and what it does not.
//   - [VerifyTiles] checks a whole log that is published as C2SP tlog-tiles.
//
// The package stays small and apart, so that it can be read and built without the
// gateway: it reads no database, asks no server, and evaluates no policy. The
// ledger makes its leaves and checkpoints with the same functions.
package proof
