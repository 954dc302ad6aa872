package runtimetest

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/mydb-project/mydb/jobs"
)

func testPortForeign(t *testing.T, c Cluster) {
	if !c.Members[0].Local {
		t.Skip("The node has a network of its own, where this test cannot take a port.")
	}
	l, err := net.Listen("tcp", ":0")
	must(t, err)
	defer l.Close()
	i := newInstance(t, c, 0)
	i.spec.Port = l.Addr().(*net.TCPAddr).Port
	i.ensure()
	i.checkPortNamed(i.awaitProblem(jobs.CausePort))
	must(t, l.Close())
	i.query("select 'the port has become free, and the server came up by itself'")
}

func (i *instance) checkPortNamed(p *jobs.Problem) {
	i.t.Helper()
	if p.Permanent || !strings.Contains(p.Message, strconv.Itoa(i.spec.Port)) {
		i.t.Errorf("problem %+v, want one that may pass and names port %d", p, i.spec.Port)
	}
}

func testPortInstance(t *testing.T, c Cluster) {
	holder, late := newInstance(t, c, 0), newInstance(t, c, 0)
	for _, i := range []*instance{holder, late} {
		i.hopeless("trap 'exit 0' INT TERM; sleep 600 & wait")
	}
	late.spec.Port = holder.spec.Port
	holder.ensure()
	holder.awaitState(jobs.TaskRunning)
	late.ensure()
	late.checkPortNamed(late.awaitProblem(jobs.CausePort))
}

func testImageMissing(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.spec.Recipe.Image = "mydb-dev/no-such-image:1"
	i.ensure()
	if p := i.awaitProblem(jobs.CauseImage); !p.Permanent {
		t.Errorf("problem %+v, want a permanent one", p)
	}
}

func testNoRoom(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.spec.Size.CPUReserved, i.spec.Size.CPU = 4096, 4096
	i.ensure()
	_ = i.awaitProblem(jobs.CauseCapacity)
	if st := i.awaitState(jobs.TaskPending); st.NodeID != "" {
		t.Errorf("placed on %s", st.NodeID)
	}
}

func testNodeUnknown(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.spec.NodeID = "0000000000000000000000000"
	i.ensure()
	_ = i.awaitProblem(jobs.CauseCapacity)
}

func testCrashLoop(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.hopeless("echo no disk, no luck; echo the last word >&2; exit 3")
	i.ensure()
	p := i.awaitProblem(jobs.CauseCrashLoop)
	for _, want := range []string{"no disk, no luck", "the last word", "(3)"} {
		if !strings.Contains(p.Detail, want) {
			t.Errorf("detail %q misses %q", p.Detail, want)
		}
	}
	if st := i.awaitState(jobs.TaskFailing); st.Problem == nil {
		t.Error("the problem was forgotten")
	}
}

func testMemory(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.hopeless("exec tail /dev/zero") // collects a line that never ends
	i.spec.Size.Memory = 32 << 20
	i.ensure()
	_ = i.awaitProblem(jobs.CauseMemory)
}

func testMended(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	good := i.spec.Recipe.Image
	i.spec.Recipe.Image = "mydb-dev/no-such-image:2"
	i.ensure()
	_ = i.awaitProblem(jobs.CauseImage)
	i.spec.Recipe.Image = good
	i.ensure()
	i.query("select 'ready'")
	if st := i.awaitState(jobs.TaskRunning); st.Problem != nil {
		t.Errorf("the problem of the earlier spec still stands: %v", st.Problem)
	}
}
