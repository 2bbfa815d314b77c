// Package platform puts into a test cluster what the gateway finds in a real
// one: an identity provider, a Temporal server with its Web UI on PostgreSQL,
// targets, and then the gateway itself, all of it as pods under the Pod
// Security Standard "restricted", with TLS between them.
//
// Tests are outside of the cluster, as agents and people are: names of
// Services resolve in [Platform.Dial], and for other programs behind
// [Platform.Proxy].
package platform
