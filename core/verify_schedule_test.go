package core_test

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

// rotation is a site with some databases, and what is being verified on it.
type rotation struct {
	t    *testing.T
	s    *core.Service
	pool *pgxpool.Pool
	ada  core.Actor
	now  time.Time
}

func newRotation(t *testing.T, verify policy.Verify, names ...string) *rotation {
	t.Helper()
	_, app := coretest.Database(t)
	r := &rotation{t: t, pool: coretest.Pool(t, app), now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)}
	p := policy.Default().Policy
	p.Backup.Verify = verify
	r.s = coretest.Service(t, r.pool, core.Options{Policy: p, Backups: core.Backups{On: true}, Now: func() time.Time { return r.now }})
	if err := r.s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.ada = coretest.Actor(t, r.s, "ada", false)
	for _, name := range names {
		receipt, err := r.s.Do(t.Context(), request(r.ada, "", core.Create{Engine: "postgres", Name: name}))
		if err != nil {
			t.Fatal(err)
		}
		ready(t, r.s, r.pool, receipt)
	}
	if _, err := r.pool.Exec(t.Context(), "update instances set backup = 'never'"); err != nil { // the test asks for each
		t.Fatal(err)
	}
	return r
}

// backup makes a good backup of each database.
func (r *rotation) backup(names ...string) {
	r.t.Helper()
	for _, name := range names {
		r.now = r.now.Add(time.Minute)
		if _, err := r.s.Do(r.t.Context(), request(r.ada, "", core.MakeBackup{On: core.On{Database: name}})); err != nil {
			r.t.Fatal(err)
		}
		finishBackups(r.t, r.s, r.pool, 1000)
	}
}

// verifying lists what is under way, as database and which of its backups it is, counted from 1.
func (r *rotation) verifying() (out []string) {
	r.t.Helper()
	rows, err := r.pool.Query(r.t.Context(), `select i.name || ' ' || (select count(*) from backups x where x.instance_id = i.id and x.id <= o.args->>'backup_id')
		from operations o join instances i on i.id = o.instance_id where o.kind = 'verify' and o.finished_at is null order by o.created_at, o.id`)
	if err != nil {
		r.t.Fatal(err)
	}
	if out, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// end ends the verification of a database: well, badly, or without having come to counting.
func (r *rotation) end(name, how string) {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	var op, backup string
	i, err := r.s.Instance(r.t.Context(), r.ada, name)
	if err == nil {
		err = r.pool.QueryRow(r.t.Context(), "select id, args->>'backup_id' from operations where instance_id = $1 and kind = 'verify' and finished_at is null", i.ID).Scan(&op, &backup)
	}
	if err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
	var receipt *core.BackupReceipt
	var failure *core.Explanation
	if how != "postponed" && how != "interrupted" {
		receipt = &core.BackupReceipt{At: r.now, OK: how == "well"}
	}
	if how == "badly" || how == "interrupted" {
		failure = &core.Explanation{Code: core.CodeInternal, Message: "It is not what it should be."}
	}
	err = pgx.BeginFunc(r.t.Context(), r.pool, func(tx pgx.Tx) error {
		if how == "postponed" {
			return r.s.PostponeVerify(r.t.Context(), tx, op, i, "no room")
		}
		return r.s.FinishVerify(r.t.Context(), tx, op, i, backup, receipt, failure)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// is compares what is under way, after a round of the schedule.
func (r *rotation) is(want ...string) {
	r.t.Helper()
	if _, err := r.s.ScheduleBackups(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	got := r.verifying()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Errorf("at %s %v are being verified, want %v", r.now.Format(time.DateTime), got, want)
	}
}

// TestVerifyEach verifies each backup, two at a time, and tries once a day again what did not come to counting.
func TestVerifyEach(t *testing.T) {
	r := newRotation(t, policy.VerifyEach, "one", "two", "three")
	r.backup("one", "two", "three", "three")
	r.is("one 1", "two 1")
	r.end("one", "well")
	r.is("two 1", "three 2")
	r.end("two", "interrupted")
	r.is("three 2")
	r.end("three", "badly") // its receipt says so: once more would say the same
	r.is("three 1")
	r.end("three", "postponed")
	r.is()
	r.now = r.now.Add(7 * time.Hour)
	r.is("three 1")
	r.end("three", "well")
	r.is()
	r.now = r.now.Add(18 * time.Hour)
	r.is("two 1")
	r.end("two", "well")
	r.now = r.now.Add(48 * time.Hour)
	r.is()
}

// TestVerifyInRotation verifies the newest backup of whose last verification is longest ago, each database once in its period.
func TestVerifyInRotation(t *testing.T) {
	for mode, period := range map[policy.Verify]time.Duration{policy.VerifyDaily: 24 * time.Hour, policy.VerifyWeekly: 7 * 24 * time.Hour} {
		t.Run(string(mode), func(t *testing.T) {
			names := []string{"one", "two", "three"}
			r := newRotation(t, mode, names...)
			r.backup("one", "one", "two", "three")
			r.is("one 1", "two 1") // that of one was the newest when there was room
			r.end("one", "well")
			r.is("two 1", "three 1")
			r.end("two", "well")
			r.end("three", "well")
			r.backup(names...)
			r.is() // not their turn yet
			r.now = r.now.Add(period)
			r.is("one 3", "two 2")
			r.end("two", "postponed")
			r.is("one 3", "three 2") // it lets others have the room
			r.end("three", "well")
			r.end("one", "badly")
			r.is()
			r.now = r.now.Add(7 * time.Hour)
			r.is("two 2")
			r.end("two", "well")
			r.now = r.now.Add(period)
			r.is("one 2") // the one before that which was found bad
			r.backup("one", "three")
			r.is("one 2", "three 3")
		})
	}
}

// TestVerifyNever leaves it to people.
func TestVerifyNever(t *testing.T) {
	r := newRotation(t, policy.VerifyNever, "one")
	r.backup("one")
	r.is()
	b, _, err := r.s.Backups(t.Context(), r.ada, "one", core.Page{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.s.Do(t.Context(), request(r.ada, "", core.VerifyBackup{On: core.On{Database: "one"}, Backup: b[0].ID})); err != nil {
		t.Fatal(err)
	}
	r.is("one 1")
	r.end("one", "well")
	r.is()
	r.now = r.now.AddDate(0, 0, 100)
	if err := r.s.GuardBackups(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestVerifyTurns counts who began earlier, whoever looks first, and lets an operation wait.
func TestVerifyTurns(t *testing.T) {
	r := newRotation(t, policy.VerifyEach, "one", "two", "three")
	r.backup("one", "two")
	var ids []string
	for n, op := range r.operations() {
		if _, _, err := r.s.Begin(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, op)
		if ahead, err := r.s.AheadOf(t.Context(), op); err != nil || ahead != n {
			t.Errorf("%d before the %dth, %v", ahead, n+1, err)
		}
	}
	if err := r.s.Wait(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if ahead, err := r.s.AheadOf(t.Context(), ids[1]); err != nil || ahead != 0 {
		t.Errorf("%d before one when the other waits, %v", ahead, err)
	}
	o, err := r.s.Operation(t.Context(), r.ada, ids[0])
	if err != nil || o.State != core.OperationQueued || o.StartedAt != nil {
		t.Errorf("%+v, %v", o, err)
	}
}

// operations lists the ids of verifications under way.
func (r *rotation) operations() []string {
	r.t.Helper()
	rows, err := r.pool.Query(r.t.Context(), "select id from operations where kind = 'verify' and finished_at is null order by id")
	if err != nil {
		r.t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(ids) == 0 {
		r.t.Fatalf("%v, %v", ids, err)
	}
	return ids
}
