package core

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// MakeBackup makes a backup now.
type MakeBackup struct {
	On
	reason string
}

func (MakeBackup) action() string { return "backup" }

// The reasons for which backups are made.
const (
	BackupAsked    = "asked"
	BackupSchedule = "schedule"
	BackupFinal    = "final"  // before a deletion
	BackupSafety   = "safety" // before a restore in place
)

// BackupState is what is known of a backup.
type BackupState string

// The states of a backup.
const (
	BackupRunning  BackupState = "running"
	BackupDone     BackupState = "done"     // read back from the store, hashed, and parsed to its end by the engine's tool
	BackupVerified BackupState = "verified" // restored, and every table counted
	BackupFailed   BackupState = "failed"
	BackupExpired  BackupState = "expired" // retention took it out of the store
)

// Backup is one backup of an instance. Sizes are bytes.
type Backup struct {
	ID          string          `json:"id"`
	InstanceID  string          `json:"database_id"`
	Database    string          `json:"database"`
	OperationID string          `json:"operation_id"`
	Reason      string          `json:"reason"`
	RequestedBy string          `json:"requested_by"`
	State       BackupState     `json:"state"`
	CreatedAt   time.Time       `json:"created_at"`
	FinishedAt  *time.Time      `json:"finished_at"`
	Seconds     *float64        `json:"seconds"` // how long it took
	Size        *int64          `json:"size"`    // in the store
	SHA256      *string         `json:"sha256"`  // of manifest.json, which has those of the parts
	Location    string          `json:"location"`
	VerifiedAt  *time.Time      `json:"verified_at"`
	Receipt     *BackupReceipt  `json:"receipt"`
	Error       string          `json:"error,omitempty"`
	PinnedAt    *time.Time      `json:"pinned_at,omitempty"`
	PinNote     string          `json:"pin_note,omitempty"`
	ExpiredAt   *time.Time      `json:"expired_at,omitempty"`
	Contents    *BackupContents `json:"contents,omitempty"`
}

// Good reports whether a backup can be restored as far as is known.
func (b Backup) Good() bool { return b.State == BackupDone || b.State == BackupVerified }

// BackupContents sums up what a backup holds.
type BackupContents struct {
	Engine        string   `json:"engine"`
	Version       string   `json:"version"`
	ServerVersion string   `json:"server_version"`
	Databases     []string `json:"databases"`
	Tables        int      `json:"tables"`
	Rows          int64    `json:"rows"`
	Exact         bool     `json:"exact"`
}

const selectBackup = `select b.id, b.instance_id, i.name as database, b.operation_id, b.reason, p.login as requested_by, b.state, b.created_at, b.finished_at,
	extract(epoch from b.finished_at - b.created_at)::float8 as seconds, b.size, b.sha256, b.location, b.verified_at, b.receipt, b.error, b.pinned_at, b.pin_note, b.expired_at,
	case when b.manifest is not null then jsonb_build_object('engine', b.manifest->'database'->'engine', 'version', b.manifest->'database'->'version',
		'server_version', b.manifest->'contents'->'server_version', 'exact', b.manifest->'contents'->'exact',
		'databases', (select coalesce(jsonb_agg(d->'name'), '[]') from jsonb_array_elements(b.manifest->'contents'->'databases') d),
		'tables', (select count(*) from jsonb_array_elements(b.manifest->'contents'->'databases') d, jsonb_array_elements(d->'tables') t),
		'rows', (select coalesce(sum((t->>'rows')::bigint), 0) from jsonb_array_elements(b.manifest->'contents'->'databases') d, jsonb_array_elements(d->'tables') t)) end as contents
	from backups b join instances i on i.id = b.instance_id join people p on p.id = b.requested_by `

func (c MakeBackup) prepare(s *Service, _ Actor) (decision, error) {
	if !s.backups.On {
		return nil, noStore()
	}
	reason := c.reason
	if reason == "" {
		reason = BackupAsked
	}
	return change{
		on: c.Database, kind: "backup", states: []State{StateReady},
		write: func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, operationID string) error {
			if reason == BackupSchedule { // together with the backup, or a crash in between would have it made twice
				next := nextBackup(s.policy.Backup, i.ID, i.Backup, i.BackupWindow, s.now())
				if err := s.setNextBackup(ctx, tx, dueBackup{ID: i.ID, Backup: i.Backup, BackupWindow: i.BackupWindow}, next); err != nil {
					return err
				}
			}
			return s.insertBackup(ctx, tx, i, operationID, reason, req.Actor.ID)
		},
		audit: map[string]any{"reason": reason},
	}, nil
}

func noStore() error {
	return Errorf(CodeUnavailable, "This site has no place for backups yet. Ask an administrator to set MYDB_STORE_URL.")
}

func (s *Service) insertBackup(ctx context.Context, db DB, i Instance, operationID, reason, personID string) error {
	id, err := s.nextBackupID(ctx, db, i.ID)
	if err != nil {
		return err
	}
	_, err = db.Exec(ctx, "insert into backups (id, instance_id, operation_id, reason, requested_by, created_at) values ($1, $2, $3, $4, $5, $6)",
		id, i.ID, operationID, reason, personID, s.now())
	if err != nil {
		return fmt.Errorf("insert the backup: %w", err)
	}
	return nil
}

// nextBackupID makes an id that comes after those of all backups of an instance, also when the clock was set back since the last one: what
// is newest, and so what is kept and restored, must not depend on a clock.
func (s *Service) nextBackupID(ctx context.Context, db DB, instanceID string) (string, error) {
	var newest string
	if err := db.QueryRow(ctx, "select coalesce(max(id), '') from backups where instance_id = $1", instanceID).Scan(&newest); err != nil {
		return "", fmt.Errorf("look for the newest backup: %w", err)
	}
	id := xid.NewWithTime(s.now())
	if last, err := xid.FromString(newest); err == nil && id.Compare(last) <= 0 {
		id = xid.NewWithTime(last.Time().Add(time.Second))
	}
	return id.String(), nil
}

// Backups lists the backups of an instance, newest first, also of one that ended. Who may see the instance's data may see them.
func (s *Service) Backups(ctx context.Context, actor Actor, database string, page Page) (list []Backup, next string, err error) {
	i, err := s.Instance(ctx, actor, database)
	if err != nil {
		return nil, "", err
	}
	list, err = many[Backup](ctx, s.db, selectBackup+"where b.instance_id = $1 and ($2 = '' or b.id < $2) order by b.id desc limit $3", i.ID, page.Cursor, page.limit()+1)
	if err != nil {
		return nil, "", fmt.Errorf("list the backups of %s: %w", i.Name, err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].ID
	}
	return list, next, nil
}

// Backup finds a backup of an instance by id. Errors: CodeNotFound.
func (s *Service) Backup(ctx context.Context, actor Actor, database, id string) (Backup, error) {
	i, err := s.Instance(ctx, actor, database)
	if err != nil {
		return Backup{}, err
	}
	return s.backupOf(ctx, s.db, i, id)
}

func (s *Service) backupOf(ctx context.Context, db DB, i Instance, id string) (Backup, error) {
	b, err := one[Backup](ctx, db, selectBackup+"where b.instance_id = $1 and b.id = $2", i.ID, id)
	if notFound(err) {
		return b, Errorf(CodeNotFound, "%s has no backup %q. The list of its backups shows those it has.", i.Name, clip(id))
	}
	if err != nil {
		return b, fmt.Errorf("find the backup: %w", err)
	}
	return b, nil
}

// BackupOfOperation gives the backup that an operation makes or verifies.
func (s *Service) BackupOfOperation(ctx context.Context, operationID string) (Backup, error) {
	b, err := one[Backup](ctx, s.db, selectBackup+"where b.operation_id = $1", operationID)
	if err != nil {
		return b, fmt.Errorf("find the backup of operation %s: %w", operationID, err)
	}
	return b, nil
}

// Manifest gives the manifest of a backup that was made.
func (s *Service) Manifest(ctx context.Context, backupID string) (m Manifest, err error) {
	var text []byte
	if err := s.db.QueryRow(ctx, "select manifest from backups where id = $1 and manifest is not null", backupID).Scan(&text); err != nil {
		return m, fmt.Errorf("read the manifest of backup %s: %w", backupID, err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("decode the manifest of backup %s: %w", backupID, err)
	}
	return m, nil
}

// ManifestSum is the SHA-256 of a backup's manifest as it was written into the store.
func (s *Service) ManifestSum(ctx context.Context, backupID string) (sum string, err error) {
	if err := s.db.QueryRow(ctx, "select coalesce(sha256, '') from backups where id = $1", backupID).Scan(&sum); err != nil {
		return "", fmt.Errorf("read the hash of the manifest of backup %s: %w", backupID, err)
	}
	return sum, nil
}

// MadeBackup is a backup that was read back.
type MadeBackup struct {
	ID       string
	Manifest Manifest
	Text     []byte // of the manifest, as it is in the store
	SHA256   string // of that text
	Size     int64  // of all parts
	Location string
}

// FinishBackup records the end of a backup, inside the transaction that completes its job. After a failure made may be nil.
func (s *Service) FinishBackup(ctx context.Context, tx pgx.Tx, operationID string, i Instance, made *MadeBackup, failure *Explanation) error {
	if err := s.keepBackup(ctx, tx, operationID, made, failure); err != nil {
		return err
	}
	if failure != nil {
		if err := s.tellOfFailedBackup(ctx, tx, operationID, i, *failure); err != nil {
			return err
		}
	}
	if err := s.finishOperation(ctx, tx, operationID, i, failure); err != nil {
		return err
	}
	return s.fillVerifications(ctx, tx)
}

// FinalBackup gives the id of the backup that a deletion makes first. A second call gives the same.
func (s *Service) FinalBackup(ctx context.Context, operationID string, i Instance) (string, error) {
	b, err := s.firstBackup(ctx, operationID, i, BackupFinal)
	return b.ID, err
}

// firstBackup gives the backup that an operation makes before what it is about.
func (s *Service) firstBackup(ctx context.Context, operationID string, i Instance, reason string) (Backup, error) {
	id, err := s.nextBackupID(ctx, s.db, i.ID)
	if err != nil {
		return Backup{}, err
	}
	_, err = s.db.Exec(ctx, `insert into backups (id, instance_id, operation_id, reason, requested_by, created_at)
		select $1, $2, o.id, $5, o.requested_by, $4 from operations o where o.id = $3 and not exists (select from backups where operation_id = o.id)`,
		id, i.ID, operationID, s.now(), reason)
	if err != nil {
		return Backup{}, fmt.Errorf("insert the %s backup: %w", reason, err)
	}
	return s.BackupOfOperation(ctx, operationID)
}

// KeepBackup records how the backup of an operation has ended that does more than that.
func (s *Service) KeepBackup(ctx context.Context, tx pgx.Tx, operationID string, made *MadeBackup, failure *Explanation) error {
	return s.keepBackup(ctx, tx, operationID, made, failure)
}

func (s *Service) keepBackup(ctx context.Context, tx pgx.Tx, operationID string, made *MadeBackup, failure *Explanation) error {
	var err error
	if failure != nil || made == nil {
		message := ""
		if failure != nil {
			message = failure.Message
		}
		_, err = tx.Exec(ctx, "update backups set state = 'failed', finished_at = $2, error = $3 where operation_id = $1 and state = 'running'", operationID, s.now(), message)
	} else {
		_, err = tx.Exec(ctx, `update backups set state = 'done', finished_at = $2, size = $3, sha256 = $4, location = $5, manifest = $6 where id = $1 and state = 'running'`,
			made.ID, s.now(), made.Size, made.SHA256, made.Location, string(made.Text))
	}
	if err != nil {
		return fmt.Errorf("record the backup: %w", err)
	}
	return nil
}

func (s *Service) tellOfFailedBackup(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure Explanation) error {
	return s.notify(ctx, tx, Notification{
		News: newsOfFailure(failedBackup, failure), InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToRequester, ToAdmins},
	})
}
