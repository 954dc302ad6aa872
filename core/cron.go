package core

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/netresearch/go-cron"
)

// cronPause is how often a cron expression may have backups made, at most.
const cronPause = time.Hour

// cronFields reads five fields as cron does: of the day of the month and that of the week, one is enough when both are said.
var cronFields = cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)

// parseCron reads a cron expression of five fields. It is about the wall clock: its times are in no zone, and are written as UTC.
func parseCron(schedule string) (cron.Schedule, error) {
	if len(strings.Fields(schedule)) != 5 || strings.ContainsAny(schedule, "=@") {
		return nil, errors.New("not five fields")
	}
	return cronFields.Parse("CRON_TZ=UTC " + schedule)
}

// nextCron is the first time after a moment that a cron expression names. What falls into an hour that is there twice comes once, and what
// falls into one that does not exist comes an hour later.
func nextCron(c cron.Schedule, loc *time.Location, after time.Time) time.Time {
	wall := asUTC(after.In(loc))
	for range 100 {
		if wall = c.Next(wall); wall.IsZero() {
			break
		}
		if at := inZone(wall, loc); at.After(after) {
			return at
		}
	}
	return after.AddDate(0, 1, 0) // it never comes, which checkSchedule refuses
}

// asUTC is what a clock shows, without its zone.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// inZone is the moment at which a clock of a zone shows a time. One that does not exist, because the clocks are put forward, is as much
// later as they are; one that comes twice is one of the two.
func inZone(wall time.Time, loc *time.Location) time.Time {
	at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, loc)
	if early := wall.Sub(asUTC(at)); early > 0 { // which of the two zones Date takes is not said
		at = at.Add(early)
	}
	return at.UTC()
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
	c, err := parseCron(text)
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
