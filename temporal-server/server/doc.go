// Package server runs a real Temporal server and its Web UI inside this
// process: on SQLite and loopback for development, or on PostgreSQL for teams
// that have no Temporal (cmd/temporal-server).
//
// # State
//
// Everything is in one SQLite file (write-ahead log, synced at checkpoints)
// under [Options].Dir, or in two databases of [Options].Postgres. The schema
// is made in one transaction and the namespace and its search attributes are
// brought up to date before the server starts, so that a process killed at
// any moment starts again where it was. On PostgreSQL older schemas are
// migrated, and newer ones rejected. A lock keeps a second server off the same
// state.
//
// # Speed
//
// A stock server reads its transfer and timer queues at most 20 times a
// second and shard, which puts up to 50 ms between two steps of a workflow.
// Here it is 1000, on 4 shards by default; the number of shards is fixed when
// the database is made, and another one is rejected.
//
// # Authorization
//
// With [Options].Auth every request to the frontend carries a bearer token:
// of the identity provider for people, or from [Server.ServiceToken] for the
// gateway and its workers. Package authz has the allow list of each role's
// methods. The server writes the principal that it authenticated into the events
// of history (frontend.enablePrincipalPropagation): the principal of a signal is
// a person's subject, of type "jwt", whatever identity the client states.
//
// Schedules, batch operations and stand-alone activities are also switched
// off altogether. The server's own parts connect to each other, and to a second
// "internal" frontend that trusts them, on loopback ports by mutual TLS. At each
// start an authority is made, signs one certificate, and its key is dropped, so
// that only this process ever has a certificate.
//
// # The Web UI
//
// People log in at the identity provider by the authorization code flow. The
// UI checks the ID token (audience: the client id) and forwards the access
// token to the frontend as "authorization: Bearer", and the ID token beside
// it as "authorization-extras", which is ignored. So the provider must
// put [authz.People].Audience into the access token, which must be a JWT, and
// the client id and the nonce into the ID token; its issuer must be
// [Login].Provider to the letter. The UI is configured to offer signals and no
// other change. The browser has payloads decoded: it sends them to
// [Options].CodecEndpoint with the access token over TLS, or with its host's
// cookies on loopback; that endpoint has to allow the UI's origin (CORS with
// credentials, and the headers authorization, content-type and x-namespace).
//
// The UI ends the process when another process takes its port after it was
// found free and before the UI opens it. It logs each request by the standard
// library: to silence it, a main package sets slog's default logger and
// slog.SetLogLoggerLevel(slog.LevelDebug).
//
// # Building
//
// The server is some 700 packages. Compiling them once more for the race
// detector takes minutes and finds no race of ours, so the files that link
// it are built without the detector only (build tag !race): `go test -race
// ./...` skips them, and files that import this package need the tag too.
// Tests run the server as a process, see package temporaltest.
package server
