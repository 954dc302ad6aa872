package swarm_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	dockerswarm "github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/mydb-project/mydb/jobs/runtimetest"
	"github.com/mydb-project/mydb/jobs/swarm"
)

// inspector looks at a Swarm through the engines of its nodes, the first of which is a manager.
type inspector []*client.Client

func newDocker(t *testing.T, host string) *client.Client {
	t.Helper()
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	docker, err := client.NewClientWithOpts(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docker.Close() })
	return docker
}

func byLabel(label, value string) filters.Args {
	return filters.NewArgs(filters.Arg("label", label+"="+value))
}

func (i inspector) Services(ctx context.Context, id string) (out []runtimetest.Object, err error) {
	list, err := i[0].ServiceList(ctx, dockerswarm.ServiceListOptions{Filters: byLabel(swarm.LabelInstance, id)})
	for _, s := range list {
		out = append(out, runtimetest.Object{Name: s.Spec.Name, Labels: s.Spec.Labels})
	}
	return out, err
}

func (i inspector) Secrets(ctx context.Context, id string) (out []runtimetest.Object, err error) {
	list, err := i[0].SecretList(ctx, dockerswarm.SecretListOptions{Filters: byLabel(swarm.LabelInstance, id)})
	for _, s := range list {
		out = append(out, runtimetest.Object{Name: s.Spec.Name, Labels: s.Spec.Labels})
	}
	return out, err
}

func (i inspector) Configs(ctx context.Context, engineName string) (out []runtimetest.Object, err error) {
	list, err := i[0].ConfigList(ctx, dockerswarm.ConfigListOptions{Filters: byLabel(swarm.LabelEngine, engineName)})
	for _, c := range list {
		out = append(out, runtimetest.Object{Name: c.Spec.Name, Labels: c.Spec.Labels})
	}
	return out, err
}

func (i inspector) Volumes(ctx context.Context, member int, id string) (out []runtimetest.Object, err error) {
	list, err := i[member].VolumeList(ctx, volume.ListOptions{Filters: byLabel(swarm.LabelInstance, id)})
	for _, v := range list.Volumes {
		out = append(out, runtimetest.Object{Name: v.Name, Labels: v.Labels})
	}
	return out, err
}

func (i inspector) MakeVolume(ctx context.Context, member int, id string) (func(context.Context) error, error) {
	v, err := i[member].VolumeCreate(ctx, volume.CreateOptions{Name: swarm.VolumeName(id, 1)})
	return func(ctx context.Context) error { return i[member].VolumeRemove(ctx, v.Name, false) }, err
}

func (i inspector) Containers(ctx context.Context, member int, id string) ([]runtimetest.Container, error) {
	list, err := i[member].ContainerList(ctx, container.ListOptions{All: true, Filters: byLabel(swarm.LabelInstance, id)})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b container.Summary) int { return int(b.Created - a.Created) })
	var out []runtimetest.Container
	for _, summary := range list {
		c, err := i[member].ContainerInspect(ctx, summary.ID)
		if errdefs.IsNotFound(err) {
			continue // removed since the list was made
		}
		if err != nil {
			return nil, err
		}
		out = append(out, asContainer(c))
	}
	return out, nil
}

func asContainer(c container.InspectResponse) runtimetest.Container {
	started, _ := time.Parse(time.RFC3339Nano, c.State.StartedAt) // the zero time of a container that never started
	finished, _ := time.Parse(time.RFC3339Nano, c.State.FinishedAt)
	out := runtimetest.Container{
		ID: c.ID, Image: c.Config.Image, Labels: c.Config.Labels,
		Running: c.State.Running, ExitCode: c.State.ExitCode, Started: started, Finished: finished,
		CPU: float64(c.HostConfig.NanoCPUs) / 1e9, Memory: c.HostConfig.Memory,
		Volumes: map[string]string{}, Tmpfs: map[string]int64{},
	}
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume {
			out.Volumes[m.Destination] = m.Name
		}
	}
	for _, m := range c.HostConfig.Mounts {
		if m.Type == mount.TypeTmpfs {
			out.Tmpfs[m.Target] = m.TmpfsOptions.SizeBytes
		}
	}
	return out
}
