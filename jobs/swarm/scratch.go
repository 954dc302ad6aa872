package swarm

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

// Scratch implements jobs.Runtime. A volume without a name goes with the container.
func (r *Runtime) Scratch(ctx context.Context, s jobs.ScratchSpec) (port int, err error) {
	config, host := r.scratchContainer(s)
	id, err := r.createContainer(ctx, config, host)
	if err != nil {
		return 0, failed("make a throw-away server", err)
	}
	files, err := scratchFiles(s)
	if err == nil {
		err = r.docker.CopyToContainer(ctx, id, "/", files, container.CopyToContainerOptions{})
	}
	if err == nil {
		err = r.docker.ContainerStart(ctx, id, container.StartOptions{})
	}
	if err == nil {
		port, err = r.scratchPort(ctx, id, s.Recipe.Port)
	}
	if err != nil {
		removal := r.docker.ContainerRemove(context.WithoutCancel(ctx), id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		return 0, failed("start a throw-away server", errors.Join(err, removal))
	}
	return port, nil
}

func (r *Runtime) scratchContainer(s jobs.ScratchSpec) (*container.Config, *container.HostConfig) {
	published := nat.Port(strconv.Itoa(s.Recipe.Port) + "/tcp")
	config := &container.Config{
		Image: s.Recipe.Image, Entrypoint: s.Recipe.Entrypoint, Cmd: s.Recipe.Args, Env: s.Recipe.Env,
		Labels: r.operationLabels(s.OperationID, s.PHI), ExposedPorts: nat.PortSet{published: {}},
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	host := &container.HostConfig{
		PortBindings: nat.PortMap{published: {{HostIP: "127.0.0.1"}}},
		LogConfig:    container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": logMaxSize, "max-file": "1"}},
		Resources:    container.Resources{Memory: int64(s.Size.Memory), NanoCPUs: nanoCPUs(s.Size.CPU)},
		Tmpfs:        map[string]string{},
		Mounts:       []mount.Mount{r.scratchVolume(s)},
	}
	for _, t := range s.Recipe.Tmpfs {
		host.Tmpfs[t.Path] = fmt.Sprintf("size=%d,mode=%o", t.Size, t.Mode)
	}
	return config, host
}

// scratchVolume is where a throw-away server has its data.
func (r *Runtime) scratchVolume(s jobs.ScratchSpec) mount.Mount {
	m := mount.Mount{Type: mount.TypeVolume, Target: s.Recipe.DataPath}
	if s.InstanceID != "" {
		m.Source = VolumeName(s.InstanceID, s.Generation)
		m.VolumeOptions = &mount.VolumeOptions{Labels: r.labelsFor(jobs.Spec{InstanceID: s.InstanceID, Engine: s.Engine})}
	}
	return m
}

// Retire implements jobs.Runtime.
func (r *Runtime) Retire(ctx context.Context, operationID string, grace time.Duration) (clean bool, err error) {
	list, err := r.operationContainers(ctx, operationID)
	if err != nil {
		return false, err
	}
	clean = true
	seconds := int(grace.Seconds())
	for _, c := range list {
		err := r.docker.ContainerStop(ctx, c.ID, container.StopOptions{Timeout: &seconds})
		if errdefs.IsNotFound(err) {
			continue
		}
		if err != nil {
			return false, failed("stop a throw-away server", err)
		}
		ended, err := r.docker.ContainerInspect(ctx, c.ID)
		if err != nil && !errdefs.IsNotFound(err) {
			return false, failed("look how a throw-away server has ended", err)
		}
		clean = clean && err == nil && ended.State != nil && ended.State.ExitCode == 0
	}
	return clean, r.Sweep(ctx, operationID)
}

// scratchFiles is an archive of what a service gets as configs and secret.
func scratchFiles(s jobs.ScratchSpec) (*bytes.Buffer, error) {
	files := append([]engine.File{{Path: s.Recipe.SecretPath, Mode: 0o400, Content: s.Secret}}, s.Recipe.Configs...)
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		name := strings.TrimPrefix(f.Path, "/")
		for _, h := range []*tar.Header{
			{Name: path.Dir(name) + "/", Typeflag: tar.TypeDir, Mode: 0o755},
			{Name: name, Typeflag: tar.TypeReg, Mode: int64(f.Mode), Size: int64(len(f.Content))},
		} {
			if err := w.WriteHeader(h); err != nil {
				return nil, err
			}
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, err
		}
	}
	return &out, w.Close()
}

func (r *Runtime) scratchPort(ctx context.Context, id string, inside int) (int, error) {
	c, err := r.docker.ContainerInspect(ctx, id)
	if err != nil {
		return 0, err
	}
	bound := c.NetworkSettings.Ports[nat.Port(strconv.Itoa(inside)+"/tcp")]
	if len(bound) == 0 {
		return 0, errors.New("the server ended at once, or has no port")
	}
	return strconv.Atoi(bound[0].HostPort)
}
