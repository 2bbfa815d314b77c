// Package temporal is the gateway's side of a Temporal server: it connects,
// starts calls, carries votes to them, reads people's signals from their
// histories, encrypts what stands there, and finds out what the server
// guarantees.
package temporal
