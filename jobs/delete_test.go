package jobs_test

import (
	"testing"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// approved asks for a deletion, lets an administrator approve it, and waits for its end.
func (s *site) approved(name string) core.Operation {
	s.t.Helper()
	r, err := s.service.Do(s.t.Context(), core.Request{Actor: s.actor, Command: core.Delete{On: core.On{Database: name}}})
	if err != nil {
		s.t.Fatal(err)
	}
	admin := coretest.Actor(s.t, s.service, "grace", true)
	r, err = s.service.Do(s.t.Context(), core.Request{Actor: admin, Command: core.Decide{ID: r.Approval.ID, Approve: true}})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.await(r.Operation.ID)
}

// TestDelete takes a database to the trash, back, and to its end. Its data is there until then, and nothing is afterwards.
func TestDelete(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.worker("")
	i, cred := s.made("genomes")
	if o := s.approved("genomes"); o.State != core.OperationDone {
		t.Fatalf("delete ended as %+v", o)
	}
	got := s.instance("genomes")
	if got.State != core.StateTrashed || got.PurgeAt == nil || time.Until(*got.PurgeAt) < 6*24*time.Hour || s.container(i.ID) != "" {
		t.Errorf("in the trash: %+v, container %q", got, s.container(i.ID))
	}
	s.must(core.Undelete{On: core.On{Database: "genomes"}})
	s.keeps(i, cred, "undelete")

	if o := s.approved("genomes"); o.State != core.OperationDone {
		t.Fatalf("the second delete ended as %+v", o)
	}
	if started, err := s.service.StartPurges(t.Context()); err != nil || started != 0 {
		t.Errorf("purged %d before their time, %v", started, err)
	}
	if _, err := s.pool.Exec(t.Context(), "update instances set purge_at = now() - interval '1 second'"); err != nil {
		t.Fatal(err)
	}
	if started, err := s.service.StartPurges(t.Context()); err != nil || started != 1 {
		t.Errorf("purged %d, %v; want 1", started, err)
	}
	s.until(time.Minute, "the database is gone", func() bool {
		return s.instance(i.ID).State == core.StateDeleted
	})
	s.checkGone(i.ID)
	_, err := s.service.Do(t.Context(), core.Request{Actor: s.actor, Command: core.Undelete{On: core.On{Database: i.ID}}})
	if core.CodeOf(err) != core.CodeGone {
		t.Errorf("undelete after the purge: %v, want %s", err, core.CodeGone)
	}
	if _, err := s.service.Do(t.Context(), core.Request{Actor: s.actor, Command: core.Create{Engine: "postgres", Name: "genomes"}}); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
}
