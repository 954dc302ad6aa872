package core

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Restart stops an instance's server cleanly and starts it again.
type Restart struct{ On }

func (Restart) action() string { return "restart" }

func (c Restart) prepare(*Service, Actor) (decision, error) {
	return change{
		on: c.Database, kind: "restart", states: []State{StateReady},
		write: func(ctx context.Context, _ *Service, tx pgx.Tx, _ Request, i Instance, _ string) error {
			_, err := tx.Exec(ctx, "update instances set restarts = restarts + 1 where id = $1", i.ID)
			return err
		},
	}, nil
}

// FinishRestart records the end of a restart, inside the transaction that completes its job.
func (s *Service) FinishRestart(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	return s.finishOperation(ctx, tx, operationID, i, failure)
}
