// Package temporal is the gateway's side of a Temporal server: it connects,
// starts calls, carries votes to them, reads people's signals from their
// histories, encrypts payloads, and inspects the server's guarantees.
package temporal
