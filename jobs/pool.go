package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// poolPause is how often the pool is brought to its size. Without one, what an earlier configuration left is still drained.
func poolPause(s *core.Service) time.Duration {
	if s.KeepsSpares() {
		return 2 * time.Second
	}
	return time.Minute
}

// poolArgs ask for spares to be made, or drained.
type poolArgs struct{}

// Kind implements river.JobArgs.
func (poolArgs) Kind() string { return "pool" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (poolArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1}
}

type poolWorker struct {
	river.WorkerDefaults[poolArgs]
	Options
}

// Work implements river.Worker.
func (w *poolWorker) Work(ctx context.Context, _ *river.Job[poolArgs]) error {
	client := river.ClientFromContext[pgx.Tx](ctx)
	change, err := w.Service.FillPool(ctx, func(tx pgx.Tx, spare core.Spare) error {
		_, err := client.InsertTx(ctx, tx, removeSpareArgs{InstanceID: spare.ID, NodeID: spare.NodeID}, nil)
		return err
	})
	if err == nil && change.Made+len(change.Drained) > 0 {
		w.Log.Info("the warm pool changes", "made", change.Made, "drained", len(change.Drained))
	}
	return err
}

// removeSpareArgs ask for the end of a spare that is out of the catalogue.
type removeSpareArgs struct {
	InstanceID string  `json:"instance_id"`
	NodeID     *string `json:"node_id"`
}

// Kind implements river.JobArgs.
func (removeSpareArgs) Kind() string { return "remove_spare" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (removeSpareArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: maxAttempts}
}

type removeSpareWorker struct {
	river.WorkerDefaults[removeSpareArgs]
	Options
}

// Timeout implements river.Worker: a server may take its grace period to stop.
func (*removeSpareWorker) Timeout(*river.Job[removeSpareArgs]) time.Duration { return 5 * time.Minute }

// NextRetry implements river.Worker.
func (w *removeSpareWorker) NextRetry(job *river.Job[removeSpareArgs]) time.Time {
	return backoff(job.Attempt, w.Now())
}

// Work implements river.Worker. The volume goes on its own node, after the server.
func (w *removeSpareWorker) Work(ctx context.Context, job *river.Job[removeSpareArgs]) error {
	if err := w.Runtime.Remove(ctx, job.Args.InstanceID); err != nil {
		return interrupted(ctx, err)
	}
	return finish(ctx, w.DB, job, func(tx pgx.Tx) error {
		if job.Args.NodeID == nil {
			return nil
		}
		args, opts := removeVolumeArgs{InstanceID: job.Args.InstanceID}, &river.InsertOpts{Queue: nodeQueue(*job.Args.NodeID)}
		if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, args, opts); err != nil {
			return fmt.Errorf("enqueue the removal of the volume: %w", err)
		}
		return nil
	})
}
