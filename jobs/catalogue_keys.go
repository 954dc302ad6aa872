package jobs

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/mydb-project/mydb/core"
)

// CatalogueKeys tells who can open the backups of MyDB's own database that are in the store. Their manifests alone know.
func CatalogueKeys(ctx context.Context, s Store) (out []core.KeyBackup, err error) {
	ids, err := catalogueIDs(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		m, err := readManifest(ctx, s, path.Join(core.CatalogueFolder, id))
		if errors.Is(err, ErrNoObject) {
			continue // it has just expired
		}
		if err != nil {
			return nil, fmt.Errorf("read the manifest of the backup %s of MyDB's own database: %w", id, err)
		}
		out = append(out, core.KeyBackup{ID: id, Database: "(MyDB's own database)", CreatedAt: m.StartedAt, Keys: m.Keys})
	}
	return out, nil
}
