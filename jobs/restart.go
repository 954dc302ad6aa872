package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

var restartPlan = plan{
	limit: 5 * time.Minute,
	steps: func(_ context.Context, a *attempt) ([]step, error) {
		return []step{
			{"restart the server", a.ensure}, // core has counted the restart in the catalogue, so the spec differs
			{"wait until the server answers", a.settle},
			{"write and read as " + a.instance.Username, a.probe},
		}, nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishRestart(ctx, tx, a.steps.operationID, a.instance, failure)
	},
}

// settle waits until what was asked for last runs and answers: right after an update, the old server may still do so.
func (a *attempt) settle(ctx context.Context) (string, error) {
	err := a.poll(ctx, func(st Status) (bool, error) { return st.Settled, a.hopeless(st) })
	if err != nil {
		return "", err
	}
	return "", a.wait(ctx, nil)
}

// probe measures that the server is usable, without the owner's password.
func (a *attempt) probe(ctx context.Context) (string, error) {
	return "", a.engine.Probe(ctx, a.server, a.secrets, a.tenant())
}
