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
// any moment starts again where it was. On PostgreSQL older schemas are taken
// along, and newer ones refused. A lock keeps a second server off the same
// state.
//
// # Speed
//
// A stock server reads its transfer and timer queues at most 20 times a
// second and shard, which puts up to 50 ms between two steps of a workflow.
// Here it is 1000, on four shards unless told; the number of shards is fixed
// when the database is made, and another one is refused.
//
// # Who may do what
//
// With [Options].Auth every request to the frontend carries a bearer token:
// of the identity provider for people, or from [Server.ServiceToken] for the
// gateway and its workers. Package authz holds the list of what each role may
// do. The server writes whom it authenticated into the events of history
// (frontend.enablePrincipalPropagation): the principal of a signal is a
// person's subject, of type "jwt", whatever identity the client claims.
//
// Schedules, batch operations and stand-alone activities are also switched
// off altogether. The server's own parts talk to each other, and to a second
// "internal" frontend that believes them, on loopback ports by mutual TLS: an
// authority is made at each start, signs one certificate and is forgotten, so
// that nobody but this process ever has one.
//
// # The Web UI
//
// People log in at the identity provider by the authorization code flow. The
// UI checks the ID token (audience: the client id) and forwards the access
// token to the frontend as "authorization: Bearer", and the ID token beside
// it as "authorization-extras", which is not looked at. So the provider must
// put [authz.People].Audience into the access token, which must be a JWT, and
// the client id and the nonce into the ID token; its issuer must be
// [Login].Provider to the letter. The UI is told to offer signals and no
// other change. Payloads are decoded by the browser, which asks
// [Options].CodecEndpoint with the access token over TLS, or with its host's
// cookies on loopback; that endpoint has to allow the UI's origin (CORS with
// credentials, and the headers authorization, content-type and x-namespace).
//
// The UI ends the process when its port is snatched in the moment between
// being found free and being opened, and it logs each request by the standard
// library: a main package that wants quiet sets slog's default logger and
// slog.SetLogLoggerLevel(slog.LevelDebug).
//
// # Building
//
// The server is some 700 packages. Compiling them once more for the race
// detector takes minutes and finds no race of ours, so the files that link
// it are built without the detector only (build tag !race): `go test -race
// ./...` skips them, and whoever imports this package needs the tag too.
// Tests run the server as a process, see package temporaltest.
package server
