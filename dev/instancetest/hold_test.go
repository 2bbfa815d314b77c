package instancetest_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/sallyport/sallyport/dev/instancetest"
)

// To kill a gateway at a certain step, the step is held: the gateway gets
// there, gets no further, and is killed.

// gate keeps leaves from being written. A call that is to have a leaf whose
// number is held gets an error from the ledger, as often as it tries.
type gate struct {
	book
	i *instancetest.Instance
}

func newGate(b book, i *instancetest.Instance) gate {
	b.t.Helper()
	b.exec("CREATE TABLE held (call_id TEXT, number INTEGER)")
	b.exec(`CREATE TRIGGER hold BEFORE INSERT ON leaves
		WHEN EXISTS (SELECT 1 FROM held WHERE held.call_id = NEW.call_id AND held.number = NEW.number)
		BEGIN SELECT RAISE(ABORT, 'held: ' || NEW.call_id || ' ' || NEW.number); END`)
	return gate{b, i}
}

func (g gate) hold(id string, number int) {
	g.t.Helper()
	g.exec("INSERT INTO held VALUES ($1, $2)", id, number)
}

// reached waits until the gateway has tried to write a leaf that is held.
func (g gate) reached(id string, number int) {
	g.t.Helper()
	g.i.AwaitLog(g.t, fmt.Sprintf("held: %s %d", id, number))
}

// remove leaves the database as it was: a ledger refuses to open a database
// with a trigger too many.
func (g gate) remove() {
	g.t.Helper()
	g.exec("DROP TRIGGER hold")
	g.exec("DROP TABLE held")
}

// lockWrites blocks all other writers of a database, until the test calls
// release.
func lockWrites(t *testing.T, path string) (release func()) {
	t.Helper()
	conn, err := open(t, path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil && !errors.Is(err, sql.ErrConnDone) {
			t.Error(err)
		}
		_ = conn.Close()
	}
}

// readHolder blocks the readers of a file: a pipe without a writer stands in
// its place.
type readHolder struct {
	t            *testing.T
	path, spared string
	pipe         *os.File
}

func holdReads(t *testing.T, path string) *readHolder {
	t.Helper()
	h := &readHolder{t: t, path: path, spared: path + ".spared"}
	pipe := path + ".pipe"
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Link(path, h.spared), os.Rename(pipe, path)); err != nil {
		t.Fatal(err)
	}
	return h
}

// reached waits until a program reads the pipe, and lets all later readers have
// the file again.
func (h *readHolder) reached() {
	h.t.Helper()
	instancetest.Await(h.t, "a program reads "+h.path, func() bool {
		var err error
		h.pipe, err = os.OpenFile(h.path, os.O_WRONLY|syscall.O_NONBLOCK, 0) // ENXIO without a reader
		return err == nil
	})
	if err := os.Rename(h.spared, h.path); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = h.pipe.Close() })
}

// background runs f until it ends or the test does.
func background(t *testing.T, f func(context.Context)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}
