package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

var expirePlan = plan{
	limit: stopPlan.limit,
	steps: stopPlan.steps,
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishExpire(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

// expiryPause is how often the dates of expiry are looked at: they are in the catalogue, so none is missed.
const expiryPause = 5 * time.Minute

// expiryArgs ask for a look at the dates of expiry.
type expiryArgs struct{}

// Kind implements river.JobArgs.
func (expiryArgs) Kind() string { return "expiry" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (expiryArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1}
}

type expiryWorker struct {
	river.WorkerDefaults[expiryArgs]
	Options
}

// Work implements river.Worker.
func (w *expiryWorker) Work(ctx context.Context, _ *river.Job[expiryArgs]) error {
	e, err := w.Service.Expire(ctx)
	if e != (core.Expiry{}) {
		w.Log.Info("looked at the dates of expiry", "reminded", e.Reminded, "stopped", e.Stopped, "deletions asked for", e.Asked)
	}
	return err
}
