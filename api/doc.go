// Package api is the gateway's REST API: agents submit calls to it, and people
// read, vote and cancel with it.
//
// It authenticates the caller, checks the request, records the call in the ledger,
// and only then hands it over to the workflow. It reads calls from the ledger and
// holds no state of its own, so that any number of servers can run at once.
//
// The routes are described by openapi.yaml, which the server serves at
// /openapi.yaml. Every error is an RFC 9457 problem; problem.go is the only
// place where an error becomes a status code.
package api
