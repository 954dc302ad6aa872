package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// The kinds of findings about backups that have expired and are still in the store.
const (
	FindingLocked = "backup_locked" // the store keeps them locked, as it was told to
	FindingStuck  = "backup_stuck"  // the store does not remove them
)

// lockedPause is after how long it is looked again whether the store lets go of something.
const lockedPause = 24 * time.Hour

// LeavingBackup is a backup that expired, and whose objects are still in the store.
type LeavingBackup struct{ ID, InstanceID string }

// LeavingBackups lists what has to go out of the store.
func (s *Service) LeavingBackups(ctx context.Context) ([]LeavingBackup, error) {
	if still, err := s.StandsStill(ctx); err != nil || still {
		return nil, err
	}
	list, err := many[LeavingBackup](ctx, s.db, `select id, instance_id from backups where state = 'expired' and expired_at is null
		and (leave_after is null or leave_after <= $1) order by id limit 500`, s.now())
	if err != nil {
		return nil, fmt.Errorf("list the backups that expired: %w", err)
	}
	return list, nil
}

// BackupLeft records that nothing of a backup is in the store any more.
func (s *Service) BackupLeft(ctx context.Context, id string) error {
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var instanceID string
		err := tx.QueryRow(ctx, `update backups set expired_at = $2, leave_after = null, leave_note = '' where id = $1 and state = 'expired' and expired_at is null
			returning instance_id`, id, s.now()).Scan(&instanceID)
		if notFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return writeAudit(ctx, tx, AuditEntry{Actor: "mydb", Door: DoorSystem, Action: "backup.remove", InstanceID: instanceID, Subject: id, Outcome: OutcomeDone})
	})
	if err != nil {
		return fmt.Errorf("record that backup %s has left the store: %w", id, err)
	}
	return nil
}

// BackupStays records why a backup that has expired is still in the store. One that is locked is looked at again a day later, any other in
// the next round.
func (s *Service) BackupStays(ctx context.Context, id string, locked bool, note string) error {
	var after *time.Time
	if locked {
		t := s.now().Add(lockedPause)
		after = &t
	}
	_, err := s.db.Exec(ctx, "update backups set leave_after = $2, leave_note = $3 where id = $1 and state = 'expired' and expired_at is null", id, after, note)
	if err != nil {
		return fmt.Errorf("record why backup %s stays in the store: %w", id, err)
	}
	return nil
}

// JudgeLeaving keeps findings of the backups that have expired and that the store does not let go.
func (s *Service) JudgeLeaving(ctx context.Context) error {
	type counts struct {
		Locked, Stuck         int
		LockedNote, StuckNote *string
	}
	c, err := one[counts](ctx, s.db, `select count(*) filter (where leave_after is not null) as locked, max(leave_note) filter (where leave_after is not null) as locked_note,
		count(*) filter (where leave_after is null and leave_note <> '') as stuck, max(leave_note) filter (where leave_after is null and leave_note <> '') as stuck_note
		from backups where state = 'expired' and expired_at is null`)
	if err != nil {
		return fmt.Errorf("count the backups that stay in the store: %w", err)
	}
	l := look{kinds: []string{FindingLocked, FindingStuck}, tell: []Audience{ToAdmins}}
	if c.Locked > 0 {
		l.found = append(l.found, found{
			kind: FindingLocked, subject: "store", severity: SeverityInfo,
			message: fmt.Sprintf("%s expired and cannot go from the store yet, because of its Object Lock. Of one was said: %s. MyDB looks again each day; there is nothing to do.",
				have(c.Locked), value(c.LockedNote)),
		})
	}
	if c.Stuck > 0 {
		l.found = append(l.found, found{
			kind: FindingStuck, subject: "store", severity: SeverityWarning,
			message: fmt.Sprintf("%s expired, but could not be taken out of the store. It said: %s. MyDB tries again each hour; look whether its key may delete objects.",
				have(c.Stuck), value(c.StuckNote)),
		})
	}
	return s.settle(ctx, l)
}

func have(backups int) string {
	if backups == 1 {
		return "1 backup has"
	}
	return fmt.Sprintf("%d backups have", backups)
}
