// Package temporaltest runs the embedded Temporal server for tests: the real
// one, authorization included, as a process that can be killed and started
// again on the same state.
//
//	server := temporaltest.Start(t, temporaltest.Options{})
//	c := server.Dial(t, server.Service(authz.Gateway))
//	bob := server.Dial(t, server.Person("bob"))
//
// The program cmd/temporald is built once, without the race detector, into
// the user's cache directory; the Go tool finds out whether that is still up
// to date. The first build takes minutes, the others a second or two.
package temporaltest
