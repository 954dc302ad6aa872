package core

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// needsTwo reports whether two different people have to approve: what is about health data, where the policy says so.
func (s *Service) needsTwo(a approvalRow) bool { return a.PHI && s.policy.PHI.SecondApprover }

// vote keeps the first of two approvals, and gives true for it. The second decides, if the first is still of somebody who may approve.
func (d Decide) vote(ctx context.Context, s *Service, tx pgx.Tx, req Request, a approvalRow) (first bool, err error) {
	voters, err := many[Person](ctx, tx, "select "+inTable("p", personColumns)+` from approval_votes v join people p on p.id = v.person_id
		where v.approval_id = $1 and p.disabled_at is null`, a.ID)
	if err != nil {
		return false, fmt.Errorf("read who has approved: %w", err)
	}
	for _, v := range voters {
		if v.ID == req.Actor.ID {
			return false, Errorf(CodeBusy, "You have approved this already. It is about health data, so somebody else has to approve it, too.")
		}
	}
	if slices.ContainsFunc(voters, func(v Person) bool {
		return s.DecidesAbout(Actor{v, ScopeAdmin}, a.Action) && s.seesPHI(Actor{v, ScopeAdmin})
	}) {
		return false, nil
	}
	var rows together
	_, _ = rows.Exec(ctx, "insert into approval_votes (approval_id, person_id, door, reason, at) values ($1, $2, $3, $4, $5)", a.ID, req.Actor.ID, req.Door, d.Reason, s.now())
	e := req.audit(OutcomeAccepted)
	e.InstanceID, e.Subject = a.InstanceID, a.Database
	e.Data = map[string]any{"approval": a.ID, "action": a.Action, "requested_by": a.RequestedBy, "reason": d.Reason, "approvals": 1, "needed": 2}
	if err := writeAudit(ctx, &rows, e); err != nil {
		return false, err
	}
	if err := rows.send(ctx, tx); err != nil {
		return false, fmt.Errorf("keep the first approval: %w", err)
	}
	return true, s.touchMessages(ctx, tx, "", a.ID)
}

// voted is the receipt of a first approval: it waits for the second.
func (d Decide) voted(ctx context.Context, tx pgx.Tx, receipt Receipt, a approvalRow, err error) (Receipt, error) {
	if err != nil {
		return Receipt{}, err
	}
	waiting, err := one[Approval](ctx, tx, selectApproval+"where a.id = $1", a.ID)
	receipt.Approval = &waiting
	return receipt, err
}
