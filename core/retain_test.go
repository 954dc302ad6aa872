package core

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core/policy"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return t
}

// TestSuperfluous keeps what a rule asks for, counts only days that have a backup, and never gives up the newest nor the newest
// verified one.
func TestSuperfluous(t *testing.T) {
	t.Parallel()
	daily := func(n int, state BackupState) (list []keptBackup) {
		for i := range n {
			day := at("2026-06-30 02:00").AddDate(0, 0, -i)
			list = append(list, keptBackup{ID: day.Format(time.DateOnly), State: state, CreatedAt: day})
		}
		return list
	}
	ids := func(list []keptBackup) (out []string) {
		for _, b := range list {
			out = append(out, b.ID)
		}
		return out
	}
	for name, c := range map[string]struct {
		keep policy.Keep
		list []keptBackup
		want []string // that stay
	}{
		"the last three":         {policy.Keep{Last: 3}, daily(5, BackupVerified), []string{"2026-06-30", "2026-06-29", "2026-06-28"}},
		"nothing is kept by any": {policy.Keep{Yearly: 0, Last: 0, Daily: 0}, daily(3, BackupVerified), []string{"2026-06-30"}},
		"weeks begin on Mondays": {policy.Keep{Weekly: 2}, daily(14, BackupVerified), []string{"2026-06-30", "2026-06-28"}},
		"months":                 {policy.Keep{Monthly: 3}, daily(70, BackupVerified), []string{"2026-06-30", "2026-05-31", "2026-04-30"}},
		"years":                  {policy.Keep{Yearly: 2}, daily(400, BackupVerified), []string{"2026-06-30", "2025-12-31"}},
		"rules together": {
			policy.Keep{Last: 2, Daily: 3, Weekly: 2, Monthly: 2}, daily(70, BackupVerified), []string{"2026-06-30", "2026-06-29", "2026-06-28", "2026-05-31"},
		},
		// Backups have failed for a year: what is there is of the newest days that have any.
		"nothing was made lately": {policy.Keep{Daily: 2}, daily(400, BackupVerified)[395:], []string{"2025-05-31", "2025-05-30"}},
	} {
		gone := ids(superfluous(c.keep, time.UTC, c.list))
		stay := slices.DeleteFunc(ids(c.list), func(id string) bool { return slices.Contains(gone, id) })
		if !slices.Equal(stay, c.want) {
			t.Errorf("%s: %v stay, want %v", name, stay, c.want)
		}
	}
	list := daily(6, BackupDone)
	list[4].State, list[5].Held = BackupVerified, true
	if gone := ids(superfluous(policy.Keep{Last: 1}, time.UTC, list)); !slices.Equal(gone, []string{"2026-06-29", "2026-06-28", "2026-06-27"}) {
		t.Errorf("%v go; the newest verified one and a pinned one have to stay", gone)
	}
}

// TestSuperfluousByTheSitesClock counts the days of the site's time zone.
func TestSuperfluousByTheSitesClock(t *testing.T) {
	t.Parallel()
	zurich := policy.Backup{Timezone: "Europe/Zurich"}.Location()
	list := []keptBackup{
		{ID: "past midnight", CreatedAt: at("2026-06-30 22:30")}, // on 1 July in Zurich
		{ID: "evening", CreatedAt: at("2026-06-30 21:30")},
		{ID: "morning", CreatedAt: at("2026-06-30 04:00")},
	}
	if gone := superfluous(policy.Keep{Monthly: 2}, zurich, list); len(gone) != 1 || gone[0].ID != "morning" {
		t.Errorf("%+v go; the newest of June and that of July have to stay", gone)
	}
	if gone := superfluous(policy.Keep{Monthly: 2}, time.UTC, list); len(gone) != 2 {
		t.Errorf("%+v go; all three are of June", gone)
	}
}

// TestNextBackup keeps to the window in the site's time zone, also on days on which the clocks change, and spreads instances.
func TestNextBackup(t *testing.T) {
	t.Parallel()
	b := policy.DefaultBackup()
	b.Timezone = "Europe/Zurich"
	loc := b.Location()
	minutes := map[string]bool{}
	for n := range 500 {
		id := fmt.Sprintf("instance%d", n)
		for _, now := range []string{"2026-03-27 12:00", "2026-10-24 12:00", "2026-07-01 00:00", "2026-12-31 23:59"} {
			when := at(now)
			for _, c := range []struct {
				schedule string
				longest  time.Duration
			}{{BackupDaily, 25 * time.Hour}, {BackupWeekly, 7*24*time.Hour + time.Hour}, {BackupMonthly, 31*24*time.Hour + time.Hour}} {
				next := nextBackup(b, id, c.schedule, "", when)
				if wait := next.Sub(when); wait <= 0 || wait > c.longest {
					t.Fatalf("%s after %s: %s, in %s", c.schedule, when, next, wait)
				}
				if hour := next.In(loc).Hour(); hour < 1 || hour > 5 {
					t.Fatalf("%s after %s: %s is outside 01:00-05:00", c.schedule, when, next.In(loc))
				}
				if again := nextBackup(b, id, c.schedule, "", next); !again.After(next) {
					t.Fatalf("%s after %s: %s", c.schedule, next, again)
				}
			}
		}
		minutes[nextBackup(b, id, BackupDaily, "", at("2026-07-01 12:00")).Format("15:04")] = true
	}
	if len(minutes) < 150 {
		t.Errorf("500 instances begin in %d different minutes", len(minutes))
	}
	sunday := nextBackup(b, "x", BackupWeekly, "sun 22:00-02:00", at("2026-07-01 12:00")).In(loc)
	if day := sunday.Weekday(); day != time.Sunday && (day != time.Monday || sunday.Hour() >= 2) {
		t.Errorf("a window on Sunday begins on %s", sunday)
	}
}

// TestCronSchedule keeps to the times in the site's zone, and refuses what is too often, never comes or is no schedule.
func TestCronSchedule(t *testing.T) {
	t.Parallel()
	b := policy.DefaultBackup()
	b.Timezone = "Europe/Zurich"
	for now, want := range map[string]string{
		"2026-07-03 12:00": "2026-07-06 00:30", // from Friday to Monday, in summer time
		"2026-01-05 12:00": "2026-01-06 01:30",
	} {
		if got := nextBackup(b, "x", "30 2 * * 1-5", "", at(now)); !got.Equal(at(want)) {
			t.Errorf("after %s: %s, want %s", now, got, want)
		}
	}
	for _, good := range []string{"daily", "monthly", "never", "0 * * * *", "30 2 * * 1-5", "0 3 1 */2 *"} {
		if err := checkSchedule(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "hourly", "*/5 * * * *", "0 3 31 2 *", "0 3 * *", "61 3 * * *", "@daily", "CRON_TZ=UTC 0 3 * * *", "0  3 * * *", "0 3 * * * *"} {
		if err := checkSchedule(bad); CodeOf(err) != CodeInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
