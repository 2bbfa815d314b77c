// Package standalonetest runs the program cmd/temporal-server as its operator
// does, on a real PostgreSQL: with TLS, tokens in files, and people from an
// identity table.
package standalonetest
