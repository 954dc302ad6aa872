package core

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// newGeneration gives a volume that is about to be made its number, which none had before.
func newGeneration(ctx context.Context, tx pgx.Tx, i Instance, backupID string) (n int, err error) {
	err = tx.QueryRow(ctx, `insert into kept_volumes (instance_id, generation, node_id, restored_from)
		select $1, 1 + greatest($2::int, max(generation)), $3, $4 from kept_volumes where instance_id = $1 returning generation`,
		i.ID, i.Generation, value(i.NodeID), backupID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("number the new volume of %s: %w", i.Name, err)
	}
	return n, nil
}

// KeptVolumes lists the volumes of an instance beside the one that it runs on, by name.
func (s *Service) KeptVolumes(ctx context.Context, instanceID string) (names []string, err error) {
	list, err := many[Kept](ctx, s.db, "select "+keptColumns+" from kept_volumes k where k.instance_id = $1 and k.removed_at is null order by k.generation", instanceID)
	if err != nil {
		return nil, fmt.Errorf("list the kept volumes: %w", err)
	}
	for _, k := range list {
		names = append(names, volumeName(k.InstanceID, k.Generation))
	}
	return names, nil
}

// superfluousVolume is true of a kept volume k whose time is over. While a recovery was not accepted, none is.
const superfluousVolume = `k.remove_at <= now() and k.removed_at is null and i.ended_at is null and i.generation <> k.generation
	and not exists (select from recoveries where accepted_at is null)`

// SuperfluousVolumes lists the volumes whose time is over. Those of an instance that ended go with it.
func (s *Service) SuperfluousVolumes(ctx context.Context) ([]Kept, error) {
	list, err := many[Kept](ctx, s.db, "select "+keptColumns+" from kept_volumes k join instances i on i.id = k.instance_id where "+superfluousVolume+" order by k.remove_at limit 100")
	if err != nil {
		return nil, fmt.Errorf("look for volumes whose time is over: %w", err)
	}
	return list, nil
}

// Superfluous reports whether a volume may go, and nothing keeps it any more.
func (s *Service) Superfluous(ctx context.Context, instanceID string, generation int) (yes bool, err error) {
	err = s.db.QueryRow(ctx, "select exists (select from kept_volumes k join instances i on i.id = k.instance_id where k.instance_id = $1 and k.generation = $2 and "+superfluousVolume+")",
		instanceID, generation).Scan(&yes)
	if err != nil {
		return false, fmt.Errorf("look whether volume %s may go: %w", volumeName(instanceID, generation), err)
	}
	return yes, nil
}

// VolumeRemoved records that a kept volume is gone.
func (s *Service) VolumeRemoved(ctx context.Context, instanceID string, generation int) error {
	err := pgx.BeginFunc(ctx, s.db, func(tx pgx.Tx) error {
		var name string
		err := tx.QueryRow(ctx, `update kept_volumes k set removed_at = now() from instances i where i.id = k.instance_id and k.instance_id = $1 and k.generation = $2
			and k.removed_at is null returning i.name`, instanceID, generation).Scan(&name)
		if notFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return writeAudit(ctx, tx, AuditEntry{
			Actor: "mydb", Door: DoorSystem, Action: "volume.remove", InstanceID: instanceID, Subject: name, Outcome: OutcomeDone,
			Data: map[string]any{"volume": volumeName(instanceID, generation)},
		})
	})
	if err != nil {
		return fmt.Errorf("record the end of volume %s: %w", volumeName(instanceID, generation), err)
	}
	return nil
}
