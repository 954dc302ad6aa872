package core_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

// TestClockJumps lets the clock jump while backups are made each night, and for long enough to notice. There is never a second backup of
// one night, never several nights without any, and what was made last is the newest and stays, whatever its time says.
func TestClockJumps(t *testing.T) {
	const day, month = 24 * time.Hour, 30 * 24 * time.Hour
	for name, jumps := range map[string][]time.Duration{
		"back a day":                      {-day},
		"back an hour":                    {-time.Hour},
		"back a minute":                   {-time.Minute},
		"back a second, again and again":  {-time.Second, -time.Second, -time.Second},
		"back a month":                    {-month},
		"forward a month":                 {month},
		"forward a month, and back again": {month, -month},
		"forward a year, and back again":  {365 * day, -365 * day},
		"back a day, and forward again":   {-day, day},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClockwork(t)
			c.run(2 * day)
			for _, jump := range jumps {
				for c.nights[c.now.Format(time.DateOnly)] == 0 { // just after a backup is when it matters
					c.tick(10 * time.Minute)
				}
				c.now = c.now.Add(jump)
				for range 5 {
					c.tick(time.Minute)
				}
			}
			c.run(4 * day)
			for night, n := range c.nights {
				if n > 1 {
					t.Errorf("%d backups in the night of %s", n, night)
				}
			}
			if c.longest > 56*time.Hour {
				t.Errorf("%s went by without a backup", c.longest)
			}
		})
	}
}

// clockwork is a site whose clock is not the time.
type clockwork struct {
	t       *testing.T
	service *core.Service
	pool    *pgxpool.Pool
	now     time.Time
	nights  map[string]int // backups by the day that the clock had

	elapsed, last, longest time.Duration // of the real time; the longest without a backup
}

func newClockwork(t *testing.T) *clockwork {
	t.Helper()
	_, app := coretest.Database(t)
	c := &clockwork{t: t, pool: coretest.Pool(t, app), now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), nights: map[string]int{}}
	rules := policy.Default().Policy
	rules.Backup.Verify, rules.Backup.Keep = policy.VerifyNever, policy.Keep{Last: 1}
	c.service = coretest.Service(t, c.pool, core.Options{Backups: core.Backups{On: true}, Policy: rules, Now: func() time.Time { return c.now }})
	if err := c.service.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := c.service.Do(t.Context(), request(coretest.Actor(t, c.service, "ada", false), "", core.Create{Engine: "postgres", Name: "genomes"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, c.service, c.pool, r)
	return c
}

func (c *clockwork) run(long time.Duration) {
	for end := c.elapsed + long; c.elapsed < end; {
		c.tick(time.Hour)
	}
}

// tick lets time go by, and looks for what is due, as workers do all the time.
func (c *clockwork) tick(step time.Duration) {
	c.t.Helper()
	c.now, c.elapsed = c.now.Add(step), c.elapsed+step
	started, err := c.service.ScheduleBackups(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	if started > 0 {
		c.nights[c.now.Format(time.DateOnly)]++
		c.last = c.elapsed
		var made string
		if err := c.pool.QueryRow(c.t.Context(), "select id from backups where state = 'running'").Scan(&made); err != nil {
			c.t.Fatal(err)
		}
		finishBackups(c.t, c.service, c.pool, 1000)
		c.keeps(made)
	}
	c.longest = max(c.longest, c.elapsed-c.last)
}

// keeps lets retention work, which keeps one backup only: it is the one that was made last.
func (c *clockwork) keeps(made string) {
	c.t.Helper()
	if _, err := c.service.ExpireBackups(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	var newest string
	if err := c.pool.QueryRow(c.t.Context(), "select string_agg(id, ' ') from backups where state in ('done', 'verified')").Scan(&newest); err != nil || newest != made {
		c.t.Errorf("at %s %q is kept, %v; want %s, which was made last", c.now, newest, err, made)
	}
}
