package core_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/core/policy"
)

// withBackups makes a service that has a store, at a time that the test chooses.
func withBackups(t *testing.T, now *time.Time) (*core.Service, *pgxpool.Pool, core.Actor) {
	t.Helper()
	_, app := coretest.Database(t)
	pool := coretest.Pool(t, app)
	s := coretest.Service(t, pool, core.Options{Backups: core.Backups{On: true}, Now: func() time.Time { return *now }})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, pool, coretest.Actor(t, s, "ada", false)
}

// finishBackups ends all backups under way, well with so many bytes, or badly with zero.
func finishBackups(t *testing.T, s *core.Service, pool *pgxpool.Pool, size int64) {
	t.Helper()
	rows, err := pool.Query(t.Context(), "select operation_id from backups where state = 'running'")
	if err != nil {
		t.Fatal(err)
	}
	ops, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		b, err := s.BackupOfOperation(t.Context(), op)
		if err != nil {
			t.Fatal(err)
		}
		i := core.Instance{ID: b.InstanceID, Name: b.Database, Engine: "postgres", Version: "17"}
		made, failure := &core.MadeBackup{ID: b.ID, Text: []byte(`{"database": {}, "contents": {"databases": []}}`), Size: size}, (*core.Explanation)(nil)
		if size == 0 {
			made, failure = nil, &core.Explanation{Code: core.CodeUnavailable, Message: "The store was away."}
		}
		if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return s.FinishBackup(t.Context(), tx, op, i, made, failure) }); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScheduledBackups begins each instance's backup once in a day, makes up for a downtime once, and never does more at once than the
// site allows.
func TestScheduledBackups(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	s, pool, ada := withBackups(t, &now)
	for _, name := range []string{"one", "two", "three", "four", "five", "six"} {
		r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: name}))
		if err != nil {
			t.Fatal(err)
		}
		ready(t, s, pool, r)
	}
	for _, schedule := range []string{"monthly", "30 2 * * 1-5", "daily"} {
		if _, err := s.Do(t.Context(), request(ada, "", core.Describe{On: core.On{Database: "one"}, Backup: &schedule})); err != nil {
			t.Errorf("%s: %v", schedule, err)
		}
	}
	never := "never"
	if _, err := s.Do(t.Context(), request(ada, "", core.Describe{On: core.On{Database: "six"}, Backup: &never})); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "update instances set node_id = name"); err != nil {
		t.Fatal(err)
	}
	round := func(want int) {
		t.Helper()
		if got, err := s.ScheduleBackups(t.Context()); err != nil || got != want {
			t.Errorf("at %s: %d backups begin, %v; want %d", now, got, err, want)
		}
	}
	round(0)
	now = now.AddDate(0, 0, 1) // every time of the night is over
	round(4)
	round(0) // four at once
	finishBackups(t, s, pool, 1000)
	round(1)
	finishBackups(t, s, pool, 1000)
	round(0)
	now = now.AddDate(0, 0, 7) // nobody worked; it is made up for once
	round(4)
	finishBackups(t, s, pool, 1000)
	round(1)
	finishBackups(t, s, pool, 1000)
	round(0)

	// A clock that is a year ahead for a while does not end all backups until then, and one that goes back makes no more than one.
	right := now
	now = now.AddDate(1, 0, 0)
	round(4)
	finishBackups(t, s, pool, 1000)
	round(1)
	finishBackups(t, s, pool, 1000)
	now = right
	round(0)
	now = now.AddDate(0, 0, 1)
	round(4)
	finishBackups(t, s, pool, 1000)
	round(1)
	finishBackups(t, s, pool, 1000)
	now = now.Add(-3 * time.Hour)
	round(0)

	// Two at once on one machine.
	if _, err := pool.Exec(t.Context(), "update instances set node_id = case when name in ('one', 'two', 'three') then 'a' else 'b' end"); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(0, 0, 2)
	round(4)
	round(0)
	if n := underWay(t, pool, "a"); n != 2 {
		t.Errorf("%d on one machine, want 2", n)
	}
	finishBackups(t, s, pool, 1000)
	round(1)
	finishBackups(t, s, pool, 1000)
}

// underWay counts the backups under way on a machine.
func underWay(t *testing.T, pool *pgxpool.Pool, node string) (n int) {
	t.Helper()
	err := pool.QueryRow(t.Context(), "select count(*) from backups b join instances i on i.id = b.instance_id where b.state = 'running' and i.node_id = $1", node).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestBackupGuard tells of backups that are late or suspiciously small, whatever became of the jobs.
func TestBackupGuard(t *testing.T) {
	now := time.Now()
	s, pool, ada := withBackups(t, &now)
	admin := coretest.Actor(t, s, "root", true)
	r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: "genomes"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	start := now
	backup := func(size int64) {
		t.Helper()
		if _, err := s.Do(t.Context(), request(ada, "", core.MakeBackup{On: core.On{Database: "genomes"}})); err != nil {
			t.Fatal(err)
		}
		finishBackups(t, s, pool, size)
	}
	finds := func(when time.Duration, want ...string) {
		t.Helper()
		now = start.Add(when)
		if err := s.GuardBackups(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, _, err := s.Findings(t.Context(), admin, false, core.Page{})
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, f := range list {
			kinds = append(kinds, f.Kind)
		}
		if len(kinds) != len(want) || len(want) > 0 && kinds[0] != want[0] {
			t.Errorf("after %s: %v, want %v", when, kinds, want)
		}
	}
	finds(30 * time.Hour)
	finds(32*time.Hour, core.AlarmBackupLate)
	backup(0) // one that failed does not count
	finds(33*time.Hour, core.AlarmBackupLate)
	backup(10 << 20)
	finds(34 * time.Hour)
	now = start.Add(50 * time.Hour)
	backup(4 << 20)
	finds(51*time.Hour, core.AlarmBackupSmall)
	now = start.Add(60 * time.Hour)
	backup(4 << 20)
	finds(61 * time.Hour)
	if well, err := s.BackupsWell(t.Context()); err != nil || !well {
		t.Errorf("all is well: %v, %v", well, err)
	}

	// A backup of the future, made while a clock was wrong, does not count.
	now = start.AddDate(1, 0, 0)
	backup(4 << 20)
	finds(95*time.Hour, core.AlarmBackupLate)
	if well, err := s.BackupsWell(t.Context()); err != nil || well {
		t.Errorf("a backup is late: %v, %v", well, err)
	}
	if _, err := pool.Exec(t.Context(), "delete from backups where created_at > $1", now); err != nil {
		t.Fatal(err)
	}

	// None was ever verified.
	now = start.AddDate(0, 0, 39)
	backup(4 << 20)
	finds(39*24*time.Hour+time.Hour, core.AlarmBackupUnverified)
	if _, err := pool.Exec(t.Context(), "update backups set verified_at = $1, state = 'verified' where manifest is not null", now); err != nil {
		t.Fatal(err)
	}
	finds(39*24*time.Hour + 2*time.Hour)
	if _, err := pool.Exec(t.Context(), "update backups set state = 'expired' where manifest is not null and id <> (select max(id) from backups)"); err != nil {
		t.Fatal(err)
	}
	now = start.AddDate(0, 0, 76)
	backup(4 << 20)
	finds(76*24*time.Hour+time.Hour, core.AlarmBackupUnverified)
	told, _, err := s.Letters(t.Context(), admin, "", core.Page{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	owner := map[string]bool{}
	for _, l := range told {
		owner[l.Subject] = owner[l.Subject] || l.Audience == core.ToOwner
	}
	for _, kind := range []string{"backup late", "backup small", "backup unverified"} {
		if !owner["genomes: "+kind] {
			t.Errorf("the owner was not told of %s: %v", kind, owner)
		}
	}
}

// TestBackupBadInput has a sentence for everything that cannot be.
func TestBackupBadInput(t *testing.T) {
	now := time.Now()
	s, pool, ada := withBackups(t, &now)
	bob := coretest.Actor(t, s, "bob", false)
	for _, name := range []string{"genomes", "other"} {
		r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: name, Version: "17"}))
		if err != nil {
			t.Fatal(err)
		}
		ready(t, s, pool, r)
	}
	on := core.On{Database: "genomes"}
	refused := func(actor core.Actor, c core.Command, code core.Code) {
		t.Helper()
		if _, err := s.Do(t.Context(), request(actor, "", c)); core.CodeOf(err) != code {
			t.Errorf("%+v: %v, want %s", c, err, code)
		}
	}
	refused(ada, core.Restore{On: on}, core.CodeNotFound) // there is none
	r, err := s.Do(t.Context(), request(ada, "", core.MakeBackup{On: on}))
	if err != nil {
		t.Fatal(err)
	}
	if r.Backup == nil || r.Backup.State != core.BackupRunning {
		t.Fatalf("the receipt has the backup %+v", r.Backup)
	}
	refused(ada, core.Restore{On: on, Backup: r.Backup.ID}, core.CodeBusy)
	refused(ada, core.MakeBackup{On: on}, core.CodeBusy)
	finishBackups(t, s, pool, 1000)
	if _, err := pool.Exec(t.Context(), `update backups set manifest = '{"database": {"engine": "postgres", "version": "17", "size": "small", "username": "genomes", "database": "genomes"}, "contents": {"databases": []}}'`); err != nil {
		t.Fatal(err)
	}
	refused(bob, core.Restore{On: on, Backup: r.Backup.ID}, core.CodeNotFound)
	refused(bob, core.MakeBackup{On: on}, core.CodeNotFound)
	refused(ada, core.Restore{On: core.On{Database: "other"}, Backup: r.Backup.ID}, core.CodeNotFound) // of another database
	refused(ada, core.Restore{On: on, As: "other"}, core.CodeTaken)
	refused(ada, core.Restore{On: on, As: "Not A Name"}, core.CodeInvalid)
	refused(ada, core.Restore{On: on, Version: "15"}, core.CodeInvalid) // older
	refused(ada, core.Restore{On: on, Version: "99"}, core.CodeInvalid)
	refused(ada, core.Restore{On: on, Size: "enormous"}, core.CodeInvalid)
	strict := coretest.Service(t, pool, core.Options{Backups: core.Backups{On: true}, Policy: policy.Policy{Approvals: policy.Approvals{Sizes: []string{"large"}}}})
	if _, err := strict.Do(t.Context(), request(ada, "", core.Restore{On: on, Size: "large"})); core.CodeOf(err) != core.CodeForbidden || !strings.Contains(err.Error(), "needs an approval") {
		t.Errorf("into a size that needs an approval: %v", err)
	}
	if _, err := pool.Exec(t.Context(), `update backups set manifest = manifest || '{"contents": {"databases": [{"name": "d", "extensions": ["hstore 1.8", "postgis 3.5.0", "seg 1.4"]}]}}'`); err != nil {
		t.Fatal(err)
	}
	_, err = s.Do(t.Context(), request(ada, "", core.Restore{On: on, Version: "18"}))
	if core.CodeOf(err) != core.CodeInvalid || !strings.Contains(err.Error(), "The backup needs the extension postgis, which PostgreSQL 18 does not have here.") {
		t.Errorf("an extension of another image: %v", err)
	}
	refused(ada, core.VerifyBackup{On: on, Backup: "unknown"}, core.CodeNotFound)
	refused(ada, core.PinBackup{On: on, Backup: "unknown"}, core.CodeNotFound)
	if _, err := pool.Exec(t.Context(), "update backups set state = 'expired'"); err != nil {
		t.Fatal(err)
	}
	refused(ada, core.Restore{On: on, Backup: r.Backup.ID}, core.CodeGone)
	off := coretest.Service(t, pool, core.Options{})
	if _, err := off.Do(t.Context(), request(ada, "", core.MakeBackup{On: on})); core.CodeOf(err) != core.CodeUnavailable {
		t.Errorf("without a store: %v", err)
	}
}

// TestRetention takes only what no rule keeps out of the catalogue, and nothing that is pinned.
func TestRetention(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	s, pool, ada := withBackups(t, &now)
	r, err := s.Do(t.Context(), request(ada, "", core.Create{Engine: "postgres", Name: "genomes"}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, s, pool, r)
	on := core.On{Database: "genomes"}
	var first string
	for n := range 30 {
		now = now.Add(time.Hour)
		r, err := s.Do(t.Context(), request(ada, "", core.MakeBackup{On: on}))
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = r.Backup.ID
		}
		finishBackups(t, s, pool, 1000)
	}
	if _, err := s.Do(t.Context(), request(ada, "", core.PinBackup{On: on, Backup: first, Note: "the paper"})); err != nil {
		t.Fatal(err)
	}
	expired, err := s.ExpireBackups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Of 2 days stay: the last three, the newest of the first day, and the pinned one, whose verification is under way, too.
	if expired != 25 {
		t.Errorf("%d expire, want 25", expired)
	}
	leaving, err := s.LeavingBackups(t.Context())
	if err != nil || len(leaving) != expired {
		t.Fatalf("%d leave, %v", len(leaving), err)
	}
	for _, b := range leaving {
		if b.ID == first {
			t.Error("the pinned backup leaves")
		}
		if err := s.BackupLeft(t.Context(), b.ID); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := s.ExpireBackups(t.Context()); again != 0 || err != nil {
		t.Errorf("a second time %d expire, %v", again, err)
	}
}

// TestCompare finds what a copy lacks, has besides, or has otherwise.
func TestCompare(t *testing.T) {
	t.Parallel()
	contents := func(tables ...engine.ContentTable) engine.Contents {
		return engine.Contents{Exact: true, Databases: []engine.ContentDatabase{{Name: "d", Tables: tables}}}
	}
	full := engine.ContentTable{Schema: "s", Name: "t", Rows: 3, Checksum: "7"}
	fewer, other := full, full
	fewer.Rows, other.Checksum = 2, "8"
	for name, c := range map[string]struct {
		want, got engine.Contents
		ok        bool
	}{
		"equal":     {contents(full), contents(full), true},
		"missing":   {contents(full), contents(), false},
		"besides":   {contents(), contents(full), false},
		"fewer":     {contents(full), contents(fewer), false},
		"otherwise": {contents(full), contents(other), false},
	} {
		if r := core.Compare(c.want, c.got); r.OK != c.ok || len(r.Problems) == 0 != c.ok {
			t.Errorf("%s: %+v", name, r)
		}
	}
	inexact := contents(full)
	inexact.Exact, inexact.Why = false, "somebody wrote"
	if r := core.Compare(inexact, contents(fewer)); !r.OK || r.Proves() || r.NotCompared != "somebody wrote" {
		t.Errorf("rows that nobody could count: %+v, which must not count as verified", r)
	}
}
