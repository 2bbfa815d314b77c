package ledger_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sallyport/sallyport/sallyporttest"
	"github.com/sallyport/sallyport/sallyporttest/postgrestest"
)

// TestDumpIsALedger restores a dump into another database, as operators do: the
// gateway opens it with its role, goes on where the dump was made, and the log
// verifies.
func TestDumpIsALedger(t *testing.T) {
	pg := postgrestest.Start(t)
	p := placeOn(t, pg)
	l := p.open(t)
	mustRecord(t, l, sallyporttest.Approved(1)...)
	mustClose(t, l)

	dump, restored := filepath.Join(t.TempDir(), "ledger.dump"), pg.DSN(pg.Database(t))
	command(t, pg.Program("pg_dump"), "--format=custom", "--file="+dump, "--dbname="+p.dsn)
	command(t, pg.Program("pg_restore"), "--exit-on-error", "--dbname="+restored, dump)
	p.dsn = restored
	p.mustVerify(t)
	l = p.open(t)
	mustRecord(t, l, sallyporttest.Approved(2)...)
	mustClose(t, l)
	p.mustVerify(t)
}

func command(t *testing.T, name string, arguments ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
