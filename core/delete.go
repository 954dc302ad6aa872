package core

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Delete asks for the end of an instance. An administrator other than the requester has to approve; then it is stopped and kept in
// the trash for a while.
type Delete struct {
	On
	Reason string `json:"reason,omitempty" description:"Why; those who approve read it"`

	approved bool // by somebody else
}

// Undelete brings an instance back from the trash, whole.
type Undelete struct{ On }

func (Delete) action() string   { return "delete" }
func (Undelete) action() string { return "undelete" }

// DefaultDeleteGrace is how long the trash keeps an instance.
const DefaultDeleteGrace = 7 * 24 * time.Hour

func (c Delete) prepare(*Service, Actor) (decision, error) {
	if err := checkText("reason", c.Reason, 1000); err != nil {
		return nil, err
	}
	states := []State{StateReady, StateStopped, StateRestoring}
	return deletion{
		ask:      request{on: c.Database, action: "delete", reason: c.Reason, states: states, allow: mayDelete},
		now:      change{on: c.Database, kind: "delete", states: states, allow: mayDelete, audit: map[string]any{"reason": c.Reason, "alone": !c.approved, "state": StateTrashed}, before: stateOf},
		approved: c.approved,
	}, nil
}

// mayDelete lets those delete who manage an instance. What a recovery has found, and what nobody can measure, can be deleted, too.
func mayDelete(actor Actor, i Instance) error {
	if err := ownerOrAdmin(actor, i); err != nil || i.State != StateRestoring || i.RecoveredAt != nil {
		return err
	}
	return Errorf(CodeBusy, "%s is restoring. This can be done when it is ready or stopped.", i.Name)
}

// deletion asks for an approval, unless the policy lets the owner delete alone.
type deletion struct {
	ask      request
	now      change
	approved bool
}

func (d deletion) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	i, err := s.target(ctx, tx, req.Actor, d.ask.on)
	if err != nil {
		return Receipt{}, err
	}
	if d.approved {
		return d.now.decide(ctx, s, tx, req)
	}
	alone, err := s.mayDeleteAlone(ctx, tx, req.Actor, i)
	if err != nil {
		return Receipt{}, err
	}
	if alone {
		return d.now.decide(ctx, s, tx, req)
	}
	return d.ask.decide(ctx, s, tx, req)
}

func (d deletion) explain(ctx context.Context, s *Service, err error) error {
	return d.now.explain(ctx, s, err)
}

func (c Undelete) prepare(*Service, Actor) (decision, error) {
	return change{
		on: c.Database, kind: "undelete", states: []State{StateTrashed, StateReady},
		done: func(i Instance) bool { return i.State == StateReady },
		write: func(ctx context.Context, s *Service, tx pgx.Tx, req Request, i Instance, _ string) error {
			return s.checkQuota(ctx, tx, req.Actor, ownerOf(i), s.amount(i.Size))
		},
		before: stateOf, audit: map[string]any{"state": StateReady},
	}, nil
}

// FinishDelete records that an instance is in the trash: its server runs no more, and everything else of it is there.
func (s *Service) FinishDelete(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	if failure != nil {
		return s.finishOperation(ctx, tx, operationID, i, failure)
	}
	purge := s.now().Add(s.deleteGrace)
	_, err := tx.Exec(ctx, `update instances set state = 'trashed', trashed_at = now(), purge_at = $2, stopped_at = coalesce(stopped_at, now()),
		stopped_why = $3 where id = $1`, i.ID, purge, StoppedTrashed)
	if err != nil {
		return fmt.Errorf("record the deletion: %w", err)
	}
	var by string
	err = tx.QueryRow(ctx, "select p.login from operations o join people p on p.id = o.requested_by where o.id = $1", operationID).Scan(&by)
	if err != nil {
		return fmt.Errorf("read who asked for the deletion: %w", err)
	}
	err = s.notify(ctx, tx, Notification{
		News: NewsTrashed{By: by, PurgeAt: purge}, InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToPI, ToContact, ToRequester},
	})
	if err != nil {
		return err
	}
	return s.finishOperation(ctx, tx, operationID, i, nil)
}

// FinishUndelete records that an instance from the trash was measured to be usable.
func (s *Service) FinishUndelete(ctx context.Context, tx pgx.Tx, operationID string, i Instance, failure *Explanation) error {
	if failure == nil {
		_, err := tx.Exec(ctx, `update instances set state = 'ready', trashed_at = null, purge_at = null, stopped_at = null, stopped_why = ''
			where id = $1`, i.ID)
		if err != nil {
			return fmt.Errorf("record the return from the trash: %w", err)
		}
	}
	return s.finishOperation(ctx, tx, operationID, i, failure)
}

// StartPurges starts the purge of everything whose time in the trash is over, and gives how many. Periodic.
func (s *Service) StartPurges(ctx context.Context) (started int, err error) {
	if still, err := s.StandsStill(ctx); err != nil || still {
		return 0, err
	}
	due, err := many[struct{ ID string }](ctx, s.db, `select id from instances where purge_at <= $1 and state in ('trashed', 'deleting')
		and not exists (select from operations where instance_id = instances.id and finished_at is null) order by purge_at limit 20`, s.now())
	if err != nil {
		return 0, fmt.Errorf("look for what is to be purged: %w", err)
	}
	for _, d := range due {
		if err := s.startPurge(ctx, d.ID); err != nil {
			return started, err
		}
		started++
	}
	return started, nil
}

func (s *Service) startPurge(ctx context.Context, id string) error {
	_, err := s.Do(ctx, system(purge{On{id}}))
	if CodeOf(err) == CodeBusy {
		return nil // somebody was faster: undelete, or another process
	}
	return err
}

// purge removes an instance for good. Only time asks for it.
type purge struct{ On }

func (purge) action() string { return "purge" }

func (c purge) prepare(s *Service, _ Actor) (decision, error) {
	return change{
		on: c.Database, kind: "purge", states: []State{StateTrashed, StateDeleting},
		allow: func(_ Actor, i Instance) error {
			if i.PurgeAt == nil || i.PurgeAt.After(s.now()) {
				return Errorf(CodeBusy, "%s is to stay in the trash for longer.", i.Name)
			}
			return nil
		},
		write: func(ctx context.Context, _ *Service, tx pgx.Tx, _ Request, i Instance, _ string) error {
			if err := refuseStill(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "update instances set state = 'deleting' where id = $1", i.ID)
			return err
		},
	}, nil
}

// FinishPurge records that nothing of an instance runs any more: its name and port are free, and its secrets are gone. removed says
// what was there, for the audit trail. The volume goes right after, on its own node.
func (s *Service) FinishPurge(ctx context.Context, tx pgx.Tx, operationID string, i Instance, removed []string, failure *Explanation) error {
	if failure != nil {
		return s.finishOperation(ctx, tx, operationID, i, failure) // tried again by StartPurges
	}
	var rows together
	_, _ = rows.Exec(ctx, "update instances set state = 'deleted', ended_at = now(), purge_at = null where id = $1", i.ID)
	_, _ = rows.Exec(ctx, "delete from secrets where instance_id = $1", i.ID)
	_, _ = rows.Exec(ctx, "update accounts set revoked_at = coalesce(revoked_at, now()) where instance_id = $1", i.ID)
	_, _ = rows.Exec(ctx, "update kept_volumes set removed_at = now() where instance_id = $1 and removed_at is null", i.ID)
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("record the purge: %w", err)
	}
	if err := releasePort(ctx, tx, i.ID, s.now().Add(releasedPortQuarantine), "of a purged database"); err != nil {
		return err
	}
	err := s.notify(ctx, tx, Notification{
		News: NewsPurged{Removed: removed}, InstanceID: i.ID, OperationID: operationID, To: []Audience{ToOwner, ToPI, ToContact},
	})
	if err != nil {
		return err
	}
	return s.finishOperation(ctx, tx, operationID, i, nil)
}
