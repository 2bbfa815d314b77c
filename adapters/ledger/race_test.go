//go:build race

package ledger

func init() { exhaustive = false }
