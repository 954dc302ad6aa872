package jobs_test

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// TestRestoreInPlaceElsewhere restores in place on a node that is no manager: its own worker fills the volume, and a manager exchanges it.
func TestRestoreInPlaceElsewhere(t *testing.T) {
	t.Parallel()
	dir, engines := runtimetest.Nodes(t)
	s := newSiteOn(t, engines...)
	s.workersWithin(dir)
	manager, err := s.runtime.Self(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var name string
	for _, n := range []string{"one", "two", "three"} {
		if i, _ := s.made(n); *i.NodeID != manager.ID {
			name = n
		}
	}
	i, cred, on := s.instance(name), s.collect(name), core.On{Database: name}
	if o := s.do(core.MakeBackup{On: on}); o.State != core.OperationDone {
		t.Fatalf("backup ended as %+v: %+v", o, o.Error)
	}
	s.execute(i, cred, "delete from genes")
	if o := s.do(core.Restore{On: on, InPlace: true, Confirm: name}); o.State != core.OperationDone {
		t.Fatalf("restore in place ended as %s: %+v\n%+v", o.State, o.Error, o.Steps)
	}
	s.says(i, cred, "select count(*) from genes", "2", "after the restore")
	s.must(core.Undo{On: on})
	s.says(i, cred, "select count(*) from genes", "0", "after the undo")
	s.sql("update kept_volumes set remove_at = now() - interval '1 second'")
	s.lookAtKept()
	s.eventually("the volume that is not needed is gone", func() error {
		for n, node := range s.nodes {
			list, err := node.Volumes(t.Context())
			if err != nil {
				return err
			}
			for _, v := range list {
				if v.InstanceID == i.ID && v.Name != "mydb-"+i.ID+"-g1" {
					return fmt.Errorf("%s is on node %d", v.Name, n+1)
				}
			}
		}
		return nil
	})
}

// workersWithin starts a worker on each node, in the network of the node, as deploy/stack.yml does: servers beside an instance are reached
// there alone. The metadata database is forwarded to them.
func (s *site) workersWithin(dir string) {
	s.t.Helper()
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			s.t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	database, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	first := read("node1/address")
	database.Host = s.forward(first[:strings.LastIndex(first, ".")]+".1", database.Host)
	for n, host := range s.engines {
		namespace := fmt.Sprintf("/run/netns/%sn%d", read("swarm"), n+1)
		s.startWorker(exec.Command("nsenter", "--net="+namespace, os.Args[0]), database.String(), host, "")
	}
}

// forward makes a server reachable at another address of this machine, until the test ends.
func (s *site) forward(address, to string) string {
	s.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{from, there}, {there, from}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					way[0].Close()
					way[1].Close()
				}()
			}
		}
	}()
	return listener.Addr().String()
}
