package jobs

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mydb-project/mydb/core"
)

var rotatePlan = plan{
	limit: 2 * time.Minute,
	steps: func(ctx context.Context, a *attempt) ([]step, error) {
		next, err := a.Service.NextTenant(ctx, a.instance)
		if err != nil {
			return nil, err
		}
		return []step{
			{"set the new password", func(ctx context.Context) (string, error) {
				err := a.engine.SetPassword(ctx, a.server, a.secrets.Admin, next.Username, next.Password)
				a.passwordSet = err == nil
				return "", err
			}},
			{"log in, write and read as " + next.Username, func(ctx context.Context) (string, error) {
				return "", a.engine.Prove(ctx, a.server, next)
			}},
		}, nil
	},
	finish: func(ctx context.Context, tx pgx.Tx, a *attempt, failure *core.Explanation) error {
		return a.Service.FinishRotate(ctx, tx, a.steps.operationID, a.instance, a.passwordSet, failure)
	},
}
