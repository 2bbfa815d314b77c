//go:build !race

package server

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	persistencespb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/serialization"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/searchattribute/sadefs"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ensureNamespace brings the namespace up to date in the database, before
// there is a server: no cache has to notice, and the server comes up with
// search attributes that can be used at once.
func ensureNamespace(ctx context.Context, db sqlplugin.DB, o Options) error {
	row, detail, err := loadNamespace(ctx, db, o.Namespace)
	if err != nil {
		return fmt.Errorf("load namespace %q: %w", o.Namespace, err)
	}
	detail.Config.Retention = durationpb.New(o.Retention)
	aliases, err := addAliases(detail.GetConfig().GetCustomSearchAttributeAliases(), o.SearchAttributes)
	if err != nil {
		return err
	}
	detail.Config.CustomSearchAttributeAliases = aliases
	if err := saveNamespace(ctx, db, row, detail); err != nil {
		return fmt.Errorf("save namespace %q: %w", o.Namespace, err)
	}
	return nil
}

// loadNamespace finds the namespace, or makes one and no row.
func loadNamespace(ctx context.Context, db sqlplugin.DB, name string) (*sqlplugin.NamespaceRow, *persistencespb.NamespaceDetail, error) {
	rows, err := db.SelectFromNamespace(ctx, sqlplugin.NamespaceFilter{Name: &name})
	switch {
	case errors.Is(err, stdsql.ErrNoRows) || err == nil && len(rows) == 0:
		created, err := sqlite.NewNamespaceConfig(clusterName, name, false, nil)
		if err != nil {
			return nil, nil, err
		}
		return nil, created.Detail, nil
	case err != nil:
		return nil, nil, err
	}
	row := rows[0]
	detail, err := serialization.NewSerializer().NamespaceDetailFromBlob(persistence.NewDataBlob(row.Data, row.DataEncoding))
	return &row, detail, err
}

func saveNamespace(ctx context.Context, db sqlplugin.DB, row *sqlplugin.NamespaceRow, detail *persistencespb.NamespaceDetail) error {
	blob, err := serialization.NewSerializer().NamespaceDetailToBlob(detail)
	if err != nil {
		return err
	}
	if row != nil {
		row.Data, row.DataEncoding = blob.GetData(), blob.GetEncodingType().String()
		_, err = db.UpdateNamespace(ctx, row)
		return err
	}
	id, err := primitives.ParseUUID(detail.GetInfo().GetId())
	if err != nil {
		return err
	}
	_, err = db.InsertIntoNamespace(ctx, &sqlplugin.NamespaceRow{
		ID:           id,
		Name:         detail.GetInfo().GetName(),
		Data:         blob.GetData(),
		DataEncoding: blob.GetEncodingType().String(),
	})
	return err
}

// addAliases gives every attribute one of the columns that the database has
// for its type. The result maps columns to attributes.
func addAliases(existing map[string]string, attributes map[string]enumspb.IndexedValueType) (map[string]string, error) {
	columns := sadefs.GetDBIndexSearchAttributes(nil).GetCustomSearchAttributes()
	aliases := maps.Clone(existing)
	if aliases == nil {
		aliases = map[string]string{}
	}
	taken := map[string]string{} // attribute → column
	for column, name := range aliases {
		taken[name] = column
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		want := attributes[name]
		if column, ok := taken[name]; ok {
			if columns[column] != want {
				return nil, invalid("search_attribute", "search attribute %s is %s in the database and can't become %s", name, columns[column], want)
			}
			continue
		}
		column, ok := freeColumn(columns, aliases, want)
		if !ok {
			return nil, invalid("search_attribute", "search attribute %s: no column of type %s is left", name, want)
		}
		aliases[column] = name
	}
	return aliases, nil
}

func freeColumn(columns map[string]enumspb.IndexedValueType, aliases map[string]string, want enumspb.IndexedValueType) (string, bool) {
	for _, column := range slices.Sorted(maps.Keys(columns)) {
		if _, used := aliases[column]; !used && columns[column] == want {
			return column, true
		}
	}
	return "", false
}
