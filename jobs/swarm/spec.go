package swarm

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path"
	"regexp"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"

	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs"
)

// The labels by which MyDB knows its own things again. None of them ever holds a secret.
const (
	LabelInstance = "dev.mydb.instance" // on service, container, volume and secret: the instance's id
	LabelEngine   = "dev.mydb.engine"   // on those and on configs
	LabelName     = "dev.mydb.name"     // on the service alone, because changing a label there restarts nothing
	labelSpec     = "dev.mydb.spec"     // on the service: a hash of all that we asked for
	labelConfig   = "dev.mydb.config"   // on configs: "true"
	labelRestarts = "dev.mydb.restarts" // on the service: how many restarts were asked for, when there were any
)

const (
	restartDelay   = 5 * time.Second
	logMaxSize     = "10m"
	logMaxFiles    = "3"
	nodeConstraint = "node.id=="
)

// ServiceName is the name of an instance's service and of its first secret.
func ServiceName(instanceID string) string { return "mydb-" + instanceID }

// SecretName is the name of an instance's secret. The cluster's secrets cannot be changed, so that another content is another secret.
func SecretName(instanceID string, version int) string {
	if version == 0 {
		return ServiceName(instanceID)
	}
	return fmt.Sprintf("%s-s%d", ServiceName(instanceID), version)
}

// VolumeName is the name of an instance's volume on its node.
func VolumeName(instanceID string, generation int) string {
	return fmt.Sprintf("mydb-%s-g%d", instanceID, generation)
}

var notInConfigName = regexp.MustCompile(`[^a-zA-Z0-9_.-]+`)

// configName names a config by its content, so that instances share it, and so that a changed file is a new config: Swarm's
// configs cannot be changed. Swarm allows 64 characters.
func configName(engineName string, f engine.File) string {
	sum := sha256.Sum256(f.Content)
	base := notInConfigName.ReplaceAllString(path.Base(f.Path), "-")
	name := fmt.Sprintf("mydb-%s-%s", engineName, base)
	return fmt.Sprintf("%.51s-%s", name, hex.EncodeToString(sum[:6]))
}

// labelsFor are the labels of everything that belongs to one instance.
func (r *Runtime) labelsFor(s jobs.Spec) map[string]string {
	l := map[string]string{}
	maps.Copy(l, r.labels)
	l[LabelInstance] = s.InstanceID
	l[LabelEngine] = s.Engine
	return l
}

// serviceSpec is the whole service but for the ids of its secret and configs, which only the cluster knows.
func (r *Runtime) serviceSpec(s jobs.Spec) swarm.ServiceSpec {
	replicas := uint64(1)
	if s.Stopped {
		replicas = 0
	}
	labels := r.labelsFor(s)
	labels[LabelName] = s.Name
	if s.Restarts > 0 {
		labels[labelRestarts] = strconv.Itoa(s.Restarts)
	}
	spec := swarm.ServiceSpec{
		Annotations:    swarm.Annotations{Name: ServiceName(s.InstanceID), Labels: labels},
		TaskTemplate:   r.taskTemplate(s),
		Mode:           swarm.ServiceMode{Replicated: &swarm.ReplicatedService{Replicas: &replicas}},
		UpdateConfig:   stopFirst(),
		RollbackConfig: stopFirst(),
		EndpointSpec:   r.endpoint(s),
	}
	labels[labelSpec] = hashSpec(spec)
	return spec
}

func (r *Runtime) taskTemplate(s jobs.Spec) swarm.TaskSpec {
	delay := restartDelay
	return swarm.TaskSpec{
		ContainerSpec: r.containerSpec(s),
		Resources: &swarm.ResourceRequirements{
			Limits:       &swarm.Limit{NanoCPUs: nanoCPUs(s.Size.CPU), MemoryBytes: int64(s.Size.Memory)},
			Reservations: &swarm.Resources{NanoCPUs: nanoCPUs(s.Size.CPUReserved), MemoryBytes: int64(s.Size.MemoryReserved)},
		},
		// Without a maximum of attempts: a database comes back by itself when what kept it from starting has gone.
		RestartPolicy: &swarm.RestartPolicy{Condition: swarm.RestartPolicyConditionAny, Delay: &delay},
		// The volume exists on this node alone; elsewhere Swarm would silently make an empty one.
		Placement: &swarm.Placement{Constraints: []string{nodeConstraint + s.NodeID}},
		LogDriver: &swarm.Driver{Name: "json-file", Options: map[string]string{"max-size": logMaxSize, "max-file": logMaxFiles}},
	}
}

// containerSpec names the image as the recipe does, and the registry is not asked for its digest: no registry may be
// reachable, and images built on the machine have none. The price is that a tag may come to mean another image at the next
// restart; whoever needs that ruled out puts a digest into the catalogue.
func (r *Runtime) containerSpec(s jobs.Spec) *swarm.ContainerSpec {
	grace, noInit := s.Recipe.StopGrace, false
	c := &swarm.ContainerSpec{
		Image:           s.Recipe.Image,
		Labels:          r.labelsFor(s),
		Command:         s.Recipe.Entrypoint,
		Args:            s.Recipe.Args,
		Env:             s.Recipe.Env,
		Init:            &noInit, // the server is process 1 and must hear the signal that stops it
		Mounts:          r.mounts(s),
		StopGracePeriod: &grace,
		Healthcheck:     healthcheck(s.Recipe.Health),
	}
	if s.Recipe.SecretPath != "" {
		file := &swarm.SecretReferenceFileTarget{Name: s.Recipe.SecretPath, UID: "0", GID: "0", Mode: 0o400}
		c.Secrets = []*swarm.SecretReference{{SecretName: SecretName(s.InstanceID, s.SecretVersion), File: file}}
	}
	for _, f := range s.Recipe.Configs {
		file := &swarm.ConfigReferenceFileTarget{Name: f.Path, UID: "0", GID: "0", Mode: os.FileMode(f.Mode)}
		c.Configs = append(c.Configs, &swarm.ConfigReference{ConfigName: configName(s.Engine, f), File: file})
	}
	return c
}

func (r *Runtime) mounts(s jobs.Spec) []mount.Mount {
	out := []mount.Mount{{
		Type: mount.TypeVolume, Source: VolumeName(s.InstanceID, s.Generation), Target: s.Recipe.DataPath,
		// Swarm makes the volume on the node when the task starts there, and RemoveVolume removes only what carries our label.
		VolumeOptions: &mount.VolumeOptions{Labels: r.labelsFor(s)},
	}}
	for _, t := range s.Recipe.Tmpfs {
		out = append(out, mount.Mount{
			Type: mount.TypeTmpfs, Target: t.Path,
			TmpfsOptions: &mount.TmpfsOptions{SizeBytes: t.Size, Mode: os.FileMode(t.Mode)},
		})
	}
	return out
}

func (r *Runtime) endpoint(s jobs.Spec) *swarm.EndpointSpec {
	port := swarm.PortConfig{
		Protocol: swarm.PortConfigProtocolTCP, TargetPort: uint32(s.Recipe.Port), PublishedPort: uint32(s.Port),
		PublishMode: swarm.PortConfigPublishModeHost,
	}
	// A host-mode port needs no virtual address, and those need IPVS in the kernel.
	mode := swarm.ResolutionModeDNSRR
	if r.publish == PublishIngress {
		port.PublishMode, mode = swarm.PortConfigPublishModeIngress, swarm.ResolutionModeVIP
	}
	return &swarm.EndpointSpec{Mode: mode, Ports: []swarm.PortConfig{port}}
}

// stopFirst never lets two servers at one data directory. A failed update stays as it is, for the worker to see and to put
// the old spec back; Swarm's own rollback would do so behind its back.
func stopFirst() *swarm.UpdateConfig {
	return &swarm.UpdateConfig{Parallelism: 1, FailureAction: swarm.UpdateFailureActionPause, Order: swarm.UpdateOrderStopFirst}
}

func healthcheck(h engine.Health) *container.HealthConfig {
	if len(h.Test) == 0 {
		return nil
	}
	return &container.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
}

func nanoCPUs(cores float64) int64 { return int64(math.Round(cores * 1e9)) }

// hashSpec is equal for equal specs. The first field tells hashes of other versions of this code apart.
func hashSpec(spec swarm.ServiceSpec) string {
	text, err := json.Marshal(spec) // map keys come out sorted
	if err != nil {
		panic("a service spec does not marshal: " + err.Error()) // it holds plain data only
	}
	sum := sha256.Sum256(text)
	return strconv.Itoa(specVersion) + "-" + hex.EncodeToString(sum[:10])
}

// specVersion is raised when serviceSpec starts to say more than before.
const specVersion = 1
