package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mydb-project/mydb/core"
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

// checkCatalogue tells how old the newest backup of MyDB's own database is.
func (a *App) checkCatalogue(ctx context.Context) (string, error) {
	if !a.Config.StoreOn() {
		return "MyDB's own database is not backed up: MYDB_STORE_URL is not set", nil
	}
	if a.pool == nil {
		return "", errors.New("cannot be looked at without the metadata database")
	}
	service := core.New(core.Options{DB: a.pool, Policy: a.Policy, Log: a.Log, Backups: core.Backups{On: true}})
	at, age, late, err := service.CatalogueAge(ctx)
	switch {
	case err != nil:
		return "", fmt.Errorf("the backups of MyDB's own database cannot be looked at (a schema that is not up to date is one reason): %w", err)
	case at == nil && late:
		return "", fmt.Errorf("MyDB's own database was never backed up in %s, although it is to be every %s: do the workers run?", core.Shortly(age), core.Shortly(a.Policy.Backup.CatalogueEvery))
	case at == nil:
		return "MyDB's own database was not backed up yet; the first backup is made as soon as a worker runs", nil
	case late:
		return "", fmt.Errorf("the newest backup of MyDB's own database is %s old, although one is to be made every %s: do the workers run, and does the store answer?",
			core.Shortly(age), core.Shortly(a.Policy.Backup.CatalogueEvery))
	}
	return "the newest backup of MyDB's own database is " + core.Shortly(age) + " old", nil
}
