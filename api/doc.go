// Package api is the gateway's HTTP side: what agents submit their calls to,
// and what people read, vote and cancel with.
//
// It establishes who asks, checks what they sent, writes the call into the
// ledger, and only then hands it over to be worked on. Everything it shows of
// a call it reads from the ledger; it holds no state of its own, so that any
// number of servers may stand beside each other.
//
// The routes are described by openapi.yaml, which the server serves at
// /openapi.yaml. Every refusal is an RFC 9457 problem; problem.go is the only
// place where an error becomes a status code.
package api
