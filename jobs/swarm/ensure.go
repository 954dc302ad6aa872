package swarm

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

// Two workers, or a worker and its successor, may place the same instance. Each turn of the loop starts from what the cluster
// has now, so that a lost race costs one turn.
const placeAttempts = 4

// Ensure implements jobs.Runtime. A secret that exists is kept, whatever Spec.Secret says: Swarm lets nobody read or change
// one, and the server has already set its passwords from it.
func (r *Runtime) Ensure(ctx context.Context, s jobs.Spec) error {
	var err error
	for range placeAttempts {
		if err = r.place(ctx, s); err == nil || !raced(err) {
			break
		}
		r.log.DebugContext(ctx, "placing again after a race", "instance", s.InstanceID, "error", err)
	}
	return failed("ensure "+ServiceName(s.InstanceID), err)
}

func (r *Runtime) place(ctx context.Context, s jobs.Spec) error {
	want := r.serviceSpec(s)
	if err := r.resolve(ctx, s, want.TaskTemplate.ContainerSpec); err != nil {
		return err
	}
	have, _, err := r.docker.ServiceInspectWithRaw(ctx, want.Name, swarm.ServiceInspectOptions{})
	if errdefs.IsNotFound(err) {
		_, err := r.docker.ServiceCreate(ctx, want, swarm.ServiceCreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	if owner := have.Spec.Labels[LabelInstance]; owner != s.InstanceID {
		return foreign("service", want.Name)
	}
	keep := SecretName(s.InstanceID, s.SecretVersion)
	if matches(have.Spec, want) {
		return r.removeSecrets(ctx, s.InstanceID, keep) // an attempt at another one may have left its own
	}
	// The whole spec is replaced, but for what restarts the task by itself, unless that was asked for.
	want.TaskTemplate.ForceUpdate = have.Spec.TaskTemplate.ForceUpdate
	if have.Spec.Labels[labelRestarts] != want.Labels[labelRestarts] {
		want.TaskTemplate.ForceUpdate++
	}
	if _, err := r.docker.ServiceUpdate(ctx, have.ID, have.Version, want, swarm.ServiceUpdateOptions{}); err != nil {
		return err
	}
	if err := r.checkUpdated(ctx, want); err != nil {
		return err
	}
	return r.removeSecrets(ctx, s.InstanceID, keep)
}

// resolve makes sure of the secret and the configs and writes their ids into the container's spec.
func (r *Runtime) resolve(ctx context.Context, s jobs.Spec, c *swarm.ContainerSpec) error {
	for _, ref := range c.Secrets {
		id, err := r.ensureSecret(ctx, s, ref.SecretName)
		if err != nil {
			return err
		}
		ref.SecretID = id
	}
	for i, ref := range c.Configs {
		id, err := r.ensureConfig(ctx, s, ref.ConfigName, s.Recipe.Configs[i])
		if err != nil {
			return err
		}
		ref.ConfigID = id
	}
	return nil
}

func (r *Runtime) ensureSecret(ctx context.Context, s jobs.Spec, name string) (string, error) {
	have, _, err := r.docker.SecretInspectWithRaw(ctx, name)
	if err == nil {
		if have.Spec.Labels[LabelInstance] != s.InstanceID {
			return "", foreign("secret", name)
		}
		return have.ID, nil
	}
	if !errdefs.IsNotFound(err) {
		return "", err
	}
	made, err := r.docker.SecretCreate(ctx, swarm.SecretSpec{
		Annotations: swarm.Annotations{Name: name, Labels: r.labelsFor(s)},
		Data:        s.Secret,
	})
	return made.ID, err
}

func (r *Runtime) ensureConfig(ctx context.Context, s jobs.Spec, name string, f engine.File) (string, error) {
	have, _, err := r.docker.ConfigInspectWithRaw(ctx, name)
	if err == nil {
		return have.ID, nil
	}
	if !errdefs.IsNotFound(err) {
		return "", err
	}
	labels := map[string]string{}
	maps.Copy(labels, r.labels)
	labels[LabelEngine], labels[labelConfig] = s.Engine, "true"
	made, err := r.docker.ConfigCreate(ctx, swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: f.Content})
	return made.ID, err
}

// matches compares by our hash, because the cluster fills in defaults of its own. The mounts are compared themselves: a
// database on a wrong volume is the one difference that must never hide behind an unchanged label. So is whether it runs: scaling by
// hand changes no label.
func matches(have, want swarm.ServiceSpec) bool {
	return have.Labels[labelSpec] == want.Labels[labelSpec] && sameMounts(have, want) && wantsNone(swarm.Service{Spec: have}) == wantsNone(swarm.Service{Spec: want})
}

func sameMounts(a, b swarm.ServiceSpec) bool {
	if a.TaskTemplate.ContainerSpec == nil || b.TaskTemplate.ContainerSpec == nil {
		return false
	}
	return slices.EqualFunc(a.TaskTemplate.ContainerSpec.Mounts, b.TaskTemplate.ContainerSpec.Mounts, func(x, y mount.Mount) bool {
		return x.Type == y.Type && x.Source == y.Source && x.Target == y.Target && x.ReadOnly == y.ReadOnly
	})
}

// checkUpdated reads the service back: an update that lost the volume would start the server on an anonymous, empty one.
func (r *Runtime) checkUpdated(ctx context.Context, want swarm.ServiceSpec) error {
	have, _, err := r.docker.ServiceInspectWithRaw(ctx, want.Name, swarm.ServiceInspectOptions{})
	if err != nil {
		return err
	}
	if have.Spec.Labels[labelSpec] == want.Labels[labelSpec] && !sameMounts(have.Spec, want) {
		err := fmt.Errorf("service %s has the mounts %v after the update, wanted %v",
			want.Name, have.Spec.TaskTemplate.ContainerSpec.Mounts, want.TaskTemplate.ContainerSpec.Mounts)
		return &jobs.Problem{Cause: jobs.CauseRefused, Message: messageRefused(err.Error()), Detail: err.Error(), Permanent: true, Err: err}
	}
	return nil
}

// foreign refuses to touch what bears our name and not our label.
func foreign(kind, name string) error {
	err := fmt.Errorf("%s %s exists without this instance's label", kind, name)
	return &jobs.Problem{Cause: jobs.CauseRefused, Message: messageForeign(kind, name), Detail: err.Error(), Permanent: true, Err: err}
}
