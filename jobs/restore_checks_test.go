package jobs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// details is all that the steps of an operation say.
func details(o core.Operation) string {
	var all []string
	for _, s := range o.Steps {
		all = append(all, s.Name+": "+s.Detail)
	}
	return strings.Join(all, "\n")
}

// TestRestoreOfOldPasswords restores a backup of PostgreSQL 15 with passwords of the MD5 era: the owner is told whose these are, has a new one
// of today's form, and lets the others in again.
func TestRestoreOfOldPasswords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if offer, _ := s.service.Catalogue().Offer("postgres"); !slices.Contains(offer.Offered(), "15") {
		t.Skip("this machine has no image of PostgreSQL 15")
	}
	s.worker("")
	i, cred := s.madeOf("postgres", "15")
	for _, login := range []string{"grace", "knuth"} {
		s.must(core.Share{On: core.On{Database: "genomes"}, With: s.colleague(login), Right: core.RightRead})
	}
	s.says(i, s.hers("knuth"), "set password_encryption = 'md5'; alter role knuth password 'typed long ago'; select 1", "1", "knuth's password")
	s.says(i, cred, "set password_encryption = 'md5'; alter role genomes password 'typed long ago, too'; select 1", "1", "the owner's password")
	if _, o := s.backup("genomes"); o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
	}
	o := s.do(core.Restore{On: core.On{Database: "genomes"}, As: "newer", Version: "17"})
	if o.State != core.OperationDone {
		t.Fatalf("restore ended as %s: %+v %s", o.State, o.Error, details(o))
	}
	want := "grace, knuth: share the database again to let them in. The passwords of these were kept in an old form (MD5), which lets nobody in any more, so that they need new ones: genomes, knuth"
	if !strings.Contains(details(o), want) {
		t.Errorf("the steps say:\n%s", details(o))
	}
	root := coretest.Actor(t, s.service, "root", true)
	letters, _, err := s.service.Letters(t.Context(), root, "", core.Page{})
	if err != nil {
		t.Fatal(err)
	}
	told := slices.ContainsFunc(letters, func(l core.Letter) bool {
		text, err := l.Text()
		return err == nil && l.Audience == core.ToOwner && strings.Contains(strings.Join(text.Lines, "\n"), "(MD5), which lets nobody in any more: genomes, knuth.")
	})
	if !told {
		t.Error("the owner was not told")
	}
	newer, fresh := s.instance("newer"), s.collect("newer")
	s.says(newer, fresh, "select current_user", "genomes", "the owner with the new password")
	s.must(core.Share{On: core.On{Database: "newer"}, With: "knuth", Right: core.RightRead})
	knuth, err := s.service.Collect(t.Context(), core.Request{Actor: coretest.Actor(t, s.service, "knuth", false), Door: core.DoorAPI}, "newer")
	if err != nil {
		t.Fatal(err)
	}
	s.says(newer, knuth, "select current_user", "knuth", "knuth, who was let in again")
}

// TestRestoreChecksFirst refuses what cannot be on a server before anything is on it, and names what is missing.
func TestRestoreChecksFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.worker("")
	i, cred := s.made("genomes")
	s.execute(i, cred, sample)
	b, o := s.backup("genomes")
	if o.State != core.OperationDone {
		t.Fatalf("backup ended as %s: %+v", o.State, o.Error)
	}
	s.verified(b.ID)
	var manifest string
	if err := s.pool.QueryRow(t.Context(), "select manifest::text from backups where id = $1", b.ID).Scan(&manifest); err != nil {
		t.Fatal(err)
	}
	s.sql(`update backups set manifest = jsonb_set(manifest, '{contents,databases,0,extensions}', '["pg_trgm 1.6", "timetravel 2.0", "postgis 3.5"]')`)
	fails := func(c core.Restore, want string) {
		t.Helper()
		o := s.do(c)
		if o.State != core.OperationFailed || o.Error == nil || !strings.Contains(o.Error.Message, want) {
			t.Errorf("ended as %s: %+v\n%s", o.State, o.Error, details(o))
		}
		if strings.Contains(details(o), "count every table") {
			t.Errorf("it went on: %s", details(o))
		}
	}
	into := core.Restore{On: core.On{Database: "genomes"}, As: "copy"}
	fails(into, "The backup needs the extensions postgis, timetravel, which PostgreSQL 17 does not have here.")
	fails(inPlace(b.ID), "The backup needs the extensions postgis, timetravel")
	if _, err := s.pool.Exec(t.Context(), "update backups set manifest = $2 where id = $1", b.ID, manifest); err != nil {
		t.Fatal(err)
	}

	// A node without room.
	first.Process.Kill()
	first.Wait()
	s.env = []string{diskEnv + "=" + strconv.Itoa(1<<30)}
	s.worker("")
	s.until(3*time.Minute, "the node has said how much room it has", func() bool {
		free, err := s.service.FreeDisks(t.Context())
		return err == nil && free[*i.NodeID] == 1<<30
	})
	fails(into, "There is no room on the disk for a restore: it has to find ")
	fails(inPlace(b.ID), "There is no room on the disk for a restore")
	if got := s.instance("genomes"); got.State != core.StateReady {
		t.Errorf("after all that it is %s", got.State)
	}
	s.says(i, cred, "select count(*) from genes", "1000", "after all that")
}

// TestPHIFollows finds the mark of health data on everything that holds a copy: the manifest in the store, the throw-away server and tools
// that work on it, what is restored, and what gets a backup of a time at which it was marked.
func TestPHIFollows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.worker("")
	r := s.create(core.Create{PHI: true})
	if o := s.await(r.Operation.ID); o.State != core.OperationDone {
		t.Fatalf("create ended as %+v: %+v", o, o.Error)
	}
	first.Process.Kill()
	first.Wait()
	crashing := s.worker("after scratch")
	op := s.order(core.MakeBackup{On: core.On{Database: "genomes"}})
	if err := crashing.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the worker ended with %v; want killed", err)
	}
	b, err := s.service.BackupOfOperation(t.Context(), op)
	if err != nil {
		t.Fatal(err)
	}
	var verification string
	if err := s.pool.QueryRow(t.Context(), "select id from operations where kind = 'verify'").Scan(&verification); err != nil {
		t.Fatal(err)
	}
	if marked := s.docker("ps", "--all", "--quiet", "--filter", "label=dev.mydb.operation="+verification, "--filter", "label=dev.mydb.phi=true"); strings.TrimSpace(marked) == "" {
		t.Error("the throw-away server is not marked")
	}
	s.worker("")
	s.verified(b.ID)
	for _, path := range s.objects() {
		if filepath.Base(path) != core.ManifestObject || !strings.Contains(path, b.ID) {
			continue
		}
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), `"phi": true`) {
			t.Errorf("the manifest: %s, %v", text, err)
		}
	}

	// An administrator takes the mark off; a copy of before has it.
	admin := coretest.Actor(t, s.service, "root", true)
	no := false
	if _, err := s.service.Do(t.Context(), core.Request{Actor: admin, Command: core.Describe{On: core.On{Database: "genomes"}, PHI: &no}}); err != nil {
		t.Fatal(err)
	}
	if s.instance("genomes").PHI {
		t.Fatal("the mark is there still")
	}
	if copied, _ := s.restored("genomes-copy"); !copied.PHI {
		t.Error("the restored database is not marked")
	}
	if o := s.do(inPlace(b.ID)); o.State != core.OperationDone {
		t.Fatalf("restore in place ended as %s: %+v", o.State, o.Error)
	}
	if !s.instance("genomes").PHI {
		t.Error("the database that was restored in place is not marked")
	}
}
