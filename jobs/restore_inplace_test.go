package jobs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// inPlace restores a backup of genomes into itself.
func inPlace(backup string) core.Restore {
	return core.Restore{On: core.On{Database: "genomes"}, Backup: backup, InPlace: true, Confirm: "genomes"}
}

// volumes lists an instance's volumes.
func (s *site) volumes(id string) []string {
	s.t.Helper()
	return strings.Fields(s.docker("volume", "ls", "--quiet", "--filter", "label=dev.mydb.instance="+id))
}

// hers gives the password of a colleague.
func (s *site) hers(login string) core.Credentials {
	s.t.Helper()
	cred, err := s.service.Collect(s.t.Context(), core.Request{Actor: coretest.Actor(s.t, s.service, login, false), Door: core.DoorAPI}, "genomes")
	if err != nil {
		s.t.Fatal(err)
	}
	return cred
}

// TestRestoreInPlace puts a backup in the place of what a database holds, takes it back, and that too. Address and passwords stay;
// who may log in is as it is now, and not as it was at the time of the backup.
func TestRestoreInPlace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	on := core.On{Database: "genomes"}
	s.execute(i, cred, "create table t as select i, md5(i::text) from generate_series(1, 2000) i")
	s.must(core.Share{On: on, With: s.colleague("grace"), Right: core.RightRead})
	s.must(core.Share{On: on, With: s.colleague("eve"), Right: core.RightWrite})
	grace, eve := s.hers("grace"), s.hers("eve")
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
	}
	s.execute(i, cred, "delete from t where i > 7; create table later (x int); insert into later values (1)")
	s.must(core.Unshare{On: on, With: "eve"})
	s.must(core.Share{On: on, With: "grace", Right: core.RightWrite})
	s.must(core.Share{On: on, With: s.colleague("hopper"), Right: core.RightRead})
	s.must(core.Rotate{On: on})
	cred = s.collect("genomes")
	hopper := s.hers("hopper")
	s.must(core.Share{On: on, With: s.colleague("knuth"), Right: core.RightRead})
	s.says(i, s.hers("knuth"), "set password_encryption = 'md5'; alter role knuth password 'typed long ago'; select 1", "1", "knuth keeps his password as it was done long ago")

	o = s.do(inPlace(b.ID))
	if o.State != core.OperationDone {
		t.Fatalf("restore in place ended as %s: %+v\n%+v", o.State, o.Error, o.Steps)
	}
	after := s.instance("genomes")
	if after.State != core.StateReady || *after.Port != *i.Port || after.ID != i.ID || after.Generation != 2 {
		t.Errorf("after the restore: %+v", after)
	}
	s.says(i, cred, "select count(*) from t", "2000", "the data of the backup")
	s.says(i, cred, "select to_regclass('later') is null", "t", "nothing of what came later")
	s.says(i, grace, "insert into t values (2001, 'hers') returning i", "2001", "grace, who may write by now")
	s.says(i, hopper, "select count(*) from t", "2001", "hopper, who came later")
	if got := s.ask2(i, hopper, "insert into t values (1)"); !strings.Contains(got, "permission denied") {
		t.Errorf("hopper writes: %s", got)
	}
	if conn, err := s.login(i, eve); err == nil {
		conn.Close(t.Context())
		t.Error("eve, who was sent away, is back")
	}
	s.safety(o.ID)
	var old string
	if err := s.pool.QueryRow(t.Context(), "select distinct data->>'old' from notifications where kind = 'restored'").Scan(&old); err != nil || old != `["knuth"]` {
		t.Errorf("passwords of an old form: %s, %v", old, err)
	}

	// Back to what came later, and forth again.
	s.must(core.Undo{On: on})
	s.says(i, cred, "select count(*) from t", "7", "after the undo")
	s.says(i, cred, "select x from later", "1", "after the undo")
	s.says(i, hopper, "select count(*) from t", "7", "hopper after the undo")
	s.must(core.Undo{On: on})
	s.says(i, cred, "select count(*) from t", "2001", "after the undo of the undo")
	if got := s.instance("genomes"); got.Generation != 2 || got.State != core.StateReady {
		t.Errorf("after both: %+v", got)
	}
	if got := s.volumes(i.ID); len(got) != 2 {
		t.Errorf("volumes %v, want the current one and one that is kept", got)
	}

	// A backup is made as before; the time of what is kept ends.
	if _, o := s.backup("genomes"); o.State != core.OperationDone {
		t.Errorf("the next backup ended as %s: %+v", o.State, o.Error)
	}
	s.sql("update kept_volumes set remove_at = now() - interval '1 second'")
	s.lookAtKept()
	s.eventually("the volume of before is gone", func() error {
		if got := s.volumes(i.ID); len(got) != 1 || got[0] != "mydb-"+i.ID+"-g2" {
			return fmt.Errorf("there are %v", got)
		}
		return nil
	})
	_, err := s.service.Do(t.Context(), core.Request{Actor: s.actor, Command: core.Undo{On: on}})
	if core.CodeOf(err) != core.CodeGone {
		t.Errorf("undo of what is gone: %v", err)
	}
	s.says(i, cred, "select count(*) from t", "2001", "after the end of the volume of before")
}

// lookAtKept has a worker look for volumes whose time is over, as it does each minute.
func (s *site) lookAtKept() {
	s.t.Helper()
	s.sql("insert into river_job (kind, args, queue, max_attempts) values ('kept_volumes', '{}', 'managers', 1)")
}

// says checks an answer.
func (s *site) says(i core.Instance, cred core.Credentials, query, want, what string) {
	s.t.Helper()
	if got := s.ask2(i, cred, query); got != want {
		s.t.Errorf("%s: %s says %q, want %q", what, query, got, want)
	}
}

// ask2 is ask, in which not getting in is an answer.
func (s *site) ask2(i core.Instance, cred core.Credentials, query string) string {
	s.t.Helper()
	conn, err := s.login(i, cred)
	if err != nil {
		return err.Error()
	}
	conn.Close(s.t.Context())
	return s.ask(i, cred, query)
}

// safety looks for the backup that a restore in place made first.
func (s *site) safety(operationID string) {
	s.t.Helper()
	b, err := s.service.BackupOfOperation(s.t.Context(), operationID)
	if err != nil || !b.Good() || b.Reason != core.BackupSafety {
		s.t.Errorf("safety backup %+v, %v", b, err)
	}
}

// TestRestoreInPlaceOfEachEngine brings back what was there at the time of the backup, and by undo what was there since. Where passwords can
// be taken along, they work on; where not, the owner and the colleague each have a new one, and their old one after the undo.
func TestRestoreInPlaceOfEachEngine(t *testing.T) {
	forEachStore(t, func(t *testing.T, s *site, client store) {
		i, first, on := s.instance("genomes"), s.collect("genomes"), core.On{Database: "genomes"}
		put := func(cred core.Credentials, times int) {
			t.Helper()
			for range times {
				if err := client.put(t.Context(), i, cred); err != nil {
					t.Fatal(err)
				}
			}
		}
		holds := func(cred core.Credentials, want int64, when string) {
			t.Helper()
			if n, err := client.count(t.Context(), i, cred); n != want || err != nil {
				t.Errorf("%s: %d rows, %v; want %d", when, n, err, want)
			}
		}
		put(first, 3)
		b, o := s.backup("genomes")
		if o.State != core.OperationDone {
			t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
		}
		s.must(core.Share{On: on, With: s.colleague("grace"), Right: core.RightWrite})
		hers := s.hers("grace")
		put(hers, 2)

		if o := s.do(inPlace(b.ID)); o.State != core.OperationDone {
			t.Fatalf("restore in place ended as %s: %+v\n%+v", o.State, o.Error, o.Steps)
		}
		own, colleague := first, hers
		if i.Engine == "mongodb" {
			own, colleague = s.collect("genomes"), s.hers("grace")
			if own.Password == first.Password || colleague.Password == hers.Password {
				t.Error("the passwords are the old ones")
			}
		}
		holds(own, 3, "after the restore")
		put(colleague, 1)
		holds(own, 4, "after she has written")
		s.must(core.Undo{On: on})
		holds(first, 5, "after the undo")
		put(hers, 1)
		holds(first, 6, "after she has written, after the undo")
		if i.Engine == "mongodb" {
			if _, err := s.service.Collect(t.Context(), core.Request{Actor: s.actor}, "genomes"); core.CodeOf(err) != core.CodeGone {
				t.Errorf("a password that no longer fits can be collected: %v", err)
			}
		}
	})
}

// TestRestoreInPlaceOfAStoppedDatabase leaves it stopped, with the data of the backup.
func TestRestoreInPlaceOfAStoppedDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	on := core.On{Database: "genomes"}
	b, _ := s.backup("genomes")
	s.execute(i, cred, "delete from genes")
	s.must(core.Rotate{On: on})
	cred = s.collect("genomes")
	s.must(core.Stop{On: on})
	o := s.do(inPlace(b.ID))
	if o.State != core.OperationDone {
		t.Fatalf("restore in place ended as %s: %+v\n%+v", o.State, o.Error, o.Steps)
	}
	s.safety(o.ID)
	if got := s.instance("genomes"); got.State != core.StateStopped || s.container(i.ID) != "" {
		t.Errorf("it is %s, container %q", got.State, s.container(i.ID))
	}
	s.must(core.Undo{On: on})
	if got := s.instance("genomes"); got.State != core.StateStopped {
		t.Errorf("after the undo it is %s", got.State)
	}
	s.must(core.Start{On: on})
	s.says(i, cred, "select count(*) from genes", "0", "after the undo")
	s.must(core.Stop{On: on})
	s.must(core.Undo{On: on})
	s.must(core.Start{On: on})
	s.says(i, cred, "select count(*) from genes", "2", "after the undo of the undo")
}

// TestExchangeSurvivesKill kills the worker around each thing that it does on the way to other data and back. Another one ends the operation,
// and what it leaves is as if nothing had happened.
func TestExchangeSurvivesKill(t *testing.T) {
	for name, crashes := range map[string][]string{
		"restore": {"after remove generation", "after scratch", "before restore database", "after put accounts", "after probe beside", "before ensure", "after ensure", "after probe"},
		"undo":    {"after scratch", "after put accounts", "before ensure", "after ensure"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			worker := s.worker("")
			i, cred := s.made("genomes")
			s.must(core.Share{On: core.On{Database: "genomes"}, With: s.colleague("grace"), Right: core.RightWrite})
			grace := s.hers("grace")
			b, o := s.backup("genomes")
			if o.State != core.OperationDone {
				t.Fatalf("backup ended as %+v", o)
			}
			command, rows := core.Command(inPlace(b.ID)), "2"
			if name == "undo" {
				s.execute(i, cred, "delete from genes where id = 2")
				s.must(command)
				command, rows = core.Undo{On: core.On{Database: "genomes"}}, "1"
			}
			for _, crash := range crashes {
				worker.Process.Kill()
				worker.Wait()
				crashing := s.worker(crash)
				op := s.order(command)
				if err := crashing.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
					t.Fatalf("%s: the worker ended with %v; want killed", crash, err)
				}
				worker = s.worker("")
				if o := s.await(op); o.State != core.OperationDone {
					t.Fatalf("%s: ended as %+v: %+v\n%+v", crash, o, o.Error, o.Steps)
				}
				s.says(i, cred, "select count(*) from genes", rows, name+" killed "+crash)
				s.says(i, grace, "select count(*) from genes", rows, "grace, "+name+" killed "+crash)
				if left := s.docker("ps", "--all", "--quiet", "--filter", "label=dev.mydb.operation="+op); left != "" {
					t.Errorf("%s: containers %s are left", crash, left)
				}
				if name == "undo" {
					rows = map[string]string{"1": "2", "2": "1"}[rows]
					continue
				}
				s.safety(op)
				s.execute(i, cred, "delete from genes")
			}
			if n := len(strings.Fields(s.docker("service", "ls", "--quiet", "--filter", "name=mydb-"+i.ID))); n != 1 {
				t.Errorf("%d services", n)
			}
		})
	}
}

// TestUndoWithoutTheServer brings a database back whose server does not answer after a restore in place: with the passwords of before, and a
// new one for whoever was let in since. When it is gone for good, so are all its volumes.
func TestUndoWithoutTheServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	on := core.On{Database: "genomes"}
	s.must(core.Share{On: on, With: s.colleague("grace"), Right: core.RightRead})
	grace := s.hers("grace")
	b, _ := s.backup("genomes")
	s.execute(i, cred, "delete from genes where id = 2")
	s.must(inPlace(b.ID))
	s.must(core.Share{On: on, With: s.colleague("hopper"), Right: core.RightRead})
	hopper := s.hers("hopper")
	s.docker("service", "update", "--detach", "--quiet", "--args", "false", "mydb-"+i.ID)
	s.until(2*time.Minute, "the server is gone", func() bool {
		conn, err := s.login(i, cred)
		if err == nil {
			conn.Close(t.Context())
		}
		return err != nil
	})
	o := s.do(core.Undo{On: on})
	if o.State != core.OperationDone || !strings.Contains(fmt.Sprint(o.Steps), "it does not answer, so passwords are those of before") {
		t.Fatalf("ended as %s: %+v\n%+v", o.State, o.Error, o.Steps)
	}
	s.says(i, cred, "select count(*) from genes", "1", "after the undo")
	s.says(i, grace, "select count(*) from genes", "1", "grace, after the undo")
	fresh := s.hers("hopper")
	if fresh.Password == hopper.Password {
		t.Error("hopper's password is the one that nobody could take along")
	}
	s.says(i, fresh, "select count(*) from genes", "1", "hopper, with a new password")

	if o := s.approved("genomes"); o.State != core.OperationDone {
		t.Fatalf("delete ended as %+v %+v", o, o.Error)
	}
	s.sql("update instances set purge_at = now() - interval '1 hour'")
	if _, err := s.service.StartPurges(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.eventually("it is purged", func() error {
		if got := s.instance(i.ID); got.State != core.StateDeleted {
			return fmt.Errorf("it is %s", got.State)
		}
		return nil
	})
	s.checkGone(i.ID)
	var told string
	if err := s.pool.QueryRow(t.Context(), "select distinct data->>'removed' from notifications where kind = 'purged'").Scan(&told); err != nil || !strings.Contains(told, "-g1") || !strings.Contains(told, "-g2") {
		t.Errorf("told of %s, %v; want both volumes", told, err)
	}
}

// unchanged checks that a database is as it was, with nothing left of what was tried.
func (s *site) unchanged(i core.Instance, cred core.Credentials, when string) {
	s.t.Helper()
	s.says(i, cred, "select count(*) from genes", "1", when)
	if got := s.instance("genomes"); got.State != core.StateReady || got.Generation != 1 {
		s.t.Errorf("%s: it is %s on generation %d", when, got.State, got.Generation)
	}
	s.eventually(when+": the new volume is gone", func() error {
		if got := s.volumes(i.ID); len(got) != 1 || got[0] != "mydb-"+i.ID+"-g1" {
			return fmt.Errorf("there are %v", got)
		}
		return nil
	})
}

// TestRestoreInPlaceThatFails leaves everything as it was, whatever fails, and says what.
func TestRestoreInPlaceThatFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	worker := s.worker("")
	i, cred := s.made("genomes")
	b, _ := s.backup("genomes")
	s.verified(b.ID)
	s.execute(i, cred, "delete from genes where id = 2")
	fails := func(when, say string) core.Operation {
		t.Helper()
		o := s.do(inPlace(b.ID))
		if o.State != core.OperationFailed || o.Error == nil || !strings.Contains(o.Error.Message, say) || !strings.Contains(o.Error.Message, "genomes holds what it held before") {
			t.Fatalf("%s: ended as %s: %+v\n%+v", when, o.State, o.Error, o.Steps)
		}
		s.unchanged(i, cred, when)
		return o
	}
	again := func(crash string) {
		worker.Process.Kill()
		worker.Wait()
		worker = s.worker(crash)
	}
	again("fail probe beside")
	fails("not usable, before the exchange", "lets this fail")
	again("fail probe")
	fails("not usable, after the exchange", "lets this fail")
	again("")
	// A type without its only value: nobody can write down what is in the table.
	s.execute(i, cred, "create type mood as enum ('sad'); create table moods (m mood); insert into moods values ('sad')")
	s.docker("exec", s.container(i.ID), "sh", "-c", `PGPASSWORD=$(cat /run/mydb/admin_password) PGOPTIONS='-c allow_system_table_mods=on' psql -h 127.0.0.1 -U mydb_admin -d genomes -c 'delete from pg_enum'`)
	o := fails("no safety backup", "so nothing was restored")
	if made, err := s.service.BackupOfOperation(t.Context(), o.ID); err != nil || made.State != core.BackupFailed {
		t.Errorf("the safety backup is %+v, %v", made, err)
	}
	s.execute(i, cred, "drop table moods")
	for _, path := range s.objects() {
		if strings.Contains(path, b.ID+"/1.dump") {
			if err := os.Truncate(path, 100); err != nil {
				t.Fatal(err)
			}
		}
	}
	o = fails("a spoilt backup", "1.dump.zst.age in the store is not what was written")
	s.safety(o.ID) // it is worth having all the same
}
