package jobs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mydb-project/mydb/core"
)

// TestSeveralNodes creates on three nodes with a worker on each: the databases are spread, and what a failed create leaves on a
// node that is no manager is removed by that node's own worker.
func TestSeveralNodes(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("MYDB_TEST_SWARM_NODES")
	if dir == "" || testing.Short() {
		t.Skip("needs a Swarm of three nodes: run `make test`, which sets MYDB_TEST_SWARM_NODES")
	}
	var engines []string
	for _, node := range []string{"node1", "node2", "node3"} {
		engines = append(engines, "unix://"+filepath.Join(dir, node, "docker.sock"))
	}
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
