package core

import (
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/policy"
)

// zurich reads a time of the wall clock in Zurich, with the offset that tells an hour that comes twice apart.
func zurich(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04 -07", text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestScheduleInBothNights follows schedules through the nights in which the clocks are put forward (29 March 2026, from 2 to 3 o'clock) and
// back (25 October, from 3 to 2): every day has one backup, and none has two.
func TestScheduleInBothNights(t *testing.T) {
	t.Parallel()
	b := policy.DefaultBackup()
	b.Timezone = "Europe/Zurich"
	for name, c := range map[string]struct {
		schedule, window, from string
		want                   []string
	}{
		"every night, forward":   {"30 2 * * *", "", "2026-03-27 12:00 +01", []string{"2026-03-28 02:30 +01", "2026-03-29 03:30 +02", "2026-03-30 02:30 +02"}},
		"every night, back":      {"30 2 * * *", "", "2026-10-23 12:00 +02", []string{"2026-10-24 02:30 +02", "2026-10-25 02:30 +01", "2026-10-26 02:30 +01"}},
		"every hour, forward":    {"0 * * * *", "", "2026-03-29 00:30 +01", []string{"2026-03-29 01:00 +01", "2026-03-29 03:00 +02", "2026-03-29 04:00 +02"}},
		"every hour, back":       {"0 * * * *", "", "2026-10-25 00:30 +02", []string{"2026-10-25 01:00 +02", "2026-10-25 02:00 +01", "2026-10-25 03:00 +01"}},
		"two hours that are one": {"0 2,3 * * *", "", "2026-03-28 12:00 +01", []string{"2026-03-29 03:00 +02", "2026-03-30 02:00 +02", "2026-03-30 03:00 +02"}},
		"before and after it":    {"0 1,4 * * *", "", "2026-10-25 00:00 +02", []string{"2026-10-25 01:00 +02", "2026-10-25 04:00 +01", "2026-10-26 01:00 +01"}},
		"in the hour that is gone": {
			BackupDaily, "02:10-02:11", "2026-03-28 00:00 +01", []string{"2026-03-28 02:10 +01", "2026-03-29 03:10 +02", "2026-03-30 02:10 +02"},
		},
		"in the hour that comes twice": {
			BackupDaily, "02:10-02:11", "2026-10-24 00:00 +02", []string{"2026-10-24 02:10 +02", "2026-10-25 02:10 +01", "2026-10-26 02:10 +01"},
		},
		"across midnight": {
			BackupDaily, "23:59-00:00", "2026-10-24 12:00 +02", []string{"2026-10-24 23:59 +02", "2026-10-25 23:59 +01", "2026-10-26 23:59 +01"},
		},
		"asked for between the two": {"30 2 * * *", "", "2026-10-25 02:40 +02", []string{"2026-10-26 02:30 +01"}},
		"Sundays":                   {BackupWeekly, "sun 02:10-02:11", "2026-03-20 00:00 +01", []string{"2026-03-22 02:10 +01", "2026-03-29 03:10 +02", "2026-04-05 02:10 +02"}},
		// As cron has it: of the day of the month and that of the week, one is enough.
		"the first, and Mondays": {"0 3 1 * 1", "", "2026-07-25 00:00 +02", []string{"2026-07-27 03:00 +02", "2026-08-01 03:00 +02", "2026-08-03 03:00 +02"}},
	} {
		at := zurich(t, c.from)
		for _, want := range c.want {
			// The same a second time: the minute within the window follows from the id, and is within a minute here.
			next := nextBackup(b, "x", c.schedule, c.window, at)
			if got := next.Truncate(time.Minute); !got.Equal(zurich(t, want)) {
				t.Errorf("%s: after %s comes %s, want %s", name, at.In(b.Location()), got.In(b.Location()), want)
			}
			at = next
		}
	}
	b.Timezone = "America/New_York" // where Go takes the other of two zones
	if got := nextBackup(b, "x", "30 2 * * *", "", time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC)); !got.Equal(time.Date(2026, 3, 8, 7, 30, 0, 0, time.UTC)) {
		t.Errorf("in New York: %s, want 03:30, which is the hour after 02:30", got.In(b.Location()))
	}
}

// TestScheduleNeverSkipsADay follows every schedule of words through a year, a minute after each backup.
func TestScheduleNeverSkipsADay(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "UTC"} {
		b := policy.DefaultBackup()
		b.Timezone = zone
		for _, window := range []string{"00:00-00:30", "01:00-05:00", "22:00-03:00"} {
			at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
			for n := range 365 {
				next := nextBackup(b, "an instance", BackupDaily, window, at)
				if pause := next.Sub(at); n > 0 && (pause < 22*time.Hour || pause > 26*time.Hour) {
					t.Fatalf("%s %s: %s after %s", zone, window, pause, at)
				}
				at = next.Add(time.Minute)
			}
		}
	}
}
