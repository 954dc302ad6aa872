package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/jobs"
)

// Nothing is a runtime that runs nothing: it remembers what it was asked for and says that all of it runs. Nobody can log in to
// what it "runs". It is for tests and benchmarks that end before a container would begin. The zero value is ready.
type Nothing struct {
	mu      sync.Mutex
	specs   map[string]jobs.Spec
	volumes map[string]bool
}

var _ jobs.Runtime = (*Nothing)(nil)

// nowhere is the one node, with more room than anybody asks for.
var nowhere = jobs.Node{ID: "nowhere", Name: "nowhere", Addr: "127.0.0.1", Manager: true, FreeCPU: 1 << 20, FreeMemory: 1 << 60}

// Self implements jobs.Runtime.
func (*Nothing) Self(context.Context) (jobs.Node, error) { return nowhere, nil }

// Nodes implements jobs.Runtime.
func (*Nothing) Nodes(context.Context) ([]jobs.Node, error) { return []jobs.Node{nowhere}, nil }

// Ensure implements jobs.Runtime.
func (n *Nothing) Ensure(_ context.Context, s jobs.Spec) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.specs == nil {
		n.specs, n.volumes = map[string]jobs.Spec{}, map[string]bool{}
	}
	n.specs[s.InstanceID], n.volumes[s.InstanceID] = s, true
	return nil
}

// Status implements jobs.Runtime. Whatever was ensured runs.
func (n *Nothing) Status(_ context.Context, instanceID string) (jobs.Status, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch s, ok := n.specs[instanceID]; {
	case ok && s.Stopped:
		return jobs.Status{State: jobs.TaskStopped, Settled: true, NodeID: s.NodeID}, nil
	case ok:
		return jobs.Status{State: jobs.TaskRunning, Settled: true, NodeID: s.NodeID}, nil
	}
	return jobs.Status{State: jobs.TaskAbsent}, nil
}

// Remove implements jobs.Runtime.
func (n *Nothing) Remove(_ context.Context, instanceID string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.specs, instanceID)
	return nil
}

// RemoveVolume implements jobs.Runtime. It fails at once where a real runtime would wait.
func (n *Nothing) RemoveVolume(_ context.Context, instanceID string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.specs[instanceID]; ok {
		return errors.New("the volume is in use")
	}
	delete(n.volumes, instanceID)
	return nil
}

// RemoveGeneration implements jobs.Runtime. There is one volume for all generations, and it stays.
func (*Nothing) RemoveGeneration(context.Context, string, int) error { return nil }

// List implements jobs.Runtime.
func (n *Nothing) List(context.Context) (core.Cluster, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := core.Cluster{At: time.Now(), Nodes: []string{nowhere.ID}}
	for id, s := range n.specs {
		c.Services = append(c.Services, core.ClusterService{
			InstanceID: id, Name: "mydb-" + id, Wanted: !s.Stopped, Image: s.Recipe.Image, NodeID: s.NodeID, Port: s.Port, Task: string(jobs.TaskRunning),
		})
		c.Secrets = append(c.Secrets, core.ClusterThing{Name: "mydb-" + id, InstanceID: id})
	}
	return c, nil
}

// Volumes implements jobs.Runtime.
func (n *Nothing) Volumes(context.Context) ([]core.ClusterThing, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []core.ClusterThing
	for id := range n.volumes {
		out = append(out, core.ClusterThing{Name: fmt.Sprintf("mydb-%s-g%d", id, max(n.specs[id].Generation, 1)), InstanceID: id})
	}
	return out, nil
}

// FreeDisk implements jobs.Runtime. There are no disks.
func (*Nothing) FreeDisk(context.Context) (int64, bool, error) { return 0, false, nil }

// Logs implements jobs.Runtime. What does not run writes nothing.
func (*Nothing) Logs(context.Context, string, int) (string, error) { return "", nil }

// ReadSecret implements jobs.Runtime.
func (n *Nothing) ReadSecret(_ context.Context, instanceID, _ string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s, ok := n.specs[instanceID]; ok {
		return s.Secret, nil
	}
	return nil, errors.New("nothing runs")
}

// Tool implements jobs.Runtime. There are no programs.
func (*Nothing) Tool(context.Context, jobs.ToolSpec) error {
	return errors.New("nowhere has no programs")
}

// Scratch implements jobs.Runtime.
func (*Nothing) Scratch(context.Context, jobs.ScratchSpec) (int, error) {
	return 0, errors.New("nowhere has no servers")
}

// Retire implements jobs.Runtime.
func (*Nothing) Retire(context.Context, string, time.Duration) (bool, error) { return true, nil }

// Sweep implements jobs.Runtime.
func (*Nothing) Sweep(context.Context, string) error { return nil }

// Leftovers implements jobs.Runtime.
func (*Nothing) Leftovers(context.Context) ([]string, error) { return nil, nil }

// Specs is what the runtime was last asked to run, by instance.
func (n *Nothing) Specs() map[string]jobs.Spec {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.specs)
}
