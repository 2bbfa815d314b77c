//go:build !race

package server

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", which the server uses too
	"go.temporal.io/server/common/auth"
	"go.temporal.io/server/common/config"
	postgresplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	v12 "go.temporal.io/server/schema/postgresql/v12"
)

// Postgres is a PostgreSQL server, version 13 or newer, with two databases
// that belong to the user. What is in them is made by the Temporal server.
type Postgres struct {
	Addr       string // host:port
	User       string
	Password   string
	Database   string // the state
	Visibility string // what is searched; another database
	TLS        *PostgresTLS
}

// PostgresTLS makes the connection encrypted, to a server whose certificate
// is checked with its name.
type PostgresTLS struct {
	CAFile string // empty means the system's authorities
}

const (
	// connections bounds each database's, which PostgreSQL allows 100 of in
	// all by default.
	connections        = 20
	connectionLifetime = time.Hour
)

// identifier is what a database or user may be called: the server puts names
// into a URL as they are.
var identifier = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]{0,62}$`)

func (p Postgres) check() error {
	if _, _, err := net.SplitHostPort(p.Addr); err != nil {
		return invalid("postgres", "the address of PostgreSQL is %q and must be host:port", p.Addr)
	}
	for what, name := range map[string]string{"user": p.User, "database": p.Database, "visibility database": p.Visibility} {
		if !identifier.MatchString(name) {
			return invalid("postgres", "the %s of PostgreSQL is called %q and must be of letters, digits, - and _", what, name)
		}
	}
	switch {
	case p.Database == p.Visibility:
		return invalid("postgres", "the database and the visibility database must be two")
	case strings.ContainsAny(p.Password, " \t\r\n"):
		return invalid("postgres", "a PostgreSQL password with white space in it can't be used")
	}
	return nil
}

func (p Postgres) config(name string) *config.SQL {
	c := &config.SQL{
		PluginName:      postgresplugin.PluginNamePGX,
		ConnectAddr:     p.Addr,
		ConnectProtocol: "tcp",
		User:            p.User,
		Password:        p.Password,
		DatabaseName:    name,
		MaxConns:        connections,
		MaxIdleConns:    connections,
		MaxConnLifetime: connectionLifetime,
	}
	if p.TLS != nil {
		c.TLS = &auth.TLS{Enabled: true, EnableHostVerification: true, CaFile: p.TLS.CAFile}
	}
	return c
}

// open connects beside the server, to a database of the name.
func (p Postgres) open(ctx context.Context, name string) (*stdsql.DB, error) {
	query := url.Values{"sslmode": {"disable"}, "application_name": {"sallyport-temporal"}}
	if p.TLS != nil {
		query.Set("sslmode", "verify-full")
		if p.TLS.CAFile != "" {
			query.Set("sslrootcert", p.TLS.CAFile)
		}
	}
	dsn := url.URL{Scheme: "postgres", User: url.UserPassword(p.User, p.Password), Host: p.Addr, Path: "/" + name, RawQuery: query.Encode()}
	db, err := stdsql.Open("pgx", dsn.String())
	if err != nil {
		return nil, err
	}
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to database %s of PostgreSQL at %s as %s: %w", name, p.Addr, p.User, err), db.Close())
	}
	return db, nil
}

// openPostgres locks the databases and brings their tables up to date.
func openPostgres(ctx context.Context, p Postgres) (*database, error) {
	held, err := lockPostgres(ctx, p)
	if err != nil {
		return nil, err
	}
	for _, s := range []schemaOf{
		{database: p.Database, dir: "postgresql/v12/temporal", version: v12.Version},
		{database: p.Visibility, dir: "postgresql/v12/visibility", version: v12.VisibilityVersion},
	} {
		if err := s.ensure(ctx, p); err != nil {
			return nil, errors.Join(fmt.Errorf("the tables of database %s: %w", s.database, err), held.release())
		}
	}
	return &database{main: p.config(p.Database), visibility: p.config(p.Visibility), release: held.release, lost: held.lost}, nil
}
