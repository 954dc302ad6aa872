package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// removeInstance takes an instance away behind MyDB's back, and from the catalogue, so that it no longer counts as placed.
func (l *lab) removeInstance(ctx context.Context, id string) error {
	// First from the catalogue: a service that goes while it should be there is deployed again.
	_, err := l.pool.Exec(ctx, `with gone as (update instances set state = 'deleted', ended_at = now() where id = $1)
		update ports set instance_id = null, free_after = 'infinity' where instance_id = $1`, id)
	if err != nil {
		return fmt.Errorf("take %s out of the catalogue: %w", id, err)
	}
	return l.removeServer(ctx, id)
}

// removeServer removes all that was made on the engine for an instance id.
func (l *lab) removeServer(ctx context.Context, id string) error {
	if err := l.runtime.Remove(ctx, id); err != nil {
		return fmt.Errorf("remove the service of %s: %w", id, err)
	}
	if err := l.runtime.RemoveVolume(ctx, id); err != nil {
		return fmt.Errorf("remove the volume of %s: %w", id, err)
	}
	return nil
}

// removeInstances removes every instance that MyDB may have made something for.
func (l *lab) removeInstances(ctx context.Context) error {
	ids, err := column[string](ctx, l, "select id from instances where ended_at is null and node_id is not null")
	if err != nil {
		return fmt.Errorf("list what is left: %w", err)
	}
	return each(ids, func(id string) error { return l.removeInstance(ctx, id) })
}

// each does something for all of them at once.
func each[T any](list []T, do func(T) error) error {
	errs := make([]error, len(list))
	var wg sync.WaitGroup
	for i, v := range list {
		wg.Go(func() { errs[i] = do(v) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (l *lab) removePostgres(ctx context.Context, name string) error {
	err := l.docker.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	if err := l.docker.VolumeRemove(ctx, name, false); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}
