package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core/policy"
)

// CatalogueFolder is where backups of MyDB's own database are in the store, beside those of instances.
const CatalogueFolder = "catalogue"

// CatalogueBackup is a backup of MyDB's own database. Size is in bytes.
type CatalogueBackup struct {
	ID         string      `json:"id"`
	State      BackupState `json:"state"` // running, done, failed or expired
	CreatedAt  time.Time   `json:"created_at"`
	FinishedAt *time.Time  `json:"finished_at"`
	Seconds    *float64    `json:"seconds"` // how long it took
	Schema     *int        `json:"schema"`  // the version of the schema that it is of
	Rows       *int64      `json:"rows"`
	Size       *int64      `json:"size"`
	SHA256     *string     `json:"sha256"` // of its manifest.json
	Location   string      `json:"location"`
	Error      string      `json:"error,omitempty"`
}

const selectCatalogueBackup = `select id, state, created_at, finished_at, extract(epoch from finished_at - created_at)::float8 as seconds, schema, rows, size, sha256,
	location, error from catalogue_backups `

// CatalogueBackups lists the backups of MyDB's own database, newest first, for administrators and auditors. next is the cursor of the next page, or
// empty. Errors: CodeForbidden.
func (s *Service) CatalogueBackups(ctx context.Context, actor Actor, page Page) (list []CatalogueBackup, next string, err error) {
	if !actor.Oversees() {
		return nil, "", Errorf(CodeForbidden, "Only administrators see the backups of MyDB's own database.")
	}
	list, err = many[CatalogueBackup](ctx, s.db, selectCatalogueBackup+"where $1 = '' or id < $1 order by id desc limit $2", page.Cursor, page.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("list the backups of MyDB's own database: %w", err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].ID
	}
	return list, next, nil
}

// A backup of MyDB's own database that failed is tried again after this time, or after its period if that is shorter.
const catalogueRetry = 5 * time.Minute

// catalogueLock keeps two processes from beginning one at once.
const catalogueLock = "select pg_advisory_xact_lock(hashtext('mydb catalogue backup'))"

// BeginCatalogueBackup gives the id of a new backup of MyDB's own database when one is due, or else nothing. It is called by one worker
// at a time, so that one that is still under way was left by a worker that is gone.
func (s *Service) BeginCatalogueBackup(ctx context.Context) (id string, err error) {
	every, now := s.policy.Backup.CatalogueEvery, s.now()
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, catalogueLock); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "update catalogue_backups set state = 'failed', finished_at = $1, error = 'The worker that made it ended.' where state = 'running'", now)
		if err != nil {
			return err
		}
		var wait bool
		err = tx.QueryRow(ctx, "select exists (select from catalogue_backups where state = 'done' and created_at > $1 or state = 'failed' and created_at > $2)",
			now.Add(-every), now.Add(-min(every, catalogueRetry))).Scan(&wait)
		if err != nil || wait {
			return err
		}
		id = xid.New().String()
		_, err = tx.Exec(ctx, "insert into catalogue_backups (id, created_at) values ($1, $2)", id, now)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("begin a backup of MyDB's own database: %w", err)
	}
	return id, nil
}

// KeepCatalogueBackup records a backup of MyDB's own database that was read back. An error means that it does not count, such as
// because another worker has begun one since.
func (s *Service) KeepCatalogueBackup(ctx context.Context, made MadeBackup, c CatalogueCopy) error {
	tag, err := s.db.Exec(ctx, `update catalogue_backups set state = 'done', finished_at = $2, schema = $3, rows = $4, size = $5, sha256 = $6, location = $7
		where id = $1 and state = 'running'`, made.ID, s.now(), c.Schema, c.Rows(), made.Size, made.SHA256, made.Location)
	if err != nil {
		return fmt.Errorf("record the backup of MyDB's own database: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("another worker has taken the backup %s of MyDB's own database for lost", made.ID)
	}
	return nil
}

// FailCatalogueBackup records why a backup of MyDB's own database could not be made.
func (s *Service) FailCatalogueBackup(ctx context.Context, id, why string) error {
	_, err := s.db.Exec(ctx, "update catalogue_backups set state = 'failed', finished_at = $2, error = $3 where id = $1 and state = 'running'", id, s.now(), why)
	if err != nil {
		return fmt.Errorf("record the end of a backup of MyDB's own database: %w", err)
	}
	return nil
}

// catalogueFailuresKept is for how long backups of MyDB's own database that failed are listed.
const catalogueFailuresKept = 30 * 24 * time.Hour

// ExpireCatalogueBackups gives the ids of those backups of MyDB's own database that no rule keeps, and that are to go out of the store.
func (s *Service) ExpireCatalogueBackups(ctx context.Context) (leaving []string, err error) {
	if still, err := s.StandsStill(ctx); err != nil || still {
		return nil, err
	}
	list, err := many[keptBackup](ctx, s.db, "select id, '' as instance_id, state, created_at, false as held from catalogue_backups where state = 'done' order by id desc")
	if err != nil {
		return nil, fmt.Errorf("list the backups of MyDB's own database: %w", err)
	}
	ids := []string{}
	for _, b := range superfluous(s.policy.Backup.CatalogueKeep, s.policy.Backup.Location(), list) {
		ids = append(ids, b.ID)
	}
	if _, err := s.db.Exec(ctx, "update catalogue_backups set state = 'expired' where id = any($1)", ids); err != nil {
		return nil, fmt.Errorf("expire backups of MyDB's own database: %w", err)
	}
	if _, err := s.db.Exec(ctx, "delete from catalogue_backups where state = 'failed' and created_at < $1", s.now().Add(-catalogueFailuresKept)); err != nil {
		return nil, fmt.Errorf("forget old failures: %w", err)
	}
	rows, err := s.db.Query(ctx, "select id from catalogue_backups where state = 'expired' order by id")
	if err != nil {
		return nil, fmt.Errorf("list what has expired: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// CatalogueBackupLeft forgets a backup of MyDB's own database of which nothing is in the store any more.
func (s *Service) CatalogueBackupLeft(ctx context.Context, id string) error {
	if _, err := s.db.Exec(ctx, "delete from catalogue_backups where id = $1 and state = 'expired'", id); err != nil {
		return fmt.Errorf("forget the backup %s of MyDB's own database: %w", id, err)
	}
	return nil
}

// AlarmCatalogueLate is that MyDB's own database was not backed up for too long.
const AlarmCatalogueLate = "catalogue_backup_late"

// catalogueLate is after how many periods.
const catalogueLate = 3

// CatalogueAge tells when MyDB's own database was backed up well for the last time, and whether that is too long ago. Without any backup,
// at is nil and the time counts from the newest migration, with which the site began to make them. Age is zero when there is no place for backups.
func (s *Service) CatalogueAge(ctx context.Context) (at *time.Time, age time.Duration, late bool, err error) {
	if !s.backups.On {
		return nil, 0, false, nil
	}
	var since time.Time
	err = s.db.QueryRow(ctx, `select b.at, coalesce(b.at, (select max(applied_at) from schema_versions))
		from (select max(created_at) as at from catalogue_backups where state = 'done') b`).Scan(&at, &since)
	if err != nil {
		return nil, 0, false, fmt.Errorf("look for the newest backup of MyDB's own database: %w", err)
	}
	age = s.now().Sub(since)
	return at, age, age > catalogueLate*s.policy.Backup.CatalogueEvery, nil
}

// GuardCatalogue raises an alarm when MyDB's own database was not backed up for too long. Periodic.
func (s *Service) GuardCatalogue(ctx context.Context) error {
	at, _, late, err := s.CatalogueAge(ctx)
	if err != nil {
		return err
	}
	l := look{kinds: []string{AlarmCatalogueLate}, tell: []Audience{ToAdmins}}
	if late {
		l.found = append(l.found, found{kind: AlarmCatalogueLate, subject: "MyDB's own database", severity: SeverityAlarm, message: lateCatalogue(s.policy.Backup, at)})
	}
	return s.settle(ctx, l)
}

func lateCatalogue(b policy.Backup, at *time.Time) string {
	what := "has no good backup"
	if at != nil {
		what = "was backed up well on " + moment(*at) + " for the last time"
	}
	return fmt.Sprintf("MyDB's own database %s, although it is to be backed up every %s. The page of its backups says what went wrong; until it is put right, "+
		"the loss of the control plane would lose what has changed since.", what, Shortly(b.CatalogueEvery))
}

// Shortly writes a time that has passed, or a period, for people: 1h, 90m, 3d.
func Shortly(d time.Duration) string {
	switch day := 24 * time.Hour; {
	case d >= 2*day:
		return fmt.Sprintf("%dd", d/day)
	case d >= 2*time.Hour || d == d.Truncate(time.Hour) && d > 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
