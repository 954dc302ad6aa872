package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// refreshPause is how often is looked whose turn it is to be read anew from the directory. When each was read last is in the catalogue.
const refreshPause = 5 * time.Minute

// refreshArgs ask for a refresh of the people whose turn it is.
type refreshArgs struct{}

// Kind implements river.JobArgs.
func (refreshArgs) Kind() string { return "refresh_people" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (refreshArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type refreshWorker struct {
	river.WorkerDefaults[refreshArgs]
	Options
}

// Timeout implements river.Worker. What is not done by then is the next one's.
func (*refreshWorker) Timeout(*river.Job[refreshArgs]) time.Duration { return 30 * time.Minute }

// Work implements river.Worker.
func (w *refreshWorker) Work(ctx context.Context, _ *river.Job[refreshArgs]) error {
	r, err := w.Service.Refresh(ctx, core.RefreshOptions{})
	if r.Left > 0 || r.Away || r.Held {
		w.Log.Info("people were read anew from the directory", "asked", r.Asked, "missing", r.Missing, "left", r.Left, "away", r.Away, "held", r.Held)
	}
	return err
}
