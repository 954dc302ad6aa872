package jobs_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
	"github.com/mydb-project/mydb/core/crypt"
	"github.com/mydb-project/mydb/jobs/store/storetest"
)

// TestFaultsOfStore has the store fail in the middle of a backup, a verification and a restore, in each way in which stores and lines to them
// fail. That is said of the store and not of the backups in it; what a line that is only slow brings is whole.
func TestFaultsOfStore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	endpoint := storetest.Serve(t)
	var failing atomic.Pointer[string] // the operation of S3 that fails
	line := storetest.Through(t, storetest.Before(t, endpoint, func(w http.ResponseWriter, r *http.Request) bool {
		op := failing.Load()
		return op != nil && storetest.Operation(r) == *op && strings.Contains(r.URL.Path, "1.dump") && storetest.Fail(w, r, http.StatusInternalServerError, "InternalError")
	}))
	s.store = storetest.URL(line.Endpoint) + "&patience=2s"
	s.worker("")
	i, cred := s.made("genomes")
	s.execute(i, cred, "create table t as select i, md5(i::text) as a, md5((-i)::text) as b from generate_series(1, 400000) i") // two parts of an upload
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("the backup ended as %s: %+v", o.State, o.Error)
	}
	s.verified(b.ID)
	fails := func(op string) func() { return func() { failing.Store(&op) } }
	spoil := func(how, direction string, attributes map[string]int64) func() {
		return func() { line.Spoil(t, how, direction, attributes) }
	}
	for what, c := range map[string]struct {
		begin         func()
		writes, reads bool // work nevertheless
	}{
		"an upload answered with 500":  {fails("UploadPart"), false, true},
		"a download answered with 500": {fails("GetObject"), false, false}, // nothing can be read back
		"a line cut while writing":     {spoil("limit_data", storetest.Up, map[string]int64{"bytes": 1 << 20}), false, true},
		"a store that says nothing":    {spoil("timeout", storetest.Down, map[string]int64{"timeout": 0}), false, false},
		"a slow line":                  {spoil("bandwidth", storetest.Up, map[string]int64{"rate": 8000}), true, true},
	} {
		c.begin()
		s.whileFaulty(what, b.ID, c.writes, c.reads)
		failing.Store(nil)
		line.Mend(t)
		s.leavesWholeBackups(endpoint, what)
	}
	s.must(core.VerifyBackup{On: core.On{Database: "genomes"}, Backup: b.ID})
	s.restored("genomes-copy")
}

// whileFaulty makes a backup and reads an old one.
func (s *site) whileFaulty(what, old string, writes, reads bool) {
	s.t.Helper()
	const say = "the store of backups"
	b, o := s.backup("genomes")
	if writes != (o.State == core.OperationDone) || b.Good() != writes || !writes && !strings.Contains(b.Error, say) {
		s.t.Errorf("%s: the backup ended as %s, %s: %q", what, o.State, b.State, b.Error)
	}
	s.quiet()
	before := s.goodBackup(old)
	o = s.do(core.VerifyBackup{On: core.On{Database: "genomes"}, Backup: old})
	if reads != (o.State == core.OperationDone) || !reads && !strings.Contains(o.Error.Message, say) {
		s.t.Errorf("%s: the verification ended as %s: %+v", what, o.State, o.Error)
	}
	if after := s.goodBackup(old); after != before {
		s.t.Errorf("%s: the old backup was %s, and is %s", what, before, after)
	}
}

// leavesWholeBackups looks whether each backup in the store has all its parts, and is one in the catalogue.
func (s *site) leavesWholeBackups(endpoint, when string) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), "select operation_id from backups where state in ('done', 'verified')")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var op string
		if err := rows.Scan(&op); err != nil {
			s.t.Fatal(err)
		}
		s.wholeBackup(endpoint, op, when)
	}
	where, err := openStore(s.t.Context(), storetest.URL(endpoint))
	if err != nil {
		s.t.Fatal(err)
	}
	for o, err := range where.List(s.t.Context(), s.instance("genomes").ID) {
		if err != nil {
			s.t.Fatal(err)
		}
		id := strings.Split(o.Key, "/")[1]
		if b, err := s.service.Backup(s.t.Context(), s.actor, "genomes", id); strings.HasSuffix(o.Key, core.ManifestObject) && (err != nil || !b.Good()) {
			s.t.Errorf("%s: there is a manifest of backup %s, which is %s, %v", when, id, b.State, err)
		}
	}
}

// TestWrongKey says that the key is missing with which a backup was encrypted, and holds that not against the backup: with the key it is
// restored.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	worker := s.worker("")
	s.made("genomes")
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("the backup ended as %s: %+v", o.State, o.Error)
	}
	s.verified(b.ID)
	fresh, err := crypt.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	old := s.key
	again := func(keys string) {
		worker.Process.Kill()
		worker.Wait()
		s.key = keys
		s.reopen()
		worker = s.worker("")
	}
	again(fresh + "\n" + old)
	if _, err := s.service.Reseal(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	again(fresh) // the old key was thrown away too early
	s.neitherVerifiedNorRestored(b.ID, "was encrypted with a key that this process does not have")
	again(fresh + "\n" + old)
	s.restored("genomes-copy")
}

// TestChangesDuringBackup lets the server go, or the database be deleted, while its backup is being written. The backup is then whole, or
// none; and nobody deletes what is being backed up.
func TestChangesDuringBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := s.faults()
	s.worker("")
	i, cred := s.made("genomes")
	s.execute(i, cred, "create table t as select i, md5(i::text) from generate_series(1, 20000) i")
	for what, change := range map[string]func(){
		"killed":  func() { s.docker("kill", s.container(i.ID)) },
		"removed": func() { s.docker("service", "rm", "mydb-"+i.ID) },
		"deleted": func() {
			_, err := s.service.Do(t.Context(), core.Request{Actor: s.actor, Door: core.DoorAPI, Command: core.Restart{On: core.On{Database: "genomes"}}})
			if core.CodeOf(err) != core.CodeBusy || !strings.Contains(err.Error(), "asked for backup") {
				t.Errorf("a restart during a backup: %v", err)
			}
			if err := s.tryToDelete(); core.CodeOf(err) != core.CodeBusy || !strings.Contains(err.Error(), "asked for backup") {
				t.Errorf("a deletion during a backup: %v", err)
			}
		},
	} {
		s.quiet()
		reached, goOn := f.halt("pg_dump")
		op := s.order(core.MakeBackup{On: core.On{Database: "genomes"}})
		reached()
		f.mend() // the next attempt is not held
		change()
		goOn()
		o := s.await(op)
		b, err := s.service.BackupOfOperation(t.Context(), op)
		if err != nil || b.Good() != (o.State == core.OperationDone) || !b.Good() && b.Error == "" {
			t.Errorf("%s: the operation ended as %s, %+v, the backup as %s, %v", what, o.State, o.Error, b.State, err)
		}
		if what == "deleted" && !b.Good() {
			t.Errorf("the backup of what was not deleted is %s: %q", b.State, b.Error)
		}
		if b.Good() {
			s.verified(b.ID)
		}
		s.eventually("the server is there again", func() error { return s.serving(i, cred) })
	}
}

// tryToDelete has the database deleted, with the approval of another person.
func (s *site) tryToDelete() error {
	s.t.Helper()
	r, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Command: core.Delete{On: core.On{Database: "genomes"}}})
	if err == nil {
		_, err = s.service.Do(s.t.Context(), core.Request{Actor: coretest.Actor(s.t, s.service, "grace", true), Command: core.Decide{ID: r.Approval.ID, Approve: true}})
	}
	return err
}

// serving logs in.
func (s *site) serving(i core.Instance, cred core.Credentials) error {
	conn, err := s.login(i, cred)
	if err != nil {
		return err
	}
	return conn.Close(context.WithoutCancel(s.t.Context()))
}
