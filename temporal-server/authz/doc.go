// Package authz says who may do what at the embedded Temporal server.
//
// A stock server knows readers and writers, and a writer may do everything
// that forges: start any workflow, answer another worker's task, signal with
// start, reset with signals attached. Here every method is on a list, by
// role, and what is not on it is denied; a method that a later server adds is
// denied until somebody thinks about it. Where a method alone says too
// little, the request is read too: an approver may signal, but only
// "approve".
//
// [Verifier] turns a bearer token into a [Caller]: a person, by a token of
// the identity provider, or a service of ours, by a token of [ServiceTokens].
// [Policy] holds the caller against the list.
//
// The package links no part of the Temporal server, so that its tests are
// quick and run with the race detector. Package temporal plugs it in.
package authz
