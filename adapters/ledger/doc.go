// Package ledger is the tamper-evident log of all calls.
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
//     reads. It is the fold of the store's entries.
//
// Followers of the log, such as the notifier, keep the index of their next leaf
// in the same database. That is no part of the log and proves nothing.
//
// Heads are signed as checkpoints (C2SP tlog-checkpoint) shortly after they
// are written. The key is not in the database: a process that can write to the
// database can destroy the log, but can't make one that [Verify] accepts for
// what was signed. To notice a database that was restored from an older copy,
// keep a checkpoint elsewhere and give it to [Verify] as Known.
//
// Package proof defines leaves, checkpoints and tiles, and verifies the files
// that this package makes from the log.
package ledger
