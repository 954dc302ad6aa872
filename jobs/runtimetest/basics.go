package runtimetest

import (
	"context"
	"slices"
	"testing"

	"github.com/rs/xid"

	"github.com/mydb-project/mydb/jobs"
)

func testAbsent(t *testing.T, c Cluster) {
	rt, id := c.Members[0].Runtime, xid.New().String()
	st, err := rt.Status(t.Context(), id)
	must(t, err)
	if st.State != jobs.TaskAbsent || st.Problem != nil {
		t.Errorf("status %+v, want absent", st)
	}
	must(t, rt.Remove(t.Context(), id))
	must(t, rt.RemoveVolume(t.Context(), id))
	must(t, rt.RemoveGeneration(t.Context(), id, 1))
	clean, err := rt.Retire(t.Context(), id, 0)
	must(t, err)
	if !clean {
		t.Error("what is not there has not stopped in good order")
	}
}

func testEnsureTwice(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	if st := i.awaitState(jobs.TaskRunning); st.NodeID != i.node.ID || st.Problem != nil {
		t.Errorf("status %+v, want no problem and node %s", st, i.node.ID)
	}
	if c.Inspector == nil {
		i.ensure()
		return
	}
	before, _ := i.container()
	i.spec.Secret = []byte("another, which comes too late")
	i.ensure()
	after, ended := i.container()
	if after.ID != before.ID || len(ended) > 0 {
		t.Errorf("the second call replaced the container")
	}
	i.checkOneOfEach()
}

func (i *instance) checkOneOfEach() {
	i.t.Helper()
	id := i.spec.InstanceID
	services, err := i.c.Inspector.Services(i.t.Context(), id)
	must(i.t, err)
	secrets, err := i.c.Inspector.Secrets(i.t.Context(), id)
	must(i.t, err)
	volumes := i.volumeNames(i.member)
	if !slices.Equal(names(services), []string{"mydb-" + id}) || !slices.Equal(names(secrets), []string{"mydb-" + id}) ||
		!slices.Equal(volumes, []string{"mydb-" + id + "-g1"}) {
		i.t.Fatalf("services %v, secrets %v, volumes %v; want one of each", services, secrets, volumes)
	}
	if services[0].Labels["dev.mydb.name"] != i.spec.Name || services[0].Labels["dev.mydb.engine"] != i.spec.Engine {
		i.t.Errorf("service labels %v", services[0].Labels)
	}
}

func testEnsureRace(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.spec.Engine = "race" + xid.New().String() // configs of its own, so that they are raced for too
	errs := make(chan error)
	const workers = 4
	for range workers {
		go func() { errs <- i.manager().Ensure(t.Context(), i.spec) }()
	}
	for range workers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	i.query("select 'ready'")
	i.checkOneOfEach()
}

func testRemoveTwice(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	i.awaitState(jobs.TaskRunning)
	i.remove()
	i.remove()
	st, err := i.manager().Status(t.Context(), i.spec.InstanceID)
	must(t, err)
	if st.State != jobs.TaskAbsent {
		t.Errorf("state %s after the removal", st.State)
	}
	must(t, i.local().RemoveVolume(t.Context(), i.spec.InstanceID))
	must(t, i.local().RemoveVolume(t.Context(), i.spec.InstanceID))
	if c.Inspector != nil {
		i.checkNothingLeft()
	}
}

func (i *instance) checkNothingLeft() {
	i.t.Helper()
	ctx, id := i.t.Context(), i.spec.InstanceID
	services, err := i.c.Inspector.Services(ctx, id)
	must(i.t, err)
	secrets, err := i.c.Inspector.Secrets(ctx, id)
	must(i.t, err)
	containers, err := i.c.Inspector.Containers(ctx, i.member, id)
	must(i.t, err)
	if volumes := i.volumeNames(i.member); len(services)+len(secrets)+len(containers)+len(volumes) > 0 {
		i.t.Errorf("left behind: services %v, secrets %v, containers %v, volumes %v", services, secrets, containers, volumes)
	}
}

func testSelf(t *testing.T, c Cluster) {
	nodes, err := c.Members[0].Runtime.Nodes(t.Context())
	must(t, err)
	for n, m := range c.Members {
		self, err := m.Runtime.Self(t.Context())
		must(t, err)
		at := slices.IndexFunc(nodes, func(n jobs.Node) bool { return n.ID == self.ID })
		if at < 0 {
			t.Fatalf("member %d is %+v, which is not among %+v", n, self, nodes)
		}
		found := nodes[at]
		if found.Manager != self.Manager || found.Addr != self.Addr || found.Addr == "" || found.Name == "" {
			t.Errorf("member %d says it is %+v, the cluster says %+v", n, self, found)
		}
		if found.FreeCPU <= 0 || found.FreeMemory <= 0 {
			t.Errorf("nothing free on %+v", found)
		}
	}
	if self, err := c.Members[0].Runtime.Self(t.Context()); err != nil || !self.Manager {
		t.Errorf("the first member must be a manager: %+v, %v", self, err)
	}
}

func testEngineGone(t *testing.T, c Cluster) {
	spec := jobs.Spec{InstanceID: xid.New().String(), Generation: 1}
	calls := map[string]func(ctx context.Context, rt jobs.Runtime) error{
		"Self":   func(ctx context.Context, rt jobs.Runtime) error { _, err := rt.Self(ctx); return err },
		"Nodes":  func(ctx context.Context, rt jobs.Runtime) error { _, err := rt.Nodes(ctx); return err },
		"Ensure": func(ctx context.Context, rt jobs.Runtime) error { return rt.Ensure(ctx, spec) },
		"Status": func(ctx context.Context, rt jobs.Runtime) error {
			_, err := rt.Status(ctx, spec.InstanceID)
			return err
		},
		"Remove":           func(ctx context.Context, rt jobs.Runtime) error { return rt.Remove(ctx, spec.InstanceID) },
		"RemoveVolume":     func(ctx context.Context, rt jobs.Runtime) error { return rt.RemoveVolume(ctx, spec.InstanceID) },
		"RemoveGeneration": func(ctx context.Context, rt jobs.Runtime) error { return rt.RemoveGeneration(ctx, spec.InstanceID, 1) },
		"Retire":           func(ctx context.Context, rt jobs.Runtime) error { _, err := rt.Retire(ctx, "nothing", 0); return err },
	}
	for name, call := range calls {
		if p := problem(t, call(t.Context(), c.Gone)); p.Cause != jobs.CauseEngine || p.Permanent || p.Message == "" {
			t.Errorf("%s: problem %+v, want cause engine, not permanent, with a sentence", name, p)
		}
	}
}

func testFreeDisk(t *testing.T, c Cluster) {
	for n, m := range c.Members {
		free, known, err := m.Runtime.FreeDisk(t.Context())
		if err != nil || known && free <= 0 {
			t.Errorf("member %d has %d bytes (known: %v), %v", n, free, known, err)
		}
	}
}
