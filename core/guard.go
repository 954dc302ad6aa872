package core

import (
	"context"
	"fmt"
	"time"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
)

// The kinds of alarms about backups. They are judged by what is in the catalogue of backups, and not by the jobs that make them: a
// schedule that silently stops is found, too.
const (
	AlarmBackupLate       = "backup_late"       // the newest good backup is older than the schedule allows
	AlarmBackupSmall      = "backup_small"      // much smaller than the one before
	AlarmBackupUnverified = "backup_unverified" // none was restored and counted for too long
)

var guardKinds = []string{AlarmBackupLate, AlarmBackupSmall, AlarmBackupUnverified}

// How old the newest good backup may be: a period, the length of a window, and time to make it.
var backupAges = map[string]time.Duration{
	BackupDaily: 31 * time.Hour, BackupWeekly: 8 * 24 * time.Hour, BackupMonthly: 35 * 24 * time.Hour,
}

// cronGrace is how long after a time of a cron expression its backup may take.
const cronGrace = 7 * time.Hour

// When a backup is suspiciously small: less than half of the one before, if that had at least a megabyte.
const (
	smallShare = 0.5
	smallFrom  = 1 << 20
)

// guarded is an instance with its newest good backups.
type guarded struct {
	ID, Name, Backup string
	ReadyAt          *time.Time
	NewestAt         *time.Time
	Newest, Before   *int64     // sizes
	FirstAt          *time.Time // when the first good backup ever was made
	VerifiedAt       *time.Time // when one was verified last
}

// selectGuarded leaves out backups of the future: a clock was wrong, and nobody knows how old they are.
const selectGuarded = `select i.id, i.name, i.backup, i.ready_at, b.at[1] as newest_at, b.size[1] as newest, b.size[2] as before, v.first_at, v.verified_at from instances i
	left join lateral (select array_agg(x.created_at order by x.id desc) as at, array_agg(x.size order by x.id desc) as size
		from (select id, created_at, size from backups where instance_id = i.id and state in ('done', 'verified') and created_at <= $1 order by id desc limit 2) x) b on true
	left join lateral (select min(created_at) as first_at, max(verified_at) filter (where verified_at <= $1) as verified_at
		from backups where instance_id = i.id and state in ('done', 'verified', 'expired')) v on true
	where i.state = 'ready' and i.backup <> 'never'`

// clockSkew is how much the clocks of the machines may differ.
const clockSkew = time.Hour

// GuardBackups looks for instances whose newest good backup is too old, too small, or not proven, and tells of them. Periodic.
func (s *Service) GuardBackups(ctx context.Context) error {
	if !s.backups.On {
		return nil
	}
	list, err := many[guarded](ctx, s.db, selectGuarded, s.now().Add(clockSkew))
	if err != nil {
		return fmt.Errorf("look at the newest backups: %w", err)
	}
	l := look{kinds: guardKinds, tell: []Audience{ToOwner, ToAdmins}}
	for _, g := range list {
		l.found = append(l.found, g.findings(s.policy.Backup, s.now())...)
	}
	return s.settle(ctx, l)
}

func (g guarded) findings(b policy.Backup, now time.Time) (out []found) {
	since, what := value(g.ReadyAt), "has no good backup"
	if g.NewestAt != nil {
		since, what = *g.NewestAt, "was backed up well on "+moment(*g.NewestAt)+" for the last time"
	}
	late := since.Add(backupAges[g.Backup])
	if _, word := backupAges[g.Backup]; !word {
		late = nextBackup(b, g.ID, g.Backup, "", since).Add(cronGrace)
	}
	if now.After(late) {
		out = append(out, found{
			kind: AlarmBackupLate, subject: g.ID, instanceID: g.ID, severity: SeverityAlarm,
			message: fmt.Sprintf("%s %s, although it is to be backed up %s. Look at its backups for what went wrong, then make one with: backup %[1]s", g.Name, what, g.Backup),
		})
	}
	if g.Newest != nil && g.Before != nil && *g.Before >= smallFrom && float64(*g.Newest) < smallShare*float64(*g.Before) {
		out = append(out, found{
			kind: AlarmBackupSmall, subject: g.ID, instanceID: g.ID, severity: SeverityWarning,
			message: fmt.Sprintf("The newest backup of %s has %s, and the one before had %s. If nobody has deleted that much, restore the one before and compare.",
				g.Name, engine.Bytes(*g.Newest), engine.Bytes(*g.Before)),
		})
	}
	return append(out, g.unverified(b, now)...)
}

// unverified is the finding of an instance of which no backup was verified for too long, on a site that verifies.
func (g guarded) unverified(b policy.Backup, now time.Time) []found {
	since, what := g.FirstAt, "No backup of "+g.Name+" was ever verified"
	if g.VerifiedAt != nil {
		since, what = g.VerifiedAt, "No backup of "+g.Name+" was verified since "+moment(*g.VerifiedAt)
	}
	if b.Verify == policy.VerifyNever || since == nil || now.Sub(*since) <= time.Duration(b.VerifyWithin) {
		return nil
	}
	return []found{{
		kind: AlarmBackupUnverified, subject: g.ID, instanceID: g.ID, severity: SeverityWarning,
		message: what + ", which is to restore a copy and count it. The receipts of its backups, and its operations, say what stood in the way; verify one on its page.",
	}}
}

// BackupsWell reports whether nothing is known to be wrong with any backup, also not with those of MyDB itself.
func (s *Service) BackupsWell(ctx context.Context) (well bool, err error) {
	kinds := append([]string{AlarmBackupLost, AlarmCatalogueLate}, guardKinds...)
	err = s.db.QueryRow(ctx, "select not exists (select from findings where resolved_at is null and kind = any($1))", kinds).Scan(&well)
	if err != nil {
		return false, fmt.Errorf("look for findings about backups: %w", err)
	}
	return well && s.backups.On, nil
}
