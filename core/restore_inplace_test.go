package core_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/policy"
)

// shelf is a site with two ready instances of ada's, genomes and other, each with a good backup.
type shelf struct {
	*testing.T
	*core.Service
	pool    *pgxpool.Pool
	ada     core.Actor
	backups map[string]string // by database
}

func newShelf(t *testing.T, p policy.Policy) *shelf {
	t.Helper()
	_, app := coretest.Database(t)
	pool := coretest.Pool(t, app)
	s := coretest.Service(t, pool, core.Options{Backups: core.Backups{On: true}, Policy: p})
	if err := s.PreparePorts(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := &shelf{T: t, Service: s, pool: pool, ada: coretest.Actor(t, s, "ada", false), backups: map[string]string{}}
	for _, name := range []string{"genomes", "other"} {
		ready(t, s, pool, b.must(b.ada, core.Create{Engine: "postgres", Name: name, Version: "17"}))
		b.backups[name] = b.must(b.ada, core.MakeBackup{On: core.On{Database: name}}).Backup.ID
	}
	finishBackups(t, s, pool, 1000)
	b.sql(`update backups set manifest = '{"database": {"engine": "postgres", "version": "17", "size": "small", "username": "genomes", "database": "genomes"}, "contents": {"databases": []}}'`)
	return b
}

func (b *shelf) sql(text string, args ...any) {
	b.Helper()
	if _, err := b.pool.Exec(b.Context(), text, args...); err != nil {
		b.Fatal(err)
	}
}

func (b *shelf) must(actor core.Actor, c core.Command) core.Receipt {
	b.Helper()
	r, err := b.Do(b.Context(), request(actor, "", c))
	if err != nil {
		b.Fatalf("%+v: %v", c, err)
	}
	return r
}

// refused wants a refusal with this code and text.
func (b *shelf) refused(actor core.Actor, c core.Command, code core.Code, say string) {
	b.Helper()
	_, err := b.Do(b.Context(), request(actor, "", c))
	var e *core.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, say) {
		b.Errorf("%+v: %v; want %s with %q", c, err, code, say)
	}
}

// finish ends an exchange as its workers would.
func (b *shelf) finish(operationID string, failure *core.Explanation, filled core.Filled) {
	b.Helper()
	var args core.InPlaceArgs
	err := pgx.BeginFunc(b.Context(), b.pool, func(tx pgx.Tx) error { return b.HandOver(b.Context(), tx, operationID, filled) })
	if err == nil {
		err = b.Args(b.Context(), operationID, &args)
	}
	var i core.Instance
	if err == nil {
		i, _, err = b.Begin(b.Context(), operationID)
	}
	if err == nil {
		err = pgx.BeginFunc(b.Context(), b.pool, func(tx pgx.Tx) error {
			return b.FinishInPlace(b.Context(), tx, operationID, i, args, failure)
		})
	}
	if err != nil {
		b.Fatal(err)
	}
}

func (b *shelf) instance(name string) core.Instance {
	b.Helper()
	i, err := b.Instance(b.Context(), b.ada, name)
	if err != nil {
		b.Fatal(err)
	}
	return i
}

// TestRestoreInPlaceBadInput has a sentence for everything that cannot be, and does nothing then.
func TestRestoreInPlaceBadInput(t *testing.T) {
	b := newShelf(t, policy.Policy{})
	bob, grace := coretest.Actor(t, b.Service, "bob", false), coretest.Actor(t, b.Service, "grace", false)
	ready(t, b.Service, b.pool, b.must(bob, core.Create{Engine: "postgres", Name: "bobs"}))
	his := b.must(bob, core.MakeBackup{On: core.On{Database: "bobs"}}).Backup.ID
	finishBackups(t, b.Service, b.pool, 1000)
	b.sql(`insert into accounts (id, instance_id, kind, person_id, username, writes, created_by, made_at) select 'a', id, 'share', $1, 'grace', true, owner_id, now() from instances where name = 'genomes'`, grace.ID)
	mine := b.backups["genomes"]
	inPlace := func(backup, confirm string) core.Restore {
		return core.Restore{On: genomes, Backup: backup, InPlace: true, Confirm: confirm}
	}
	with := func(change func(*core.Restore)) core.Restore {
		c := inPlace(mine, "genomes")
		change(&c)
		return c
	}
	b.refused(b.ada, inPlace(mine, ""), core.CodeInvalid, `The confirmation "" is not the database's name`)
	b.refused(b.ada, inPlace(mine, "Genomes"), core.CodeInvalid, "type its name")
	b.refused(b.ada, with(func(c *core.Restore) { c.As = "more" }), core.CodeInvalid, "keeps its name")
	b.refused(b.ada, with(func(c *core.Restore) { c.Version = "18" }), core.CodeInvalid, "keeps its version")
	b.refused(b.ada, with(func(c *core.Restore) { c.Size = "medium" }), core.CodeInvalid, "keeps its size")
	b.refused(b.ada, core.Restore{On: genomes, Confirm: "genomes"}, core.CodeInvalid, "say in_place, too")
	b.refused(b.ada, inPlace("nonsense", "genomes"), core.CodeNotFound, "has no backup")
	b.refused(b.ada, inPlace(his, "genomes"), core.CodeNotFound, "has no backup")
	b.refused(b.ada, inPlace(b.backups["other"], "genomes"), core.CodeInvalid, "of the database other")
	b.refused(bob, inPlace(mine, "genomes"), core.CodeNotFound, "You have no database")
	b.refused(grace, inPlace(mine, "genomes"), core.CodeForbidden, "Only ada")
	b.refused(b.ada, core.Undo{On: genomes}, core.CodeGone, "never restored in place, or that was longer than 7 days ago")
	for state, want := range map[string]core.Code{"failed": core.CodeInvalid, "expired": core.CodeGone, "running": core.CodeBusy} {
		b.sql("update backups set state = $2, finished_at = case when $2 <> 'running' then now() end where id = $1", mine, state)
		_, err := b.Do(t.Context(), request(b.ada, "", inPlace(mine, "genomes")))
		if code := core.CodeOf(err); code != want && !(state == "failed" && code != core.CodeInternal && err != nil) {
			t.Errorf("a backup that is %s: %v", state, err)
		}
	}
	b.sql("update backups set state = 'done', finished_at = now() where id = $1", mine)
	b.sql("update instances set version = '16' where name = 'genomes'")
	b.refused(b.ada, inPlace(mine, "genomes"), core.CodeInvalid, "runs the older 16")
	b.sql("update instances set version = '17' where name = 'genomes'")
	b.sql("update instances set state = 'trashed' where name = 'genomes'")
	b.refused(b.ada, inPlace(mine, "genomes"), core.CodeBusy, "ready or stopped")
	b.sql("update instances set state = 'ready' where name = 'genomes'")
	var n int
	if err := b.pool.QueryRow(t.Context(), "select (select count(*) from kept_volumes) + (select count(*) from operations where kind = 'restore_in_place')").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d traces of what was refused, %v", n, err)
	}
	r := b.must(b.ada, inPlace("", "genomes"))
	if r.Database.State != core.StateRestoring || r.Database.ID != b.instance("genomes").ID {
		t.Errorf("receipt %+v", r.Database)
	}
	b.refused(b.ada, core.Restart{On: genomes}, core.CodeBusy, "genomes is restoring")
}

// TestExchange keeps the volume of before, brings it back, and never gives a number twice.
func TestExchange(t *testing.T) {
	b := newShelf(t, policy.Policy{})
	mine := b.backups["genomes"]
	restore := func() string {
		return b.must(b.ada, core.Restore{On: genomes, Backup: mine, InPlace: true, Confirm: "genomes"}).Operation.ID
	}
	kept := func(want ...int) {
		t.Helper()
		rows, err := b.pool.Query(t.Context(), "select generation from kept_volumes where remove_at > now() order by 1")
		if err != nil {
			t.Fatal(err)
		}
		got, err := pgx.CollectRows(rows, pgx.RowTo[int])
		if err != nil || len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("kept %v, %v; want %v", got, err, want)
		}
	}
	on := func(generation int, state core.State) {
		t.Helper()
		if i := b.instance("genomes"); i.Generation != generation || i.State != state {
			t.Errorf("it is %s on generation %d, want %s on %d", i.State, i.Generation, state, generation)
		}
	}
	filled := core.Filled{At: time.Now(), Receipt: &core.BackupReceipt{OK: true, Tables: 3, Rows: 42, Seconds: 1.5}}

	b.finish(restore(), &core.Explanation{Code: core.CodeInternal, Message: "The disk is full."}, filled)
	on(1, core.StateReady)
	kept()
	if list, err := b.SuperfluousVolumes(t.Context()); err != nil || len(list) != 1 || list[0].Generation != 2 {
		t.Errorf("superfluous: %+v, %v", list, err)
	}
	if err := b.VolumeRemoved(t.Context(), b.instance("genomes").ID, 2); err != nil {
		t.Fatal(err)
	}

	b.finish(restore(), nil, filled)
	on(3, core.StateReady)
	kept(1)
	until, err := b.UndoUntil(t.Context(), b.instance("genomes"))
	if err != nil || until == nil || time.Until(*until) < 6*24*time.Hour {
		t.Errorf("undo until %v, %v", until, err)
	}
	b.told("genomes was restored", "42", "1.5")

	op := b.must(b.ada, core.Undo{On: genomes}).Operation.ID
	on(3, core.StateRestoring)
	kept() // it is in use
	b.finish(op, &core.Explanation{Code: core.CodeInternal, Message: "The node is away."}, filled)
	on(3, core.StateReady)
	kept(1)
	b.finish(b.must(b.ada, core.Undo{On: genomes}).Operation.ID, nil, core.Filled{At: time.Now()})
	on(1, core.StateReady)
	kept(3)
	b.told("The restore of genomes was undone")
	b.sql("update instances set state = 'stopped' where name = 'genomes'")
	b.finish(b.must(b.ada, core.Undo{On: genomes}).Operation.ID, nil, core.Filled{At: time.Now()})
	on(3, core.StateStopped)
	var from string
	if err := b.pool.QueryRow(t.Context(), "select restored_from from instances where name = 'genomes'").Scan(&from); err != nil || from != mine {
		t.Errorf("restored from %s, %v; want %s", from, err, mine)
	}

	// What is over cannot be brought back, and what is in use is not removed.
	i := b.instance("genomes")
	b.sql("update kept_volumes set remove_at = now() - interval '1 second'")
	b.refused(b.ada, core.Undo{On: genomes}, core.CodeGone, "nothing to undo")
	for generation, want := range map[int]bool{1: true, 2: false, 3: false, 9: false} {
		if yes, err := b.Superfluous(t.Context(), i.ID, generation); err != nil || yes != want {
			t.Errorf("generation %d may go: %v, %v; want %v", generation, yes, err, want)
		}
	}
}

// told looks for a letter to ada with these texts.
func (b *shelf) told(texts ...string) {
	b.Helper()
	root := coretest.Actor(b.T, b.Service, "root", true)
	list, _, err := b.Letters(b.Context(), root, "", core.Page{})
	if err != nil {
		b.Fatal(err)
	}
	for _, l := range list {
		t, err := l.Text()
		text := t.Subject + strings.Join(t.Lines, "\n")
		for _, f := range t.Facts {
			text += "\n" + f.Value
		}
		if err == nil && l.Address == "ada@example.com" && !contains(text, texts) {
			return
		}
	}
	b.Errorf("ada is not told of %q", texts)
}

// contains gives whether any of the texts is missing.
func contains(text string, all []string) (missing bool) {
	for _, one := range all {
		missing = missing || !strings.Contains(text, one)
	}
	return missing
}

// TestNewPasswordsAfterAnExchange lets the owner, a colleague and a pipeline collect what could not be taken along, and nobody what no
// longer fits.
func TestNewPasswordsAfterAnExchange(t *testing.T) {
	b := newShelf(t, policy.Policy{})
	grace := coretest.Actor(t, b.Service, "grace", false)
	i := b.instance("genomes")
	b.sql(`insert into accounts (id, instance_id, kind, person_id, username, writes, created_by, made_at) values ('a', $1, 'share', $2, 'grace', true, $3, now()),
		('b', $1, 'service', null, 'import', true, $3, now()), ('c', $1, 'service', null, 'old', true, $3, now())`, i.ID, grace.ID, b.ada.ID)
	b.sql("update accounts set revoked_at = now() where id = 'c'")
	admitted, err := b.Admitted(t.Context(), i.ID)
	if err != nil || len(admitted.Live) != 2 || len(admitted.Ended) != 1 || admitted.Ended[0] != "old" {
		t.Fatalf("admitted %+v, %v", admitted, err)
	}
	op := b.must(b.ada, core.Restore{On: genomes, InPlace: true, Confirm: "genomes"}).Operation.ID
	names := []string{"genomes", "grace", "import"}
	fresh, err := b.FreshPasswords(t.Context(), i.ID, names)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.FreshPasswords(t.Context(), i.ID, names); err != nil || again["grace"] != fresh["grace"] || len(fresh["grace"]) < 12 {
		t.Errorf("a second call gives %v, %v", again, err)
	}
	b.finish(op, nil, core.Filled{At: time.Now(), Renewed: names})
	collect := func(who core.Actor) string {
		cred, err := b.Collect(t.Context(), request(who, "", nil), "genomes")
		if err != nil {
			return err.Error()
		}
		return cred.Password
	}
	if got := collect(b.ada); got != fresh["genomes"] {
		t.Errorf("ada collects %q", got)
	}
	if got := collect(grace); got != fresh["grace"] {
		t.Errorf("grace collects %q", got)
	}
	if cred, err := b.CollectAccount(t.Context(), request(b.ada, "", nil), "genomes", "import"); err != nil || cred.Password != fresh["import"] {
		t.Errorf("the pipeline's: %v", err)
	}
	if changed, err := b.PasswordsChanged(t.Context(), i.ID, time.Now().Add(-time.Hour)); err != nil || changed {
		t.Errorf("changed %v, %v", changed, err)
	}
	b.finish(b.must(b.ada, core.Undo{On: genomes}).Operation.ID, nil, core.Filled{At: time.Now(), Left: []string{"genomes", "grace"}})
	if got := collect(b.ada); !strings.Contains(got, "collected already") {
		t.Errorf("after the undo, ada collects %q", got)
	}
}

// TestRestoreInPlaceByApproval waits for an administrator where the site's rules say so, and then does what was asked for, and only that.
func TestRestoreInPlaceByApproval(t *testing.T) {
	b := newShelf(t, policy.Policy{Approve: []string{"restore_in_place"}})
	cleo := coretest.Actor(t, b.Service, "cleo", true)
	ask := core.Restore{On: genomes, InPlace: true, Confirm: "genomes"}
	b.refused(b.ada, core.Restore{On: genomes, InPlace: true, Confirm: "x"}, core.CodeInvalid, "not the database's name")
	r := b.must(b.ada, ask)
	if r.Approval == nil || r.Operation.ID != "" || r.Approval.About != b.backups["genomes"] || r.Database.State != core.StateReady {
		t.Fatalf("asked: %+v", r)
	}
	if again := b.must(b.ada, ask); again.Approval == nil || again.Approval.ID != r.Approval.ID {
		t.Errorf("asked again: %+v", again.Approval)
	}
	newer := b.must(b.ada, core.MakeBackup{On: genomes}).Backup.ID
	finishBackups(t, b.Service, b.pool, 1000)
	b.sql("update backups set manifest = (select manifest from backups where id = $2) where id = $1", newer, b.backups["genomes"])
	begun := b.must(cleo, core.Decide{ID: r.Approval.ID, Approve: true})
	var args core.InPlaceArgs
	if err := b.Args(context.WithoutCancel(t.Context()), begun.Operation.ID, &args); err != nil || args.BackupID != b.backups["genomes"] {
		t.Errorf("approved was %s, %v; done is %+v", b.backups["genomes"], err, args)
	}
	b.finish(begun.Operation.ID, nil, core.Filled{At: time.Now()})

	// What was approved for one state of things is not done to another.
	first, second := b.must(b.ada, ask).Approval, b.must(b.ada, core.Restore{On: genomes, Backup: b.backups["genomes"], InPlace: true, Confirm: "genomes"}).Approval
	if first.ID == second.ID {
		t.Fatal("two backups, one approval")
	}
	b.finish(b.must(cleo, core.Decide{ID: first.ID, Approve: true}).Operation.ID, nil, core.Filled{At: time.Now()})
	b.refused(cleo, core.Decide{ID: second.ID, Approve: true}, core.CodeBusy, "has changed since")
}
