package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core/policy"
)

// keptBackup is a good backup, for the rules of retention.
type keptBackup struct {
	ID, InstanceID string
	State          BackupState
	CreatedAt      time.Time
	Held           bool // pinned, or in use
}

// superfluous gives the backups that no rule keeps, of one instance's good ones, newest first. The rules count days, weeks, months and
// years that have a backup, and not those that went by: when backups fail, nothing goes. The newest backup and the newest that was
// verified always stay.
func superfluous(keep policy.Keep, loc *time.Location, list []keptBackup) (out []keptBackup) {
	stays := map[string]bool{}
	rules := []struct {
		n      int
		period func(time.Time) string
	}{
		{keep.Last, func(t time.Time) string { return t.String() }},
		{keep.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }},
		{keep.Weekly, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, " ", w) }},
		{keep.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
		{keep.Yearly, func(t time.Time) string { return t.Format("2006") }},
	}
	for _, rule := range rules {
		seen := map[string]bool{}
		for _, b := range list {
			if p := rule.period(b.CreatedAt.In(loc)); !seen[p] && len(seen) < rule.n {
				seen[p], stays[b.ID] = true, true
			}
		}
	}
	verified := false
	for n, b := range list {
		newest := n == 0 || b.State == BackupVerified && !verified
		verified = verified || b.State == BackupVerified
		if !stays[b.ID] && !newest && !b.Held {
			out = append(out, b)
		}
	}
	return out
}

// backupInUse is a condition on backups b: an operation under way needs it, of whatever kind, one waits for an approval, or somebody has a
// link to it.
const backupInUse = `(exists (select from operations o where o.finished_at is null and o.args->>'backup_id' = b.id)
	or exists (select from approvals a where a.state = 'pending' and a.expires_at > now() and a.about = b.id)
	or exists (select from links l where l.backup_id = b.id and l.done_at is null and l.revoked_at is null and l.expires_at > now()))`

// backupSucceeded is a condition on backups b: there is a newer good one, and a newer verified one if it was verified itself.
const backupSucceeded = `exists (select from backups n where n.instance_id = b.instance_id and n.id > b.id and n.state in ('done', 'verified'))
	and (b.state = 'done' or exists (select from backups n where n.instance_id = b.instance_id and n.id > b.id and n.state = 'verified'))`

// ExpireBackups takes the backups out of the catalogue that no rule keeps. Their objects are still in the store; LeavingBackups lists
// them. It gives how many.
func (s *Service) ExpireBackups(ctx context.Context) (expired int, err error) {
	if still, err := s.StandsStill(ctx); err != nil || still {
		return 0, err
	}
	list, err := many[keptBackup](ctx, s.db, `select b.id, b.instance_id, b.state, b.created_at, b.pinned_at is not null or `+backupInUse+` as held
		from backups b where b.state in ('done', 'verified') order by b.instance_id, b.id desc`)
	if err != nil {
		return 0, fmt.Errorf("list the good backups: %w", err)
	}
	byInstance := map[string][]keptBackup{}
	for _, b := range list {
		byInstance[b.InstanceID] = append(byInstance[b.InstanceID], b)
	}
	for _, backups := range byInstance {
		for _, b := range superfluous(s.policy.Backup.Keep, s.policy.Backup.Location(), backups) {
			ok, err := s.expireBackup(ctx, b)
			if err != nil {
				return expired, err
			}
			if ok {
				expired++
			}
		}
	}
	return expired, nil
}

// expireBackup looks once more, with the row locked: a restore locks it, too.
func (s *Service) expireBackup(ctx context.Context, b keptBackup) (done bool, err error) {
	err = pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		// The lock comes first, in a statement of its own: the next one then sees a restore that had it before.
		if _, err := tx.Exec(ctx, "select from backups where id = $1 for update", b.ID); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "update backups b set state = 'expired' where b.id = $1 and b.state = $2 and b.pinned_at is null and not "+backupInUse+
			" and "+backupSucceeded, b.ID, b.State)
		if done = err == nil && tag.RowsAffected() == 1; !done {
			return err
		}
		return writeAudit(ctx, tx, AuditEntry{
			Actor: "mydb", Door: DoorSystem, Action: "backup.expire", InstanceID: b.InstanceID, Subject: b.ID, Outcome: OutcomeDone,
			Data: map[string]any{"made": b.CreatedAt.UTC()},
		})
	})
	if err != nil {
		return false, fmt.Errorf("expire backup %s: %w", b.ID, err)
	}
	return done, nil
}
