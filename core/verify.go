package core

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/rs/xid"
)

// VerifyBackup restores a backup into a throw-away server and counts every table there.
type VerifyBackup struct {
	On
	Backup string `json:"-" path:"id"`
}

func (VerifyBackup) action() string { return "verify" }

// Item says which backup is meant.
func (c *VerifyBackup) Item(backup string) { c.Backup = backup }

func (c VerifyBackup) subject() string { return c.Database + "/" + c.Backup }

// VerifyArgs is what the worker needs to know.
type VerifyArgs struct {
	BackupID string `json:"backup_id"`
}

// everyState is that of all instances with backups, also of those that ended.
var everyState = []State{StateCreating, StateReady, StateStopped, StateRestoring, StateDeleting, StateTrashed, StateDeleted}

func (c VerifyBackup) prepare(s *Service, _ Actor) (decision, error) {
	if !s.backups.On {
		return nil, noStore()
	}
	return change{
		on: c.Database, kind: "verify", states: everyState,
		args: func(Instance) any { return VerifyArgs{BackupID: c.Backup} },
		write: func(ctx context.Context, s *Service, tx pgx.Tx, _ Request, i Instance, _ string) error {
			b, err := s.backupOf(ctx, tx, i, c.Backup)
			if err != nil || b.foundSpoilt() {
				return err
			}
			return b.usable()
		},
		audit: map[string]any{"backup": c.Backup},
	}, nil
}

// usable refuses a backup that cannot be read.
func (b Backup) usable() error {
	switch {
	case b.State == BackupRunning:
		return Errorf(CodeBusy, "The backup %s is still being made. Wait until it is done.", b.ID)
	case b.foundSpoilt():
		return Errorf(CodeGone, "The backup %s is spoilt, as its verification has found. Choose another one; or verify it again, if somebody has mended it.", b.ID)
	case b.State == BackupFailed:
		return Errorf(CodeGone, "The backup %s failed, so there is nothing to read. Choose another one.", b.ID)
	case b.State == BackupExpired:
		return Errorf(CodeGone, "The backup %s has expired: its time in the store is over. Choose another one.", b.ID)
	}
	return nil
}

// foundSpoilt tells a backup that was good once. It may be verified again.
func (b Backup) foundSpoilt() bool { return b.State == BackupFailed && b.Contents != nil }

// DoubtBackup has a good backup verified that turned out to be spoilt when somebody wanted to restore it: the catalogue must not go on
// calling it good.
func (s *Service) DoubtBackup(ctx context.Context, tx pgx.Tx, backupID string) error {
	var instanceID string
	err := tx.QueryRow(ctx, "select instance_id from backups where id = $1 and state in ('done', 'verified')", backupID).Scan(&instanceID)
	if notFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the backup that is in doubt: %w", err)
	}
	return s.startVerify(ctx, tx, instanceID, backupID)
}

// startVerify asks for the verification of a backup, in the transaction that found it.
func (s *Service) startVerify(ctx context.Context, tx pgx.Tx, instanceID, backupID string) error {
	args, err := json.Marshal(VerifyArgs{BackupID: backupID})
	if err != nil {
		return err
	}
	id := xid.New().String()
	tag, err := tx.Exec(ctx, `insert into operations (id, instance_id, kind, requested_by, door, args, created_at) values ($1, $2, 'verify', $3, $4, $5, $6)
		on conflict (instance_id) where finished_at is null and kind = 'verify' do nothing`, id, instanceID, systemPerson, DoorSystem, string(args), s.now())
	if err != nil {
		return fmt.Errorf("insert the verification: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return nil // one of an earlier backup goes on; the next round finds this one
	}
	return s.queue.Enqueue(ctx, tx, Job{Kind: "verify", OperationID: id, InstanceID: instanceID})
}

// FinishVerify records the end of a verification. receipt is nil when nothing was found out about the backup, such as when there was no
// room for the throw-away server.
func (s *Service) FinishVerify(ctx context.Context, tx pgx.Tx, operationID string, i Instance, backupID string, receipt *BackupReceipt, failure *Explanation) error {
	if receipt != nil {
		if err := s.keepVerdict(ctx, tx, backupID, *receipt, failure); err != nil {
			return err
		}
	}
	if failure != nil {
		err := s.notify(ctx, tx, Notification{
			News: newsOfFailure(failedVerification, *failure), InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToAdmins},
		})
		if err != nil {
			return err
		}
	}
	if err := s.finishOperation(ctx, tx, operationID, i, failure); err != nil {
		return err
	}
	return s.fillVerifications(ctx, tx) // there is room for the next one
}

// keepVerdict writes what a verification has found into the catalogue. A backup of which a copy is not what was backed up is none: it
// counts as failed, for retention and for the guard too, until a later verification finds it well.
func (s *Service) keepVerdict(ctx context.Context, tx pgx.Tx, backupID string, r BackupReceipt, failure *Explanation) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the receipt: %w", err)
	}
	state, why := BackupDone, ""
	switch {
	case !r.OK:
		state, why = BackupFailed, "Its verification has found that it is spoilt."
		if failure != nil {
			why += " " + failure.Message
		}
	case r.Proves() && failure == nil:
		state = BackupVerified
	}
	_, err = tx.Exec(ctx, `update backups set receipt = $2, verified_at = case when $3 = 'verified' then $4 else verified_at end,
		state = case when state in ('done', 'verified', 'failed') then $3 else state end, error = $5 where id = $1`, backupID, string(text), string(state), s.now(), why)
	if err != nil {
		return fmt.Errorf("keep the receipt: %w", err)
	}
	return nil
}

// SizeOnDisk is how many bytes an instance had when it was measured last; 0 when it was not.
func (s *Service) SizeOnDisk(ctx context.Context, instanceID string) (bytes int64) {
	err := s.db.QueryRow(ctx, "select coalesce(bytes, 0) from samples where instance_id = $1 and bytes is not null order by at desc limit 1", instanceID).Scan(&bytes)
	if err != nil && !notFound(err) {
		s.log.Warn("the size of an instance could not be read", "instance", instanceID, "error", err)
	}
	return bytes
}
