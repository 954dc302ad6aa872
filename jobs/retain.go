package jobs

import (
	"context"
	"errors"
	"path"
	"time"

	"github.com/mydb-project/mydb/core"
)

// removeFolder takes a backup out of the store, its manifest first: without it there is no backup. While anything of it is locked, all of
// it stays; in a store that keeps versions, a removal would else only hide it. Errors: *LockedError.
func removeFolder(ctx context.Context, s Store, folder string) error {
	var keys []string
	for o, err := range s.List(ctx, folder) {
		if err != nil {
			return err
		}
		keys = append(keys, o.Key)
	}
	if err := unlocked(ctx, s, keys); err != nil {
		return err
	}
	for _, key := range append([]string{path.Join(folder, core.ManifestObject)}, keys...) {
		if err := s.Remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// unlocked refuses to go on while an object is locked. The lock that lasts longest counts.
func unlocked(ctx context.Context, s Store, keys []string) error {
	var until time.Time
	for _, key := range keys {
		o, err := s.Head(ctx, key)
		if errors.Is(err, ErrNoObject) {
			continue
		}
		if err != nil {
			return err
		}
		if o.Lock.After(until) {
			until = o.Lock
		}
	}
	if until.After(time.Now()) { // by the platform's clock: the store's own counts anyway
		return &LockedError{Until: until}
	}
	return nil
}

// leave takes a backup that has expired out of the store. What the store does not do is recorded, and tried again: only the catalogue's
// errors are ones here.
func leave(ctx context.Context, o Options, b core.LeavingBackup) error {
	err := removeFolder(ctx, o.Store, path.Join(b.InstanceID, b.ID))
	if err == nil {
		return o.Service.BackupLeft(ctx, b.ID)
	}
	if ctx.Err() != nil {
		return err
	}
	o.Log.Warn("a backup that has expired could not be taken out of the store", "backup", b.ID, "error", err)
	var locked *LockedError
	return o.Service.BackupStays(ctx, b.ID, errors.As(err, &locked), core.MaskSecrets(err.Error()))
}
