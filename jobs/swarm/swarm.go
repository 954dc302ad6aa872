package swarm

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/docker/docker/client"

	"github.com/mydb-project/mydb/jobs"
)

// The ways in which Swarm publishes an instance's port.
const (
	// PublishHost binds the port on the instance's own node, on every interface: Swarm knows no host address for a port.
	PublishHost = "host"
	// PublishIngress binds it on every node and forwards through the routing mesh, which needs IPVS in the kernel and drops
	// connections that are idle for 15 minutes.
	PublishIngress = "ingress"
)

// How often a removal looks whether the cluster has got there. Swarm offers no way to wait for a task to be gone.
const pollInterval = 150 * time.Millisecond

// Options configure a Runtime. The zero value uses the environment's or the local engine and host-mode ports.
type Options struct {
	// Host is the engine's address in the form of DOCKER_HOST. Empty means the environment's, else the local socket.
	Host string
	// Publish is PublishHost (the default) or PublishIngress.
	Publish string
	// InstanceLabels are put on everything that is made for an instance, beside MyDB's own labels.
	InstanceLabels map[string]string
	Logger         *slog.Logger
}

// Runtime is a jobs.Runtime on Docker Swarm. It is safe for concurrent use.
type Runtime struct {
	docker  *client.Client
	publish string
	labels  map[string]string
	log     *slog.Logger
	now     func() time.Time
}

var _ jobs.Runtime = (*Runtime)(nil)

// New prepares a Runtime. An engine that does not answer is no error here, since it may be back when it is needed: the
// methods then return a *jobs.Problem with jobs.CauseEngine.
func New(ctx context.Context, o Options) (*Runtime, error) {
	publish := cmp.Or(o.Publish, PublishHost)
	if publish != PublishHost && publish != PublishIngress {
		return nil, fmt.Errorf("publish mode %q: want %s or %s", o.Publish, PublishHost, PublishIngress)
	}
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if o.Host != "" {
		opts = append(opts, client.WithHost(o.Host))
	}
	docker, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("docker client for %q: %w", o.Host, err)
	}
	r := &Runtime{docker: docker, publish: publish, labels: o.InstanceLabels, log: o.Logger, now: time.Now}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if _, err := docker.Ping(ctx); err != nil {
		r.log.WarnContext(ctx, "the container engine does not answer yet", "host", docker.DaemonHost(), "error", err)
	}
	return r, nil
}

// Close closes idle connections to the engine. It stops nothing.
func (r *Runtime) Close() error { return r.docker.Close() }

// poll calls done until it says true or fails, or until ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
