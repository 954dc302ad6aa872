package core

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/netresearch/go-cron"

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

// cronPause is how often a cron expression may have backups made, at most.
const cronPause = time.Hour

// parseCron reads a cron expression of five fields, in a time zone.
func parseCron(schedule string, loc *time.Location) (cron.Schedule, error) {
	if len(strings.Fields(schedule)) != 5 || strings.ContainsAny(schedule, "=@") {
		return nil, errors.New("not five fields")
	}
	return cron.ParseStandard("CRON_TZ=" + loc.String() + " " + schedule)
}

// checkSchedule applies the rule for what people write.
func checkSchedule(text string) error {
	if slices.Contains(backupPolicies, text) {
		return nil
	}
	words := strings.Join(backupPolicies, ", ")
	if !strings.Contains(text, " ") {
		return invalid("backup", "Backups are %s, not %q.", words, clip(text))
	}
	c, err := parseCron(text, time.UTC)
	if err != nil || text != strings.Join(strings.Fields(text), " ") {
		return invalid("backup", "The schedule %q is not understood. Write one of %s, or five fields as for cron, such as 30 2 * * 1-5.", clip(text), words)
	}
	at := c.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	for range 60 {
		next := c.Next(at)
		switch {
		case at.IsZero() || next.IsZero():
			return invalid("backup", "The schedule %q never comes. Write five fields as for cron, such as 30 2 * * 1-5.", clip(text))
		case next.Sub(at) < cronPause:
			return invalid("backup", "The schedule %q is more often than once an hour, which is the most there is.", clip(text))
		}
		at = next
	}
	return nil
}

// nextBackup is the first time after a moment at which a scheduled backup of an instance begins. Each instance has its own minute
// within the window, so that they do not all begin at once: it follows from the id and stays the same. On the days on which the clocks
// change, a time that does not exist is taken as the hour after.
func nextBackup(b policy.Backup, instanceID, schedule, window string, after time.Time) time.Time {
	if c, err := parseCron(schedule, b.Location()); err == nil {
		return c.Next(after).UTC()
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
	loc := b.Location()
	today := after.In(loc)
	for n := -1; n < 40; n++ {
		date := time.Date(today.Year(), today.Month(), today.Day()+n, 12, 0, 0, 0, loc)
		at := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, int(offset/time.Second), 0, loc)
		if fits != nil && fits(date) && at.After(after) {
			return at.UTC()
		}
	}
	return after.AddDate(0, 1, 0)
}

// dueBackup is an instance whose time has come, or is to be reckoned.
type dueBackup struct {
	ID, Backup, BackupWindow string
}

// ScheduleBackups starts the scheduled backups whose time has come, as many as may be under way at once, and reckons the next time of
// each. What was missed while nobody worked is made up for once. It gives how many were started.
func (s *Service) ScheduleBackups(ctx context.Context) (started int, err error) {
	if !s.backups.On {
		return 0, nil
	}
	if err := s.reckonBackups(ctx); err != nil {
		return 0, err
	}
	var active int
	if err := s.db.QueryRow(ctx, "select count(*) from operations where kind = 'backup' and finished_at is null").Scan(&active); err != nil {
		return 0, fmt.Errorf("count the backups under way: %w", err)
	}
	due, err := many[dueBackup](ctx, s.db, `select id, backup, backup_window from instances where state = 'ready' and next_backup_at <= $1
		and not exists (select from operations o where o.instance_id = instances.id and o.finished_at is null and o.kind <> 'verify') order by next_backup_at limit $2`,
		s.now(), max(s.policy.Backup.AtOnce-active, 0))
	if err != nil {
		return 0, fmt.Errorf("look for backups that are due: %w", err)
	}
	for _, d := range due {
		_, err := s.Do(ctx, system(MakeBackup{On: On{d.ID}, reason: BackupSchedule}))
		if CodeOf(err) == CodeBusy {
			continue // somebody was faster; the next round looks again
		}
		if err != nil {
			return started, err
		}
		started++
		if err := s.setNextBackup(ctx, d); err != nil {
			return started, err
		}
	}
	return started, s.verifyForgotten(ctx)
}

// reckonBackups sets the first time of what has none: new instances, and those whose schedule was changed.
func (s *Service) reckonBackups(ctx context.Context) error {
	list, err := many[dueBackup](ctx, s.db, "select id, backup, backup_window from instances where state = 'ready' and backup <> 'never' and next_backup_at is null")
	if err != nil {
		return fmt.Errorf("look for backups that have no time yet: %w", err)
	}
	for _, d := range list {
		if err := s.setNextBackup(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) setNextBackup(ctx context.Context, d dueBackup) error {
	next := nextBackup(s.policy.Backup, d.ID, d.Backup, d.BackupWindow, s.now())
	_, err := s.db.Exec(ctx, "update instances set next_backup_at = $2 where id = $1 and backup = $3 and backup_window = $4", d.ID, next, d.Backup, d.BackupWindow)
	if err != nil {
		return fmt.Errorf("set the time of the next backup: %w", err)
	}
	return nil
}

// verifyForgotten starts the verification of backups that were made while one of the same instance was being verified.
func (s *Service) verifyForgotten(ctx context.Context) error {
	if !s.verifies() {
		return nil
	}
	type forgotten struct{ ID, InstanceID string }
	list, err := many[forgotten](ctx, s.db, `select distinct on (b.instance_id) b.id, b.instance_id from backups b where b.state = 'done' and b.receipt is null
		and not exists (select from operations o where o.instance_id = b.instance_id and o.kind = 'verify' and (o.finished_at is null or o.args->>'backup_id' = b.id))
		order by b.instance_id, b.id desc limit 20`)
	if err != nil {
		return fmt.Errorf("look for backups that were not verified: %w", err)
	}
	for _, f := range list {
		err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error { return s.startVerify(ctx, tx, Instance{ID: f.InstanceID}, f.ID) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) verifies() bool { return s.policy.Backup.Verify != policy.VerifyNever }
