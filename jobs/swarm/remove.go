package swarm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/api/types/volume"

	"github.com/mydb-project/mydb/jobs"
)

// Remove implements jobs.Runtime. It waits for as long as ctx allows: a server may use its whole grace period to stop, and
// the node that runs it may be away.
func (r *Runtime) Remove(ctx context.Context, instanceID string) error {
	name := ServiceName(instanceID)
	if err := r.removeService(ctx, instanceID); err != nil {
		return failed("remove service "+name, err)
	}
	if err := r.awaitGone(ctx, instanceID); err != nil {
		return failed("wait until the containers of "+name+" are gone", err)
	}
	if err := r.removeSecrets(ctx, instanceID, ""); err != nil {
		return failed("remove secret "+name, err)
	}
	return failed("remove unused configs", r.removeUnusedConfigs(ctx))
}

func (r *Runtime) removeService(ctx context.Context, instanceID string) error {
	name := ServiceName(instanceID)
	have, _, err := r.docker.ServiceInspectWithRaw(ctx, name, swarm.ServiceInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if have.Spec.Labels[LabelInstance] != instanceID {
		return foreign("service", name)
	}
	if err := r.docker.ServiceRemove(ctx, have.ID); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// awaitGone waits for the tasks everywhere, and for the containers on this node: Swarm forgets a task a moment before its
// node has removed the container.
func (r *Runtime) awaitGone(ctx context.Context, instanceID string) error {
	var left string
	err := poll(ctx, func() (bool, error) {
		tasks, err := r.tasks(ctx, instanceID)
		if err != nil {
			return false, err
		}
		if len(tasks) > 0 {
			left = fmt.Sprintf("task %s on node %s is %s", tasks[0].ID, tasks[0].NodeID, tasks[0].Status.State)
			return false, nil
		}
		mine, err := r.docker.ContainerList(ctx, container.ListOptions{
			All:     true,
			Filters: filters.NewArgs(filters.Arg("label", "com.docker.swarm.service.name="+ServiceName(instanceID))),
		})
		if err != nil || len(mine) == 0 {
			return err == nil, err
		}
		left = fmt.Sprintf("container %.12s is %s", mine[0].ID, mine[0].State)
		return false, nil
	})
	if ctx.Err() != nil && left != "" {
		return &jobs.Problem{Cause: jobs.CauseEngine, Message: messageStillThere, Detail: left, Err: fmt.Errorf("%s: %w", left, ctx.Err())}
	}
	return err
}

// removeSecrets removes an instance's secrets but the one that is kept. The cluster itself refuses to remove one that is in use, which
// goes the next time.
func (r *Runtime) removeSecrets(ctx context.Context, instanceID, keep string) error {
	list, err := r.docker.SecretList(ctx, swarm.SecretListOptions{Filters: filters.NewArgs(filters.Arg("label", LabelInstance+"="+instanceID))})
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Spec.Name == keep || !strings.HasPrefix(s.Spec.Name, ServiceName(instanceID)) {
			continue
		}
		if err := r.docker.SecretRemove(ctx, s.ID); err != nil && !errdefs.IsNotFound(err) && (keep == "" || !inUse(err)) {
			return err
		}
	}
	return nil
}

// removeUnusedConfigs tries all of MyDB's configs: the cluster itself refuses to remove one that a service uses, so there is
// no moment between looking and removing. Ensure starts over when a config goes away under it.
func (r *Runtime) removeUnusedConfigs(ctx context.Context) error {
	configs, err := r.docker.ConfigList(ctx, swarm.ConfigListOptions{Filters: filters.NewArgs(filters.Arg("label", labelConfig+"=true"))})
	if err != nil {
		return err
	}
	for _, c := range configs {
		if err := r.docker.ConfigRemove(ctx, c.ID); err != nil && !errdefs.IsNotFound(err) && !inUse(err) {
			return fmt.Errorf("config %s: %w", c.Spec.Name, err)
		}
	}
	return nil
}

// RemoveVolume implements jobs.Runtime: it removes the volumes of all generations. While a container still uses one, it waits,
// for as long as ctx allows.
func (r *Runtime) RemoveVolume(ctx context.Context, instanceID string) error {
	volumes, err := r.volumes(ctx, instanceID)
	if err != nil {
		return failed("list volumes of "+instanceID, err)
	}
	for _, v := range volumes { // look at all before removing any
		if v.Labels[LabelInstance] != instanceID {
			return foreign("volume", v.Name)
		}
	}
	for _, v := range volumes {
		if err := r.removeVolume(ctx, v.Name); err != nil {
			return failed("remove volume "+v.Name, err)
		}
	}
	return nil
}

// RemoveGeneration implements jobs.Runtime. The cluster remembers an instance's last tasks, and so their containers: those that have ended
// and used the volume go first, for it could not go with them.
func (r *Runtime) RemoveGeneration(ctx context.Context, instanceID string, generation int) error {
	name := VolumeName(instanceID, generation)
	have, err := r.docker.VolumeInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return failed("inspect volume "+name, err)
	}
	if have.Labels[LabelInstance] != instanceID {
		return foreign("volume", name)
	}
	err = poll(ctx, func() (bool, error) {
		if err := r.removeEnded(ctx, instanceID, name); err != nil {
			return false, err
		}
		switch err := r.docker.VolumeRemove(ctx, name, false); {
		case err == nil, errdefs.IsNotFound(err):
			return true, nil
		case ctx.Err() == nil && inUse(err):
			return false, nil
		default:
			return false, err
		}
	})
	return failed("remove volume "+name, err)
}

// removeEnded removes the containers of an instance's tasks that have ended and used a volume.
func (r *Runtime) removeEnded(ctx context.Context, instanceID, volumeName string) error {
	list, err := r.docker.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("volume", volumeName), filters.Arg("label", LabelInstance+"="+instanceID), filters.Arg("status", "created"),
		filters.Arg("status", "exited"), filters.Arg("status", "dead"))})
	if err != nil {
		return err
	}
	for _, c := range list {
		err := r.docker.ContainerRemove(ctx, c.ID, container.RemoveOptions{})
		if err != nil && !errdefs.IsNotFound(err) && !mentions(err.Error(), "already in progress") {
			return err
		}
	}
	return nil
}

// volumes finds an instance's volumes on this node by label, and those that bear its name without the label.
func (r *Runtime) volumes(ctx context.Context, instanceID string) ([]*volume.Volume, error) {
	prefix := VolumeName(instanceID, 0)
	prefix = strings.TrimSuffix(prefix, "0")
	byName, err := r.docker.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", prefix))})
	if err != nil {
		return nil, err
	}
	byLabel, err := r.docker.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("label", LabelInstance+"="+instanceID))})
	if err != nil {
		return nil, err
	}
	out := byLabel.Volumes
	for _, v := range byName.Volumes {
		if strings.HasPrefix(v.Name, prefix) && v.Labels[LabelInstance] != instanceID {
			out = append(out, v)
		}
	}
	return out, nil
}

func (r *Runtime) removeVolume(ctx context.Context, name string) error {
	var busy error
	err := poll(ctx, func() (bool, error) {
		err := r.docker.VolumeRemove(ctx, name, false)
		if err == nil || errdefs.IsNotFound(err) {
			return true, nil
		}
		if ctx.Err() == nil && inUse(err) {
			busy = err
			return false, nil
		}
		return false, err
	})
	if ctx.Err() != nil && busy != nil {
		return errors.Join(busy, ctx.Err())
	}
	return err
}
