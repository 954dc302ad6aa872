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

// stillPause is after what time a removal is looked at again that waits until a recovery is accepted.
const stillPause = 5 * time.Minute

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
	still, err := w.Service.StandsStill(ctx)
	if err != nil {
		return interrupted(ctx, err)
	}
	if still {
		return river.JobSnooze(stillPause)
	}
	return interrupted(ctx, w.Runtime.RemoveVolume(ctx, job.Args.InstanceID))
}

// forgetArgs ask for the end of passwords, sessions and receipts whose time is over. It runs every minute.
type forgetArgs struct{}

// Kind implements river.JobArgs.
func (forgetArgs) Kind() string { return "forget" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (forgetArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: 1} }

type forgetWorker struct {
	river.WorkerDefaults[forgetArgs]
	service *core.Service
}

// Work implements river.Worker.
func (w *forgetWorker) Work(ctx context.Context, _ *river.Job[forgetArgs]) error {
	return w.service.Forget(ctx)
}
