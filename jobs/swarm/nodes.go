package swarm

import (
	"context"
	"errors"
	"net"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"

	"github.com/mydb-project/mydb/jobs"
)

// Self implements jobs.Runtime. The free amounts are left at zero: a worker node cannot know what the cluster has reserved.
func (r *Runtime) Self(ctx context.Context) (jobs.Node, error) {
	info, err := r.docker.Info(ctx)
	if err != nil {
		return jobs.Node{}, failed("ask the engine who it is", err)
	}
	if info.Swarm.NodeID == "" {
		err := errors.New("the engine is in no swarm")
		return jobs.Node{}, &jobs.Problem{Cause: jobs.CauseEngine, Message: messageNoSwarm, Detail: string(info.Swarm.LocalNodeState), Err: err}
	}
	return jobs.Node{ID: info.Swarm.NodeID, Name: info.Name, Addr: info.Swarm.NodeAddr, Manager: info.Swarm.ControlAvailable}, nil
}

// Nodes implements jobs.Runtime: the machines that are up and accept tasks.
func (r *Runtime) Nodes(ctx context.Context) ([]jobs.Node, error) {
	nodes, err := r.docker.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return nil, failed("list nodes", err)
	}
	reserved, instances, err := r.reserved(ctx)
	if err != nil {
		return nil, failed("list tasks", err)
	}
	var out []jobs.Node
	for _, n := range nodes {
		if !takesTasks(n) {
			continue
		}
		has, taken := n.Description.Resources, reserved[n.ID]
		out = append(out, jobs.Node{
			ID: n.ID, Name: n.Description.Hostname, Addr: address(n), Manager: n.ManagerStatus != nil,
			FreeCPU:    float64(has.NanoCPUs-taken.NanoCPUs) / 1e9,
			FreeMemory: has.MemoryBytes - taken.MemoryBytes,
			Instances:  instances[n.ID],
		})
	}
	return out, nil
}

func takesTasks(n swarm.Node) bool {
	return n.Status.State == swarm.NodeStateReady && n.Spec.Availability == swarm.NodeAvailabilityActive
}

// reserved sums up, by node, what the tasks that should run have set aside, and tells which of our instances are among them. It
// counts everybody's services, as Swarm does.
func (r *Runtime) reserved(ctx context.Context) (sums map[string]swarm.Resources, instances map[string][]string, err error) {
	// "ready" is a task that waits for its restart: it keeps its place.
	wanted := filters.NewArgs(filters.Arg("desired-state", "running"), filters.Arg("desired-state", "ready"))
	tasks, err := r.docker.TaskList(ctx, swarm.TaskListOptions{Filters: wanted})
	if err != nil {
		return nil, nil, err
	}
	sums, instances = map[string]swarm.Resources{}, map[string][]string{}
	for _, t := range tasks {
		if t.NodeID == "" || t.Spec.Resources == nil || t.Spec.Resources.Reservations == nil || ended(t) {
			continue
		}
		sum := sums[t.NodeID]
		sum.NanoCPUs += t.Spec.Resources.Reservations.NanoCPUs
		sum.MemoryBytes += t.Spec.Resources.Reservations.MemoryBytes
		sums[t.NodeID] = sum
		if c := t.Spec.ContainerSpec; c != nil && c.Labels[LabelInstance] != "" {
			instances[t.NodeID] = append(instances[t.NodeID], c.Labels[LabelInstance])
		}
	}
	return sums, instances, nil
}

// address prefers what the node says of itself. A manager that was started without an advertise address says 0.0.0.0, and only
// its peers know better.
func address(n swarm.Node) string {
	ip := net.ParseIP(n.Status.Addr)
	if ip != nil && !ip.IsUnspecified() || n.ManagerStatus == nil {
		return n.Status.Addr
	}
	host, _, err := net.SplitHostPort(n.ManagerStatus.Addr)
	if err != nil {
		return n.Status.Addr
	}
	return host
}
