package core

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/engine"
)

// The kinds of findings of a look at the store.
const (
	FindingOrphans  = "store_orphans" // objects that belong to no backup
	AlarmBackupLost = "backup_lost"   // a good backup that is not in the store
)

// How the store is looked at.
const (
	lookPause     = 23 * time.Hour // so that it is once a day, at about the same hour
	orphanGrace   = 24 * time.Hour // for what may still be being written
	orphansListed = 10_000         // the largest ones; all are counted
)

// StoreFolder is what lies in one place of the store. InstanceID and BackupID are empty where no backup can be.
type StoreFolder struct {
	Name                 string
	InstanceID, BackupID string
	Objects, Bytes       int64
	WrittenAt            time.Time // the newest object
	Manifest             bool
}

// Why something is an orphan.
const (
	OrphanUnknown    = "unknown"    // a whole backup that the catalogue does not have
	OrphanUnfinished = "unfinished" // parts without a manifest, of a backup that the catalogue does not have
	OrphanFailed     = "failed"     // of a backup that failed
	OrphanExpired    = "expired"    // of a backup that had left the store
	OrphanStrange    = "strange"    // not where MyDB puts anything
)

// Orphan is something in the store that belongs to no backup.
type Orphan struct {
	Folder    string    `json:"folder"`
	Reason    string    `json:"reason"`
	Objects   int64     `json:"objects"`
	Bytes     int64     `json:"bytes"`
	WrittenAt time.Time `json:"written_at"`
}

// StoreLook is what the newest look at the store has found.
type StoreLook struct {
	At      time.Time `json:"at"`
	Orphans int64     `json:"orphans"` // places; all of them, also those that are not listed
	Bytes   int64     `json:"bytes"`
}

// LookDue reports whether it is time to look at the store again.
func (s *Service) LookDue(ctx context.Context) (bool, error) {
	look, err := s.storeLook(ctx)
	if err != nil || look == nil {
		return err == nil && s.backups.On, err
	}
	// A clock that was ahead and was put right must not end all looks.
	return s.backups.On && s.now().Sub(look.At).Abs() >= lookPause, nil
}

// storeLook is nil before the first look.
func (s *Service) storeLook(ctx context.Context) (*StoreLook, error) {
	look, err := one[StoreLook](ctx, s.db, "select at, orphans, bytes from store_looks")
	if notFound(err) {
		return nil, nil //nolint:nilnil // there was none
	}
	if err != nil {
		return nil, fmt.Errorf("read when the store was looked at: %w", err)
	}
	return &look, nil
}

// Orphans lists what was found in the store by the newest look, the largest first, for administrators and auditors. look is nil before the first one.
// next is the cursor of the next page, or empty. Errors: CodeForbidden.
func (s *Service) Orphans(ctx context.Context, actor Actor, page Page) (list []Orphan, look *StoreLook, next string, err error) {
	if !actor.Oversees() {
		return nil, nil, "", Errorf(CodeForbidden, "Only administrators may see what is in the store.")
	}
	if look, err = s.storeLook(ctx); err != nil {
		return nil, nil, "", err
	}
	list, err = many[Orphan](ctx, s.db, `select folder, reason, objects, bytes, written_at from store_orphans o
		where $1 = '' or (bytes, folder) < (select bytes, folder from store_orphans where folder = $1) order by bytes desc, folder desc limit $2`, page.Cursor, page.limit()+1)
	if err != nil {
		return nil, nil, "", fmt.Errorf("list the orphans: %w", err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].Folder
	}
	return list, look, next, nil
}

// catalogued is what the catalogue says of a backup.
type catalogued struct {
	ID, InstanceID, Database string
	State                    BackupState
	FinishedAt               *time.Time
	Left                     bool
}

// KeepOrphans judges what is in the store, which was listed from a moment on, and keeps the list of what belongs to nothing. A good backup
// that was not there is an alarm.
func (s *Service) KeepOrphans(ctx context.Context, folders []StoreFolder, began time.Time) error {
	backups, err := many[catalogued](ctx, s.db, `select b.id, b.instance_id, i.name as database, b.state, b.finished_at, b.expired_at is not null as left
		from backups b join instances i on i.id = b.instance_id`)
	if err != nil {
		return fmt.Errorf("read the backups of the catalogue: %w", err)
	}
	known := map[string]catalogued{}
	for _, b := range backups {
		known[b.ID] = b
	}
	var orphans []Orphan
	there := map[string]bool{}
	look := StoreLook{At: began}
	for _, f := range folders {
		b, ok := known[f.BackupID]
		if ok && b.InstanceID == f.InstanceID && f.Manifest {
			there[b.ID] = true
		}
		if reason := orphaned(f, b, ok, began); reason != "" {
			look.Orphans, look.Bytes = look.Orphans+1, look.Bytes+f.Bytes
			orphans = append(orphans, Orphan{Folder: f.Name, Reason: reason, Objects: f.Objects, Bytes: f.Bytes, WrittenAt: f.WrittenAt})
		}
	}
	slices.SortFunc(orphans, func(a, b Orphan) int { return cmp.Compare(b.Bytes, a.Bytes) })
	if err := s.writeOrphans(ctx, orphans[:min(len(orphans), orphansListed)], look); err != nil {
		return err
	}
	if err := s.findOrphans(ctx, look); err != nil {
		return err
	}
	return s.findLost(ctx, backups, there, began)
}

// orphaned is why something in the store belongs to no backup; empty when it does, or may.
func orphaned(f StoreFolder, b catalogued, known bool, now time.Time) string {
	fresh := now.Sub(f.WrittenAt) < orphanGrace
	switch {
	case known && b.InstanceID == f.InstanceID:
		switch {
		case b.State == BackupFailed && !fresh:
			return OrphanFailed
		case b.State == BackupExpired && b.Left:
			return OrphanExpired
		}
		return ""
	case f.BackupID == "" || known || !isID(f.InstanceID) || !isID(f.BackupID):
		if fresh {
			return ""
		}
		return OrphanStrange
	case f.Manifest:
		return OrphanUnknown
	case fresh:
		return ""
	}
	return OrphanUnfinished
}

// isID tells ids, as xid writes them.
func isID(text string) bool {
	return len(text) == 20 && strings.Trim(text, "0123456789abcdefghijklmnopqrstuv") == ""
}

func (s *Service) writeOrphans(ctx context.Context, list []Orphan, look StoreLook) error {
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "delete from store_orphans"); err != nil {
			return err
		}
		columns := []string{"folder", "reason", "objects", "bytes", "written_at"}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"store_orphans"}, columns, pgx.CopyFromSlice(len(list), func(n int) ([]any, error) {
			o := list[n]
			return []any{o.Folder, o.Reason, o.Objects, o.Bytes, o.WrittenAt}, nil
		}))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "insert into store_looks (at, orphans, bytes) values ($1, $2, $3) on conflict (id) do update set at = $1, orphans = $2, bytes = $3", look.At, look.Orphans, look.Bytes)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep the list of orphans: %w", err)
	}
	return nil
}

func (s *Service) findOrphans(ctx context.Context, seen StoreLook) error {
	l := look{kinds: []string{FindingOrphans}, tell: []Audience{ToAdmins}}
	if seen.Orphans > 0 {
		l.found = []found{{
			kind: FindingOrphans, subject: "store", severity: SeverityInfo,
			message: fmt.Sprintf("In %s of the store lie %s that belong to no backup of the catalogue. MyDB deletes none of it: look at the list of orphans, and remove by hand what nobody needs.",
				count(int(seen.Orphans), "place"), engine.Bytes(seen.Bytes)),
		}}
	}
	return s.settle(ctx, l)
}

// findLost looks for good backups that are not in the store.
func (s *Service) findLost(ctx context.Context, backups []catalogued, there map[string]bool, began time.Time) error {
	lost, name := map[string]int{}, map[string]string{}
	for _, b := range backups {
		good := b.State == BackupDone || b.State == BackupVerified
		if good && !there[b.ID] && b.FinishedAt != nil && b.FinishedAt.Before(began) {
			lost[b.InstanceID]++
			name[b.InstanceID] = b.Database
		}
	}
	l := look{kinds: []string{AlarmBackupLost}, tell: []Audience{ToOwner, ToAdmins}}
	for id, n := range lost {
		l.found = append(l.found, found{
			kind: AlarmBackupLost, subject: id, instanceID: id, severity: SeverityAlarm,
			message: fmt.Sprintf("%s of %s should be in the store, and its manifest is not there. Somebody has removed it, or MYDB_STORE_URL leads to another store. "+
				"Bring it back, or make a new one with: backup %[2]s", count(n, "good backup"), name[id]),
		})
	}
	return s.settle(ctx, l)
}
