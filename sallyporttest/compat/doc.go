// Package compat has tests only. They pin what outlives one version of the
// program, because it is stored, signed, sent or configured: JSON members,
// digests, leaves of the ledger, names in Temporal and Kubernetes, error codes,
// keys of configuration files. A golden file in testdata holds each of them.
//
// The golden files name no Go package, type, field or file, so that code can
// move and be renamed and they stay as they are. A difference means that data
// of an earlier version is not readable any more, or that a client has to
// change. Where that is meant, rewrite the files, and say in the commit what
// happens to the data:
//
//	go test ./sallyporttest/compat -update
package compat
