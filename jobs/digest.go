package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// digestPause is how often is looked whether the daily mail is due, and so how late it comes at most.
const digestPause = 5 * time.Minute

// digestArgs ask for the daily mail to administrators, if it is due.
type digestArgs struct{}

// Kind implements river.JobArgs.
func (digestArgs) Kind() string { return "digest" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (digestArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type digestWorker struct {
	river.WorkerDefaults[digestArgs]
	Options
}

// Work implements river.Worker.
func (w *digestWorker) Work(ctx context.Context, _ *river.Job[digestArgs]) error {
	_, err := w.Service.Digest(ctx)
	return err
}
