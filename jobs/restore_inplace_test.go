package jobs_test

import (
	"fmt"
	"strings"
	"testing"

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
