package core

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// recovered is an instance as the copy of the catalogue has it.
type recovered struct {
	ID, Name, Owner        string // Owner is an id
	State                  State
	Engine, Version, Image string
	Size                   string
	NodeID, Host           *string
	Generation, Restarts   int
	Port                   *int
	WasReady, Ended        bool
}

// load reads all instances.
func (r *recovering) load(ctx context.Context) error {
	list, err := many[recovered](ctx, r.tx, `select i.id, i.name, i.owner_id as owner, i.state, i.engine, i.version, i.image, i.size, i.node_id, i.host, i.generation, i.restarts, p.port,
		i.ready_at is not null as was_ready, i.ended_at is not null as ended from instances i left join ports p on p.instance_id = i.id order by i.id`)
	if err != nil {
		return fmt.Errorf("read the instances: %w", err)
	}
	r.rows = map[string]*recovered{}
	for _, i := range list {
		r.rows[i.ID] = &i
	}
	return nil
}

// instances compares every live instance with its service. What runs is taken for alive: it was started, or taken out of the trash,
// after the backup.
func (r *recovering) instances(ctx context.Context) error {
	if r.found.Cluster == nil {
		return r.unasked(ctx)
	}
	services := map[string]ClusterService{}
	for _, s := range r.found.Cluster.Services {
		services[s.InstanceID] = s
	}
	for _, id := range sorted(r.rows) {
		i := r.rows[id]
		s, there := services[id]
		var err error
		switch {
		case i.Ended && there:
			r.note(DiffStranger, id, i.Name, "It is %s in the catalogue, but its service %s is still in the cluster. It is left alone.", i.State, s.Name)
		case i.Ended:
		case there:
			err = r.compare(ctx, i, s)
		default:
			err = r.absent(ctx, i)
		}
		if err != nil {
			return fmt.Errorf("instance %s: %w", i.Name, err)
		}
	}
	return nil
}

// unasked leaves it to the time after the recovery what became of instances that were being made.
func (r *recovering) unasked(ctx context.Context) error {
	r.note(DiffState, "", "", "The cluster was not asked. Whatever has changed in it since the backup is not known here; the findings tell, as soon as MyDB runs.")
	return r.run(ctx, "leave what was being made", "update instances set state = 'restoring', recovered_at = $1 where state in ('creating', 'restoring')", r.s.now())
}

// compare brings an instance to what its service says.
func (r *recovering) compare(ctx context.Context, i *recovered, s ClusterService) error {
	if i.State == StateSpare {
		if s.Label == "" || s.Label == i.Name {
			return nil // nobody has claimed it
		}
		return r.claimed(ctx, i, s)
	}
	if err := r.spec(ctx, i, s); err != nil {
		return err
	}
	return r.state(ctx, i, s.Wanted)
}

// state settles what an instance is. Only measuring can say that one is ready: until then it counts as being restored.
func (r *recovering) state(ctx context.Context, i *recovered, runs bool) error {
	switch was := i.State; {
	case runs && was != StateReady:
		r.note(DiffState, i.ID, i.Name, "It is %s in the backup, but it runs. MyDB measures it, and then it is ready.", was)
		i.State = StateRestoring
		return r.run(ctx, "take it for running", `update instances set state = 'restoring', recovered_at = $2, purge_at = null, trashed_at = null, stopped_at = null, stopped_why = ''
			where id = $1`, i.ID, r.s.now())
	case !runs && slices.Contains([]State{StateReady, StateCreating, StateRestoring}, was):
		r.note(DiffState, i.ID, i.Name, "It is %s in the backup, but it does not run: it was stopped, or put into the trash, since. It counts as stopped.", was)
		i.State = StateStopped
		return r.run(ctx, "take it for stopped", "update instances set state = 'stopped', stopped_at = $2, stopped_why = $3 where id = $1", i.ID, r.s.now(), StoppedByOwner)
	case !runs && was == StateDeleting:
		r.note(DiffState, i.ID, i.Name, "It was being removed for good, but its service is still there. It is back in the trash until you accept this recovery.")
		i.State = StateTrashed
		return r.run(ctx, "take it for trashed", "update instances set state = 'trashed' where id = $1", i.ID)
	}
	return nil
}

// absent settles an instance without a service.
func (r *recovering) absent(ctx context.Context, i *recovered) error {
	switch {
	case i.State == StateSpare:
		return r.end(ctx, i, StateDeleted)
	case (i.State == StateCreating || i.State == StateRestoring) && !i.WasReady:
		r.note(DiffGone, i.ID, i.Name, "It was %s when the backup was made, and there is no service of it. It counts as failed, and its name is free.", i.State)
		return r.end(ctx, i, StateFailed)
	case i.State == StateRestoring:
		r.note(DiffGone, i.ID, i.Name, "It was being restored when the backup was made, and there is no service of it. It counts as stopped; a start deploys it again if its volume is there.")
		i.State = StateStopped
		return r.run(ctx, "take it for stopped", "update instances set state = 'stopped', stopped_at = $2, stopped_why = $3 where id = $1", i.ID, r.s.now(), StoppedByOwner)
	case i.State == StateTrashed || i.State == StateDeleting:
		r.note(DiffGone, i.ID, i.Name, "It is in the trash, and there is no service of it: it was probably removed for good since. After you accept this recovery, so will be what is left of it.")
	default:
		r.note(DiffGone, i.ID, i.Name, "It is %s in the backup, but there is no service of it: it was removed for good since, or lost. After you accept this recovery, a database that should run "+
			"is deployed again if its volume is there. If it was removed on purpose, delete it.", i.State)
	}
	return nil
}

// end ends an instance of which nothing is there.
func (r *recovering) end(ctx context.Context, i *recovered, state State) error {
	i.State, i.Ended = state, true
	if err := r.run(ctx, "end it", "update instances set state = $2, ended_at = $3 where id = $1", i.ID, state, r.s.now()); err != nil {
		return err
	}
	if err := r.run(ctx, "forget its secrets", "delete from secrets where instance_id = $1", i.ID); err != nil {
		return err
	}
	return releasePort(ctx, r.tx, i.ID, r.s.now().Add(releasedPortQuarantine), "lost in a recovery")
}

// spec brings version, size, volume, place and port to what the service has: the next restart deploys what the catalogue says, and an
// older volume or version must not come back.
func (r *recovering) spec(ctx context.Context, i *recovered, s ClusterService) error {
	changed := func(what, was, is string) {
		r.note(DiffSpec, i.ID, i.Name, "Its %s is %s in the backup, and %s in the cluster, which counts.", what, was, is)
	}
	if s.Image != "" && s.Image != i.Image {
		changed("image", i.Image, s.Image)
		i.Image = s.Image
		if version, known := r.s.versionOf(i.Engine, s.Image); known {
			i.Version = version
		}
	}
	if size, known := r.s.sizeOf(s); known && size != i.Size {
		changed("size", i.Size, size)
		i.Size = size
	}
	if s.Generation > 0 && s.Generation != i.Generation {
		changed("volume", volumeName(i.ID, i.Generation), volumeName(i.ID, s.Generation))
		i.Generation = s.Generation
	}
	if s.NodeID != "" && s.NodeID != value(i.NodeID) {
		changed("machine", orNone(value(i.NodeID)), s.NodeID)
		i.NodeID, i.Host = &s.NodeID, r.host(s.NodeID, i.Host)
	}
	i.Restarts = max(i.Restarts, s.Restarts)
	err := r.run(ctx, "take over what its service says", `update instances set image = $2, version = $3, size = $4, generation = $5, node_id = $6, host = $7, restarts = $8 where id = $1`,
		i.ID, i.Image, i.Version, i.Size, i.Generation, i.NodeID, i.Host, i.Restarts)
	if err != nil || s.Port == 0 || s.Port == value(i.Port) {
		return err
	}
	changed("port", orNone(fmt.Sprint(value(i.Port))), fmt.Sprint(s.Port))
	return r.port(ctx, i, s.Port)
}

func orNone(text string) string {
	if text == "" || text == "0" {
		return "none"
	}
	return text
}

// host is what people connect to on a node. What they were told counts as long as nothing else is known.
func (r *recovering) host(nodeID string, before *string) *string {
	if host := r.found.Hosts[nodeID]; host != "" {
		return &host
	}
	for _, other := range r.rows {
		if before == nil && value(other.NodeID) == nodeID {
			before = other.Host
		}
	}
	return before
}

// port gives an instance the port that its service has. Another instance of the catalogue that holds it has none until its own turn.
func (r *recovering) port(ctx context.Context, i *recovered, port int) error {
	if err := r.run(ctx, "release its port", "update ports set instance_id = null where instance_id = $1", i.ID); err != nil {
		return err
	}
	for _, other := range r.rows {
		if other.ID != i.ID && value(other.Port) == port && !other.Ended {
			r.note(DiffSpec, other.ID, other.Name, "Its port %d is that of %s in the cluster.", port, i.Name)
			other.Port = nil
		}
	}
	i.Port = &port
	return r.run(ctx, "take its port", `insert into ports (port, instance_id) values ($1, $2) on conflict (port) do update set instance_id = $2, note = ''`, port, i.ID)
}

// versionOf finds the version that an image is of: as the catalogue has it, or by its tag.
func (s *Service) versionOf(engineName, image string) (string, bool) {
	offer, _ := s.catalogue.Offer(engineName)
	tag := tagOf(image)
	for _, v := range offer.Versions {
		if v.Image == image {
			return v.Version, true
		}
	}
	for _, v := range offer.Versions {
		if v.Version == tag {
			return v.Version, true
		}
	}
	return "", false
}

// tagOf is what an image's name says behind the colon.
func tagOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	_, tag, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	return tag
}

// sizeOf finds the size class whose limits a service has.
func (s *Service) sizeOf(c ClusterService) (string, bool) {
	for _, size := range s.catalogue.Sizes {
		if size.CPU == c.CPU && int64(size.Memory) == c.Memory {
			return size.Name, true
		}
	}
	return "", false
}
