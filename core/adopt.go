package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// adopt measures an instance that a recovery has found running, so that it may count as ready. It changes nothing of its service. Only
// time asks for it.
type adopt struct{ On }

func (adopt) action() string { return "adopt" }

func (c adopt) prepare(*Service, Actor) (decision, error) {
	return change{
		on: c.Database, kind: "adopt", states: []State{StateRestoring},
		allow: func(Actor, Instance) error { return nil }, // no door leads here
	}, nil
}

// adoptPause is after what time one that did not answer is measured again.
const adoptPause = 2 * time.Minute

// StartAdoptions starts the measurement of what a recovery has found running, and gives of how many. Periodic.
func (s *Service) StartAdoptions(ctx context.Context) (started int, err error) {
	due, err := many[struct{ ID string }](ctx, s.db, `select id from instances i where recovered_at is not null and state = 'restoring' and host is not null
		and not exists (select from operations where instance_id = i.id and (finished_at is null and kind <> 'verify' or kind = 'adopt' and finished_at > $1))
		order by id limit 50`, s.now().Add(-adoptPause))
	if err != nil {
		return 0, fmt.Errorf("look for what a recovery has found: %w", err)
	}
	for _, d := range due {
		_, err := s.Do(ctx, system(adopt{On{d.ID}}))
		if CodeOf(err) == CodeBusy {
			continue
		}
		if err != nil {
			return started, err
		}
		started++
	}
	return started, nil
}

// FinishAdopt records that an instance was measured to be usable.
func (s *Service) FinishAdopt(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	if failure == nil {
		_, err := tx.Exec(ctx, `update instances set state = 'ready', ready_at = coalesce(ready_at, now()), stopped_at = null, stopped_why = '', recovered_at = null
			where id = $1`, i.ID)
		if err != nil {
			return fmt.Errorf("record that %s was found again: %w", i.Name, err)
		}
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}
