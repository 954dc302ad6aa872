package jobs

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

// transferPlan is a rotation with another owner at its end: what the owner before knows no longer lets anybody in.
var transferPlan = plan{
	limit: rotatePlan.limit,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		if err := a.Service.Args(ctx, a.steps.operationID, &a.transfer); err != nil {
			return nil, err
		}
		rotate, err := rotatePlan.steps(ctx, a)
		if err != nil {
			return nil, err
		}
		end := step{"end the sessions of " + a.instance.Username, func(ctx context.Context) (string, error) {
			return "", a.engine.EndSessions(ctx, a.server, a.secrets.Admin, a.instance.Username)
		}}
		return append(append(rotate, end), a.revoke(a.transfer.Drop)...), nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishTransfer(ctx, tx, a.steps.operationID, a.instance, a.transfer, a.passwordSet, failure)
	},
}
