package temporaltest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/sallyport/sallyport/dev/internal/temporald"
	"github.com/sallyport/sallyport/dev/temporaltest"
	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
	"github.com/sallyport/sallyport/temporal-server/authz"
)

// TestPostgres runs servers on a real PostgreSQL. The subtests share one
// cluster and no database.
func TestPostgres(t *testing.T) {
	t.Parallel()
	pg := postgrestest.Start(t)
	for name, test := range map[string]func(*testing.T, *postgrestest.Cluster){
		"Kill": killOnPostgres, "Shards": shardsOnPostgres, "TwoAtOnce": twoOnPostgres, "Schema": schemaOnPostgres, "Refused": refusedOnPostgres,
	} {
		t.Run(name, func(t *testing.T) { test(t, pg) })
	}
}

// killOnPostgres kills the server with a call under way, and sees it go on.
func killOnPostgres(t *testing.T, pg *postgrestest.Cluster) {
	server := temporaltest.Start(t, temporaltest.Options{
		Postgres: temporaltest.OnPostgres(t, pg), SearchAttributes: map[string]enumspb.IndexedValueType{"CallState": enumspb.INDEXED_VALUE_TYPE_KEYWORD},
	})
	work(t, server, server.Service(authz.Worker))
	gateway := gatewayClient(t, server)
	call := submit(t, gateway, "call-1")
	vote(t, gateway, "call-1")
	startWith(t, server, "call-2", temporal.NewSearchAttributeKeyKeyword("CallState").ValueSet("waiting"))
	awaitCount(t, server, "CallState = 'waiting'", 1)

	server.Kill(t)
	server.Restart(t)
	bobs := server.Person("bob")
	bobs.Identity = "alice"
	if err := server.Dial(t, bobs).SignalWorkflow(t.Context(), "call-1", "", "approve", "yes"); err != nil {
		t.Fatalf("bob approves: %v", err)
	}
	if got := result(t, call); got != "yes" {
		t.Errorf("result %q", got)
	}
	if got := principal(find(t, gateway, "call-1", enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)); got != "jwt/bob" {
		t.Errorf("%s approved, want jwt/bob", got)
	}
}

// shardsOnPostgres starts again with another number of shards.
func shardsOnPostgres(t *testing.T, pg *postgrestest.Cluster) {
	state := temporaltest.OnPostgres(t, pg)
	first := temporaltest.Start(t, temporaltest.Options{Postgres: state, Shards: 8})
	first.Stop(t)
	wantError(t, temporaltest.New(t, temporaltest.Options{Postgres: state, Shards: 16}).Run(), "made with 8 history shards, which is for good, and 16 are configured: set 8")
	wantError(t, temporaltest.New(t, temporaltest.Options{Postgres: state}).Run(), "made with 8 history shards")
	wantError(t, temporaltest.New(t, temporaltest.Options{Postgres: state, Shards: 2}).Run(), "2 history shards are too few")
	temporaltest.Start(t, temporaltest.Options{Postgres: state, Shards: 8})
}

// twoOnPostgres starts two servers on the same empty databases at once: one
// makes the tables and runs, the other says why it doesn't.
func twoOnPostgres(t *testing.T, pg *postgrestest.Cluster) {
	state := temporaltest.OnPostgres(t, pg)
	servers := []*temporaltest.Instance{temporaltest.New(t, temporaltest.Options{Postgres: state}), temporaltest.New(t, temporaltest.Options{Postgres: state})}
	results := make(chan error, len(servers))
	for _, s := range servers {
		go func() { results <- s.Run() }()
	}
	first, second := <-results, <-results
	if (first == nil) == (second == nil) {
		t.Fatalf("the two ended with %v and %v, want that one runs", first, second)
	}
	wantError(t, errors.Join(first, second), "another Temporal server runs on it")
}

// schemaOnPostgres takes an older database along and leaves a newer one alone.
func schemaOnPostgres(t *testing.T, pg *postgrestest.Cluster) {
	state := temporaltest.OnPostgres(t, pg)
	first := temporaltest.Start(t, temporaltest.Options{Postgres: state})
	submit(t, gatewayClient(t, first), "call-1")
	first.Stop(t)

	// As it was before the last version of its schema.
	setVersion(t, pg, state.Database, "1.18")
	pg.Exec(t, state.Database, "DROP TABLE current_chasm_executions")
	setVersion(t, pg, state.Visibility, "1.13")
	second := temporaltest.Start(t, temporaltest.Options{Postgres: state})
	if err := describe(t.Context(), gatewayClient(t, second)); err != nil {
		t.Errorf("the call of before: %v", err)
	}
	pg.Exec(t, state.Database, "SELECT 1 FROM current_chasm_executions")
	second.Stop(t)

	setVersion(t, pg, state.Database, "1.20")
	wantError(t, temporaltest.New(t, temporaltest.Options{Postgres: state}).Run(), "of schema version 1.20 and this server knows 1.19")
	setVersion(t, pg, state.Database, "1.19")
	setVersion(t, pg, state.Visibility, "2.0")
	wantError(t, temporaltest.New(t, temporaltest.Options{Postgres: state}).Run(), "of schema version 2.0 and this server knows")
}

func setVersion(t *testing.T, pg *postgrestest.Cluster, database, version string) {
	t.Helper()
	pg.Exec(t, database, fmt.Sprintf("UPDATE schema_version SET curr_version = '%s'", version))
}

// refusedOnPostgres starts on what is not the server's own.
func refusedOnPostgres(t *testing.T, pg *postgrestest.Cluster) {
	foreign := temporaltest.OnPostgres(t, pg)
	pg.Exec(t, foreign.Database, "CREATE TABLE invoices (id INT)")
	for name, test := range map[string]struct {
		change func(*temporald.Postgres)
		says   string
	}{
		"ForeignTables": {func(p *temporald.Postgres) { *p = *foreign }, "holds tables that are not Temporal's"},
		"OneForBoth":    {func(p *temporald.Postgres) { p.Visibility = p.Database }, "must be two"},
		"NoDatabase":    {func(p *temporald.Postgres) { p.Database = "nowhere" }, "connect to database nowhere"},
		"OddName":       {func(p *temporald.Postgres) { p.Database = "x?sslmode=disable" }, "must be of letters"},
		"WrongPassword": {func(p *temporald.Postgres) { p.Password = "guess" }, "password authentication failed"},
		"NoServer":      {func(p *temporald.Postgres) { p.Addr = "127.0.0.1:1" }, "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			state := temporald.Postgres{Addr: pg.Addr, User: postgrestest.User, Password: pg.Password, Database: "a", Visibility: "b"}
			test.change(&state)
			err := temporaltest.New(t, temporaltest.Options{Postgres: &state}).Run()
			wantError(t, err, test.says)
			if err != nil && strings.Contains(err.Error(), pg.Password) {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

// TestPostgresAway takes PostgreSQL away: a server goes on when it is back,
// unless another one has taken the database by then.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	pg := postgrestest.Start(t)
	state := temporaltest.OnPostgres(t, pg)
	server := temporaltest.Start(t, temporaltest.Options{Postgres: state})
	work(t, server, server.Service(authz.Worker))
	gateway := gatewayClient(t, server)
	call := submit(t, gateway, "call-1")
	vote(t, gateway, "call-1")
	pg.Kill(t)
	pg.Restart(t)
	if err := server.Dial(t, server.Person("bob")).SignalWorkflow(t.Context(), "call-1", "", "approve", "yes"); err != nil {
		t.Fatalf("bob approves: %v", err)
	}
	if got := result(t, call); got != "yes" {
		t.Errorf("result %q", got)
	}

	for taken := false; !taken; { // the server may be quicker, and has it again
		pg.Kill(t)
		pg.Restart(t)
		taken = pg.Hold(t, state.Database, "SELECT pg_try_advisory_lock(495555734649)")
	}
	if log := server.Ended(t); !strings.Contains(log, "another Temporal server has taken the database") {
		t.Errorf("it ended with\n%s", log)
	}
}
