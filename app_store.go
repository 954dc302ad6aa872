package main

import (
	"context"
	"fmt"

	"github.com/mydb-project/mydb/jobs"
	"github.com/mydb-project/mydb/jobs/store"
)

// openStore is nil when there is no place for backups.
func (a *App) openStore(ctx context.Context) (jobs.Store, error) {
	if !a.Config.StoreOn() {
		return nil, nil //nolint:nilnil // no store is a setting that check warns of
	}
	where, err := a.Config.Store()
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, where)
}

// checkStore writes into the store, reads back and removes.
func (a *App) checkStore(ctx context.Context) (string, error) {
	s, err := a.openStore(ctx)
	if err != nil {
		return "", err
	}
	if s == nil {
		return "backups are off: MYDB_STORE_URL is not set, so NOTHING IS BACKED UP", nil
	}
	if err := s.Check(ctx); err != nil {
		return "", fmt.Errorf("MYDB_STORE_URL: %w", err)
	}
	return s.Location("") + " was written to, read and cleaned up", nil
}
