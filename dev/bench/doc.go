// Package bench measures the ledger for docs/reference/performance.md, beside the least
// that the same database takes to keep as many bytes. Its benchmarks are run by
// `make bench-ledger`.
package bench
