//go:build !race

package server

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/serialization"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/resolver"
)

// database is where the state is. Its tables are there, and no other server
// of ours uses it until it is released.
type database struct {
	main, visibility *config.SQL
	release          func() error
	lost             <-chan struct{} // closed when another server took it; nil where that can't happen
}

func openDatabase(ctx context.Context, o Options) (*database, error) {
	if o.Postgres != nil {
		return openPostgres(ctx, *o.Postgres)
	}
	return openSQLite(ctx, o.Dir)
}

// prepare brings what the server reads at its start up to date.
func (d *database) prepare(ctx context.Context, o Options) (err error) {
	db, err := sql.NewSQLDB(sqlplugin.DbKindMain, d.main, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return fmt.Errorf("open the Temporal database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := checkShards(ctx, db, o.Shards); err != nil {
		return err
	}
	return ensureNamespace(ctx, db, o)
}

// checkShards rejects another number of shards than the database was made with.
// The server would silently ignore it.
func checkShards(ctx context.Context, db sqlplugin.DB, want int32) error {
	row, err := db.GetClusterMetadata(ctx, &sqlplugin.ClusterMetadataFilter{ClusterName: clusterName})
	if errors.Is(err, stdsql.ErrNoRows) {
		return nil // a new one
	}
	if err != nil {
		return fmt.Errorf("read the number of history shards: %w", err)
	}
	made, err := serialization.NewSerializer().DeserializeClusterMetadata(persistence.NewDataBlob(row.Data, row.DataEncoding))
	if err != nil {
		return fmt.Errorf("read the number of history shards: %w", err)
	}
	if have := made.GetHistoryShardCount(); have != want {
		return invalid("shards", "the database was made with %d history shards, which is for good, and %d are configured: "+
			"set %d, or use a new database", have, want, have)
	}
	return nil
}
