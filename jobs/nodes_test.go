package jobs_test

import (
	"testing"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/jobs/runtimetest"
)

// TestSeveralNodes creates on three nodes with a worker on each: the databases are spread, and what a failed create leaves on a
// node that is no manager is removed by that node's own worker.
func TestSeveralNodes(t *testing.T) {
	t.Parallel()
	_, engines := runtimetest.Nodes(t)
	s := newSiteOn(t, engines...)
	for _, host := range engines {
		s.workerOn(host, "")
	}
	var receipts []core.Receipt
	for _, name := range []string{"one", "two", "three"} {
		receipts = append(receipts, s.create(core.Create{Name: name}))
	}
	used := map[string]bool{}
	for _, r := range receipts {
		if o := s.await(r.Operation.ID); o.State != core.OperationDone {
			t.Fatalf("create ended as %+v", o)
		}
		s.checkUsable(r.Database.ID)
		i, err := s.service.Instance(t.Context(), s.actor, r.Database.ID)
		if err != nil {
			t.Fatal(err)
		}
		used[*i.NodeID] = true
	}
	if len(used) != 3 {
		t.Errorf("three databases are on %d nodes; want them spread over 3", len(used))
	}
	for _, name := range []string{"bad-one", "bad-two", "bad-three"} {
		r := s.create(core.Create{Name: name, InitSQL: "select * from nowhere"})
		if o := s.await(r.Operation.ID); o.State != core.OperationFailed {
			t.Fatalf("create ended as %+v", o)
		}
		s.checkGone(r.Database.ID)
	}
}
