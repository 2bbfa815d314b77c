// Package authz enforces least privilege at the embedded Temporal server.
//
// A stock server has readers and writers, and a writer can forge votes and
// results: it may start any workflow, complete another worker's task, signal
// with start, and reset with signals attached. Here an allow list has the
// methods of each role, and all others are denied, with them a method that a
// later server adds. Where the method alone does not suffice, the rule reads the
// request too: an approver may signal, but only "approve".
//
// [Verifier] authenticates a [Caller] by a bearer token: a person, by a token of
// the identity provider, or a service of ours, by a token of [ServiceTokens].
// [Policy] is the allow list.
//
// The package links no part of the Temporal server, so that its tests are
// quick and run with the race detector. Package server uses it.
package authz
