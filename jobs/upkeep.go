package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// removeVolumeArgs ask for the removal of the volume of a create that failed, on the node that has it. Nobody ever wrote to it.
type removeVolumeArgs struct {
	InstanceID string `json:"instance_id"`
}

// Kind implements river.JobArgs.
func (removeVolumeArgs) Kind() string { return "remove_volume" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (removeVolumeArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: maxAttempts}
}

type removeVolumeWorker struct {
	river.WorkerDefaults[removeVolumeArgs]
	Options
}

// Timeout implements river.Worker.
func (*removeVolumeWorker) Timeout(*river.Job[removeVolumeArgs]) time.Duration {
	return 2 * time.Minute
}

// NextRetry implements river.Worker.
func (w *removeVolumeWorker) NextRetry(job *river.Job[removeVolumeArgs]) time.Time {
	return backoff(job.Attempt, w.Now())
}

// Work implements river.Worker.
func (w *removeVolumeWorker) Work(ctx context.Context, job *river.Job[removeVolumeArgs]) error {
	ended, err := w.Service.Ended(ctx, job.Args.InstanceID)
	if err != nil {
		return interrupted(ctx, err)
	}
	if !ended {
		return river.JobCancel(core.Errorf(core.CodeBusy, "instance %s is alive, so its volume stays", job.Args.InstanceID))
	}
	return interrupted(ctx, w.Runtime.RemoveVolume(ctx, job.Args.InstanceID))
}

// burnArgs ask for the end of secrets whose time is over. It runs every minute.
type burnArgs struct{}

// Kind implements river.JobArgs.
func (burnArgs) Kind() string { return "burn_secrets" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (burnArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1} }

type burnWorker struct {
	river.WorkerDefaults[burnArgs]
	service *core.Service
}

// Work implements river.Worker.
func (w *burnWorker) Work(ctx context.Context, _ *river.Job[burnArgs]) error {
	return w.service.BurnCollected(ctx)
}
