package temporaltest

import (
	"testing"

	"github.com/sallyport/sallyport/dev/internal/temporald"
	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
)

// OnPostgres is new databases in a cluster, for [Options].Postgres.
func OnPostgres(tb testing.TB, pg *postgrestest.Cluster) *temporald.Postgres {
	tb.Helper()
	return &temporald.Postgres{
		Addr: pg.Addr, User: postgrestest.User, Password: pg.Password, Database: pg.Database(tb), Visibility: pg.Database(tb),
	}
}
