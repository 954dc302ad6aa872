package core

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Withdraw takes back what one has asked an approval for, while nobody has decided. Doing it twice is success.
type Withdraw struct {
	ID string `json:"-" path:"id"`
}

func (Withdraw) action() string { return "withdraw" }

func (c Withdraw) subject() string { return c.ID }

func (c Withdraw) prepare(_ *Service, actor Actor) (decision, error) {
	return c, actor.needs(ScopeOperate)
}

func (c Withdraw) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	a, err := Decide{ID: c.ID}.lock(ctx, s, tx, req.Actor)
	if err != nil {
		return Receipt{}, err
	}
	switch {
	case a.RequesterID != req.Actor.ID:
		return Receipt{}, Errorf(CodeForbidden, "Only %s, who asked for this, takes it back. An administrator may deny it.", a.RequestedBy)
	case a.State == "approved" || a.State == "denied":
		return Receipt{}, Errorf(CodeBusy, "This was %s already, by %s.", a.State, value(a.DecidedBy))
	}
	i, err := s.target(ctx, tx, req.Actor, a.InstanceID)
	if err != nil {
		return Receipt{}, err
	}
	if a.State == "pending" {
		if err := c.record(ctx, tx, req, a); err != nil {
			return Receipt{}, err
		}
		if err := s.touchMessages(ctx, tx, "", a.ID); err != nil {
			return Receipt{}, err
		}
		if err := s.dropUnapproved(ctx, tx, a.Action, a.InstanceID); err != nil {
			return Receipt{}, err
		}
	}
	withdrawn, err := one[Approval](ctx, tx, selectApproval+"where a.id = $1", a.ID)
	return Receipt{Database: i, Approval: &withdrawn}, err
}

func (c Withdraw) record(ctx context.Context, tx pgx.Tx, req Request, a approvalRow) error {
	var rows together
	_, _ = rows.Exec(ctx, "update approvals set state = 'withdrawn', decided_at = now() where id = $1", a.ID)
	e := req.audit(OutcomeDone)
	e.InstanceID, e.Subject, e.Data = a.InstanceID, a.Database, map[string]any{
		"approval": a.ID, "action": a.Action, "before": map[string]any{"state": a.State}, "after": map[string]any{"state": "withdrawn"},
	}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return err
	}
	if err := rows.send(ctx, tx); err != nil {
		return fmt.Errorf("record the withdrawal: %w", err)
	}
	return nil
}

func (c Withdraw) explain(_ context.Context, _ *Service, err error) error { return err }

// Waiting counts the approvals that the actor could decide now.
func (s *Service) Waiting(ctx context.Context, actor Actor) (n int, err error) {
	m := s.mandate(actor)
	if !m.any() {
		return 0, nil
	}
	err = s.db.QueryRow(ctx, `select count(*) from approvals a join instances i on i.id = a.instance_id
		where a.state = 'pending' and a.expires_at > now() and a.requested_by <> $1 and (not i.phi or $2)
		and not exists (select from approval_votes v where v.approval_id = a.id and v.person_id = $1) and `+mandated(3), append([]any{actor.ID, s.seesPHI(actor)}, m.args()...)...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count what waits for a decision: %w", err)
	}
	return n, nil
}
