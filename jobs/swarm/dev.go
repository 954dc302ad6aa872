package swarm

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/go-connections/nat"
)

// The labels by which what development mode made can be found and removed.
const (
	LabelDev      = "dev.mydb.dev"
	LabelMetadata = "dev.mydb.metadata"
)

const (
	metadataPort         = "5432/tcp"
	metadataPasswordFile = "/etc/mydb/metadata-password"
	metadataMemory       = 1 << 30
	metadataShm          = 128 << 20
	metadataStopSeconds  = 60

	// Where the port of the metadata Postgres is looked for: below the range that connections out of this machine use, or one of
	// those might hold it at the next start, and beside the range of the instances.
	metadataFirstPort = 24000
	metadataLastPort  = 24999
)

// EnsureSwarm makes an engine that is in no swarm a swarm of its own, which only this machine can reach.
func (r *Runtime) EnsureSwarm(ctx context.Context) error {
	info, err := r.docker.Info(ctx)
	if err != nil {
		return failed("ask the engine for its swarm", err)
	}
	switch state := info.Swarm.LocalNodeState; state {
	case swarm.LocalNodeStateActive:
		return nil
	case swarm.LocalNodeStateInactive, "":
	default:
		return fmt.Errorf("the engine's swarm is %s (%s): unlock it, repair it, or let the engine leave it", state, info.Swarm.Error)
	}
	_, err = r.docker.SwarmInit(ctx, swarm.InitRequest{ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1"})
	if err != nil && mentions(err.Error(), "already part of a swarm") {
		return nil
	}
	return failed("make the engine a swarm", err)
}

// MetadataOptions say how to run development mode's metadata Postgres.
type MetadataOptions struct {
	Image    string // any that keeps the official image's contract
	Name     string // of the container; default mydb-metadata
	Volume   string // default mydb-metadata
	DataPath string // where the image keeps its data; default /var/lib/postgresql/data
	Password string // of the user postgres; it counts only when the volume is new
	Labels   map[string]string
}

// StartMetadata makes sure that the metadata Postgres runs and returns its address on the loopback interface. It is a plain
// container, since a port that Swarm publishes is open on every interface. The address stays the same as long as the container
// exists, unless another program has taken the port in the meantime. StartMetadata does not wait for the server.
func (r *Runtime) StartMetadata(ctx context.Context, o MetadataOptions) (addr string, err error) {
	o.Name, o.Volume = cmp.Or(o.Name, "mydb-metadata"), cmp.Or(o.Volume, "mydb-metadata")
	o.DataPath = cmp.Or(o.DataPath, "/var/lib/postgresql/data")
	have, err := r.docker.ContainerInspect(ctx, o.Name)
	if err == nil {
		addr, err = r.resumeMetadata(ctx, have)
		if err == nil || !portTaken(err) {
			return addr, failed("start container "+o.Name, err)
		}
		// The port is part of the container, so a new port is a new container on the same volume.
		if err := r.docker.ContainerRemove(ctx, have.ID, container.RemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return "", failed("replace container "+o.Name, err)
		}
	} else if !errdefs.IsNotFound(err) {
		return "", failed("inspect container "+o.Name, err)
	}
	addr, err = r.createMetadata(ctx, o)
	return addr, failed("create container "+o.Name, err)
}

func (r *Runtime) resumeMetadata(ctx context.Context, c container.InspectResponse) (string, error) {
	if c.Config.Labels[LabelMetadata] != "true" {
		return "", foreign("container", c.Name)
	}
	bindings := c.HostConfig.PortBindings[metadataPort]
	if len(bindings) == 0 {
		return "", fmt.Errorf("container %s publishes no port", c.Name)
	}
	if !c.State.Running {
		if err := r.docker.ContainerStart(ctx, c.ID, container.StartOptions{}); err != nil {
			return "", err
		}
	}
	return net.JoinHostPort(bindings[0].HostIP, bindings[0].HostPort), nil
}

func (r *Runtime) createMetadata(ctx context.Context, o MetadataOptions) (string, error) {
	for port := metadataFirstPort; port <= metadataLastPort; port++ {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)).String()
		if !free(addr) {
			continue
		}
		err := r.runMetadata(ctx, o, port)
		if err == nil {
			return addr, nil
		}
		if !portTaken(err) {
			return "", err
		}
	}
	return "", fmt.Errorf("no free port on 127.0.0.1 between %d and %d", metadataFirstPort, metadataLastPort)
}

// runMetadata leaves no container behind when it fails.
func (r *Runtime) runMetadata(ctx context.Context, o MetadataOptions, port int) error {
	config, host := metadataContainer(o, port)
	made, err := r.docker.ContainerCreate(ctx, config, host, nil, nil, o.Name)
	if err != nil {
		return err
	}
	err = r.docker.CopyToContainer(ctx, made.ID, "/", passwordFile(o.Password), container.CopyToContainerOptions{})
	if err == nil {
		err = r.docker.ContainerStart(ctx, made.ID, container.StartOptions{})
	}
	if err != nil {
		removal := r.docker.ContainerRemove(context.WithoutCancel(ctx), made.ID, container.RemoveOptions{Force: true})
		return errors.Join(err, removal)
	}
	return nil
}

func metadataContainer(o MetadataOptions, port int) (*container.Config, *container.HostConfig) {
	labels := map[string]string{}
	maps.Copy(labels, o.Labels)
	labels[LabelDev], labels[LabelMetadata] = "true", "true"
	stop := metadataStopSeconds
	config := &container.Config{
		Image:  o.Image,
		Labels: labels,
		// The file and not the password, which `docker inspect` would show.
		Env: []string{"POSTGRES_PASSWORD_FILE=" + metadataPasswordFile},
		// For one person's use: the default settings would take more memory than the databases beside it.
		Cmd: []string{
			"postgres", "-c", "max_connections=100", "-c", "shared_buffers=64MB", "-c", "work_mem=4MB",
			"-c", "maintenance_work_mem=32MB", "-c", "max_wal_size=256MB",
		},
		ExposedPorts: nat.PortSet{metadataPort: {}},
		StopTimeout:  &stop,
	}
	host := &container.HostConfig{
		PortBindings:  nat.PortMap{metadataPort: {{HostIP: "127.0.0.1", HostPort: strconv.Itoa(port)}}},
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
		LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": logMaxSize, "max-file": logMaxFiles}},
		Mounts: []mount.Mount{{
			Type: mount.TypeVolume, Source: o.Volume, Target: o.DataPath,
			VolumeOptions: &mount.VolumeOptions{Labels: labels},
		}},
		Resources: container.Resources{Memory: metadataMemory},
		ShmSize:   metadataShm,
	}
	return config, host
}

// passwordFile is an archive of the one file, readable by every user of the container: the images differ in the number of the
// user that reads it.
func passwordFile(password string) *bytes.Buffer {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	name := metadataPasswordFile[1:]
	for _, h := range []*tar.Header{
		{Name: path.Dir(name) + "/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: name, Typeflag: tar.TypeReg, Mode: 0o444, Size: int64(len(password))},
	} {
		_ = w.WriteHeader(h) // writing to memory cannot fail, and the headers are well formed
	}
	_, _ = w.Write([]byte(password))
	_ = w.Close()
	return &out
}

// free asks this machine, since development mode uses the engine that is on it. Another engine answers for itself when the
// container starts.
func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func portTaken(err error) bool {
	return mentions(err.Error(), "address already in use", "port is already allocated")
}
