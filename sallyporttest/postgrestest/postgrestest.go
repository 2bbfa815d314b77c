// Package postgrestest runs a real PostgreSQL for tests: a cluster of its own
// in a temporary directory, on a free port of loopback, which ends with the
// test. It needs the programs of Debian's package postgresql and nothing that
// runs already. Where they are missing its tests are skipped, but not in the
// continuous integration, which installs them.
//
//	pg := postgrestest.Start(t)
//	name := pg.Database(t)
package postgrestest

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// User of the cluster, and the owner of its databases.
const User = "sallyport"

// startLimit is how long a cluster may take. It takes a second or two on a
// quiet machine.
const startLimit = time.Minute

// Cluster is a PostgreSQL server.
type Cluster struct {
	Addr     string // host:port
	Password string // of User
	dir      string
	durable  bool
	bin      string   // with its programs
	account  *account // that runs it; nil for our own
	postgres *exec.Cmd
	gone     chan struct{} // closed when the server has ended
	log      bytes.Buffer
}

// Start starts a cluster, and stops it when the test ends.
func Start(tb testing.TB) *Cluster {
	tb.Helper()
	return start(tb, false)
}

// StartDurable starts a cluster that waits for the disk, as one does that is
// meant to keep what it has: it is for figures.
func StartDurable(tb testing.TB) *Cluster {
	tb.Helper()
	return start(tb, true)
}

func start(tb testing.TB, durable bool) *Cluster {
	tb.Helper()
	bin, err := find()
	switch {
	case err != nil && os.Getenv("CI") == "true":
		tb.Fatal(err)
	case err != nil:
		tb.Skip(err)
	}
	c := &Cluster{bin: bin, Password: rand.Text(), durable: durable}
	if c.account, err = ordinary(); err != nil {
		tb.Fatal(err)
	}
	if c.dir, err = c.directory(); err != nil {
		tb.Fatalf("the directory of PostgreSQL: %v", err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(c.dir) })
	ctx, cancel := context.WithTimeout(tb.Context(), startLimit)
	defer cancel()
	if err := c.initialize(ctx); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Kill(tb) })
	if err := c.run(ctx); err != nil {
		tb.Fatalf("%v\n%s", err, c.log.String())
	}
	return c
}

// directory is one that the account of the cluster owns.
func (c *Cluster) directory() (string, error) {
	dir, err := os.MkdirTemp("", "postgrestest-")
	if err != nil || c.account == nil {
		return dir, err
	}
	return dir, os.Chown(dir, c.account.uid, c.account.gid)
}

func (c *Cluster) initialize(ctx context.Context) error {
	secret := filepath.Join(c.dir, "password")
	if err := os.WriteFile(secret, []byte(c.Password), 0o600); err != nil {
		return err
	}
	if c.account != nil {
		if err := os.Chown(secret, c.account.uid, c.account.gid); err != nil {
			return err
		}
	}
	arguments := []string{
		"--pgdata=" + c.data(), "--username=" + User, "--pwfile=" + secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions",
	}
	if !c.durable {
		arguments = append(arguments, "--wal-segsize=1") // a small log is made sooner, and fits below a limit of file sizes
	}
	cmd := exec.CommandContext(ctx, c.Program("initdb"), arguments...) //nolint:gosec // found by find
	cmd.SysProcAttr = c.attributes()
	cmd.Dir = c.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return nil
}

// Program is the path of one of PostgreSQL's programs, of the server's version.
func (c *Cluster) Program(name string) string { return filepath.Join(c.bin, name) }

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// attributes let the cluster run as its account, and end with this process.
func (c *Cluster) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if c.account != nil {
		a.Credential = &syscall.Credential{Uid: uint32(c.account.uid), Gid: uint32(c.account.gid)} //nolint:gosec // ids are not negative
	}
	return a
}

// run starts the server. Another process may take the port between free and
// launch, so that run tries several.
func (c *Cluster) run(ctx context.Context) error {
	var err error
	for range 5 {
		if c.Addr, err = free(ctx); err != nil {
			return err
		}
		if err = c.launch(); err != nil {
			return err
		}
		if err = c.ready(ctx); err == nil {
			return nil
		}
	}
	return fmt.Errorf("PostgreSQL did not come up: %w", err)
}

func (c *Cluster) launch() error {
	_, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return err
	}
	arguments := []string{"-D", c.data(), "-p", port, "-k", c.dir, "-c", "listen_addresses=127.0.0.1"}
	if !c.durable {
		// Nothing waits for the disk, but a commit is in the kernel's hands before
		// it is acknowledged: Kill loses none.
		arguments = append(arguments, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	cmd := exec.Command(c.Program("postgres"), arguments...) //nolint:gosec,noctx // found by find; ended by Kill
	cmd.SysProcAttr = c.attributes()
	cmd.Dir = c.dir
	c.log.Reset()
	cmd.Stdout, cmd.Stderr = &c.log, &c.log
	started, gone := make(chan error), make(chan struct{})
	go func() { // the death signal is of the thread that starts the child
		lockThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(gone)
	}()
	c.postgres, c.gone = cmd, gone
	return <-started
}

// ready waits until the server answers, or has ended.
func (c *Cluster) ready(ctx context.Context) error {
	db, err := sql.Open("pgx", c.DSN("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.gone:
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// Kill ends the server at once, with all that is connected to it.
func (c *Cluster) Kill(tb testing.TB) {
	tb.Helper()
	if c.postgres == nil {
		return
	}
	if err := c.postgres.Process.Signal(syscall.SIGQUIT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Errorf("stop PostgreSQL: %v", err)
		return
	}
	<-c.gone
	c.postgres = nil
}

// Restart starts the server again after [Cluster.Kill], at the same address.
func (c *Cluster) Restart(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startLimit)
	defer cancel()
	err := c.launch()
	if err == nil {
		err = c.ready(ctx)
	}
	if err != nil {
		tb.Fatalf("start PostgreSQL again: %v\n%s", err, c.log.String())
	}
}

// LimitFiles bounds the files that sessions write, as a full disk would, to a
// number of bytes or to "unlimited". It ends the sessions that are there.
func (c *Cluster) LimitFiles(tb testing.TB, bytes string) {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), "prlimit", "--pid="+strconv.Itoa(c.postgres.Process.Pid), "--fsize="+bytes+":") //nolint:gosec // a test's
	cmd.SysProcAttr = c.attributes()                                                                                         // the server's account may do it, and root may not everywhere
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("prlimit: %v\n%s", err, out)
	}
	c.Exec(tb, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
}

// DSN is how to connect to a database, as its owner.
func (c *Cluster) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(User, c.Password), Host: c.Addr, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Database makes an empty database with a name of its own.
func (c *Cluster) Database(tb testing.TB) string {
	tb.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	c.Exec(tb, "postgres", `CREATE DATABASE "`+name+`"`)
	return name
}

// Hold asks a question on a connection that stays open until the test ends,
// such as whether a lock was got.
func (c *Cluster) Hold(tb testing.TB, database, question string) (yes bool) {
	tb.Helper()
	db, err := sql.Open("pgx", c.DSN(database))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	if err := db.QueryRowContext(tb.Context(), question).Scan(&yes); err != nil {
		tb.Fatalf("%s: %v", question, err)
	}
	return yes
}

// Exec runs statements in a database.
func (c *Cluster) Exec(tb testing.TB, database string, statements ...string) {
	tb.Helper()
	db, err := sql.Open("pgx", c.DSN(database))
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.ExecContext(tb.Context(), s); err != nil {
			tb.Fatalf("%s: %v", s, err)
		}
	}
}
