package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Stop stops an instance's server cleanly. Its data, name and port stay.
type Stop struct{ On }

// Start starts a stopped instance's server.
type Start struct{ On }

func (Stop) action() string  { return "stop" }
func (Start) action() string { return "start" }

// The reasons for which an instance is stopped.
const (
	StoppedByOwner = "owner"
	StoppedExpired = "expired"
	StoppedTrashed = "trashed"
)

func (c Stop) prepare(*Service, Actor) (decision, error) {
	return change{
		on: c.Database, kind: "stop", states: []State{StateReady, StateStopped},
		done:   func(i Instance) bool { return i.State == StateStopped },
		before: stateOf, audit: map[string]any{"state": StateStopped},
	}, nil
}

func (c Start) prepare(s *Service, _ Actor) (decision, error) {
	return change{
		on: c.Database, kind: "start", states: []State{StateReady, StateStopped},
		allow: func(actor Actor, i Instance) error {
			if err := ownerOrAdmin(actor, i); err != nil {
				return err
			}
			return refuseExpired(i, s.now())
		},
		done:   func(i Instance) bool { return i.State == StateReady },
		before: stateOf, audit: map[string]any{"state": StateReady},
	}, nil
}

// refuseExpired keeps an instance stopped whose time is over.
func refuseExpired(i Instance, now time.Time) error {
	if i.ExpiresAt == nil || i.ExpiresAt.After(now) {
		return nil
	}
	return Errorf(CodeBusy, "%s expired on %s. Its data is kept; extend it first, such as by 90d, then start it.", i.Name, i.ExpiresAt.Format(time.DateOnly))
}

// FinishStop records the end of a stop, inside the transaction that completes its job. why is one of the reasons above.
func (s *Service) FinishStop(ctx context.Context, tx pgx.Tx, operationID string, i Instance, why string, failure *Explanation) error {
	if failure == nil {
		_, err := tx.Exec(ctx, "update instances set state = 'stopped', stopped_at = now(), stopped_why = $2 where id = $1", i.ID, why)
		if err != nil {
			return fmt.Errorf("record the stop: %w", err)
		}
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}

// FinishStart records the end of a start: the instance was measured to be usable.
func (s *Service) FinishStart(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	if failure == nil {
		_, err := tx.Exec(ctx, "update instances set state = 'ready', stopped_at = null, stopped_why = '' where id = $1", i.ID)
		if err != nil {
			return fmt.Errorf("record the start: %w", err)
		}
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}
