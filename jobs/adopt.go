package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/mydb-project/mydb/core"
)

// adoptPlan measures a server that a recovery has found running. The service is left as it is.
var adoptPlan = plan{
	limit: 2 * time.Minute, tries: 1,
	steps: func(_ context.Context, a *attempt) ([]step, error) {
		return []step{
			{"wait until the server answers", func(ctx context.Context) (string, error) { return "", a.wait(ctx, nil) }},
			{"write and read as " + a.instance.Username, a.probe},
		}, nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishAdopt(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

// adoptionPause is how often is looked for what a recovery has found.
const adoptionPause = time.Minute

// adoptionArgs ask for a look at what a recovery has found.
type adoptionArgs struct{}

// Kind implements river.JobArgs.
func (adoptionArgs) Kind() string { return "adopt_recovered" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (adoptionArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: managersQueue, MaxAttempts: 1, UniqueOpts: oneAtATime}
}

type adoptionWorker struct {
	river.WorkerDefaults[adoptionArgs]
	Options
}

// Work implements river.Worker.
func (w *adoptionWorker) Work(ctx context.Context, _ *river.Job[adoptionArgs]) error {
	started, err := w.Service.StartAdoptions(ctx)
	if started > 0 {
		w.Log.Info("measuring what a recovery has found running", "databases", started)
	}
	return err
}
