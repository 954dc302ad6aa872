package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// keptArgs ask for the removal of volumes that were kept for long enough. Each goes on its own node.
type keptArgs struct{}

// Kind implements river.JobArgs.
func (keptArgs) Kind() string { return "kept_volumes" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (keptArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1}
}

type keptWorker struct {
	river.WorkerDefaults[keptArgs]
	Options
}

// Work implements river.Worker.
func (w *keptWorker) Work(ctx context.Context, _ *river.Job[keptArgs]) error {
	list, err := w.Service.SuperfluousVolumes(ctx)
	if err != nil {
		return err
	}
	for _, k := range list {
		args := removeKeptArgs{InstanceID: k.InstanceID, Generation: k.Generation}
		if _, err := river.ClientFromContext[pgx.Tx](ctx).Insert(ctx, args, &river.InsertOpts{Queue: nodeQueue(k.NodeID)}); err != nil {
			return fmt.Errorf("enqueue the removal of a kept volume: %w", err)
		}
	}
	return nil
}

// removeKeptArgs ask for the removal of one generation of an instance's volume, on the node that has it.
type removeKeptArgs struct {
	InstanceID string `json:"instance_id" river:"unique"`
	Generation int    `json:"generation" river:"unique"`
}

// Kind implements river.JobArgs.
func (removeKeptArgs) Kind() string { return "remove_kept_volume" }

// InsertOpts implements river.JobArgsWithInsertOpts. A node without a worker gets one job and no more.
func (removeKeptArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: oneAtATime.ByState}}
}

type removeKeptWorker struct {
	river.WorkerDefaults[removeKeptArgs]
	Options
}

// Timeout implements river.Worker.
func (*removeKeptWorker) Timeout(*river.Job[removeKeptArgs]) time.Duration { return 2 * time.Minute }

// Work implements river.Worker. What fails is asked for again. The catalogue is looked at once more: only what it calls superfluous goes.
func (w *removeKeptWorker) Work(ctx context.Context, job *river.Job[removeKeptArgs]) error {
	id, generation := job.Args.InstanceID, job.Args.Generation
	yes, err := w.Service.Superfluous(ctx, id, generation)
	if err != nil || !yes {
		return err
	}
	if err := w.Runtime.RemoveGeneration(ctx, id, generation); err != nil {
		return err
	}
	w.Log.Info("a volume was removed that nothing needs any more", "instance", id, "generation", generation)
	return w.Service.VolumeRemoved(ctx, id, generation)
}

// removeNew removes a volume that was filled for nothing.
func removeNew(ctx context.Context, tx pgx.Tx, nodeID string, i core.Instance, generation int) error {
	args := removeKeptArgs{InstanceID: i.ID, Generation: generation}
	if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, args, &river.InsertOpts{Queue: nodeQueue(nodeID)}); err != nil {
		return fmt.Errorf("enqueue the removal of the new volume: %w", err)
	}
	return nil
}
