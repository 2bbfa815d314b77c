//go:build !race

package server

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sallyport/sallyport"
)

const (
	// serverLock is the number of the advisory lock that one server holds as
	// long as it runs: "sallyport" in the ASCII codes of its first letters.
	serverLock = 0x73616c6c79
	// lockPatience is how long a server waits for another one that is stopping.
	lockPatience = 10 * time.Second
	// lockCheck is how often a server looks whether it still holds the lock,
	// and how long that may take.
	lockCheck = 5 * time.Second
)

// postgresLock keeps other servers of ours off the databases. It is a
// PostgreSQL advisory lock of the connection: a killed server loses it at once.
// Two running servers would take the history shards from each other for ever,
// though the shards' own fences keep the data intact.
type postgresLock struct {
	db   *stdsql.DB
	lost chan struct{}
	stop context.CancelFunc
	done sync.WaitGroup
}

func lockPostgres(ctx context.Context, p Postgres) (*postgresLock, error) {
	db, err := p.open(ctx, p.Database)
	if err != nil {
		return nil, err
	}
	patient, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	var conn *stdsql.Conn
	err = poll(patient, func(context.Context) (err error) {
		conn, err = tryLock(ctx, db)
		return err
	})
	if err != nil {
		return nil, errors.Join(sallyport.Errorf(sallyport.Conflict, "locked", "database %s of PostgreSQL at %s: %w", p.Database, p.Addr, err), db.Close())
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &postgresLock{db: db, lost: make(chan struct{}), stop: stop}
	l.done.Go(func() { l.watch(watching, conn) })
	return l, nil
}

// errHeld is the error when another server holds the lock.
var errHeld = errors.New("another Temporal server runs on it: stop it first")

// tryLock takes the lock on a connection of its own.
func tryLock(ctx context.Context, db *stdsql.DB) (*stdsql.Conn, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var got bool
	if err := conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", int64(serverLock)).Scan(&got); err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), conn.Close())
	}
	if !got {
		return nil, errors.Join(errHeld, conn.Close())
	}
	return conn, nil
}

// watch holds the lock. Where the connection was lost it takes the lock again,
// unless another server has it by then.
func (l *postgresLock) watch(ctx context.Context, conn *stdsql.Conn) {
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	tick := time.NewTicker(lockCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var err error
		if conn, err = l.renew(ctx, conn); errors.Is(err, errHeld) {
			close(l.lost)
			return
		}
	}
}

// renew returns the connection that holds the lock, or nil while PostgreSQL can't
// be reached. It locks again on a new connection where the old one was lost.
func (l *postgresLock) renew(ctx context.Context, conn *stdsql.Conn) (*stdsql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, lockCheck)
	defer cancel()
	if conn != nil {
		if conn.PingContext(ctx) == nil {
			return conn, nil
		}
		_ = conn.Close()
	}
	return tryLock(ctx, l.db)
}

func (l *postgresLock) release() error {
	l.stop()
	l.done.Wait()
	return l.db.Close()
}
