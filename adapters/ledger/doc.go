// Package ledger keeps what happened in a log that nobody can quietly change.
//
// Every [sallyport.Entry] becomes one leaf of a Merkle tree (RFC 6962, as in
// golang.org/x/mod/sumdb/tlog). Leaf, tree nodes and head are written in one
// transaction, together with the two things beside the log:
//
//   - the store, which holds the whole entry and the call's salt. It can be
//     erased, and the log still verifies, because a leaf holds no personal or
//     secret value: people are pseudonyms, and arguments, plans, results and
//     the like are HMAC-SHA256 commitments under the salt.
//   - the projection, one [sallyport.Record] per call, which [sallyport.Reader]
//     answers from. It is the fold of the store's entries.
//
// Whoever follows the log, as notifications do, keeps in the same database
// where it stands. That is no part of the log and proves nothing.
//
// Heads are signed as checkpoints (C2SP tlog-checkpoint) shortly after they
// are written. The key is not in the database: whoever can write to the
// database can destroy the log, but can't make one that [Verify] accepts for
// what was signed. To notice a database that was set back as a whole, keep a
// checkpoint elsewhere and give it to [Verify] as Known.
//
// Package proof has the form of leaves, checkpoints and tiles, and verifies what
// this package gives out of the log.
package ledger
