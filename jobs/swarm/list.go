package swarm

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/jobs"
)

// List implements jobs.Runtime, with one request for each kind of thing, however many instances there are.
func (r *Runtime) List(ctx context.Context) (core.Cluster, error) {
	c := core.Cluster{At: time.Now()}
	nodes, err := r.docker.NodeList(ctx, swarm.NodeListOptions{})
	if err != nil {
		return c, failed("list nodes", err)
	}
	for _, n := range nodes {
		if takesTasks(n) {
			c.Nodes = append(c.Nodes, n.ID)
		}
	}
	services, err := r.docker.ServiceList(ctx, swarm.ServiceListOptions{Filters: ours()})
	if err != nil {
		return c, failed("list services", err)
	}
	tasks, err := r.docker.TaskList(ctx, swarm.TaskListOptions{})
	if err != nil {
		return c, failed("list tasks", err)
	}
	byService := map[string][]swarm.Task{}
	for _, t := range tasks {
		byService[t.ServiceID] = append(byService[t.ServiceID], t)
	}
	for _, s := range services {
		c.Services = append(c.Services, clusterService(s, byService[s.ID]))
	}
	secrets, err := r.docker.SecretList(ctx, swarm.SecretListOptions{Filters: ours()})
	if err != nil {
		return c, failed("list secrets", err)
	}
	for _, s := range secrets {
		c.Secrets = append(c.Secrets, core.ClusterThing{Name: s.Spec.Name, InstanceID: s.Spec.Labels[LabelInstance]})
	}
	return c, nil
}

// ours selects what bears an instance's label, whichever MyDB made it.
func ours() filters.Args { return filters.NewArgs(filters.Arg("label", LabelInstance)) }

func clusterService(s swarm.Service, tasks []swarm.Task) core.ClusterService {
	out := core.ClusterService{
		InstanceID: s.Spec.Labels[LabelInstance], Name: s.Spec.Name, Wanted: !wantsNone(s), Port: int(publishedPort(s)),
	}
	describe(&out, s)
	if p := s.Spec.TaskTemplate.Placement; p != nil {
		for _, constraint := range p.Constraints {
			if id, ok := strings.CutPrefix(constraint, nodeConstraint); ok {
				out.NodeID = id
			}
		}
	}
	var newest time.Time
	for _, t := range tasks {
		if endedByItself(t) {
			out.Ends = append(out.Ends, t.Status.Timestamp)
		}
		if t.CreatedAt.After(newest) {
			newest, out.Task = t.CreatedAt, string(stateOf(t))
		}
	}
	if out.Task == string(jobs.TaskFailing) && !out.Wanted {
		out.Task = string(jobs.TaskStopped)
	}
	return out
}

// describe tells what a service's labels and spec say of its instance.
func describe(out *core.ClusterService, s swarm.Service) {
	out.Engine, out.Label, out.CreatedAt = s.Spec.Labels[LabelEngine], s.Spec.Labels[LabelName], s.CreatedAt
	out.Restarts, _ = strconv.Atoi(s.Spec.Labels[labelRestarts]) // there is none without a restart
	if r := s.Spec.TaskTemplate.Resources; r != nil && r.Limits != nil {
		out.CPU, out.Memory = float64(r.Limits.NanoCPUs)/1e9, r.Limits.MemoryBytes
	}
	c := s.Spec.TaskTemplate.ContainerSpec
	if c == nil {
		return
	}
	out.Image = c.Image
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume {
			out.Volume = m.Source
		}
		if number, ours := strings.CutPrefix(m.Source, ServiceName(out.InstanceID)+"-g"); ours {
			out.Generation, _ = strconv.Atoi(number)
		}
	}
}

// Volumes implements jobs.Runtime.
func (r *Runtime) Volumes(ctx context.Context) ([]core.ClusterThing, error) {
	list, err := r.docker.VolumeList(ctx, volume.ListOptions{Filters: ours()})
	if err != nil {
		return nil, failed("list volumes", err)
	}
	var out []core.ClusterThing
	for _, v := range list.Volumes {
		out = append(out, core.ClusterThing{Name: v.Name, InstanceID: v.Labels[LabelInstance]})
	}
	return out, nil
}
