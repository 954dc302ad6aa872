package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

var stopPlan = plan{
	limit: 10 * time.Minute, // a server may use its whole grace period
	steps: func(_ context.Context, a *attempt) ([]step, error) {
		return []step{{"stop the server", a.halt}}, nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishStop(ctx, tx, a.steps.operationID, a.instance, core.StoppedByOwner, failure)
	},
}

var startPlan = plan{
	limit: 5 * time.Minute,
	steps: func(_ context.Context, a *attempt) ([]step, error) {
		return []step{
			{"start the server", a.ensure},
			{"wait until the server answers", a.settle},
			{"write and read as " + a.instance.Username, a.probe},
		}, nil
	},
	undo: func(ctx context.Context, a *attempt) error { _, err := a.halt(ctx); return err },
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishStart(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

// halt stops the server and waits until nothing of it runs. The service stays, with its place and its port.
func (a *attempt) halt(ctx context.Context) (string, error) {
	a.stopped = true
	if _, err := a.ensure(ctx); err != nil {
		return "", err
	}
	return "", a.poll(ctx, func(st Status) (bool, error) { return st.State == TaskStopped || st.State == TaskAbsent, nil })
}
