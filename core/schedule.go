package core

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/mydb-project/mydb/core/policy"
)

// When scheduled backups are made, beside never.
const (
	BackupDaily   = "daily"
	BackupWeekly  = "weekly"
	BackupMonthly = "monthly"
	BackupNever   = "never"
)

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// nextBackup is the first time after a moment at which a scheduled backup of an instance begins. Each instance has its own minute
// within the window, so that they do not all begin at once: it follows from the id and stays the same. On the days on which the clocks
// change, a time that does not exist is taken as the hour after.
func nextBackup(b policy.Backup, instanceID, schedule, window string, after time.Time) time.Time {
	loc := b.Location()
	if c, err := parseCron(schedule); err == nil {
		return nextCron(c, loc, after)
	}
	if window == "" {
		window = b.Window
	}
	day := -1
	if word, span, found := strings.Cut(window, " "); found {
		day, window = slices.Index(weekdays, word), span
	}
	start, length, err := policy.ParseWindow(window)
	if err != nil {
		start, length = time.Hour, 4*time.Hour
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(instanceID)) // never fails
	own := h.Sum64()
	offset := start + time.Duration(own%uint64(length/time.Second))*time.Second
	if day < 0 {
		day = int(own % 7)
	}
	fits := map[string]func(time.Time) bool{
		BackupDaily:   func(time.Time) bool { return true },
		BackupWeekly:  func(d time.Time) bool { return int(d.Weekday()) == day },
		BackupMonthly: func(d time.Time) bool { return d.Day() == 1+int(own%28) },
	}[schedule]
	today := after.In(loc)
	for n := -1; n < 40; n++ {
		date := time.Date(today.Year(), today.Month(), today.Day()+n, 0, 0, 0, 0, time.UTC)
		if at := inZone(date.Add(offset), loc); fits != nil && fits(date) && at.After(after) {
			return at
		}
	}
	return after.AddDate(0, 1, 0)
}

// dueBackup is an instance whose time has come, or is to be reckoned.
type dueBackup struct {
	ID, Backup, BackupWindow string
	Next, Newest             *time.Time // when the next one is to begin, and when the last one did
}

// schedulePause is after how long a backup is tried again that could not even be asked for.
const schedulePause = 15 * time.Minute

// ScheduleBackups starts the scheduled backups whose time has come, as many as may be under way at once, and reckons the next time of
// each. What was missed while nobody worked is made up for once. It gives how many were started.
func (s *Service) ScheduleBackups(ctx context.Context) (started int, err error) {
	if !s.backups.On {
		return 0, nil
	}
	if err := s.reckonBackups(ctx); err != nil {
		return 0, err
	}
	due, err := s.dueBackups(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, d := range due {
		_, err := s.Do(ctx, system(MakeBackup{On: On{d.ID}, reason: BackupSchedule})) // which sets the next time
		switch {
		case err == nil:
			started++
		case CodeOf(err) != CodeBusy: // or somebody was faster; the next round looks again
			errs = append(errs, fmt.Errorf("begin the backup of %s: %w", d.ID, err), s.setNextBackup(ctx, s.db, d, s.now().Add(schedulePause))) // and nobody waits for it
		}
	}
	return started, errors.Join(append(errs, s.scheduleVerifications(ctx))...)
}

// dueBackups lists what is to begin now: what has waited longest first, within the limits of the site and of each machine.
func (s *Service) dueBackups(ctx context.Context) ([]dueBackup, error) {
	list, err := many[dueBackup](ctx, s.db, `with active as (select o.instance_id, i.node_id from operations o join instances i on i.id = o.instance_id
			where o.kind = 'backup' and o.finished_at is null),
		due as (select i.*, row_number() over (partition by i.node_id order by i.next_backup_at, i.id) + (select count(*) from active a where a.node_id = i.node_id) as place
			from instances i where i.state = 'ready' and i.next_backup_at <= $1
			and not exists (select from operations o where o.instance_id = i.id and o.finished_at is null and o.kind <> 'verify'))
		select id, backup, backup_window, next_backup_at as next, null::timestamptz as newest from due where place <= $2 order by next_backup_at, id limit greatest($3 - (select count(*) from active), 0)`,
		s.now(), s.policy.Backup.AtOncePerNode, s.policy.Backup.AtOnce)
	if err != nil {
		return nil, fmt.Errorf("look for backups that are due: %w", err)
	}
	return list, nil
}

// reckonBackups sets the first time of what has none: new instances, and those whose schedule was changed. A time that is further away
// than the schedule has it is set anew, too: it was reckoned while the clock was wrong, or for another time zone.
func (s *Service) reckonBackups(ctx context.Context) error {
	list, err := many[dueBackup](ctx, s.db, `select id, backup, backup_window, next_backup_at as next,
			(select created_at from backups where instance_id = i.id and reason = 'schedule' order by backups.id desc limit 1) as newest
		from instances i where state = 'ready' and backup <> 'never' and (next_backup_at is null or next_backup_at > $1)`, s.now())
	if err != nil {
		return fmt.Errorf("look for backups that have no time yet: %w", err)
	}
	for _, d := range list {
		next := nextBackup(s.policy.Backup, d.ID, d.Backup, d.BackupWindow, d.since(s.now()))
		if d.Next != nil && !d.Next.After(next) {
			continue
		}
		if err := s.setNextBackup(ctx, s.db, d, next); err != nil {
			return err
		}
	}
	return nil
}

// since is the moment after which the next backup comes. When the clock was set back, the time of the last backup comes again, and it is
// not to be made again; unless the last one is so far ahead that the clock was wrong before.
func (d dueBackup) since(now time.Time) time.Time {
	ahead, word := backupAges[d.Backup]
	if !word {
		ahead = backupAges[BackupDaily]
	}
	if d.Newest != nil && d.Newest.After(now) && d.Newest.Sub(now) <= ahead {
		return *d.Newest
	}
	return now
}

func (s *Service) setNextBackup(ctx context.Context, db execer, d dueBackup, next time.Time) error {
	_, err := db.Exec(ctx, "update instances set next_backup_at = $2 where id = $1 and backup = $3 and backup_window = $4", d.ID, next, d.Backup, d.BackupWindow)
	if err != nil {
		return fmt.Errorf("set the time of the next backup: %w", err)
	}
	return nil
}
