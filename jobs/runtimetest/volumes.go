package runtimetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/mydb-project/mydb/jobs"
)

func testForeignVolume(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	remove, err := c.Inspector.MakeVolume(t.Context(), i.member, i.spec.InstanceID)
	must(t, err)
	t.Cleanup(func() {
		if err := remove(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if p := problem(t, i.local().RemoveVolume(t.Context(), i.spec.InstanceID)); p.Cause != jobs.CauseRefused || !p.Permanent {
		t.Errorf("problem %+v, want a permanent refusal", p)
	}
	if p := problem(t, i.local().RemoveGeneration(t.Context(), i.spec.InstanceID, 1)); p.Cause != jobs.CauseRefused || !p.Permanent {
		t.Errorf("problem %+v, want a permanent refusal", p)
	}
}

func testVolumeInUse(t *testing.T, c Cluster) {
	i := newInstance(t, c, 0)
	i.ensure()
	i.query("select 'ready'")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := i.local().RemoveVolume(ctx, i.spec.InstanceID); err == nil {
		t.Error("the volume of a running server was removed")
	}
	if got := i.volumeNames(i.member); len(got) != 1 {
		t.Errorf("volumes %v", got)
	}
}

func testPinned(t *testing.T, c Cluster) {
	for member := range c.Members {
		i := newInstance(t, c, member)
		i.ensure()
		if st := i.awaitState(jobs.TaskRunning); st.NodeID != i.node.ID {
			t.Errorf("runs on %s, want %s", st.NodeID, i.node.ID)
		}
		i.query("create table kept as select 'still here' as word")
		i.checkContainer(VolumeOf(i.spec))
		i.remove() // by the manager, wherever the container is
		i.ensure()
		if got := i.query("select word from kept"); got != "still here" {
			t.Errorf("member %d: read %q", member, got)
		}
	}
}

// checkNoneRuns asks the instance's own node. A container that has ended may linger there for a moment.
func (i *instance) checkNoneRuns() {
	i.t.Helper()
	list, err := i.c.Inspector.Containers(i.t.Context(), i.member, i.spec.InstanceID)
	must(i.t, err)
	if slices.ContainsFunc(list, func(c Container) bool { return c.Running }) {
		i.t.Errorf("the server still runs after its removal: %+v", list)
	}
}

func testVolumeElsewhere(t *testing.T, c Cluster) {
	i := newInstance(t, c, len(c.Members)-1)
	i.ensure()
	i.query("select 'ready'")
	i.remove()
	must(t, c.Members[0].Runtime.RemoveVolume(t.Context(), i.spec.InstanceID))
	must(t, c.Members[0].Runtime.RemoveGeneration(t.Context(), i.spec.InstanceID, i.spec.Generation))
	if got := i.volumeNames(i.member); len(got) != 1 {
		t.Fatalf("volumes on the instance's own node: %v", got)
	}
	must(t, i.local().RemoveVolume(t.Context(), i.spec.InstanceID))
	if got := i.volumeNames(i.member); len(got) != 0 {
		t.Errorf("volumes left: %v", got)
	}
}

func testNodeAway(t *testing.T, c Cluster) {
	last := len(c.Members) - 1
	if c.Members[last].Cut == nil {
		t.Skip("This cluster has no way to take a node off the network.")
	}
	i := newInstance(t, c, last)
	i.ensure()
	i.query("create table kept as select 'still here' as word")
	mend, err := c.Members[last].Cut(t.Context())
	must(t, err)
	t.Cleanup(func() { _ = mend(context.Background()) }) // before the instance's own clean-up, which needs the node

	_ = i.awaitProblem(jobs.CauseCapacity)
	nodes, err := i.manager().Nodes(t.Context())
	must(t, err)
	if slices.ContainsFunc(nodes, func(n jobs.Node) bool { return n.ID == i.node.ID }) {
		t.Errorf("the node that is away is offered: %+v", nodes)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if p := problem(t, i.manager().Remove(ctx, i.spec.InstanceID)); p.Permanent || !errors.Is(p, context.DeadlineExceeded) {
		t.Errorf("problem %+v, want one that says that Remove has waited in vain", p)
	}

	must(t, mend(t.Context()))
	i.remove()
	i.ensure()
	if got := i.query("select word from kept"); got != "still here" {
		t.Errorf("read %q", got)
	}
}
